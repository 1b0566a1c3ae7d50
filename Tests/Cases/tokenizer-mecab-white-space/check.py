"""No token holds white space, and every word of the corpus encodes: none is unknown beside a line end."""
import json
import os
import pathlib
import subprocess
import sys

program = os.environ["PIPELINE"]
done = subprocess.run([program, "run", "doc.json"], capture_output=True, text=True)
if done.returncode != 0:
    sys.exit(f"exit code {done.returncode}: {done.stderr[-300:]}")


def artifact(stage):
    found = subprocess.run([program, "artifact", "doc.json", stage], capture_output=True, text=True, check=True)
    return pathlib.Path(found.stdout.strip().splitlines()[-1])


# Lines are parted by LF alone: splitlines would hide other line ends in a token.
vocabulary = (artifact("tok") / "vocab.txt").read_bytes().decode("utf-8").split("\n")[:-1]
bad = [token for token in vocabulary if any(c.isspace() for c in token)]
if bad:
    sys.exit(f"white space in the vocabulary: {bad}")
measured = json.loads((artifact("measured") / "metrics.json").read_text())
if measured["documents"] != 7 or measured["unknownWords"] != 0:
    sys.exit(f"unknown words beside white space: {measured}")
print(f"{len(vocabulary)} tokens without white space; {measured['documents']} texts with nothing unknown")
