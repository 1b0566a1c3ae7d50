"""What a terminal or a browser would obey is shown escaped by every command, whatever it came in."""
import json
import os
import pathlib
import re
import subprocess
import sys

program = os.environ["PIPELINE"]
hostile = "x\x1b]0;OWNED\x07\x9b31m\u202e\u2066\x7f\r\u2028y"
line = json.dumps({"id": hostile, "text": "本文である。", "metadata": {"url": hostile}}, ensure_ascii=False)
pathlib.Path("a.jsonl").write_text(line + "\n")
pathlib.Path("b.jsonl").write_text(line + "\n" + json.dumps({"id": hostile + "2", "text": ""}) + "\n")
folder = pathlib.Path("in\x1b[2J")
folder.mkdir()
(folder / "n\x1b]0;NAME\x07.jsonl").write_text("no json\n" * 3)
document = json.loads(pathlib.Path("doc.json").read_text())
document["stages"]["d"] = {"use": "documents.read", "options": {"files": str(folder)}}
document["description"] = hostile
pathlib.Path("doc.json").write_text(json.dumps(document))
wrong = {"format": 1, "stages": {"a\x1b[31m": {"use": "text.read\x1b]0;U\x07", "options": {"\x1b[1m": 1}}}, "\x9b": 2}
pathlib.Path("wrong.json").write_text(json.dumps(wrong))
forbidden = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
commands = [
    ["plan", "doc.json"], ["run", "doc.json", "--keep-going"], ["run", "doc.json", "--json"], ["status", "doc.json"],
    ["lineage", "doc.json"], ["lineage", "doc.json", "--json"], ["lineage", "doc.json", "--openlineage"],
    ["trace", "doc.json", hostile], ["trace", "doc.json", hostile + "2"], ["trace", "doc.json", hostile, "--json"],
    ["trace", "doc.json", "no\x1b[1m"], ["explain", "doc.json", "d"], ["diff", "doc.json"], ["diff", "doc.json", "--json"],
    ["verify", "doc.json"], ["plan", "wrong.json"], ["plan", "missing\x1b[1m.json"], ["run", "doc.json", "--from", "\x1b[1m"],
    ["run", "doc.json", "--jobs", "\x1b[1m"], ["run", "doc.json", "--set", "\x1b[1m=1"], ["\x1b[1m"],
    ["stages", "\x1b[1m"], ["prune", "doc.json", "--dry-run"], ["init", "\x1b[1m/x.json"],
    ["lineage", "doc.json", "--html", "page.html"]]
for command in commands:
    ended = subprocess.run([program, *command], capture_output=True)
    shown = (ended.stdout + ended.stderr).decode("utf-8")
    if found := forbidden.search(shown):
        sys.exit(f"{command}: {found.group()!r} in {shown[max(0, found.start() - 60):found.end() + 20]!r}")
    if ended.returncode < 0:
        sys.exit(f"{command} died of signal {-ended.returncode}")
    if "--json" in command and "run" not in command:
        json.loads(ended.stdout)
if found := forbidden.search(pathlib.Path("page.html").read_text()):
    sys.exit(f"the page holds {found.group()!r}")
ended = subprocess.run([program, "trace", "doc.json", hostile, "--json"], capture_output=True)
if json.loads(ended.stdout)["id"] != hostile:
    sys.exit("the JSON does not give the id back")
print(f"{len(commands)} commands and a page show nothing that is obeyed")
