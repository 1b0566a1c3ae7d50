"""MosaicML Streaming: writes documents as MDS shards of 64 MiB.

  mds_streaming.py CORPUS OUT COMPRESSION     COMPRESSION: none or zstd:3
"""

import os
import sys
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(here, "..", "..", "Tests", "Peers"))
from mosaicml_streaming import import_streaming  # noqa: E402

import_streaming()
from streaming import MDSWriter  # noqa: E402

from documents import documents  # noqa: E402

corpus, out, compression = sys.argv[1:]
start = time.monotonic()
written = 0
with MDSWriter(
    out=out, columns={"id": "str", "text": "str"}, compression=None if compression == "none" else compression,
    hashes=["xxh64"], size_limit=1 << 26, progress_bar=False) as writer:
    for document in documents(corpus):
        writer.write({"id": document["id"], "text": document["text"]})
        written += 1
print(f"{written} samples")
print(f"seconds {time.monotonic() - start:.3f}")
