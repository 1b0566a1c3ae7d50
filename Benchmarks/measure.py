"""Runs a command and measures it: time, and the peak anonymous memory of its whole process tree."""

import os
import re
import subprocess
import threading
import time
from dataclasses import dataclass


@dataclass
class Measurement:
    seconds: float
    peak_bytes: int
    # Of all threads and of child processes that were waited for.
    processor_seconds: float
    # Of text, where it is not the whole corpus.
    megabytes: float | None = None


def tree_bytes(pid):
    """Resident memory of a process and all below it, without pages of files and what processes share."""
    total = 0
    try:
        with open(f"/proc/{pid}/statm") as statm:
            resident, shared = map(int, statm.read().split()[1:3])
            total = (resident - shared) * os.sysconf("SC_PAGE_SIZE")
        with open(f"/proc/{pid}/task/{pid}/children") as children:
            total += sum(tree_bytes(int(child)) for child in children.read().split())
    except (FileNotFoundError, ProcessLookupError, ValueError, IndexError):
        pass
    return total


def measure(command, cwd=None):
    """A command's wall and processor time, or what it says itself in lines `seconds S` and `processor S` (peers' scripts
    leave their imports out).

    Raises RuntimeError with the end of the output when the command fails.
    """
    start = time.monotonic()
    process = subprocess.Popen(
        [str(part) for part in command], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    peak = 0
    ended = threading.Event()

    def watch():
        nonlocal peak
        while not ended.wait(0.05):
            peak = max(peak, tree_bytes(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    output = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - start
    ended.set()
    watcher.join()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{output[-2000:]}")

    def said(name, measured):
        line = re.search(rf"^{name} ([\d.]+)$", output, re.MULTILINE)
        return float(line[1]) if line else measured

    return Measurement(said("seconds", seconds), peak, said("processor", used.ru_utime + used.ru_stime))
