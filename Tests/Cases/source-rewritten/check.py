"""A source that is rewritten while it is read fails the task; one altered in place with its times set back is seen."""
import bz2
import json
import os
import pathlib
import subprocess
import sys
import time

program = os.environ["PIPELINE"]
source = pathlib.Path("in/a.jsonl.bz2")
source.parent.mkdir(exist_ok=True)


# The task reads on in none of them but the first before it is told to.
PARTS = 20


def part(word, lines=4000):
    text = "".join(json.dumps({"id": f"{word}-{i}", "text": f"{word} {i} " * 40}) + "\n" for i in range(lines))
    return bz2.compress(text.encode(), 1)


old, new = part("one"), part("two")
document = {"format": 1, "name": "t", "stages": {"read": {"use": "documents.read", "options": {"files": "in"}}}}
pathlib.Path("doc.json").write_text(json.dumps(document))


def change(how):
    status = source.stat()
    if how == "replaced":
        other = source.with_suffix(".other")
        other.write_bytes(new * PARTS)
        other.rename(source)
    else:
        with source.open("r+b") as file:
            file.seek(len(old) * (PARTS - 1))
            file.write((new + old)[:len(old)] if how == "in place" else old + new)
    if how != "grown":
        os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))


for how in ["in place", "replaced", "grown"]:
    source.write_bytes(old * PARTS)
    # A task looks whether it is to stop every 256 lines; the fourth time it waits until the gate is gone.
    gate = pathlib.Path("gate").absolute()
    run = subprocess.Popen(
        [program, "run", "doc.json", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PIPELINE_FAULT": f"task.checked:4:{gate}"})
    while not gate.exists():
        if run.poll() is not None:
            sys.exit("the run ended before the source could be changed")
        time.sleep(0.01)
    change(how)
    gate.unlink()
    out, _ = run.communicate(timeout=120)
    if run.returncode != 1 or b"the file changed while the task read it" not in out:
        sys.exit(f"{how}: exit code {run.returncode}: {out.decode()[-400:]}")
    again = subprocess.run([program, "run", "doc.json"], capture_output=True, text=True)
    # What lies there now may not be a whole file; what matters is that nothing was sealed from a mixture.
    if "up to date" in again.stdout:
        sys.exit(f"{how}: the mixture was sealed")

# A file of an age that is cached.
source.unlink()
source = pathlib.Path("in/b.jsonl")
source.write_text('{"id":"1","text":"before"}\n')
time.sleep(2.2)
for _ in range(2):
    subprocess.run([program, "run", "doc.json"], check=True, capture_output=True)
status = source.stat()
with source.open("r+") as file:
    file.write('{"id":"1","text":"behind"}\n')
os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
if (source.stat().st_size, source.stat().st_mtime_ns, source.stat().st_ino) != (
        status.st_size, status.st_mtime_ns, status.st_ino):
    sys.exit("the file system does not let the times be set back")
ended = subprocess.run([program, "run", "doc.json"], capture_output=True, text=True)
if "up to date" in ended.stdout or ended.returncode != 0:
    sys.exit("the altered file was taken for the old one: " + ended.stdout)
# Another name of the file, or other permissions, are no change.
os.link(source, "other-name")
source.chmod(0o600)
ended = subprocess.run([program, "run", "doc.json"], capture_output=True, text=True)
if "up to date" not in ended.stdout:
    sys.exit("a second name made the stage stale: " + ended.stdout)
print("three ways to rewrite fail the task; times set back hide nothing")
