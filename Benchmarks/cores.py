#!/usr/bin/env python3
"""The same work on 1, 2, 4 … processors: seconds, megabytes of text per second and processor, efficiency, anonymous memory.

usage: cores.py --program pipeline [--megabytes 1000] [--cores 1,2,4,8,16] [--cases dedupe,chain] [--repeat 1] [--work FOLDER]

The text is made of sentences of made-up Japanese words, by all processors, a seventh of it copies or near-duplicates; reading
and writing are measured along with the work. Each run has a store of its own and no processors beside those counted.
Needs pyarrow or zstandard.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import random
import shutil
import tempfile

from corpus import edited, sentence, words, zipf
from measure import measure

FILES = 64


def compressed(path):
    try:
        import zstandard

        return zstandard.open(path, "wb")
    except ImportError:
        import pyarrow

        return pyarrow.CompressedOutputStream(path, "zstd")


def make(folder, number, megabytes):
    """A file of the corpus; copies are of documents of the same file."""
    rng = random.Random(number)
    vocabulary = words(rng, 20_000)
    weights = zipf(len(vocabulary))
    sentences = [sentence(rng, vocabulary, weights) for _ in range(15_000)]
    size, texts = 0, []
    with compressed(str(folder / f"{number:05}.jsonl.zst")) as out:
        while size < megabytes * 1e6:
            if texts and rng.random() < 1 / 7:
                text = rng.choice(texts)
                text = edited(rng, text) if rng.random() < 0.7 else text
            else:
                text = "".join(rng.choices(sentences, k=rng.randint(10, 60)))
                texts.append(text)
            record = json.dumps({"id": f"{number}-{size}", "text": text}, ensure_ascii=False).encode()
            size += len(text.encode())
            out.write(record + b"\n")
    return size


def stages(case, corpus, sample):
    """The stages of a case, and the last one of those that are not measured."""
    found = {"read": {"use": "documents.read", "options": {"files": str(corpus)}}}
    if case == "dedupe":
        found["minhash"] = {"use": "dedupe.minhash", "inputs": {"documents": "read"}}
        return found, None
    before = "read"
    for name, use in [
        ("clean", "text.clean"), ("language", "filter.language"), ("quality", "filter.quality"), ("exact", "dedupe.exact"),
        ("minhash", "dedupe.minhash"), ("split", "mix.split"),
    ]:
        found[name] = {"use": use, "inputs": {"documents": before}}
        before = name
    found["sample"] = {"use": "documents.read", "options": {"files": str(sample)}}
    found["tokenizer"] = {
        "use": "tokenizer.train", "inputs": {"documents": "sample"}, "options": {"vocabularySize": 32_000}}
    found["tokens"] = {"use": "tokenizer.encode", "inputs": {"documents": "split.train", "tokenizer": "tokenizer"}}
    return found, "tokenizer"


def run(options, case, cores, corpus, sample):
    store = options.work / "store"
    shutil.rmtree(store, ignore_errors=True)
    described, before = stages(case, corpus, sample)
    document = options.work / f"{case}.json"
    document.write_text(json.dumps({"format": 1, "name": case, "passes": True, "stages": described}))
    command = [options.program, "run", document, "--store", store, "--jobs", str(cores)]
    if before:
        measure([*command, "--until", before])
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:cores])
    try:
        return measure(command)
    finally:
        os.sched_setaffinity(0, allowed)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--cores", default="1,2,4,8,16")
    parser.add_argument("--cases", default="dedupe,chain")
    parser.add_argument("--repeat", type=int, default=1, help="the best of so many runs")
    parser.add_argument("--work", type=pathlib.Path)
    options = parser.parse_args()
    options.work = options.work or pathlib.Path(tempfile.mkdtemp(prefix="cores-"))
    corpus, sample = options.work / "corpus", options.work / "sample"
    size = options.work / f"size-{options.megabytes}"
    if not size.exists():
        shutil.rmtree(corpus, ignore_errors=True)
        corpus.mkdir(parents=True)
        with concurrent.futures.ProcessPoolExecutor() as pool:
            sizes = pool.map(make, [corpus] * FILES, range(FILES), [options.megabytes / FILES] * FILES)
            size.write_text(str(sum(sizes)))
        sample.mkdir(exist_ok=True)
        for path in sorted(corpus.iterdir())[:2]:
            shutil.copy(path, sample)
    megabytes = int(size.read_text()) / 1e6
    print(f"{megabytes:.0f} MB of text in {FILES} files\n")
    print("| work | cores | s | MB/s | MB/s per core | efficiency | processor s | anonymous memory, MB |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for case in options.cases.split(","):
        single = None
        for cores in map(int, options.cores.split(",")):
            best = min((run(options, case, cores, corpus, sample) for _ in range(options.repeat)), key=lambda m: m.seconds)
            rate = megabytes / best.seconds / cores
            single = single or rate
            print(f"| {case} | {cores} | {best.seconds:.2f} | {rate * cores:.0f} | {rate:.1f} | {rate / single:.2f} | "
                  f"{best.processor_seconds:.1f} | {best.peak_bytes / 1e6:.0f} |", flush=True)


if __name__ == "__main__":
    main()
