"""Counts the records of web archives with warcio: type and number, one kind a line."""
import collections, sys

from warcio.archiveiterator import ArchiveIterator

for path in sys.argv[1:]:
    with open(path, "rb") as file:
        counts = collections.Counter(record.rec_type for record in ArchiveIterator(file))
    print(" ".join(f"{kind}:{count}" for kind, count in sorted(counts.items())), f"all:{sum(counts.values())}")
