"""A zip of 65,539 members whose 16-bit count says 3, and zip64 counts that are negative."""
import os
import pathlib
import struct
import subprocess
import sys
import zipfile

ARTICLE = """<article xmlns:xlink="http://www.w3.org/1999/xlink"><front><article-meta>
<article-id pub-id-type="doi">10.9999/wet.%d</article-id><title-group><article-title>%s</article-title></title-group>
</article-meta></front><body><sec><title>本文</title><p>%s</p></sec></body></article>"""


def article(number):
    return (ARTICLE % (number, f"葦の調査 {number}", f"第{number}の文章です。葦は水を静める。" * 20)).encode()


def run(*arguments):
    done = subprocess.run([os.environ["PIPELINE"], *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.decode()


def document(archive):
    pathlib.Path("doc.json").write_text(
        '{"format":1,"name":"x","stages":{"r":{"use":"jats.extract",'
        '"options":{"unknownLicense":"keep","articles":"%s"}}}}' % archive)


with zipfile.ZipFile("many.zip", "w") as archive:
    for i in range(65527):
        archive.writestr(f"figures/{i}", b"")
    for i in range(12):
        archive.writestr(f"papers/{i}.xml", article(i))
data = pathlib.Path("many.zip").read_bytes()
zip64 = data.rindex(b"PK\6\6")
size, offset = struct.unpack_from("<QQ", data, zip64 + 40)
pathlib.Path("many.zip").write_bytes(data[:zip64] + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 3, 3, size, offset, 0))
document("many.zip")
code, printed = run("run", "doc.json")
if code != 0 or "12 in, 12 out" not in printed:
    sys.exit(f"65,539 members: exit {code}: {printed[-400:]}")

with zipfile.ZipFile("small.zip", "w") as archive:
    archive.writestr("papers/0.xml", article(0))
plain = pathlib.Path("small.zip").read_bytes()
end = plain.rindex(b"PK\5\6")
size, offset = struct.unpack_from("<II", plain, end + 12)
for count, length, place in [(-1, size, offset), (1, -1, offset), (1, size, -1), (-2**63, size, offset), (2**62, 2**62, 2**62)]:
    zip64 = b"PK\6\6" + struct.pack("<QHHIIqqqq", 44, 45, 45, 0, 0, count, count, length, place)
    locator = b"PK\6\7" + struct.pack("<IQI", 0, end, 1)
    tail = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    pathlib.Path("negative.zip").write_bytes(plain[:end] + zip64 + locator + tail)
    document("negative.zip")
    code, printed = run("run", "doc.json")
    if code != 1 or "negative.zip" not in printed:
        sys.exit(f"zip64 {count} {length} {place}: exit {code}: {printed[-400:]}")
print("65,539 members are read though the count says 3; negative zip64 numbers are refused")
