"""pylint's ratings of programs, one process per program, beside those of Pipelines/swallow/pylint_score.py in one batch.

usage: pylint_ratings.py FILE, with a list of programs in it as JSON; prints a list of [single, batch]
"""
import json, os, re, subprocess, sys, tempfile

import pylint  # noqa: F401 - shows that it is there

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
sys.path += [os.path.join(ROOT, "Pipelines/swallow"), os.path.join(ROOT, "Sources/Stages/Command/Python")]


def single(text):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "document.py")
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        command = [sys.executable, "-m", "pylint", "--rcfile=", "--persistent=n", f"--disable={pylint_score.DISABLED}", path]
        printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    rated = re.search(r"rated at (-?[0-9.]+)/10", printed)
    return float(rated[1]) if rated else None


if len(sys.argv) > 1:
    import pylint_score

    with open(sys.argv[1], encoding="utf-8") as file:
        programs = json.load(file)
    print(json.dumps(list(zip(map(single, programs), pylint_score.ratings(programs)))))
