"""One SIGTERM ends a task that computes for long and asks nobody: a record of 100 GB, passed over within one call."""
import gzip
import os
import pathlib
import signal
import subprocess
import sys
import time
import zlib

packer = zlib.compressobj(9, zlib.DEFLATED, 31)
zeros = b"".join([packer.compress(bytes(1 << 20)) for _ in range(256)] + [packer.flush()])
head = (b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://example.jp/\r\nWARC-Record-ID: <urn:uuid:1>\r\n"
        b"Content-Length: 107374182400\r\n\r\n")
with open("a.warc.gz", "wb") as file:
    file.write(gzip.compress(head))
    for _ in range(400):
        file.write(zeros)
pathlib.Path("doc.json").write_text(
    '{"format":1,"name":"x","stages":{"r":{"use":"commoncrawl.extract","options":{"files":"a.warc.gz"}}}}')
process = subprocess.Popen(
    [os.environ["PIPELINE"], "run", "doc.json"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
store = pathlib.Path(".pipeline/artifacts/r")
deadline = time.monotonic() + 30
while not list(store.glob("*")) and time.monotonic() < deadline:
    time.sleep(0.05)
time.sleep(1)
if process.poll() is not None:
    sys.exit(f"it ended by itself: {process.communicate()[0].decode()[-300:]}")
process.send_signal(signal.SIGTERM)
began = time.monotonic()
try:
    printed = process.communicate(timeout=60)[0].decode()
except subprocess.TimeoutExpired:
    process.kill()
    sys.exit("one SIGTERM does not end it within a minute")
if process.returncode != 130:
    sys.exit(f"exit {process.returncode}: {printed[-300:]}")
print(f"one SIGTERM ends it, with exit code 130")
