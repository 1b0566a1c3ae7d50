"""Reads Dolma documents for the peers' scripts, as fast as Python does."""

import glob
import io

import orjson
import zstandard


def file_documents(path):
    with open(path, "rb") as raw:
        for line in io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(raw), 1 << 20):
            yield orjson.loads(line)


def documents(folder):
    for path in sorted(glob.glob(f"{folder}/*.jsonl.zst")):
        yield from file_documents(path)
