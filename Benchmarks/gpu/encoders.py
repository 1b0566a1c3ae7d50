#!/usr/bin/env python3
"""How well encoders tell labelled documents apart: five-fold AUC of classifier.finetune, by learning rate and seed.

usage: encoders.py --program pipeline --labels labelled.jsonl [--published FOLDER] [--texts FILES]
                   [--layers 6] [--hidden 384] [--steps 2500] [--batch 512] [--device cuda]
                   [--rates 1e-4,5e-5] [--epochs 6] [--seeds 1,2,3] [--folds 5] [--work FOLDER]

labelled.jsonl has good or bad in metadata.label. Two encoders, of which each may be left out: FOLDER is a published BERT with
its tokenizer, as huggingface.read takes it; on FILES, documents as documents.read takes them, a tokenizer and a MosaicBERT of
the given size are trained first. Both run at once. The engine is that of PIPELINE_ENGINE. Prints a line per stage and, as
Markdown, the mean over the seeds and how many there are. If one fails, nothing of it is taken, and the exit status is 1.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile


def tuned(options, encoder, name, rates):
    checkpoint, tokenizer = encoder
    return {
        f"{name}-{rate * 1e6:.0f}-{options.epochs}-{seed}": {
            "use": "classifier.finetune",
            "inputs": {"documents": "labeled", "checkpoint": checkpoint, "tokenizer": tokenizer},
            "options": {
                "seed": seed, "learningRate": rate, "epochs": options.epochs, "device": options.device,
                "folds": options.folds}}
        for rate in rates for seed in options.seeds}


def published(options):
    fits = tuned(options, ("encoder.checkpoint", "encoder.tokenizer"), "tune", options.rates)
    score = {
        "use": "score.encoder",
        "inputs": {"documents": "labeled", "checkpoint": next(iter(fits)), "tokenizer": "encoder.tokenizer"},
        "options": {"values": {"bad": 0, "good": 1}, "device": options.device}}
    encoder = {"use": "huggingface.read", "options": {"folder": str(pathlib.Path(options.published).resolve())}}
    return {"encoder": encoder, **fits, "score": score}


def own(options):
    return {
        "texts": {"use": "documents.read", "options": {"files": str(pathlib.Path(options.texts).resolve())}},
        "clean": {"use": "text.clean", "inputs": {"documents": "texts"}},
        "tokenizer": {
            "use": "tokenizer.train", "inputs": {"documents": "clean"}, "options": {"vocabularySize": 16384}},
        "tokens": {
            "use": "tokenizer.encode", "inputs": {"documents": "clean", "tokenizer": "tokenizer"},
            "options": {"sequenceLength": 128, "packing": "concatenate"}},
        "pretrain": {
            "use": "model.pretrain", "inputs": {"tokens": "tokens", "tokenizer": "tokenizer"}, "retries": 0,
            "options": {
                "hiddenSize": options.hidden, "layers": options.layers, "heads": options.hidden // 64,
                "intermediateSize": 4 * options.hidden, "sequenceLength": 128, "batchSize": options.batch,
                "microbatchSize": options.batch, "steps": options.steps, "learningRate": 1e-3,
                "warmupSteps": options.steps // 10, "device": options.device, "logSteps": 20,
                "checkpointSteps": 100000}},
        **tuned(options, ("pretrain", "tokenizer"), "own", options.rates[:1])}


class Run:
    """A pipeline that runs beside others."""

    def __init__(self, options, work, name, stages):
        self.fits = [stage for stage, value in stages.items() if value["use"] == "classifier.finetune"]
        self.program, self.store, self.document = options.program, f"{work}/store-{name}", f"{work}/{name}.json"
        source = {"use": "documents.read", "options": {"files": str(pathlib.Path(options.labels).resolve())}}
        whole = {"format": 1, "name": name, "stages": {"labeled": source, **stages}}
        pathlib.Path(self.document).write_text(json.dumps(whole))
        self.log = f"{work}/{name}.log"
        command = [self.program, "run", self.document, "--store", self.store, "--jobs", str(os.cpu_count())]
        if options.memory:
            command += ["--memory", options.memory]
        self.process = subprocess.Popen(command, stdout=open(self.log, "w"), stderr=subprocess.STDOUT)

    def figures(self):
        """By stage; None if the pipeline failed."""
        if self.process.wait() != 0:
            print(f"{self.document} failed; see {self.log}", file=sys.stderr)
            return None
        found = {}
        for stage in self.fits:
            answer = subprocess.run(
                [self.program, "artifact", self.document, f"{stage}.metrics", "--store", self.store],
                capture_output=True, text=True, check=True)
            path = pathlib.Path(answer.stdout.splitlines()[0]) / "classifier.json"
            found[stage] = json.loads(path.read_text())
        return found


def numbers(kind):
    return lambda text: [kind(part) for part in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--labels", required=True)
    parser.add_argument("--published")
    parser.add_argument("--texts")
    for name, value in (("layers", 6), ("hidden", 384), ("steps", 2500), ("batch", 512), ("epochs", 6), ("folds", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--rates", type=numbers(float), default=[1e-4, 5e-5])
    parser.add_argument("--seeds", type=numbers(int), default=[1, 2, 3])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--memory")
    parser.add_argument("--work")
    options = parser.parse_args()
    work = options.work or tempfile.mkdtemp(prefix="encoders-")
    pathlib.Path(work).mkdir(parents=True, exist_ok=True)
    runs = []
    if options.published:
        runs.append(Run(options, work, "encoder", published(options)))
    if options.texts:
        runs.append(Run(options, work, "own", own(options)))
    means = {}
    found = [run.figures() for run in runs]
    for figures_by_stage in found:
        for stage, figures in (figures_by_stage or {}).items():
            folds = " ".join(f"{fold['auc']:.3f}" for fold in figures["folds"])
            print(f"{stage}: AUC {figures['auc']:.4f}, average precision {figures['average precision']:.4f}; folds {folds}")
            means.setdefault(stage.rsplit("-", 1)[0], []).append(figures["auc"])
    print("\n| encoder, millionths of the learning rate, epochs | seeds | AUC by seed | mean |\n|---|---|---|---|")
    for name, values in means.items():
        print(f"| {name} | {len(values)} | " + " ".join(f"{value:.3f}" for value in values) + f" | {statistics.mean(values):.3f} |")
    if None in found:
        sys.exit(1)


if __name__ == "__main__":
    main()
