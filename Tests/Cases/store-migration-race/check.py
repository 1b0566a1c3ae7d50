"""Processes that open an old store at once: one migrates it, and none takes it for a damaged one."""
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys

program = os.environ["PIPELINE"]
document = {"format": 1, "name": "t", "stages": {
    "read": {"use": "documents.read", "options": {"files": "in"}},
    "clean": {"use": "text.clean", "inputs": {"documents": "read"}}}}
pathlib.Path("doc.json").write_text(json.dumps(document))
pathlib.Path("in").mkdir(exist_ok=True)
pathlib.Path("in/a.jsonl").write_text('{"id":"1","text":"本文である。"}\n')
subprocess.run([program, "run", "doc.json"], check=True, capture_output=True)


def older(store):
    """The store as it was before its last migrations."""
    connection = sqlite3.connect(store / "pipeline.sqlite")
    connection.executescript("ALTER TABLE digests DROP COLUMN changed; DROP TABLE uses; DROP TABLE taskVerdicts;"
                             "DELETE FROM grdb_migrations WHERE identifier GLOB '[345] *'")
    connection.commit()
    connection.close()


def at_once(*commands):
    started = [subprocess.Popen([program, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
               for command in commands]
    return [(process.communicate(timeout=120), process.returncode) for process in started]


store = pathlib.Path(".pipeline")
older(store)
shutil.copytree(store, "old")
rounds = int(os.environ.get("PIPELINE_ROUNDS", "8"))
for number in range(2 * rounds):
    shutil.rmtree(store)
    fresh = number % 2 == 1
    if not fresh:
        shutil.copytree("old", store)
    commands = [["run", "doc.json"]] * 4 + [["status", "doc.json"], ["verify", "doc.json"]]
    for ((out, err), code), command in zip(at_once(*commands), commands):
        told = out + err
        if fresh and command[0] == "verify" and "there is no store" in told:
            continue
        if code not in (0, 1) or any(word in told for word in [
                "damaged", "Error Domain", "no such table", "disk I/O", "database is locked", "Fatal"]):
            sys.exit(f"round {number}: {command[0]}: exit code {code}: {told}")
        if code == 1 and "is in use by" not in told:
            sys.exit(f"round {number}: {command[0]}: {told}")
    if list(store.glob("*damaged*")):
        sys.exit(f"round {number}: a sound database was moved away")
    if subprocess.run([program, "run", "doc.json"], capture_output=True).returncode != 0:
        sys.exit(f"round {number}: the store cannot be run afterwards")
    runs = sqlite3.connect(store / "pipeline.sqlite").execute("SELECT count(*) FROM runs").fetchone()[0]
    if runs < (2 if fresh else 3):
        sys.exit(f"round {number}: the history is lost: {runs} runs")
print(f"{2 * rounds} rounds of six processes: no database is moved away")
