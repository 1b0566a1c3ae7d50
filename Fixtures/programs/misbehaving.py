"""Programs for command.documents that do one thing wrong each, named by the first argument. Without the package."""
import json
import os
import signal
import subprocess
import sys
import time

fault = sys.argv[1]
source, target = os.fdopen(3, "rb"), os.fdopen(4, "wb", buffering=0)


def lines_of(body):
    return [json.loads(line) for line in body.split(b"\n")[:-1]]


def say(number, verdicts, count=None):
    payload = b"".join(json.dumps(verdict).encode() + b"\n" for verdict in verdicts)
    count = len(verdicts) if count is None else count
    target.write(b"verdicts %d %d %d\n" % (number, count, len(payload)) + payload)


if fault == "start":
    sys.exit("no such model")
if fault == "sigterm":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
target.write({"version": b"ready 2 0 0\n", "arrow": b"ready-arrow 1 0 0\n"}.get(fault, b"ready 1 0 0\n"))
leak = []
while header := source.readline():
    kind, number, count, size = header.split()
    number, count = int(number), int(count)
    body = source.read(int(size))
    documents = lines_of(body) if fault != "arrow" else []
    verdicts = [{"id": document["id"], "keep": True} for document in documents]
    marked = [document for document in documents if "!" in document["text"]]
    if fault == "dies" and marked:
        print("this one", file=sys.stderr)
        os.kill(os.getpid(), signal.SIGSEGV)
    elif fault in ("hangs", "sigterm") and marked:
        time.sleep(600)
    elif fault == "prints":
        print("verdicts 1 1 4\nnull", flush=True)
        os.write(2, b"\xff\x00\x1b[31m" + b"x" * 200_000 + b"\n")
        say(number, verdicts)
    elif fault == "half":
        target.write(b'verdicts %d %d 1000\n{"id":' % (number, count))
        sys.exit(3)
    elif fault == "half-and-ends-well":
        target.write(b'verdicts %d %d 1000\n{"id":' % (number, count))
        sys.exit(0)
    elif fault == "order":
        say(number, verdicts[::-1])
    elif fault == "exits":
        say(number, verdicts)
        sys.exit(0)
    elif fault == "leaks":
        leak.append(bytearray(b"x") * (24 << 20))
        time.sleep(1)
        say(number, verdicts)
    elif fault == "forks":
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(600)
            os._exit(0)
        subprocess.Popen(["sleep", "600"], close_fds=False)
        say(number, verdicts)
    elif fault == "gigabyte":
        target.write(b"verdicts %d %d 1000000000\n" % (number, count))
        for _ in range(1000):
            target.write(b"x" * 1_000_000)
    elif fault == "garbage":
        target.write(b"\x00\xffhello" * 100)
    elif fault == "few":
        say(number, verdicts[:-1], count)
    elif fault == "many":
        say(number, verdicts + verdicts[:1], count)
    elif fault == "unanswered":
        say(number, [{"id": verdict["id"]} for verdict in verdicts])
    elif fault in ("no-json", "arrow"):
        target.write(b"verdicts %d %d 5\nabcd\n" % (number, count))
    elif fault == "errors":
        say(number, [{"id": v["id"], "error": "bad"} if "!" in d["text"] else v for v, d in zip(verdicts, documents)])
    else:
        say(number, verdicts)
