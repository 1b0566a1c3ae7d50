"""A stream that cannot be decoded for want of memory is not damaged."""
import json
import lzma
import os
import pathlib
import resource
import subprocess
import sys
import zlib

# An xz stream that asks for a dictionary of 768 MiB, little as it holds.
line = json.dumps({"id": "a", "text": "川の水位を毎朝測っている。", "source": "t"}, ensure_ascii=False).encode() + b"\n"
data = bytearray(lzma.compress(line, check=lzma.CHECK_CRC32))
size = (data[12] + 1) * 4
assert data[14:16] == b"\x21\x01"
data[16] = 35
data[12 + size - 4:12 + size] = zlib.crc32(bytes(data[12:12 + size - 4])).to_bytes(4, "little")
pathlib.Path("a.jsonl.xz").write_bytes(data)
pathlib.Path("doc.json").write_text(
    '{"format":1,"name":"x","stages":{"r":{"use":"documents.read","options":{"files":"a.jsonl.xz"}}}}')


def run(limit):
    def bound():
        if limit:
            resource.setrlimit(resource.RLIMIT_AS, (limit << 20, limit << 20))
    done = subprocess.run(
        [os.environ["PIPELINE"], "run", "doc.json", "--jobs", "1", "--memory", "64MiB"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        preexec_fn=bound, timeout=60)
    return done.returncode, done.stdout.decode()


code, printed = run(900)
if code != 1 or "not enough memory to decode its xz stream" not in printed or "is damaged" in printed:
    sys.exit(f"with little memory: exit {code}: {printed[-300:]}".replace("\n", " "))
code, printed = run(None)
if code != 0 or "1 in, 1 out" not in printed:
    sys.exit(f"with memory: exit {code}: {printed[-300:]}".replace("\n", " "))
print("an xz stream without memory is told as that, and read where there is memory")
