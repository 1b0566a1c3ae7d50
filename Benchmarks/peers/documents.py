"""Reads Dolma documents for the peers' scripts, as fast as Python does."""

import glob
import io

import orjson
import zstandard


def documents(folder):
    for path in sorted(glob.glob(f"{folder}/*.jsonl.zst")):
        with open(path, "rb") as raw:
            for line in io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(raw), 1 << 20):
                yield orjson.loads(line)
