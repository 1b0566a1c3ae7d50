"""average_weights.py MERGED SHARE FILE [SHARE FILE ...]: recomputes a weighted average of safetensors files.

Sums in float64 in the order given, rounded once to float32. Prints JSON: names of tensors that differ by a bit from
MERGED's, and each file's Euclidean distance from it.
"""
import json
import sys

import numpy
from safetensors.numpy import load_file

if len(sys.argv) > 1:
    merged = load_file(sys.argv[1])
    parts = [(float(share), load_file(path)) for share, path in zip(sys.argv[2::2], sys.argv[3::2])]
    different, squares = [], [0.0] * len(parts)
    for name, found in merged.items():
        total = numpy.zeros(found.shape, numpy.float64)
        for share, tensors in parts:
            total += share * tensors[name].astype(numpy.float64)
        average = total.astype(numpy.float32)
        if average.tobytes() != found.tobytes():
            different.append(name)
        for place, (_, tensors) in enumerate(parts):
            squares[place] += float(((tensors[name].astype(numpy.float64) - average) ** 2).sum())
    names = [sorted(tensors) for _, tensors in parts] + [sorted(merged)]
    print(json.dumps({"different": different, "distances": [s ** 0.5 for s in squares], "same": all(n == names[0] for n in names)}))
