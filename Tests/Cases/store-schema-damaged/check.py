"""A database whose tables are damaged: commands that look say what to do, a run takes the work from the manifests."""
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
for _ in range(2):
    subprocess.run([program, "run", "doc.json"], check=True, capture_output=True)
shutil.copytree(".pipeline", "whole")
damages = {
    "a table is gone": "DROP TABLE newest", "all runs are gone": "DROP TABLE runs",
    "a column is gone": "ALTER TABLE runs DROP COLUMN state", "another name": "ALTER TABLE nodes RENAME COLUMN sealed TO x",
    "migrations are gone": "DROP TABLE grdb_migrations", "a view": "DROP TABLE uses; CREATE VIEW uses AS SELECT 1 AS run",
    "text for a number": "UPDATE runs SET started = 'yesterday'", "bytes for a text": "UPDATE runs SET name = name, state = x'ff'",
    "a lost manifest": "UPDATE nodes SET manifest = '{}'", "a lost identity": "UPDATE nodes SET identity = 7",
    "huge numbers": "UPDATE nodes SET manifest = replace(manifest, '\"bytes\":', '\"bytes\":9223372036854775807,\"x\":')",
    "no database": None, "cut": "cut"}
looks = [["status"], ["lineage"], ["diff"], ["trace", "1"], ["artifact", "clean"], ["explain", "clean"], ["plan"], ["verify"]]
for name, sql in damages.items():
    shutil.rmtree(".pipeline")
    shutil.copytree("whole", ".pipeline")
    database = pathlib.Path(".pipeline/pipeline.sqlite")
    if sql is None:
        database.write_bytes(b"this is no database" * 100)
        for suffix in ["-wal", "-shm"]:
            pathlib.Path(str(database) + suffix).unlink(missing_ok=True)
    elif sql == "cut":
        database.write_bytes(database.read_bytes()[:5000])
    else:
        connection = sqlite3.connect(database)
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.executescript(sql)
        connection.commit()
        connection.close()
    for look in looks:
        ended = subprocess.run([program, look[0], "doc.json", *look[1:]], capture_output=True, text=True, timeout=60)
        if ended.returncode not in (0, 1, 2) or "Fatal" in ended.stderr:
            sys.exit(f"{name}: {look}: exit code {ended.returncode}: {ended.stderr}")
        if ended.returncode != 0 and not ended.stderr and not ended.stdout:
            sys.exit(f"{name}: {look} says nothing")
    ended = subprocess.run([program, "run", "doc.json"], capture_output=True, text=True, timeout=60)
    if ended.returncode not in (0, 1) or "Fatal" in ended.stderr:
        sys.exit(f"{name}: run: {ended.returncode}: {ended.stdout}{ended.stderr}")
    structural = sql is None or sql != "cut" and ("DROP" in sql or "RENAME" in sql)
    if structural and ended.returncode != 0:
        sys.exit(f"{name}: run does not begin anew: {ended.stdout}{ended.stderr}")
    if structural and "up to date" not in ended.stdout:
        sys.exit(f"{name}: finished work was not adopted: {ended.stdout}")
# SQLite opens most cut files and finds the damage when it reads a page that is missing: the next run begins anew.
length = os.path.getsize("whole/pipeline.sqlite")
cuts = range(1, length, max(1, length // 40))
for cut in cuts:
    shutil.rmtree(".pipeline")
    shutil.copytree("whole", ".pipeline")
    database = pathlib.Path(".pipeline/pipeline.sqlite")
    database.write_bytes(database.read_bytes()[:cut])
    for attempt in range(2):
        ended = subprocess.run([program, "run", "doc.json"], capture_output=True, text=True, timeout=60)
        if ended.returncode == 0:
            break
    if ended.returncode != 0 or "up to date" not in ended.stdout:
        sys.exit(f"cut after {cut} bytes: finished work was not adopted: {ended.stdout}{ended.stderr}")
print(f"{len(damages)} damages, {len(looks)} commands each, {len(cuts)} cuts: sentences, and a run that adopts")
