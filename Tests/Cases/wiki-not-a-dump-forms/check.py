"""Files that are no dump fail with a sentence that says what they are; a dump without pages may be allowed."""
import bz2
import gzip
import json
import os
import pathlib
import subprocess

SITE = "<mediawiki><siteinfo><sitename>W</sitename></siteinfo>"
WRONG = {
    "empty": (b"", "it is empty"),
    "html": (b"<!DOCTYPE html>\n<html><body>404</body></html>", "<html>"),
    "gzip of nothing": (gzip.compress(b""), "it is empty"),
    "rss": (b'<?xml version="1.0"?><rss><channel/></rss>', "<rss>"),
    "json": (b'{"a":1}', "JSON"),
    "text": ("これはダンプではない。".encode() * 50, "does not begin with XML"),
    "7z": (b"7z\xbc\xaf\x27\x1c\x00\x04", "7z archive"),
    "sql.gz": (gzip.compress(b"-- MySQL dump 10.19\nINSERT INTO `page` VALUES (1);\n"), "SQL"),
    "index": (bz2.compress("600:12:題\n".encode()), "index of a multistream dump"),
    "cut head": ((SITE[:30]).encode(), "cut off before its first page"),
}
RIGHT = {"no pages": (SITE + "</mediawiki>").encode(), "no pages, bzip2": bz2.compress((SITE + "</mediawiki>").encode())}


def run(content: bytes, **switches) -> subprocess.CompletedProcess:
    pathlib.Path("jawiki.xml").write_bytes(content)
    document = {"format": 1, "name": "t", "stages": {"e": {"use": "wikipedia.extract", "options": {"dump": "jawiki.xml"}, **switches}}}
    pathlib.Path("doc.json").write_text(json.dumps(document))
    return subprocess.run([os.environ["PIPELINE"], "run", "doc.json"], capture_output=True, text=True, timeout=60)


for name, (content, sentence) in WRONG.items():
    result = run(content)
    output = result.stdout + result.stderr
    assert result.returncode == 1, (name, result.returncode, output)
    assert sentence in output and "dump" in output, (name, output)
for name, content in RIGHT.items():
    result = run(content)
    assert result.returncode == 1 and "read nothing" in result.stdout + result.stderr, (name, result.stderr)
    result = run(content, mayBeEmpty=True)
    assert result.returncode == 0, (name, result.stderr)
print(f"{len(WRONG)} wrong files named, {len(RIGHT)} empty dumps read")
