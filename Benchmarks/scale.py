#!/usr/bin/env python3
"""Deduplication of ever more short documents: does time grow linearly, and does memory stay what the option says?

usage: scale.py --program pipeline [--millions 1,2,4,8] [--memory 1GiB] [--jobs N] [--extrapolate 1000] [--work FOLDER]

Documents are of made-up Japanese words, about 200 bytes each; one in seven is a copy or a near-duplicate, half of these of a
document in another file. Files have a million documents, so that each size contains the smaller ones. The last lines fit
seconds = a + b × documents and extrapolate; the error is how far the fit of all sizes but the largest misses the largest.
Needs numpy, and pyarrow or zstandard.
"""
import argparse
import concurrent.futures
import json
import pathlib
import random
import shutil
import threading

import numpy

from cores import compressed
from corpus import PARTICLES, words, zipf
from measure import measure

FILE, BLOCK, SHARED = 1_000_000, 10_000, 1_000


class Words:
    def __init__(self):
        rng = random.Random(1)
        self.words = [(word + rng.choice(PARTICLES)).encode() for word in words(rng, 50_000)]
        self.weights = numpy.array(zipf(len(self.words)))

    def texts(self, seed, count):
        rng = numpy.random.default_rng(seed)
        lengths = rng.integers(10, 35, count)
        drawn = numpy.searchsorted(self.weights, rng.random(lengths.sum()) * self.weights[-1]).tolist()
        made, begin = [], 0
        for length in lengths.tolist():
            made.append([self.words[word] for word in drawn[begin:begin + length]])
            begin += length
        return made


def make(folder, number):
    """One file: documents' and texts' bytes are the same for the same number."""
    made = Words()
    rng = random.Random(number)
    size = 0
    unfinished = folder / f"unfinished-{number}"
    with compressed(str(unfinished)) as out:
        for block in range(FILE // BLOCK):
            texts = made.texts((1, number, block), BLOCK)
            # Half of the copies are of texts that seven other blocks copy from too.
            shared = made.texts((2, (number * (FILE // BLOCK) + block) // 8 * 7919 % 1_000_003), SHARED)
            for place in range(BLOCK // 7):
                text = list(rng.choice(shared) if place % 2 else texts[rng.randrange(place + 1, BLOCK)])
                if rng.random() < 0.7:
                    text[rng.randrange(len(text))] = rng.choice(made.words)
                texts[place] = text
            rng.shuffle(texts)
            lines = []
            for place, text in enumerate(texts):
                text = b"".join(text)
                size += len(text)
                lines.append(b'{"id":"%d-%d","text":"%b"}\n' % (number, block * BLOCK + place, text))
            out.write(b"".join(lines))
    unfinished.rename(folder / f"{number:05}.jsonl.zst")
    return size


class StoreSize:
    """The most bytes that a folder holds, looked up every five seconds."""

    def __init__(self, folder):
        self.folder, self.most, self.ended = folder, 0, threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def watch(self):
        while not self.ended.wait(5):
            self.most = max(self.most, self.bytes())

    def bytes(self):
        total, seen = 0, set()
        for path in self.folder.rglob("*"):
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            if status.st_ino not in seen:
                seen.add(status.st_ino)
                total += status.st_blocks * 512
        return total


def run(options, millions):
    store = options.work / "store"
    shutil.rmtree(store, ignore_errors=True)
    store.mkdir(parents=True)
    files = options.work / "files"
    shutil.rmtree(files, ignore_errors=True)
    files.mkdir()
    for number in range(millions):
        (files / f"{number:05}.jsonl.zst").hardlink_to(options.work / "corpus" / f"{number:05}.jsonl.zst")
    document = options.work / "scale.json"
    document.write_text(json.dumps({"format": 1, "name": "scale", "stages": {
        "read": {"use": "documents.read", "options": {"files": str(files)}},
        "minhash": {"use": "dedupe.minhash", "inputs": {"documents": "read"}, "options": {"memory": options.memory}}}}))
    with StoreSize(store) as size:
        measured = measure([options.program, "run", document, "--store", store, "--jobs", str(options.jobs)])
    return measured, size.most


def fit(sizes, seconds):
    slope, start = numpy.polyfit(sizes, seconds, 1)
    return lambda size: start + slope * size


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--millions", default="1,2,4,8")
    parser.add_argument("--memory", default="1GiB")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--extrapolate", type=int, default=1000, help="to so many million documents")
    parser.add_argument("--work", type=pathlib.Path, required=True)
    options = parser.parse_args()
    sizes = sorted(map(int, options.millions.split(",")))
    corpus = options.work / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    wanted = [number for number in range(sizes[-1]) if not (corpus / f"{number:05}.jsonl.zst").exists()]
    with concurrent.futures.ProcessPoolExecutor() as pool:
        for number, size in zip(wanted, pool.map(make, [corpus] * len(wanted), wanted)):
            (corpus / f"{number:05}.bytes").write_text(str(size))
    print(f"memory {options.memory} per task, {options.jobs} tasks at a time\n")
    print("| million documents | MB of text | s | processor s | per million documents | anonymous memory, MB | store, MB |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    seconds, processor = [], []
    for millions in sizes:
        megabytes = sum(int((corpus / f"{number:05}.bytes").read_text()) for number in range(millions)) / 1e6
        measured, store = run(options, millions)
        seconds.append(measured.seconds)
        processor.append(measured.processor_seconds)
        print(f"| {millions} | {megabytes:.0f} | {measured.seconds:.1f} | {measured.processor_seconds:.1f} | "
              f"{measured.processor_seconds / millions:.2f} | {measured.peak_bytes / 1e6:.0f} | {store / 1e6:.0f} |", flush=True)
    if len(sizes) > 2:
        print()
        for name, values in [("seconds", seconds), ("processor seconds", processor)]:
            missed = fit(sizes[:-1], values[:-1])(sizes[-1]) / values[-1] - 1
            print(f"{options.extrapolate} million documents: {fit(sizes, values)(options.extrapolate):.0f} {name} "
                  f"(without the largest, the fit misses it by {missed:+.1%})")


if __name__ == "__main__":
    main()
