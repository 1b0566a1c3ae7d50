#!/usr/bin/env python3
"""How well classifiers, and the presets of filter.quality, tell labelled documents apart.

usage: classifiers.py --program pipeline --labels labelled.jsonl [--seeds 10] [--options JSON] [--work FOLDER]
                      [--presets swallow,hojichar,llm-jp,llm-jp-strict,uzushio] [--only classifier,presets]

labelled.jsonl has good or bad in metadata.label. Prints, as Markdown: the five-fold AUC of classifier.train for each seed
of the folds (one stage per seed in one pipeline), of the presets' verdicts and of the number of thresholds that a document
misses, and of each measure alone. Presets that count nouns need a MeCab dictionary.
"""

import argparse
import collections
import glob
import json
import os
import pathlib
import statistics
import subprocess
import tempfile


def auc(scores, labels):
    """The probability that a positive document scores higher; half of it for equal scores."""
    ranked = sorted(zip(scores, labels), key=lambda pair: pair[0])
    positives = sum(label for _, label in ranked)
    below, at, total = 0, 0, 0.0
    while at < len(ranked):
        end = at
        while end < len(ranked) and ranked[end][0] == ranked[at][0]:
            end += 1
        own = sum(label for _, label in ranked[at:end])
        others = end - at - own
        total += own * (below + others / 2)
        below += others
        at = end
    return total / (positives * (len(ranked) - positives))


class Runs:
    def __init__(self, options):
        self.program = options.program
        self.work = pathlib.Path(options.work or tempfile.mkdtemp(prefix="classifiers-"))
        self.work.mkdir(parents=True, exist_ok=True)
        self.labels = str(pathlib.Path(options.labels).resolve())

    def run(self, name, stages):
        document = self.work / f"{name}.json"
        source = {"use": "documents.read", "options": {"files": self.labels}}
        document.write_text(json.dumps({"format": 1, "name": name, "stages": {"labelled": source, **stages}}))
        command = [self.program, "run", str(document), "--store", str(self.work / "store")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def artifact(port):
            answer = subprocess.run(
                [self.program, "artifact", str(document), port, "--store", str(self.work / "store")],
                capture_output=True, text=True, check=True)
            return pathlib.Path(answer.stdout.splitlines()[0])

        return artifact


def classifiers(runs, seeds, options):
    stages = {
        f"seed{seed}": {"use": "classifier.train", "inputs": {"documents": "labelled"}, "options": {**options, "seed": seed}}
        for seed in range(seeds)}
    artifact = runs.run("classifiers", stages)
    figures = [json.loads((artifact(f"{stage}.metrics") / "classifier.json").read_text()) for stage in stages]
    print("\n| `seed` | " + " | ".join(map(str, range(seeds))) + " | mean |")
    print("|---" * (seeds + 2) + "|")
    for name in ("auc", "average precision", "brier"):
        values = [figure[name] for figure in figures]
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in values + [statistics.mean(values)]) + " |")
    print(f"\nfeatures: {statistics.mean(figure['features'] for figure in figures):.0f}")


def documents(folder):
    for path in sorted(glob.glob(f"{folder}/**/*.zst", recursive=True)):
        text = subprocess.run(["zstd", "-dcq", path], capture_output=True, check=True).stdout
        yield from map(json.loads, (line for line in text.decode().split("\n") if line))


def presets(runs, names):
    stages = {
        f"preset-{name}": {
            "use": "filter.quality", "inputs": {"documents": "labelled"}, "options": {"preset": name, "mode": "score"}}
        for name in names}
    artifact = runs.run("presets", stages)
    measures = collections.defaultdict(dict)
    print("\n| preset | good kept | bad kept | AUC of the verdict | AUC of the number of thresholds missed |")
    print("|---|---|---|---|---|")
    for name in names:
        found = list(documents(artifact(f"preset-{name}.documents")))
        labels = [document["metadata"]["label"] == "good" for document in found]
        missed = [len(document["metadata"]["quality"]["missed"]) for document in found]
        kept = [sum(not m for m, l in zip(missed, labels) if l == label) / labels.count(label) for label in (True, False)]
        verdict, number = auc([not m for m in missed], labels), auc([-m for m in missed], labels)
        print(f"| `{name}` | {kept[0]:.0%} | {kept[1]:.0%} | {verdict:.3f} | {number:.3f} |")
        for document, label in zip(found, labels):
            for key, value in document["metadata"]["quality"].items():
                if isinstance(value, (int, float)):
                    measures[key][document["id"]] = (value, label)
    print("\n| measure alone | AUC |\n|---|---|")
    table = {key: auc(*zip(*values.values())) for key, values in measures.items() if len(values) > len(labels) // 2}
    for key in sorted(table, key=lambda key: -abs(table[key] - 0.5)):
        print(f"| `{key}`{'' if table[key] >= 0.5 else ', lower is better'} | {max(table[key], 1 - table[key]):.3f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--labels", required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--options", type=json.loads, default={}, help="of classifier.train")
    parser.add_argument("--presets", default="swallow,hojichar,llm-jp,llm-jp-strict,uzushio")
    parser.add_argument("--only", default="classifier,presets")
    parser.add_argument("--work")
    options = parser.parse_args()
    runs = Runs(options)
    if "classifier" in options.only:
        classifiers(runs, options.seeds, options.options)
    if "presets" in options.only:
        presets(runs, options.presets.split(","))


if __name__ == "__main__":
    main()
