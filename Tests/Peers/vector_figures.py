"""Figures of vectors by scikit-learn and scipy.

  vector_figures.py FILE
      FILE is JSON: train, test (lists of vectors), trainLabels, testLabels (numbers), clusters (a number), similarities and
      isWanted (of pairs). Prints JSON: what KNeighborsClassifier, LogisticRegression and AgglomerativeClustering give, their
      macro F1 and accuracy, homogeneity, completeness and V-measure of the clusters and of k-means, the best F1 and
      accuracy over all thresholds of the pairs, and their average precision.
"""
import json
import sys

import numpy as np
from sklearn.cluster import AgglomerativeClustering, BisectingKMeans, KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, homogeneity_completeness_v_measure
from sklearn.neighbors import KNeighborsClassifier


def classified(model, given):
    model.fit(given["train"], given["trainLabels"])
    said = model.predict(given["test"])
    return {
        "labels": said.tolist(), "macroF1": f1_score(given["testLabels"], said, average="macro"),
        "accuracy": accuracy_score(given["testLabels"], said)}


def clustered(model, given):
    clusters = model.fit_predict(given["train"])
    return {
        "clusters": clusters.tolist(), "inertia": spread(given["train"], clusters),
        "agreement": list(homogeneity_completeness_v_measure(given["trainLabels"], clusters))}


def spread(vectors, clusters):
    """The sum of squared distances from the clusters' means."""
    return float(sum(
        ((vectors[clusters == cluster] - vectors[clusters == cluster].mean(0)) ** 2).sum() for cluster in set(clusters)))


def pairs(given):
    similarities, wanted = given["similarities"], given["isWanted"]
    cuts = np.sort(similarities)
    said = [similarities >= cut for cut in (cuts[1:] + cuts[:-1]) / 2]
    return {
        "f1": max(f1_score(wanted, own) for own in said), "accuracy": max(accuracy_score(wanted, own) for own in said),
        "averagePrecision": average_precision_score(wanted, similarities)}


def main(path):
    with open(path) as file:
        given = {key: np.array(value) for key, value in json.load(file).items()}
    count = int(given["clusters"])
    print(json.dumps({
        "neighbors": classified(KNeighborsClassifier(n_neighbors=2, metric="cosine"), given),
        "logistic": classified(LogisticRegression(max_iter=10_000, tol=1e-9), given),
        "ward": clustered(AgglomerativeClustering(n_clusters=count), given),
        "kMeans": clustered(KMeans(n_clusters=count, n_init=20, random_state=0), given),
        "bisecting": clustered(BisectingKMeans(n_clusters=count, n_init=20, random_state=0), given),
        "pairs": pairs(given)}))


if __name__ == "__main__" and len(sys.argv) > 1:
    main(sys.argv[1])
