"""Pages in encodings that are said wrongly, badly or not at all (web-extraction.md, E1 to E6)."""
import json
import os
import pathlib
import subprocess
import sys

import zstandard

JAPANESE = "川の水位を毎朝測っている人びとの話を聞いた。記録は町の役場に保存され、だれでも読むことができる。" * 4
ENGLISH = "The river was measured every morning, and the records are kept at the town hall for everyone to read. " * 8
FRENCH = ENGLISH + "Le café de la gare était fermé à cause de l'été. "
KANJI = "日本国民会議事業計画、東京都中央区経済産業大学研究会。第一回全国大会開催決定。" * 6
RUSSIAN = "Привет, это простая русская страница о погоде и о том, что делать в городе летом. " * 4
CHINESE = "我们的国家是大的，我在这里工作，他们都说这个地方很好，人们来来去去。" * 6


def page(text, meta=""):
    return f"<html><head>{meta}<title>x</title></head><body><p>{text}</p></body></html>"


def meta(label):
    return f"<meta charset={label}>"


PAGES = [
    ("latin-1 in meta", page(FRENCH, meta("iso-8859-1")).encode("cp1252"), None, "café de la gare était fermé"),
    ("latin-1 in HTTP", page(FRENCH).encode("cp1252"), "iso-8859-1", "café de la gare était fermé"),
    ("latin-1, nothing said", page(FRENCH).encode("cp1252"), None, "café de la gare était fermé"),
    ("latin-1 under utf-8", page(FRENCH, meta("utf-8")).encode("cp1252"), "utf-8", "café de la gare était fermé"),
    ("few Shift_JIS characters", page(ENGLISH + "カフェの朝").encode("cp932"), None, "カフェの朝"),
    ("ISO-2022-JP under utf-8", page(JAPANESE, meta("iso-2022-jp")).encode("iso2022_jp"), "utf-8", "川の水位"),
    ("ISO-2022-JP under shift_jis", page(JAPANESE).encode("iso2022_jp"), "shift_jis", "川の水位"),
    ("utf-16le from HTTP", page(JAPANESE).encode("utf-16-le"), "utf-16le", "川の水位"),
    ("utf-16be from HTTP", page(JAPANESE).encode("utf-16-be"), "utf-16be", "川の水位"),
    ("kanji alone, EUC-JP", page(KANJI).encode("euc_jp"), None, "日本国民会議"),
    ("kanji alone, Shift_JIS", page(KANJI).encode("cp932"), None, "日本国民会議"),
    ("half-width kana", page("ｶﾞｲﾄﾞﾌﾞｯｸ" * 9 + JAPANESE).encode("cp932"), None, "川の水位"),
    ("EUC-JP under Shift_JIS", page(JAPANESE, meta("shift_jis")).encode("euc_jp"), "shift_jis", "川の水位"),
    ("kanji, EUC-JP under Shift_JIS", page(KANJI).encode("euc_jp"), "shift_jis", "日本国民会議"),
    ("meta in a comment", page(JAPANESE, "<!-- " + meta("utf-8") + " -->" + meta("euc-jp")).encode("euc_jp"), None, "川の水位"),
    ("meta behind 4 KiB", page(JAPANESE, "<link rel=x href=y>" * 400 + meta("euc-jp")).encode("euc_jp"), None, "川の水位"),
    ("bogus meta first", page(JAPANESE, meta("bogus") + meta("euc-jp")).encode("euc_jp"), None, "川の水位"),
    ("windows-1251", page(RUSSIAN).encode("cp1251"), None, "простая русская страница"),
    ("koi8-r", page(RUSSIAN).encode("koi8-r"), None, "простая русская страница"),
    ("gbk", page(CHINESE).encode("gbk"), None, "我们的国家"),
    ("big5", page("我們的國家是大的，他們都說這個地方很好，人們來來去去。" * 6).encode("big5"), None, "我們的國家"),
    ("euc-kr", page("이 나라는 아름다운 곳이다. 사람들이 여기에서 일하고 있다고 한다. " * 6).encode("euc-kr"), None, "아름다운"),
]

with open("pages.warc", "wb") as file:
    for number, (_, body, charset, _) in enumerate(PAGES):
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/html" + (f"; charset={charset}" if charset else "") + "\r\n\r\n"
        block = head.encode() + body
        file.write((f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: https://example.jp/{number}\r\n"
                    f"WARC-Record-ID: <urn:uuid:{number}>\r\nContent-Length: {len(block)}\r\n\r\n").encode())
        file.write(block + b"\r\n\r\n")
pathlib.Path("doc.json").write_text(json.dumps({"format": 1, "name": "x", "stages": {
    "r": {"use": "commoncrawl.extract", "options": {"files": "pages.warc", "languages": []}}}}))
done = subprocess.run([os.environ["PIPELINE"], "run", "doc.json"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
if done.returncode:
    sys.exit(done.stdout.decode()[-400:])
folder = subprocess.run([os.environ["PIPELINE"], "artifact", "doc.json", "r"], stdout=subprocess.PIPE)
path = pathlib.Path(folder.stdout.decode().strip()) / "00000.jsonl.zst"
lines = zstandard.ZstdDecompressor().stream_reader(path.open("rb"), read_across_frames=True).read().decode().splitlines()
texts = {one["id"]: one for one in map(json.loads, lines)}
wrong = []
for number, (name, _, _, wanted) in enumerate(PAGES):
    found = texts.get(f"urn:uuid:{number}", {"text": "dropped"})
    if wanted not in found["text"] or "\ufffd" in found["text"]:
        wrong.append(f"{name}: {found.get('metadata', {}).get('encoding')}: {found['text'][:40]}")
if wrong:
    sys.exit(" | ".join(wrong).replace("\n", " "))
print(f"{len(PAGES)} pages in encodings said wrongly, badly or not at all are read")
