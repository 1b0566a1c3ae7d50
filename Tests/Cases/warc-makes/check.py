"""Archives of every make give the same documents; what is cut or lies is told."""
import gzip
import json
import os
import pathlib
import struct
import subprocess
import sys

import zstandard

TEXT = "これは{}番目の文章で、川の水位を毎朝測っている。"
TEXTS = [(TEXT.format(n) * 8) for n in range(4)]


def record(number, off=0, kind="conversion", type="text/plain"):
    block = TEXTS[number].encode()
    return (f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: https://example.jp/{number}\r\n"
            f"WARC-Record-ID: <urn:uuid:{number}>\r\nContent-Type: {type}\r\nContent-Length: {len(block) + off}\r\n\r\n"
            ).encode() + block + b"\r\n\r\n"


RECORDS = [record(n) for n in range(4)]
ALL = b"".join(RECORDS)


def lz4(data):
    # A frame with one stored block: the header's checksum is the second byte of XXH32, computed for these flags.
    block = struct.pack("<I", 0x80000000 | len(data)) + data
    return b"\x04\x22\x4d\x18" + bytes([0x60, 0x70, 0x73]) + block + struct.pack("<I", 0)


def with_dictionary():
    samples = [record(n % 4, 0)[:200] + bytes([n]) * 40 + record((n + 1) % 4)[: 100 + n] for n in range(256)]
    dictionary = zstandard.train_dictionary(2048, samples)
    packed = zstandard.ZstdCompressor(dict_data=dictionary)
    frames = b"".join(packed.compress(one) for one in RECORDS)
    out = []
    for payload in (dictionary.as_bytes(), zstandard.compress(dictionary.as_bytes())):
        out.append(struct.pack("<II", 0x184D2A5D, len(payload)) + payload + frames)
    return out


def arc():
    version = "1 0 InternetArchive\nURL IP-address Archive-date Content-type Archive-length\n\n"
    lines = [f"filedesc://IA-1.arc 0.0.0.0 20080430204825 text/plain {len(version)}\n{version}".encode()]
    for number, text in enumerate(TEXTS):
        body = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}".encode()
        lines.append(f"http://example.jp/{number} 192.0.2.1 20080430204826 text/plain {len(body)}\n".encode() + body + b"\n")
    return lines


blocks = [gzip.compress(ALL[at:at + 100]) for at in range(0, len(ALL), 100)]
plain_dictionary, packed_dictionary = with_dictionary()
MAKES = {
    "plain.warc": ALL,
    "members.warc.gz": b"".join(gzip.compress(one) for one in RECORDS),
    "whole.warc.gz": gzip.compress(ALL),
    "blocks.warc.gz": b"".join(blocks),
    "named-wrong.gz": ALL,
    "frames.warc.zst": b"".join(zstandard.compress(one) for one in RECORDS),
    "dictionary.warc.zst": plain_dictionary,
    "packed-dictionary.warc.zst": packed_dictionary,
    "a.warc.lz4": lz4(ALL),
    "a.arc": b"".join(arc()),
    "a.arc.gz": b"".join(gzip.compress(one) for one in arc()),
    "cr-cr-lf.warc": ALL.replace(b"\r\n", b"\r\r\n"),
    "blanks.warc": ALL.replace(b": conversion\r", b": conversion \r").replace(b"/plain\r", b"/plain\t\r"),
    "capitals.warc": ALL.replace(b": conversion", b": Conversion").replace(b"https://", b"HTTPS://"),
    "length-blank.warc": ALL.replace(b"\r\n\r\n", b" \r\n\r\n", 1),
    "longer.warc": record(0) + record(1, 300) + record(2) + record(3),
    "shorter.warc": record(0) + record(1, -300) + record(2) + record(3),
    "first-longer.warc.gz": gzip.compress(record(0, 300) + record(1) + record(2) + record(3)),
    "first-shorter.warc.gz": gzip.compress(record(0, -30) + record(1) + record(2) + record(3)),
    "no-blank-lines.warc": b"".join(one[:-4] + b"\r\n" for one in RECORDS),
    "zeros.warc.gz": b"".join(gzip.compress(one) + bytes(512) for one in RECORDS),
}


def run(name, data):
    pathlib.Path(name).write_bytes(data)
    pathlib.Path("doc.json").write_text(json.dumps({"format": 1, "name": "x", "stages": {
        "r": {"use": "commoncrawl.extract", "options": {"files": name}}}}))
    done = subprocess.run(
        [os.environ["PIPELINE"], "run", "doc.json"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    printed = done.stdout.decode()
    if done.returncode:
        return printed, []
    folder = subprocess.run(
        [os.environ["PIPELINE"], "artifact", "doc.json", "r"], stdout=subprocess.PIPE).stdout.decode().strip()
    texts = []
    for path in sorted(pathlib.Path(folder).glob("*.jsonl.zst")):
        data = zstandard.ZstdDecompressor().stream_reader(path.open("rb"), read_across_frames=True).read()
        texts += [json.loads(line) for line in data.decode().splitlines()]
    return printed, texts


wrong = []
for name, data in MAKES.items():
    printed, found = run(name, data)
    if [one["text"] for one in found] != TEXTS:
        wrong.append(f"{name}: {len(found)} documents: {printed[-300:]}")
cut = b"".join(gzip.compress(one) for one in RECORDS)
printed, found = run("cut.warc.gz", cut[:-40])
if "truncated-archive" not in printed or len(found) < 3:
    wrong.append(f"cut.warc.gz: {printed[-300:]}")
long = "".join(TEXT.format(n) + str(n * 7919 % 9973) for n in range(200)).encode()
only = record(0).split(b"Content-Length")[0] + b"Content-Length: %d\r\n\r\n" % len(long) + long + b"\r\n\r\n"
packed = gzip.compress(only)
printed, found = run("only-cut.warc.gz", packed[:len(packed) * 3 // 4])
if "truncated-archive" not in printed or len(found) != 1 or found[0]["metadata"].get("truncated") != "archive":
    wrong.append(f"only-cut.warc.gz: {printed[-300:]}")
head = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 0, 0xFF, 0xFF, 0, 0])
printed, found = run("hostile.warc.gz", gzip.compress(RECORDS[0]) + head * 126000 + gzip.compress(RECORDS[1]))
if TEXTS[0] not in [one["text"] for one in found] or "damaged-archive" not in printed:
    wrong.append(f"hostile.warc.gz: {printed[-300:]}")
if wrong:
    sys.exit(" | ".join(wrong).replace("\n", " "))
print(f"{len(MAKES)} makes of one archive give the same documents; cut ones and 1.9 MB of hostile heads are told")
