"""FIFOs, sockets, devices and loops among the inputs are named at once, by plan and run, for every kind of reader."""
import json
import os
import pathlib
import socket
import subprocess
import sys

program = os.environ["PIPELINE"]
pathlib.Path("in").mkdir(exist_ok=True)
pathlib.Path("plain.jsonl").write_text('{"id":"1","text":"本文"}\n')
os.mkfifo("in/fifo.jsonl")
listener = socket.socket(socket.AF_UNIX)
listener.bind("in/socket.jsonl")
os.symlink("/dev/zero", "in/device.jsonl")
os.symlink("loop.jsonl", "in/loop.jsonl")
os.symlink("nowhere", "in/dangling.jsonl")
readers = {
    "documents.read": "files", "text.read": "files", "cc100.read": "files", "aozora.read": "works",
    "wikipedia.extract": "dump", "commoncrawl.extract": "files", "jats.extract": "articles", "mds.read": "path"}
tried = 0
for reader, option in readers.items():
    for path, kind in [
            ("in/fifo.jsonl", "not a regular file but a FIFO"), ("in/socket.jsonl", "not a regular file but a socket"),
            ("in/device.jsonl", "not a regular file but a device"), ("in/loop.jsonl", "symbolic links|no such file"),
            ("in/dangling.jsonl", "no such file"), ("in", "not a regular file|symbolic links|no such file")]:
        document = {"format": 1, "name": "t", "stages": {"r": {"use": reader, "options": {option: path}}}}
        pathlib.Path("doc.json").write_text(json.dumps(document))
        for command in ["plan", "run"]:
            try:
                ended = subprocess.run([program, command, "doc.json"], capture_output=True, text=True, timeout=30)
            except subprocess.TimeoutExpired:
                sys.exit(f"{command} of {reader} over {path} hangs")
            told = ended.stdout + ended.stderr
            if ended.returncode not in (0, 1) or not any(word in told for word in kind.split("|")):
                sys.exit(f"{command} of {reader} over {path}: {ended.returncode}: {told}")
            if command == "run" and ended.returncode != 1:
                sys.exit(f"{reader} over {path} succeeds")
            tried += 1
for document in ["in/fifo.jsonl", "in/socket.jsonl", "in/device.jsonl", "in"]:
    ended = subprocess.run([program, "plan", document], capture_output=True, text=True, timeout=30)
    if ended.returncode != 2 or "not a regular file" not in ended.stderr:
        sys.exit(f"the document {document}: {ended.returncode}: {ended.stderr}")
# A path ends at a NUL for the system: another file would be read.
document = {"format": 1, "name": "t", "stages": {"r": {"use": "documents.read", "options": {"files": "plain.jsonl\0x"}}}}
pathlib.Path("doc.json").write_text(json.dumps(document))
ended = subprocess.run([program, "plan", "doc.json"], capture_output=True, text=True)
if ended.returncode != 2 or "NUL" not in ended.stderr:
    sys.exit(f"a path with NUL: {ended.returncode}: {ended.stderr}")
# Folders that lead to one another.
for name in "abcdefgh":
    os.makedirs(f"web/{name}", exist_ok=True)
for name in "abcdefgh":
    for other in "abcdefgh":
        os.symlink(f"../{other}", f"web/{name}/{other}")
pathlib.Path("web/a/x.jsonl").write_text('{"id":"1","text":"本文"}\n')
document["stages"]["r"]["options"]["files"] = "web"
pathlib.Path("doc.json").write_text(json.dumps(document))
ended = subprocess.run([program, "plan", "doc.json"], capture_output=True, text=True, timeout=120)
if ended.returncode not in (0, 1):
    sys.exit(f"a web of links: {ended.returncode}: {ended.stderr}")
print(f"{tried} readings of what is no regular file end with a sentence")
