"""Lines that repeat an opened mark, and notes nested in notes: read within seconds each, not by the square of the length."""
import json
import os
import pathlib
import subprocess
import sys

MARKS = {
    "ruby": "｜字《じ", "notes": "［＃", "quotations": "［＃「", "gaiji": "※［＃「", "accents": "〔e'", "ruby and space": "字《じ》 ",
    "bars": "｜", "opened ruby": "字《", "returns": "行\r", "accents and notes": "〔［＃", "reference marks": "※",
}
works = pathlib.Path("in")
works.mkdir()
head = "題\n作者\n\n"
for number, mark in enumerate(MARKS.values(), 1):
    (works / f"{number}_ruby_1.txt").write_text(head + "字" + mark * 100_000 + "\n\n底本：「本」\n", newline="")
nested = "※［＃「口＋" * 80 + "」］" * 80
(works / "99_ruby_1.txt").write_text(head + nested + "である\n\n底本：「本」\n")
pathlib.Path("doc.json").write_text(json.dumps({
    "format": 1, "name": "t", "stages": {"read": {"use": "aozora.read", "options": {"works": "in", "partitions": 1}}}}))
try:
    run = subprocess.run([os.environ["PIPELINE"], "run", "doc.json"], capture_output=True, text=True, timeout=120)
except subprocess.TimeoutExpired:
    sys.exit("no end within 120 s")
wanted = f"{len(MARKS) + 1} in, {len(MARKS) + 1} out"
if run.returncode or wanted not in run.stdout + run.stderr:
    sys.exit(f"exit {run.returncode}, not '{wanted}': {(run.stdout + run.stderr)[-300:]}")
print(f"{len(MARKS) + 1} works of one hostile line each are read")
