"""A process without room (ulimit -f, ulimit -v) ends with a sentence, and goes on when it has room again."""
import json
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys

program = os.environ["PIPELINE"]
random.seed(1)
pathlib.Path("in").mkdir(exist_ok=True)
for number in range(3):
    pathlib.Path(f"in/{number}.jsonl").write_text("".join(
        json.dumps({"id": f"{number}-{i}", "text": "".join(chr(random.randrange(0x4E00, 0x9FA0)) for _ in range(400))},
                   ensure_ascii=False) + "\n" for i in range(300)))
document = {"format": 1, "name": "t", "stages": {
    "read": {"use": "documents.read", "options": {"files": "in"}},
    "clean": {"use": "text.clean", "inputs": {"documents": "read"}},
    "shards": {"use": "mds.write", "inputs": {"documents": "clean"}}}}
pathlib.Path("doc.json").write_text(json.dumps(document))


def run(kind, amount):
    return subprocess.run(
        [program, "run", "doc.json"], capture_output=True, text=True, timeout=120,
        preexec_fn=lambda: resource.setrlimit(kind, (amount, amount)))


for kilobytes in [0, 1, 8, 64, 200, 600]:
    ended = run(resource.RLIMIT_FSIZE, kilobytes << 10)
    if ended.returncode not in (0, 1) or (ended.returncode == 1 and "error:" not in ended.stderr):
        sys.exit(f"ulimit -f {kilobytes}: {ended.returncode}: {ended.stdout}{ended.stderr}")
    if kilobytes == 200 and "limit" not in ended.stderr:
        sys.exit(f"ulimit -f {kilobytes}: {ended.stderr}")
if run(resource.RLIMIT_FSIZE, resource.RLIM_INFINITY).returncode != 0:
    sys.exit("the run does not go on without the limit")
outcomes = []
for megabytes in [200, 250, 300, 400, 500, 600, 800]:
    shutil.rmtree(".pipeline", ignore_errors=True)
    ended = run(resource.RLIMIT_AS, megabytes << 20)
    told = ended.stdout + ended.stderr
    if ended.returncode not in (0, 1, 2, 127) or any(word in told for word in ["Fatal error", "precondition", "damaged"]):
        sys.exit(f"ulimit -v {megabytes} MB: {ended.returncode}: {told}")
    if ended.returncode != 0 and not told.strip():
        sys.exit(f"ulimit -v {megabytes} MB ends without a word: {ended.returncode}")
    outcomes.append(ended.returncode)
if run(resource.RLIMIT_AS, resource.RLIM_INFINITY).returncode != 0:
    sys.exit("the run does not go on without the limit")
print(f"sentences under ulimit -f and -v (exit codes {outcomes} at 200 to 800 MB)")
