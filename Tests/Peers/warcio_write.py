"""Writes web archives with warcio: warcio_write.py FOLDER.

wet.warc.gz: conversions; pages.warc.gz: answers of servers; whole.warc.gz: the same compressed as a whole; plain.warc.
"""
import gzip, io, sys

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

TEXT = "春になると、川の水は山の雪をとかして流れてくる。" * 6
ENGLISH = "In spring the river carries the melted snow of the mountains down to the sea, and people watch it. " * 4
PAGE = f"<html lang='ja'><title>川</title><body><nav><a href='/'>表紙</a></nav><p>{TEXT}</p></body></html>"


def conversion(writer, number, text, language):
    headers = {"WARC-Identified-Content-Language": language} if language else {}
    return writer.create_warc_record(
        f"https://www.example.jp/{number}", "conversion", payload=io.BytesIO(text.encode()), length=len(text.encode()),
        warc_content_type="text/plain", warc_headers_dict=headers)


def response(writer, number, body, status="200 OK", **headers):
    fields = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return writer.create_warc_record(
        f"https://www.example.jp/{number}", "response", payload=io.BytesIO(body),
        http_headers=StatusAndHeaders(status, fields, protocol="HTTP/1.1"))


def pages(writer):
    html = {"Content_Type": "text/html"}
    body = PAGE.encode()
    yield response(writer, 1, body, **html)
    yield response(writer, 2, PAGE.encode("cp932"), Content_Type="text/html; charset=Shift_JIS")
    yield response(writer, 3, gzip.compress(body, mtime=0), Content_Encoding="gzip", **html)
    half = len(body) // 2
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:])) + b"0\r\n\r\n"
    yield response(writer, 4, chunks, Transfer_Encoding="chunked", **html)
    yield response(writer, 5, b"nothing", status="404 Not Found", **html)
    yield response(writer, 6, b"\x89PNG", Content_Type="image/png")
    yield response(writer, 7, body, X_Robots_Tag="noindex", **html)
    yield response(writer, 8, TEXT.encode(), Content_Type="text/plain; charset=utf-8")
    yield response(writer, 9, b"<html><body><nav><a href='/'>x</a></nav></body></html>", **html)
    yield response(writer, 10, f"<html><body><p>{ENGLISH}</p>".encode(), Content_Type="application/xhtml+xml")
    yield writer.create_revisit_record(
        "https://www.example.jp/1", "sha1:A", "https://www.example.jp/1", "2025-01-01T00:00:00Z")


def main(folder):
    with open(folder + "/wet.warc.gz", "wb") as file:
        writer = WARCWriter(file, gzip=True)
        writer.write_record(writer.create_warcinfo_record("wet.warc.gz", {"software": "test"}))
        for number, (text, language) in enumerate(
            [(TEXT, "jpn"), (ENGLISH, "eng"), (TEXT, "eng,jpn"), (TEXT, None), ("短い。", "jpn"), (ENGLISH, None)]
        ):
            writer.write_record(conversion(writer, number, text, language))
    for name, compressed in (("pages.warc.gz", True), ("plain.warc", False)):
        with open(f"{folder}/{name}", "wb") as file:
            writer = WARCWriter(file, gzip=compressed)
            writer.write_record(writer.create_warcinfo_record(name, {"software": "test"}))
            for record in pages(writer):
                writer.write_record(record)
    with open(folder + "/plain.warc", "rb") as file, open(folder + "/whole.warc.gz", "wb") as whole:
        whole.write(gzip.compress(file.read()))


if len(sys.argv) > 1:
    main(sys.argv[1])
