"""Builds a copy of Aozora Bunko for the tests: a zip for each work and the index in its real form.

usage: aozora_site.py SPECIFICATION FOLDER ORIGIN

The specification is JSON: {"works": [{"id", "text", …}]}, or {"tar", "list", "count"} for the first works of an archive
of real ones. Without arguments nothing is done.
"""
import csv, io, json, os, re, sys, tarfile, zipfile

import zstandard

COLUMNS = (
    "作品ID,作品名,作品名読み,ソート用読み,副題,副題読み,原題,初出,分類番号,文字遣い種別,作品著作権フラグ,公開日,最終更新日,図書カードURL,"
    "人物ID,姓,名,姓読み,名読み,姓読みソート用,名読みソート用,姓ローマ字,名ローマ字,役割フラグ,生年月日,没年月日,人物著作権フラグ,"
    "底本名1,底本出版社名1,底本初版発行年1,入力に使用した版1,校正に使用した版1,底本の親本名1,底本の親本出版社名1,底本の親本初版発行年1,"
    "底本名2,底本出版社名2,底本初版発行年2,入力に使用した版2,校正に使用した版2,底本の親本名2,底本の親本出版社名2,底本の親本初版発行年2,"
    "入力者,校正者,テキストファイルURL,テキストファイル最終更新日,テキストファイル符号化方式,テキストファイル文字集合,テキストファイル修正回数,"
    "XHTML/HTMLファイルURL,XHTML/HTMLファイル最終更新日,XHTML/HTMLファイル符号化方式,XHTML/HTMLファイル文字集合,XHTML/HTMLファイル修正回数"
).split(",")


def packed(work):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        def add(name, data):
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
        if "bomb" in work:
            add("bomb.txt", b"a" * work["bomb"])
        else:
            data = work["data"] if "data" in work else work["text"].replace("\n", "\r\n").encode("cp932")
            add(work.get("member", f"{work['id']}.txt"), data)
    return out.getvalue()


def write(folder, path, data):
    full = os.path.join(folder, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "wb") as file:
        file.write(data)


def row(work, origin):
    values = {
        "作品ID": f"{work['id']:06}", "作品名": work.get("title", f"作品{work['id']}"), "初出": "「見本」<br>2026年",
        "文字遣い種別": work.get("orthography", "新字新仮名"), "作品著作権フラグ": work.get("flag", "なし"),
        "人物ID": "000001", "姓": work.get("family", "見本"), "名": work.get("given", "太郎"), "役割フラグ": "著者",
        "人物著作権フラグ": "なし", "テキストファイルURL": f"{origin}/{work['path']}",
        "テキストファイル最終更新日": work.get("date", "2026-01-01"), "テキストファイル符号化方式": "ShiftJIS",
        "テキストファイル文字集合": "JIS X 0208", "テキストファイル修正回数": str(work.get("revision", 0)),
    }
    return [values.get(column, "") for column in COLUMNS]


def real(tar, names, count):
    listed = {}
    with open(names, encoding="utf-8", newline="") as file:
        for entry in csv.DictReader(file):
            listed[int(entry["作品ID"])] = entry
    seen = set()
    with open(tar, "rb") as file:
        with tarfile.open(fileobj=zstandard.ZstdDecompressor().stream_reader(file), mode="r|") as archive:
            for member in archive:
                found = re.search(r"(cards/\d+/files)/((\d+)_ruby_\d+)\.?[^/]*/[^/]+\.txt$", member.name)
                if not member.isfile() or not found or int(found[3]) in seen:
                    continue
                seen.add(int(found[3]))
                entry = listed.get(int(found[3]), {})
                yield {
                    "id": int(found[3]), "path": f"{found[1]}/{found[2]}.zip", "data": archive.extractfile(member).read(),
                    "title": entry.get("作品名", "題"), "family": entry.get("著者名", "見本"), "given": "",
                    "orthography": entry.get("仮名遣い種別", "新字新仮名"),
                }
                if len(seen) == count:
                    return


def main(specification, folder, origin):
    with open(specification, encoding="utf-8") as file:
        order = json.load(file)
    works = real(order["tar"], order["list"], order["count"]) if "tar" in order else order["works"]
    index = io.StringIO()
    writer = csv.writer(index, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    ids = []
    for work in works:
        work.setdefault("path", f"cards/000001/files/{work['id']}_ruby_{work['id']}.zip")
        if not work.get("missing"):
            write(folder, work["path"], packed(work))
        if not work.get("unlisted"):
            writer.writerow(row(work, origin))
        ids.append(work["id"])
    data = ("\ufeff" + index.getvalue()).encode("utf-8")
    with zipfile.ZipFile(out := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("list_person_all_extended_utf8.csv", (2026, 1, 1, 0, 0, 0)), data)
    write(folder, "index_pages/list_person_all_extended_utf8.zip", out.getvalue())
    print(json.dumps(ids))


if __name__ == "__main__" and len(sys.argv) > 1:
    main(*sys.argv[1:])
