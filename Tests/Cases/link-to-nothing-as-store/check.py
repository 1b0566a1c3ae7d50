"""A store whose name is a link to nothing is named as that."""
import json
import os
import pathlib
import subprocess
import sys

program = os.environ["PIPELINE"]
document = {"format": 1, "name": "t", "stages": {"read": {"use": "documents.read", "options": {"files": "in"}}}}
pathlib.Path("doc.json").write_text(json.dumps(document))
pathlib.Path("in").mkdir(exist_ok=True)
pathlib.Path("in/a.jsonl").write_text('{"id":"1","text":"本文である。"}\n')
os.symlink("nowhere", ".pipeline")
os.symlink("itself", "itself")
for store in [".pipeline", "itself", ".pipeline/below"]:
    for command in ["run", "status"]:
        ended = subprocess.run([program, command, "doc.json", "--store", store], capture_output=True, text=True)
        if store != ".pipeline/below" and (ended.returncode == 0 or "link" not in ended.stderr):
            sys.exit(f"{command} with {store}: {ended.returncode}: {ended.stdout}{ended.stderr}")
        if command == "run" and (ended.returncode == 0 or "error:" not in ended.stderr):
            sys.exit(f"{command} with {store}: {ended.returncode}: {ended.stdout}{ended.stderr}")
print("a link to nothing is named")
