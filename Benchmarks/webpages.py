"""Makes web archives of real pages, or of made ones: documents amid navigation, heads, feet and lists of links."""

import io
import os
import pathlib
import random

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

PAGE = """<!DOCTYPE html>
<html lang="ja"><head><meta charset="utf-8"><title>{title}</title>
<script>var tracking = {{"page": {number}, "events": [{numbers}]}};</script>
<style>body {{ margin: 0 }} nav li {{ display: inline }} .side {{ float: right; width: 20em }}</style></head>
<body><header><a href="/">見本の新聞</a><nav><ul>{menu}</ul></nav></header>
<main><article><h1>{title}</h1><p class="meta">公開日 2025年1月{day}日 <a href="/staff">編集部</a></p>
{paragraphs}
</article></main>
<aside class="side"><h2>関連する記事</h2><ul>{links}</ul></aside>
<footer><p>Copyright 2025 見本の新聞. 無断転載を禁じます。</p><ul>{menu}</ul></footer></body></html>
"""


def page(rng, number, text):
    title = text[:20]
    menu = "".join(f'<li><a href="/{i}">項目{i}</a></li>' for i in range(12))
    links = "".join(f'<li><a href="/a/{rng.randrange(10**6)}">{text[i * 7:i * 7 + 18]}</a></li>' for i in range(15))
    sentences = text.replace("\n", "").split("。")
    paragraphs = "\n".join(
        f"<p>{'。'.join(sentences[i:i + 4])}。</p>" for i in range(0, len(sentences) - 1, 4))
    return PAGE.format(
        title=title, number=number, numbers=", ".join(str(rng.randrange(10**9)) for _ in range(60)), menu=menu,
        day=number % 28 + 1, paragraphs=paragraphs, links=links)


def made(documents):
    """Pages without end, as bytes."""
    rng = random.Random(5)
    for number, document in enumerate(documents):
        yield page(rng, number, document["text"]).encode()


def real(folder):
    """The *.html files of a folder, again and again."""
    paths = sorted(pathlib.Path(folder).rglob("*.html"))
    if not paths:
        raise SystemExit(f"{folder}: there is no .html file in it")
    while True:
        for path in paths:
            yield path.read_bytes()


def make(folder, pages, megabytes, archives=4):
    """Writes so much of the pages. Returns the megabytes of HTML."""
    os.makedirs(folder)
    files = [open(f"{folder}/{i}.warc.gz", "wb") for i in range(archives)]
    writers = [WARCWriter(file, gzip=True) for file in files]
    total = 0
    head = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], protocol="HTTP/1.1")
    for number, html in enumerate(pages):
        writer = writers[number % archives]
        writer.write_record(writer.create_warc_record(
            f"https://example.jp/{number}", "response", payload=io.BytesIO(html), http_headers=head))
        total += len(html)
        if total > megabytes * 1e6:
            break
    for file in files:
        file.close()
    return total / 1e6
