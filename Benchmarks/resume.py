#!/usr/bin/env python3
"""Kills pipeline at random times while it reads a large Parquet file and writes it again, and goes on each time: the
artifacts must be those of a run that nobody disturbs, and row groups that were read are not read again.

    PYTHON Benchmarks/resume.py --corpus FOLDER [--megabytes 5000] [--kills 8] [--work FOLDER] [--seed N] [--pipeline PROGRAM]

PYTHON has pyarrow, orjson and zstandard. FOLDER holds Dolma documents as *.jsonl.zst; their texts are repeated, with ids
of their own, until the Parquet file has so many megabytes (snappy, row groups of 32 MB of text). --work keeps the file
for the next time; it needs about three times its size. A task reads one row group, so that the tasks that finished before
a kill are the row groups that are not read twice. Prints a table; ends with 1 if anything differs.
"""
import argparse
import glob
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

import pyarrow as pa
import pyarrow.parquet as pq

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "peers"))
from documents import documents  # noqa: E402

GROUP_BYTES = 32 << 20


def rows(corpus):
    """The documents, again and again, each with an id of its own."""
    round_number = 0
    while True:
        for document in documents(corpus):
            yield {
                "id": f"{round_number}/{document['id']}", "text": document["text"], "source": document.get("source", ""),
                "metadata": json.dumps(document.get("metadata") or {}, ensure_ascii=False)}
        round_number += 1


def make(path, corpus, megabytes):
    """Writes the Parquet file."""
    kinds = pa.schema([(name, pa.string()) for name in ("id", "text", "source", "metadata")])
    group, size = [], 0
    with open(path + ".part", "wb") as out, pq.ParquetWriter(out, kinds, write_page_index=True) as writer:
        for row in rows(corpus):
            group.append(row)
            size += len(row["text"].encode())
            if size < GROUP_BYTES:
                continue
            writer.write_table(pa.Table.from_pylist(group, kinds), row_group_size=len(group))
            group, size = [], 0
            if out.tell() >= megabytes * 1e6:
                break
    os.rename(path + ".part", path)


