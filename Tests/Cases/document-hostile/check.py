"""Documents that expand, err or nest without bound end soon, in little memory, with sentences."""
import json
import os
import pathlib
import resource
import subprocess
import sys

program = os.environ["PIPELINE"]


def limits():
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))


def plan(text, says, code=2, lines=102):
    pathlib.Path("doc.json").write_text(text)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    ended = subprocess.run([program, "plan", "doc.json"], capture_output=True, text=True, preexec_fn=limits)
    told = ended.stderr
    if ended.returncode != code or says not in told or len(told.splitlines()) > lines:
        sys.exit(f"{says!r}: exit code {ended.returncode}, {len(told.splitlines())} lines: {told[:300]}")


stage = {"use": "documents.read", "options": {"files": "x"}}
# Parameters that would become 100 GB: in one text, in many, as values, through the keys of an object.
large = "p" * 2_000_000
for options in [
        {"files": "${p}" * 50_000}, {"files": ["${p}"] * 50_000}, {"files": ["x${p}"] * 50_000},
        {"files": {str(i): "${p}" for i in range(50_000)}}]:
    plan(json.dumps({"format": 1, "parameters": {"p": large}, "stages": {"a": {**stage, "options": options}}}),
         "parameters inserted, the pipeline file is larger than 64 MiB")
plan(json.dumps({"format": 1, "parameters": {f"p{i}": i for i in range(50_000)}, "stages": {
    "a": {**stage, "options": {"files": ["${p%d}" % i for i in range(50_000)]}}}}), "", lines=10)
# 20,000 mistakes of each kind.
for wrong, says in [
        ({f"s{i}": {"use": "documents.raed", "options": {"files": "x"}} for i in range(20_000)}, "19900 more errors"),
        ({f"s{i}": {"use": "text.clean", "inputs": {"documents": f"t{i}"}} for i in range(20_000)}, "19900 more"),
        ({"a": {"use": "documents.read", "options": {f"o{i}": i for i in range(20_000)}}}, "19900 more"),
        ({"a": {f"k{i}": i for i in range(20_000)}}, "more errors"),
        ({f"ス{i}": stage for i in range(20_000)}, "19900 more"),
        ({f"s{i}": {**stage, "inputs": {"x": "y"}} for i in range(20_000)}, "19900 more"),
        ({"a": {"use": "text.clean", "inputs": {"documents": [f"t{i}" for i in range(20_000)]}}}, "19900 more"),
        ({"a": {"use": "documents.read", "options": {"files": ["${q%d}" % i for i in range(20_000)]}}}, "19900 more")]:
    plan(json.dumps({"format": 1, "stages": wrong}), says)
    plan(json.dumps({"format": 1, "stages": wrong}, indent=1), says)
for depth in [129, 100_000, 5_000_000]:
    plan('{"format":1,"stages":' + "[" * depth, "nested deeper than 128")
    plan('{"format":1,"a":' + '{"a":' * depth, "nested deeper than 128")
for twice in ['{"format":1,"format":1}', '{"format":1,"stages":{"a":{"use":"x"},"\\u0061":{}}}']:
    plan(twice, "appears twice")
for text in ["", " ", "\ufeff", "null", "[]", "1e999", '"', "\x00", '{"format":1e400}', '{"format":1,"stages":{}}']:
    plan(text, "doc.json")
print("bounded: 4 ways to expand, 8 kinds of 20,000 mistakes, nesting, keys that appear twice")
