"""Drops Python programs with a low score of pylint: the second step of SwallowCode, with its penalty for comments.

usage: pylint_score.py MINIMUM

The score is pylint's rating, without messages about what a single file cannot have (its imports, a module's docstring) and
about taste, times the fraction of tokens that are no comments. It goes into the metadata as `pylint_score`. A batch of
programs is one run of pylint, which counts by module.
"""

import contextlib
import io
import os
import sys
import tempfile
import tokenize

from pylint.lint import Run
from pylint.reporters import CollectingReporter

from pipeline_stage import Drop, batches

# import-error, missing-module-docstring, line-too-long, invalid-name, missing-function-docstring, wrong-import-order,
# too-few-public-methods, fixme, ungrouped-imports; and duplicate-code and cyclic-import, which are about several files.
DISABLED = "E0401,C0114,C0301,C0103,C0116,C0411,R0903,W0511,C0412,R0801,R0401"


def ratings(texts):
    """pylint's rating of each program, at most 10; None where it gives none."""
    with tempfile.TemporaryDirectory() as folder:
        names = [f"document_to_rate_{number:06}" for number in range(len(texts))]
        paths = [os.path.join(folder, name + ".py") for name in names]
        for path, text in zip(paths, texts):
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write(text)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            run = Run(
                ["--rcfile=", "--persistent=n", f"--disable={DISABLED}", *paths],
                reporter=CollectingReporter(), exit=False,
            )
    counts = run.linter.stats.by_module
    return [rating(counts.get(name)) for name in names]


def rating(counts):
    """As pylint computes and prints it, from the counts of one module."""
    if not counts or not counts["statement"]:
        return None
    if counts["fatal"]:
        return 0.0
    found = 5 * counts["error"] + counts["warning"] + counts["refactor"] + counts["convention"]
    return round(max(0.0, 10 - 10 * found / counts["statement"]), 2)


def comments(text):
    """The fraction of a program's tokens that are comments."""
    count = total = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            total += 1
            count += token.type == tokenize.COMMENT
    except (tokenize.TokenError, SyntaxError):
        return 0.0
    return count / total if total else 0.0


@batches
def linter(documents):
    minimum = float(sys.argv[1])
    results = []
    for document, rated in zip(documents, ratings([document.text for document in documents])):
        if rated is None:
            results.append(Drop("no-pylint-score", detail="it has no statements"))
            continue
        score = round(rated * (1 - comments(document.text)), 4)
        document.metadata["pylint_score"] = score
        results.append(Drop("low-pylint-score", score, minimum) if score < minimum else True)
    return results
