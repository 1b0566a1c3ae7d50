"""Near-duplicates with rensa: 200 permutations of character 5-grams in 20 bands, kept documents written.

  dedupe_rensa.py CORPUS OUT
"""

import sys
import time

import orjson
import zstandard
from rensa import RMinHash, RMinHashLSH

from documents import documents

corpus, out = sys.argv[1:]
start = time.monotonic()
index = RMinHashLSH(threshold=0.8, num_perm=200, num_bands=20)
signatures, dropped = [], 0
with open(out, "wb") as raw, zstandard.ZstdCompressor(1).stream_writer(raw) as kept:
    for number, document in enumerate(documents(corpus)):
        text = document["text"]
        signature = RMinHash(num_perm=200, seed=42)
        signature.update([text[i : i + 5] for i in range(max(1, len(text) - 4))])
        signatures.append(signature)
        if any(signatures[other].jaccard(signature) >= 0.7 for other in index.query(signature)):
            dropped += 1
        else:
            index.insert(number, signature)
            kept.write(orjson.dumps(document) + b"\n")
print(f"{len(signatures)} documents, {dropped} dropped")
print(f"seconds {time.monotonic() - start:.3f}")
