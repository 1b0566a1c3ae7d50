"""Numbers that no clock holds are refused by plan and run alike, with their place."""
import json
import os
import pathlib
import subprocess
import sys

program = os.environ["PIPELINE"]
written = pathlib.Path("doc.json").read_text()
assert "1e10" in written
for number in ["1e10", "1e300", "1e400", "-1", "0", "9223372036854775807", "1e9999", "-0.0", "NaN", '"1"', "null", "[]"]:
    pathlib.Path("doc.json").write_text(written.replace("1e10", number))
    for command in ["plan", "run"]:
        ended = subprocess.run([program, command, "doc.json"], capture_output=True, text=True)
        if ended.returncode != 2 or "doc.json:1:" not in ended.stderr:
            sys.exit(f"{command} with {number}: {ended.returncode} {ended.stderr}")
for number in ["1e9", "0.001", "1000000000"]:
    pathlib.Path("doc.json").write_text(written.replace("1e10", number))
    ended = subprocess.run([program, "plan", "doc.json"], capture_output=True, text=True)
    if ended.returncode != 0:
        sys.exit(f"{number}: {ended.stderr}")
print("refused with their place; up to 1e9 seconds are taken")
