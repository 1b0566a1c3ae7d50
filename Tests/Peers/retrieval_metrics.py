"""Metrics of retrieval and similarity as JMTEB and trec_eval define them, computed from their definitions.

  retrieval_metrics.py ranking FILE     FILE: {"relevant": [[id, …], …], "retrieved": [[id, …], …]}, a list a query
      Prints a line of JSON: accuracy@k, mrr@10 and ndcg@10 as JMTEB's evaluators/retrieval has them (relevance 0 or 1,
      means over all queries), recall@k and map@100 as trec_eval has them.
  retrieval_metrics.py similarity FILE  FILE: {"vectors": [[…], …], "gold": […]}, vectors two and two
      Prints each similarity's pearson and spearman as JMTEB's evaluators/sts computes them, and "chosen".

Needs: pip install numpy.
"""
import json
import sys

import numpy as np


def mean(values):
    return float(np.mean(values))


def accuracy(relevant, retrieved, k):
    return mean([any(hit in wanted for hit in hits[:k]) for wanted, hits in zip(relevant, retrieved)])


def reciprocal(relevant, retrieved, k):
    return mean([
        next((1 / rank for rank, hit in enumerate(hits[:k], 1) if hit in wanted), 0)
        for wanted, hits in zip(relevant, retrieved)])


def ndcg(relevant, retrieved, k):
    def gain(ranks):
        return sum(1 / np.log2(rank + 1) for rank in ranks)
    return mean([
        gain(rank for rank, hit in enumerate(hits[:k], 1) if hit in wanted) / gain(range(1, len(wanted) + 1))
        for wanted, hits in zip(relevant, retrieved)])


def recall(relevant, retrieved, k):
    return mean([len(set(hits[:k]) & set(wanted)) / len(wanted) for wanted, hits in zip(relevant, retrieved)])


def average_precision(wanted, hits):
    found = [rank for rank, hit in enumerate(hits, 1) if hit in wanted]
    return sum(number / rank for number, rank in enumerate(found, 1)) / len(wanted)


def ranking(data):
    pair = data["relevant"], data["retrieved"]
    scores = {f"accuracy@{k}": accuracy(*pair, k) for k in (1, 3, 5, 10)}
    scores |= {f"recall@{k}": recall(*pair, k) for k in (10, 100)}
    scores |= {"mrr@10": reciprocal(*pair, 10), "ndcg@10": ndcg(*pair, 10)}
    scores["map@100"] = mean([average_precision(wanted, hits[:100]) for wanted, hits in zip(*pair)])
    return scores


def pearson(a, b):
    a, b = np.asarray(a) - np.mean(a), np.asarray(b) - np.mean(b)
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def ranks(values):
    """By counting: 1 + those below + half of the equal others."""
    values = np.asarray(values)
    return [1 + (values < value).sum() + ((values == value).sum() - 1) / 2 for value in values]


def similarity(data):
    vectors, gold = np.asarray(data["vectors"]), data["gold"]
    a, b = vectors[0::2], vectors[1::2]
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (a, b)]
    said = {
        "cosine": (unit[0] * unit[1]).sum(1), "manhattan": -abs(b - a).sum(1),
        # JMTEB takes each difference's root of its square, and sums: its Euclidean distance is Manhattan's.
        "jmteb-euclidean": -np.sqrt(np.square(b - a)).sum(1), "dot": (a * b).sum(1),
        "euclidean": -np.sqrt(np.square(b - a).sum(1)),
    }
    scores = {
        name: {"pearson": pearson(gold, values), "spearman": pearson(ranks(gold), ranks(values))}
        for name, values in said.items()}
    of_jmteb = [name for name in said if name != "euclidean"]
    chosen = sorted(of_jmteb, key=lambda name: scores[name]["spearman"], reverse=True)[0]
    return {**scores, "chosen": chosen}


if len(sys.argv) > 1:
    with open(sys.argv[2]) as file:
        print(json.dumps({"ranking": ranking, "similarity": similarity}[sys.argv[1]](json.load(file))))
