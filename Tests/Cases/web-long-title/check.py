"""A title of any length leaves valid UTF-8 behind, for every cut within a character."""
import json
import os
import pathlib
import subprocess
import sys

import zstandard

program = os.environ["PIPELINE"]
page = pathlib.Path("page.warc").read_bytes()
ended = subprocess.run([program, "run", "doc.json"], capture_output=True, text=True)
if ended.returncode != 0:
    sys.exit(ended.stdout + ended.stderr)
for stage in ["r", "c"]:
    folder = pathlib.Path(subprocess.run(
        [program, "artifact", "doc.json", stage], capture_output=True, text=True, check=True).stdout.strip())
    lines = b"".join(
        zstandard.ZstdDecompressor().stream_reader(path.open("rb")).read() for path in folder.glob("*.zst"))
    documents = [json.loads(line) for line in lines.decode("utf-8").splitlines()]
    if len(documents) != page.count(b"WARC-Type: response"):
        sys.exit(f"{stage}: {len(documents)} documents of {page.count(b'WARC-Type: response')} pages")
    for document in documents:
        title = document["metadata"].get("title", "")
        if "\ufffd" in title or len(title.encode()) > 4200:
            sys.exit(f"the title ends in {title[-5:]!r}, {len(title.encode())} bytes")
print("the title is cut between characters")
