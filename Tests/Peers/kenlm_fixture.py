"""Makes Fixtures/kenlm: a small model as ARPA and in KenLM's binary forms, and what KenLM's own program says of sentences.

usage: kenlm_fixture.py KENLM FOLDER   KENLM has build_binary and query, as KenLM's compile_query_only.sh makes them

The model is one of single characters, from texts in Fixtures, by absolute discounting. A fifth of the bigrams are left out that
no trigram begins with, but some end with, as pruning does. Another model is one of four words and pairs of them, without
<unk>. Scores of sentences are for the ARPA file; the program gives the
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
BIGRAMS = """\\data\\
ngram 1=4
ngram 2=4

\\1-grams:
-99\t<s>\t-0.3
-0.9\t</s>
-0.7\t雨\t-0.25
-0.8\t降る\t-0.125

\\2-grams:
-0.4\t<s> 雨
-0.3\t雨 降る
-0.2\t降る </s>
-0.6\t雨 雨

\\end\\
"""


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


def make(kenlm, folder, text, name, forms, sentences):
    """Writes a model, its binary forms by their names' beginnings, and what the program says of sentences."""
    model = f"{folder}/{name}.arpa"
    with open(model, "w", encoding="utf-8") as out:
        out.write(text)
    for form, arguments in forms.items():
        subprocess.run([f"{kenlm}/build_binary", "-w", "after", *arguments, model, f"{folder}/{form}.binary"], check=True)
    said = scores(f"{kenlm}/query", model, sentences)
    for form, arguments in forms.items():
        if "-q" not in arguments:
            assert scores(f"{kenlm}/query", f"{folder}/{form}.binary", sentences) == said, form
    with open(f"{folder}/{'scores' if name == 'model' else name}.tsv", "w", encoding="utf-8") as out:
        for sentence, parts in zip(sentences, said):
            total, unknown = parts[0].split()[1], parts[0].split()[3]
            out.write(f"{total}\t{unknown}\t{sentence}\n")


def main(kenlm, folder):
    found = list(lines())
    make(
        kenlm, folder, arpa(grams(found[::2])), "model",
        {"probing": ["probing"], "trie": ["trie"], "quantized": ["-q", "4", "-b", "4", "trie"]},
        [" ".join(characters) for characters in found[:24]] + ["", "<s> 春 </s>", "春 <unk> x 春 春"])
    make(
        kenlm, folder, BIGRAMS, "bigrams", {"bigrams-probing": ["probing"], "bigrams-trie": ["trie"]},
        ["雨 降る", "雷 雨", "降る 雷 降る", "雨 雨 雨"])


if __name__ == "__main__":
    main(*sys.argv[1:3])
