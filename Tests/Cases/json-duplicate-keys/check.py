"""Of a key that is there twice, in the record or where fields meet in the metadata, one value stays, and it is told."""
import json
import os
import pathlib
import subprocess
import sys

import zstandard

lines = [
    '{"id":"1","text":"本文である。","url":"outer","metadata":{"url":"inner"}}',
    '{"id":"2","text":"本文である。","metadata":{"a":1,"b":{"c":1,"\\u0063":2},"a":2}}',
    '{"id":"3","text":"本文である。","metadata":{"list":[{"x":1,"x":12345678901234567890}]},"list":null}',
    '{"id":"4","text":"本文である。","metadata":{"n":1.50}}',
    '{"id":"5","text":"本文である。","k":1,"k":2}',
]
pathlib.Path("in/a.jsonl").write_text("\n".join(lines))
program = os.environ["PIPELINE"]
run = subprocess.run([program, "run", "doc.json"], capture_output=True, text=True)
if run.returncode != 0:
    sys.exit(run.stdout + run.stderr)
folder = subprocess.run([program, "artifact", "doc.json", "r"], check=True, capture_output=True, text=True).stdout.strip()
with open(folder + "/00000.jsonl.zst", "rb") as file:
    written = zstandard.ZstdDecompressor().stream_reader(file).read().decode().splitlines()


def once(pairs):
    keys = [key for key, _ in pairs]
    if len(keys) != len(set(keys)):
        sys.exit(f"keys twice: {keys}")
    return dict(pairs)


found = [json.loads(line, object_pairs_hook=once)["metadata"] for line in written]
wanted = [
    {"url": "outer"}, {"a": 2, "b": {"c": 2}}, {"list": [{"x": 12345678901234567890}]}, {"n": 1.5}, {"k": 2}]
if found != wanted:
    sys.exit(f"{found}")
if '"n":1.50' not in written[3]:
    sys.exit("a number was written anew")
if "repeated-keys" not in run.stdout + run.stderr:
    sys.exit("the run does not tell of repeated keys: " + run.stdout + run.stderr)
print("each key once, its last value; told as a warning")
