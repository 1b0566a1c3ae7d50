"""A JSON null in a text column is stored as a missing value is: as nothing, not as the word."""
import json
import os
import pathlib
import struct
import subprocess
import sys

program = os.environ["PIPELINE"]
subprocess.run([program, "run", "doc.json"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
folder = pathlib.Path(subprocess.run(
    [program, "artifact", "doc.json", "w"], check=True, capture_output=True, text=True).stdout.strip())
names = json.loads((folder / "index.json").read_text())["shards"][0]["column_names"]
data = (folder / "shard.00000.mds").read_bytes()
count = struct.unpack_from("<I", data)[0]
offsets = struct.unpack_from(f"<{count + 1}I", data, 4)
values = []
for start in offsets[:-1]:
    sizes = struct.unpack_from(f"<{len(names)}I", data, start)
    at = start + 4 * len(names)
    sample = {}
    for name, size in zip(names, sizes):
        sample[name] = data[at:at + size].decode()
        at += size
    values.append(sample["k"])
if values != ["", "x", ""]:
    sys.exit(f"the column holds {values}")
print("null is stored as a missing value is")
