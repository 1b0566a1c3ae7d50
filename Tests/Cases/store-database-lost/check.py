"""Damage is found and made anew whatever the database has lost."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

program = os.environ["PIPELINE"]


def run(*command, code=0):
    ended = subprocess.run([program, *command], capture_output=True, text=True)
    if ended.returncode != code:
        sys.exit(f"{command}: exit code {ended.returncode}, not {code}: {ended.stdout}{ended.stderr}")
    return ended.stdout + ended.stderr


def lose():
    for path in pathlib.Path(".pipeline").glob("pipeline.sqlite*"):
        path.unlink()


def alter(stage, pattern="**/*.zst"):
    path = sorted(pathlib.Path(".pipeline/artifacts", stage).glob(pattern))[0]
    before = path.read_bytes()
    status = path.stat()
    path.write_bytes(before[:20] + bytes([before[20] ^ 1]) + before[21:])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return path, before


document = {"format": 1, "name": "t", "stages": {
    "read": {"use": "documents.read", "options": {"files": "in"}},
    "clean": {"use": "text.clean", "inputs": {"documents": "read"}},
    "shards": {"use": "mds.write", "inputs": {"documents": "clean"}}}}
pathlib.Path("doc.json").write_text(json.dumps(document))
pathlib.Path("in").mkdir(exist_ok=True)
for number in range(3):
    pathlib.Path(f"in/{number}.jsonl").write_text("".join(
        json.dumps({"id": f"{number}-{i}", "text": f"文書{i}の本文である。" * 20}, ensure_ascii=False) + "\n"
        for i in range(50)))
run("run", "doc.json")

# A: adopted by a run, then altered.
for stage, pattern in [("read", "**/*.zst"), ("clean", "**/documents/*.zst"), ("shards", "**/mds/shard*.mds")]:
    lose()
    run("run", "doc.json")
    path, before = alter(stage, pattern)
    told = run("verify", "doc.json", code=1)
    if not re.search(r"repeats [1-9]\d* tasks?", told):
        sys.exit(told)
    run("run", "doc.json")
    if path.read_bytes() != before:
        sys.exit(f"{path} was sealed as it was altered")
    if "no damage" not in run("verify", "doc.json"):
        sys.exit("verify is not content after the run")

# B: lost, and only the end of the pipeline run.
lose()
run("run", "doc.json", "--from", "shards")
told = run("verify", "doc.json")
if "no damage: 0 files" in told or "no damage" not in told:
    sys.exit(told)
path, before = alter("read")
if "damaged" not in run("verify", "doc.json", code=1):
    sys.exit("damage of a stage before the selection is not seen")
run("run", "doc.json")
if path.read_bytes() != before:
    sys.exit("it was not made anew")

# Lost and nothing run: the disk alone is looked at.
lose()
told = run("verify", "doc.json")
if "no damage" not in told or ": 0 files" in told:
    sys.exit(told)
path, before = alter("clean", "**/documents/*.zst")
run("verify", "doc.json", code=1)
run("run", "doc.json")
if path.read_bytes() != before:
    sys.exit("damage found without a database was not made anew")

# A stage that was not finished: its finished tasks are looked at too.
shutil.rmtree(".pipeline")
document["stages"]["read"]["options"] = {"files": "in", "maximumMalformedFraction": 0}
pathlib.Path("doc.json").write_text(json.dumps(document))
ended = subprocess.run(
    [program, "run", "doc.json"], env={**os.environ, "PIPELINE_FAULT": "stage.sealed:1"}, capture_output=True)
if ended.returncode != -9:
    sys.exit(f"the run was not killed: {ended.returncode}")
for path in pathlib.Path(".pipeline/artifacts/read").glob("*/manifest.json"):
    path.unlink()
path, before = alter("read")
told = run("verify", "doc.json", code=1)
run("run", "doc.json")
if path.read_bytes() != before:
    sys.exit("a finished task of an unfinished stage was sealed as it was altered")
shutil.rmtree(".pipeline/artifacts")
lose()
run("run", "doc.json")
print("altered files are found and made anew in each of 6 ways to lose the database")
