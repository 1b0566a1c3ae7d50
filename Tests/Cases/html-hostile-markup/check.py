"""Pages of a megabyte made to cost time: each gives an answer, and what stands before the trouble is kept."""
import json
import os
import pathlib
import subprocess

PROSE = "<p>" + "川の水は、山の雪がとけて流れてくるものなので、春になると急に増える。" * 3 + "</p>"


def fill(piece, size=1_000_000):
    return piece * (size // len(piece.encode()))


PAGES = {
    "no >": "<p " + fill("a b c "),
    "unclosed tags": fill("<div>"),
    "unclosed lists": fill("<ul><li>"),
    "unclosed tables": fill("<table><tr><td>"),
    "unclosed titles": fill("<title>"),
    "unclosed text areas": fill("<textarea>"),
    "unclosed comments": fill("<!-- "),
    "unclosed quotes": fill("<a href=\"x' "),
    "quotes of both kinds": fill("<a b='><a b=\">"),
    "links without end": fill("<a href=x>x"),
    "one huge attribute": '<p class="' + fill("share ") + '">',
    "a million attributes": "<p " + fill("a=1 ") + ">",
    "ends of nothing": fill("</div></p></table>"),
    "ends across": fill("<p><table><td><div></p></i></div></x>"),
    "drawings": fill("<svg><foreignObject><math>"),
    "readings": fill("<ruby>x<rt>y<hr>"),
    "scripts in scripts": "<script><!--" + fill("<script></script>"),
    "references": fill("&#x110000;&notit;&amp"),
    "ampersands": fill("&"),
    "less-than signs": fill("<"),
    "marks in marks": fill("<div class=comments>x"),
    "headings before nothing": fill("<h2>x</h2>"),
    "cells": "<table><tr>" + fill("<td>x"),
    "hidden in hidden": fill("<div hidden>x"),
}


def record(number, body):
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + body
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://example.jp/{number}\r\n"
        f"WARC-Date: 2024-01-01T00:00:00Z\r\nWARC-Record-ID: <urn:uuid:2d59f7c8-ad3a-52d5-9a06-{number:012x}>\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(http)}\r\n\r\n"
    )
    return head.encode() + http + b"\r\n\r\n"


options = {"files": "in", "languages": [], "minimumCharacters": 0}
stages = {name: {"use": "commoncrawl.extract", "options": {**options, "boilerplate": name}} for name in ("keep", "drop")}
os.makedirs("in")
records = [record(number, (PROSE + page).encode()) for number, page in enumerate(PAGES.values())]
pathlib.Path("in/a.warc").write_bytes(b"".join(records))
pathlib.Path("doc.json").write_text(json.dumps({"format": 1, "name": "t", "stages": stages}))
done = subprocess.run([os.environ["PIPELINE"], "run", "doc.json"], capture_output=True, text=True, timeout=100)
assert done.returncode == 0, done.stdout + done.stderr
for name in stages:
    ledger = json.loads(next(pathlib.Path(f".pipeline/artifacts/{name}").glob("*/manifest.json")).read_text())["ledger"]
    assert ledger["output"]["documents"] == len(PAGES), (name, ledger)
print(f"{len(PAGES)} pages of a megabyte, each read and its text kept")