class Run:
    """One store and the pipeline that fills it."""

    def __init__(self, program, work, table, name):
        self.store = os.path.join(work, name)
        shutil.rmtree(self.store, ignore_errors=True)
        document = os.path.join(work, "resume.json")
        stages = {
            # Smaller than a row group, so that each is a task.
            "read": {"use": "documents.read", "options": {"files": table, "bytesPerTask": "1MiB"}},
            "write": {"use": "parquet.write", "inputs": {"documents": "read"}, "options": {"metadata": "json"}}}
        with open(document, "w") as out:
            json.dump({"format": 1, "name": "resume", "stages": stages}, out)
        self.command = [program, "run", document, "--store", self.store, "--json"]

    def start(self, log):
        return subprocess.Popen(self.command, stdout=log, stderr=subprocess.STDOUT)

    def finished(self):
        """Tasks whose manifests are on disk, as STAGE/PHASE-KEY."""
        root = os.path.join(self.store, "artifacts")
        found = glob.glob(os.path.join(glob.escape(root), "**", "tasks", "*.json"), recursive=True)
        return {f"{os.path.relpath(path, root).split(os.sep)[0]}/{os.path.basename(path)[:-5]}" for path in found}

    def digests(self):
        """Digest of each published file, by stage, port and name."""
        found = {}
        for path in sorted(glob.glob(os.path.join(glob.escape(self.store), "artifacts", "*", "*", "manifest.json"))):
            folder = os.path.dirname(path)
            with open(path) as manifest:
                for entry in json.load(manifest)["files"]:
                    name = f"{entry['port']}/{entry['name']}"
                    found[f"{folder.split(os.sep)[-2]}/{name}"] = sha256(os.path.join(folder, name))
        return found


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def bytes_read(process):
    """What the process has read so far, from files and from elsewhere."""
    try:
        with open(f"/proc/{process.pid}/io") as counters:
            return int(counters.readline().split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def wait(process, seconds):
    """Waits so long; returns whether the process has ended, and what it had read shortly before."""
    deadline, read = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        read = bytes_read(process) or read
        if process.poll() is not None:
            return True, read
        time.sleep(min(0.05, max(0, deadline - time.monotonic())))
    return process.poll() is not None, bytes_read(process) or read


def ran(log):
    """The tasks that a run finished, by its events."""
    tasks = []
    with open(log) as lines:
        for line in lines:
            # The last line of a run that was killed may be cut.
            event = json.loads(line) if line.startswith("{") and line.endswith("}\n") else {}
            if event.get("event") == "task":
                tasks.append(f"{event['stage']}/{event['phase']}-{event['task']}")
    return tasks


def main():
    parser = argparse.ArgumentParser(prog="Benchmarks/resume.py")
    parser.add_argument("--corpus", required=True, help="folder of Dolma documents (*.jsonl.zst)")
    parser.add_argument("--megabytes", type=int, default=5000, help="size of the Parquet file")
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", help="folder for the file and the stores; default a temporary one")
    parser.add_argument("--pipeline", default=os.path.join(HERE, "..", ".build", "release", "pipeline"))
    arguments = parser.parse_args()
    work = arguments.work or tempfile.mkdtemp(prefix="pipeline-resume-")
    os.makedirs(work, exist_ok=True)
    try:
        return measure(arguments, os.path.abspath(work))
    finally:
        if not arguments.work:
            shutil.rmtree(work, ignore_errors=True)


def measure(arguments, work):
    program = os.path.abspath(arguments.pipeline)
    table, log = os.path.join(work, f"{arguments.megabytes}.parquet"), os.path.join(work, "log")
    if not os.path.exists(table):
        make(table, arguments.corpus, arguments.megabytes)
    metadata = pq.ParquetFile(table).metadata
    print(f"{os.path.getsize(table) / 1e9:.2f} GB of Parquet, {metadata.num_row_groups} row groups, "
          f"{metadata.num_rows} documents", flush=True)
    whole = Run(program, work, table, "whole")
    seconds, read_once = undisturbed(whole, log)
    expected, tasks = whole.digests(), ran(log)
    shutil.rmtree(whole.store)
    print(f"undisturbed: {seconds:.1f} s, {len(tasks)} tasks, {len(expected)} files, {read_once / 1e9:.2f} GB read\n",
          flush=True)
    broken = Run(program, work, table, "broken")
    kills, read, repeated, kept = disturbed(broken, log, arguments, seconds)
    found = broken.digests()
    wrong = {name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)}
    shutil.rmtree(broken.store)
    print(f"\n{len(kept)} of {metadata.num_row_groups} row groups were finished before one of {kills} kills; "
          f"{len(kept & repeated)} of them were read twice")
    print(f"{read / 1e9:.2f} GB read in all, {100 * read / read_once - 100:.1f} % more than undisturbed")
    print(f"{len(expected)} files, {len(wrong)} differ" + "".join(f"\n  {name}" for name in sorted(wrong)))
    return 1 if wrong or kept & repeated else 0


def undisturbed(run, log):
    """Returns its seconds, and the bytes that it read."""
    began = time.monotonic()
    with open(log, "w") as out:
        process = run.start(out)
        _, read = wait(process, float("inf"))
    if process.returncode != 0:
        raise SystemExit(f"the run that nobody disturbs failed; see {log}")
    return time.monotonic() - began, read


def disturbed(run, log, arguments, seconds):
    """Kills runs at random times until one ends by itself. Returns the number of kills, the bytes that all of them read,
    the tasks of `read` that a later run did again, and those that were finished at a kill."""
    chance = random.Random(arguments.seed)
    kills, read_in_all, repeated, kept = 0, 0, set(), set()
    print(f"{'kill':>4} {'after':>8} {'row groups finished':>20}")
    while True:
        patience = chance.uniform(0.2, 2 * seconds / (arguments.kills + 1)) if kills < arguments.kills else float("inf")
        with open(log, "w") as out:
            process = run.start(out)
            has_ended, read = wait(process, patience)
            if not has_ended:
                process.kill()
            status = process.wait()
        read_in_all += read
        repeated |= kept & set(ran(log))
        if has_ended:
            break
        kills += 1
        lost = kept - run.finished()
        if lost:
            raise SystemExit(f"finished tasks are gone after a kill: {sorted(lost)[:5]}")
        kept = {task for task in run.finished() if task.startswith("read/")}
        print(f"{kills:4} {patience:6.1f} s {len(kept):20}", flush=True)
    if status != 0:
        raise SystemExit(f"the last run failed; see {log}")
    return kills, read_in_all, repeated, kept


if __name__ == "__main__":
    sys.exit(main())
