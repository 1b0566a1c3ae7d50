"""Runs a command and measures it: wall time, processor time and the peak memory of its whole process tree."""

import os
import subprocess
import threading
import time
from dataclasses import dataclass


@dataclass
class Measurement:
    seconds: float
    processor_seconds: float
    peak_bytes: int
    output: str


def tree_bytes(pid):
    """Resident memory of a process and all below it."""
    total = 0
    try:
        with open(f"/proc/{pid}/statm") as statm:
            total = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        with open(f"/proc/{pid}/task/{pid}/children") as children:
            total += sum(tree_bytes(int(child)) for child in children.read().split())
    except (FileNotFoundError, ProcessLookupError, ValueError, IndexError):
        pass
    return total


def measure(command, cwd=None, env=None):
    """Raises RuntimeError with the end of the output when the command fails."""
    before = os.times()
    start = time.monotonic()
    process = subprocess.Popen(
        [str(part) for part in command], cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    peak = 0
    ended = threading.Event()

    def watch():
        nonlocal peak
        while not ended.wait(0.05):
            peak = max(peak, tree_bytes(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    output = process.communicate()[0]
    seconds = time.monotonic() - start
    ended.set()
    watcher.join()
    after = os.times()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{output[-2000:]}")
    used = (after.children_user + after.children_system) - (before.children_user + before.children_system)
    return Measurement(seconds, used, peak, output)
