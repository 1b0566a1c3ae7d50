"""A source that reads nothing from files that hold something fails, unless told otherwise."""
import gzip
import json
import os
import pathlib
import subprocess
import sys

program = os.environ["PIPELINE"]
pathlib.Path("in").mkdir(exist_ok=True)


def run(stage, content, code, says="", name="in/a.warc", extra=None):
    path = pathlib.Path(name)
    path.write_bytes(content)
    document = {"format": 1, "name": "t", "stages": {"r": {**stage, **(extra or {})}}}
    pathlib.Path("doc.json").write_text(json.dumps(document))
    ended = subprocess.run([program, "run", "doc.json"], capture_output=True, text=True)
    told = ended.stdout + ended.stderr
    if ended.returncode != code or says not in told:
        sys.exit(f"{stage} over {content[:40]}: exit code {ended.returncode}, not {code}: {told}")
    path.unlink()


web = {"use": "commoncrawl.extract", "options": {"files": "in"}}
lines = {"use": "documents.read", "options": {"files": "in"}}
head = b"WARC/1.0\r\nWARC-Type: warcinfo\r\nWARC-Record-ID: <urn:uuid:1>\r\nWARC-Date: 2024-01-01T00:00:00Z\r\n"
information = head + b"Content-Length: 3\r\n\r\nabc\r\n\r\n"
run(web, information, 1, "it read nothing")
run(web, information, 0, extra={"mayBeEmpty": True})
run(web, gzip.compress(information), 1, "it read nothing", name="in/a.warc.gz")
run(lines, b"\n\n  \n", 1, "it read nothing", name="in/a.jsonl")
run(lines, b"", 0, name="in/a.jsonl")
run(lines, gzip.compress(b""), 0, name="in/a.jsonl.gz")
# All dropped is something else: told, and no failure.
run(lines, b'{"id":"1","text":""}\n', 0, "nothing-left", name="in/a.jsonl")
document = {"format": 1, "stages": {"r": {**lines, "mayBeEmpty": "yes"}}}
pathlib.Path("doc.json").write_text(json.dumps(document))
if subprocess.run([program, "plan", "doc.json"], capture_output=True).returncode != 2:
    sys.exit("mayBeEmpty takes a text")
print("fails with a sentence; \"mayBeEmpty\", empty files and dropped documents do not fail")
