"""An n-gram language model of characters by interpolated absolute discounting, as an ARPA file with a space between words.

usage: character_model.py CORPUS OUTPUT ORDER MEGABYTES

Trained on the first lines of the corpus. KenLM's lmplz makes better ones, but is in no package.
"""
import math
import sys
from collections import Counter
from unicodedata import normalize

from documents import documents

DISCOUNT = 0.75


def sentences(corpus, size):
    for document in documents(corpus):
        for line in normalize("NFKC", document["text"]).split("\n"):
            characters = "".join(line.split())
            if characters:
                size -= len(characters.encode())
                yield ["<s>", *characters, "</s>"]
        if size < 0:
            return


def counted(corpus, order, size):
    counts = [Counter() for _ in range(order)]
    for words in sentences(corpus, size):
        for n in range(order):
            counts[n].update(" ".join(words[i:i + n + 1]) for i in range(len(words) - n))
    del counts[0]["<s>"]
    return counts


def main(corpus, output, order, size):
    counts = counted(corpus, order, size)
    totals, kinds = [Counter() for _ in range(order)], [Counter() for _ in range(order)]
    for n in range(order):
        for gram, count in counts[n].items():
            context = gram.rpartition(" ")[0]
            totals[n][context] += count
            kinds[n][context] += 1
    known = len(counts[0]) + 1
    probabilities = [{} for _ in range(order)]
    probabilities[0] = {gram: (count - DISCOUNT) / totals[0][""] for gram, count in counts[0].items()}
    left = DISCOUNT * kinds[0][""] / totals[0][""]
    for gram in probabilities[0]:
        probabilities[0][gram] += left / known
    for n in range(1, order):
        for gram, count in counts[n].items():
            context, shorter = gram.rpartition(" ")[0], gram.partition(" ")[2]
            weight = DISCOUNT * kinds[n][context] / totals[n][context]
            probabilities[n][gram] = (count - DISCOUNT) / totals[n][context] + weight * probabilities[n - 1][shorter]
    probabilities[0]["<unk>"] = left / known
    probabilities[0]["<s>"] = 1e-99
    with open(output, "w") as out:
        out.write("\\data\\\n" + "".join(f"ngram {n + 1}={len(probabilities[n])}\n" for n in range(order)))
        for n in range(order):
            out.write(f"\n\\{n + 1}-grams:\n")
            for gram, probability in probabilities[n].items():
                out.write(f"{math.log10(probability):.6f}\t{gram}")
                if n + 1 < order and totals[n + 1][gram]:
                    out.write(f"\t{math.log10(DISCOUNT * kinds[n + 1][gram] / totals[n + 1][gram]):.6f}")
                out.write("\n")
        out.write("\n\\end\\\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(float(sys.argv[4]) * 1e6))
