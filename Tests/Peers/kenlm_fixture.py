"""Makes Fixtures/kenlm: a small model as ARPA and in KenLM's binary forms, and what KenLM's own program says of sentences.

usage: kenlm_fixture.py KENLM FOLDER   KENLM has build_binary and query, as KenLM's compile_query_only.sh makes them

The model is one of single characters, from texts in Fixtures, by absolute discounting. A fifth of the bigrams are left out that
no trigram begins with, but some end with, as pruning does. Scores of sentences are for the ARPA file; the program gives the
same for both binary forms, which is checked.
"""
import glob
import json
import lzma
import math
import os
import subprocess
import sys
from collections import Counter

HERE = os.path.dirname(os.path.abspath(__file__))
DISCOUNT = 0.75


def lines():
    texts = []
    for path in sorted(glob.glob(f"{HERE}/../../Fixtures/cc100/*.xz")):
        with lzma.open(path, "rt", encoding="utf-8", errors="ignore") as file:
            texts += file.read().split("\n")
    with open(f"{HERE}/../../Fixtures/pii/negatives.jsonl", encoding="utf-8") as file:
        texts += [json.loads(line)["text"] for line in file]
    for text in texts:
        characters = [c for c in text if c.isprintable() and not c.isspace()]
        if 5 < len(characters) < 200:
            yield characters


def grams(sentences):
    counts = [Counter(), Counter(), Counter()]
    for characters in sentences:
        words = ["<s>", *characters, "</s>"]
        for n in range(3):
            counts[n].update(tuple(words[i:i + n + 1]) for i in range(len(words) - n))
    contexts = {gram[:2] for gram in counts[2]}
    for place, gram in enumerate(sorted(gram for gram in counts[1] if gram not in contexts)):
        if place % 5 == 0:
            del counts[1][gram]
    return counts


def arpa(counts):
    out = ["\\data\\"] + [f"ngram {n + 1}={len(counts[n]) + (n == 0)}" for n in range(3)]
    out += ["", "\\1-grams:", "-4.5\t<unk>\t0"]
    total = sum(counts[0].values())
    for n in range(3):
        if n:
            out += ["", f"\\{n + 1}-grams:"]
        below = Counter()
        for gram, count in counts[n - 1].items() if n else []:
            below[gram] = count
        for gram in sorted(counts[n]):
            probability = (counts[n][gram] - DISCOUNT) / (below[gram[:-1]] if n else total)
            backoff = "" if n == 2 else f"\t{-0.05 - 0.3 / (1 + counts[n][gram]):.6g}"
            logarithm = -99 if gram == ("<s>",) else min(-0.01, math.log10(probability))
            out.append(f"{logarithm:.6g}\t{' '.join(gram)}{backoff}")
    return "\n".join(out + ["", "\\end\\", ""])


def scores(query, model, sentences):
    said = subprocess.run([query, "-v", "sentence", model], input="\n".join(sentences) + "\n", capture_output=True, text=True, check=True)
    return [line.split("\t") for line in said.stdout.splitlines() if line.startswith("Total:")]


def main(kenlm, folder):
    found = list(lines())
    with open(f"{folder}/model.arpa", "w", encoding="utf-8") as out:
        out.write(arpa(grams(found[::2])))
    for name, arguments in [("probing", ["probing"]), ("trie", ["trie"]), ("quantized", ["-q", "4", "-b", "4", "trie"])]:
        subprocess.run(
            [f"{kenlm}/build_binary", "-w", "after", *arguments, f"{folder}/model.arpa", f"{folder}/{name}.binary"], check=True)
    sentences = [" ".join(characters) for characters in found[:24]] + ["", "<s> 春 </s>", "春 <unk> x 春 春"]
    query = f"{kenlm}/query"
    said = scores(query, f"{folder}/model.arpa", sentences)
    for name in ("probing", "trie"):
        assert scores(query, f"{folder}/{name}.binary", sentences) == said, name
    with open(f"{folder}/scores.tsv", "w", encoding="utf-8") as out:
        for sentence, parts in zip(sentences, said):
            total, unknown = parts[0].split()[1], parts[0].split()[3]
            out.write(f"{total}\t{unknown}\t{sentence}\n")


if __name__ == "__main__":
    main(*sys.argv[1:3])
