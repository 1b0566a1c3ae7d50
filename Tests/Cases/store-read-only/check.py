"""A store that cannot be written can be looked at: on a read-only mount as the superuser, else by its permissions."""
import ctypes
import json
import os
import pathlib
import subprocess
import sys

program = os.environ["PIPELINE"]
document = {"format": 1, "name": "t", "stages": {
    "read": {"use": "documents.read", "options": {"files": "in"}},
    "clean": {"use": "text.clean", "inputs": {"documents": "read"}}}}
pathlib.Path("doc.json").write_text(json.dumps(document))
pathlib.Path("in").mkdir(exist_ok=True)
pathlib.Path("in/a.jsonl").write_text('{"id":"1","text":"本文である。"}\n{"id":"2","text":""}\n')
for _ in range(2):
    subprocess.run([program, "run", "doc.json"], check=True, capture_output=True)
here = os.getcwd()
if os.geteuid() == 0:
    libc = ctypes.CDLL(None, use_errno=True)
    newns, bind, remount, readonly, private, recursive = 0x20000, 4096, 32, 1, 1 << 18, 16384
    steps = [
        lambda: libc.unshare(newns), lambda: libc.mount(b"none", b"/", None, private | recursive, None),
        lambda: libc.mount(here.encode(), here.encode(), None, bind, None),
        lambda: libc.mount(b"none", here.encode(), None, bind | remount | readonly, None)]
    for step in steps:
        if step() != 0:
            print("skipped: no mount can be made here")
            sys.exit(0)
    os.chdir(here)
else:
    for path in [pathlib.Path(".pipeline"), *pathlib.Path(".pipeline").rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
try:
    pathlib.Path(".pipeline/x").write_text("")
    sys.exit("the store can be written after all")
except OSError:
    pass
for command, says in [
        (["status"], "fresh"), (["lineage"], "clean"), (["lineage", "--json"], "clean"), (["trace", "1"], "kept"),
        (["trace", "2"], "dropped"), (["artifact", "clean"], ".pipeline/artifacts/clean"), (["explain", "clean"], "fresh"),
        (["plan"], "fresh"), (["diff"], "unchanged"), (["verify"], "no damage"), (["prune", "--dry-run"], "nothing")]:
    ended = subprocess.run([program, command[0], "doc.json", *command[1:]], capture_output=True, text=True)
    if ended.returncode != 0 or says not in ended.stdout:
        sys.exit(f"{command}: exit code {ended.returncode}: {ended.stdout}{ended.stderr}")
ended = subprocess.run([program, "run", "doc.json"], capture_output=True, text=True)
if ended.returncode != 1 or "error:" not in ended.stderr:
    sys.exit(f"run: {ended.returncode}: {ended.stderr}")
if os.geteuid() != 0:
    for path in [pathlib.Path(".pipeline"), *pathlib.Path(".pipeline").rglob("*")]:
        path.chmod(0o777)
print("11 commands answer from a store that cannot be written; a run says why it cannot")
