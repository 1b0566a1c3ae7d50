"""Elements that are never closed: a thousand sentences come out, whatever the element, and without a warning."""
import json
import os
import pathlib
import subprocess

import zstandard

DOC = {
    "format": 1,
    "name": "t",
    "stages": {
        "cc": {
            "use": "commoncrawl.extract",
            "options": {"files": "in", "languages": [], "minimumCharacters": 0, "boilerplate": "keep"},
        }
    },
}
TAGS = ["font color=red", "div", "b", "span class=x", "ul><li", "table><tr><td", "a href=/x", "section", "blink", "ruby", "q"]


def record(number, body):
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + body
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://example.jp/{number}\r\n"
        f"WARC-Date: 2024-01-01T00:00:00Z\r\nWARC-Record-ID: <urn:uuid:2d59f7c8-ad3a-52d5-9a06-{number:012x}>\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(http)}\r\n\r\n"
    )
    return head.encode() + http + b"\r\n\r\n"


pages = []
for tag in TAGS:
    sentences = "".join(f"<{tag}>段落{n}番の文章である。<br>\n" for n in range(1000))
    pages.append(f"<!DOCTYPE html><html lang=ja><head><title>題</title></head><body>{sentences}</body></html>".encode())
os.makedirs("in")
pathlib.Path("in/a.warc").write_bytes(b"".join(record(number, page) for number, page in enumerate(pages)))
pathlib.Path("doc.json").write_text(json.dumps(DOC))
done = subprocess.run([os.environ["PIPELINE"], "run", "doc.json"], capture_output=True, text=True)
assert done.returncode == 0, done.stdout + done.stderr
texts = []
for path in sorted(pathlib.Path(".pipeline/artifacts/cc").glob("*/documents/*.jsonl.zst")):
    with zstandard.open(path, "rt") as lines:
        texts += [json.loads(line)["text"] for line in lines]
assert len(texts) == len(TAGS), len(texts)
for tag, text in zip(TAGS, texts):
    missing = [n for n in range(1000) if f"段落{n}番の文章である。" not in text]
    assert not missing, f"<{tag}>: {len(missing)} of 1,000 sentences are missing"
assert "warning" not in done.stdout + done.stderr, done.stdout + done.stderr
print(f"1,000 of 1,000 sentences for each of {len(TAGS)} elements")
