"""Draws from NumPy's default_rng and prints the results as one line of JSON a case.

  python3 numpy_random.py 'JSON'

JSON is a list of [SEED, SIZE]. Each line: halves and words drawn in turn, a shuffled list, a permutation, integers of
several ranges and uniform numbers, all from one generator, so that buffered halves are noticed too.
"""
import json
import sys

import numpy as np


def case(seed, size):
    random = np.random.default_rng(seed)
    out = {}
    values = list(range(size))
    random.shuffle(values)
    out["list"] = values
    out["permutation"] = random.permutation(size).tolist()
    out["uniform"] = [random.uniform(-1.5, 1 + size) for _ in range(3)]
    array = np.arange(size)
    random.shuffle(array)
    out["array"] = array.tolist()
    ranges = [(0, 1), (0, 7), (-3, 2**31), (0, 2**32), (5, 2**32 - 1), (196608, 327680)]
    out["integers"] = [int(random.integers(low, high)) for low, high in ranges]
    out["many"] = random.integers(0, 3 * size, 5).tolist()
    out["bits"] = [str(x) for x in random.integers(0, 2**64, 2, dtype=np.uint64)]
    return out


for arguments in json.loads(sys.argv[1]) if len(sys.argv) > 1 else []:
    print(json.dumps(case(*arguments)))
