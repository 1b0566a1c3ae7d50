"""One element of 200,000 attributes, and 5,000 of 200: the first is dropped by name at once, the others are read."""
import json
import os
import pathlib
import subprocess
import sys

articles = pathlib.Path("in")
articles.mkdir()
head = ('<article><front><article-meta><article-id pub-id-type="doi">10.1/{}</article-id><permissions>'
        '<license license-type="CC BY"/></permissions></article-meta></front><body>{}</body></article>')
many = " ".join(f'a{i}="x"' for i in range(200_000))
spaces = " ".join(f'xmlns:n{i}="u"' for i in range(200_000))
some = " ".join(f'a{i}="x"' for i in range(200))
(articles / "1.xml").write_text(head.format("many", f"<p {many}>A</p>"))
(articles / "2.xml").write_text(head.format("namespaces", f"<p {spaces}>A</p>"))
(articles / "3.xml").write_text(head.format("some", f"<p {some}>Word.</p>" * 5_000))
pathlib.Path("doc.json").write_text(json.dumps({
    "format": 1, "name": "t",
    "stages": {"jats": {"use": "jats.extract", "options": {"articles": "in", "minimumBytes": 0}}}}))
try:
    run = subprocess.run([os.environ["PIPELINE"], "run", "doc.json"], capture_output=True, text=True, timeout=60)
except subprocess.TimeoutExpired:
    sys.exit("no end within 60 s")
said = run.stdout + run.stderr
if run.returncode or "3 in, 1 out, 2 dropped (malformed-xml 2)" not in said:
    sys.exit(f"exit {run.returncode}: {said[-300:]}")
print("200,000 attributes and 200,000 namespaces are refused by name; 5,000 elements of 200 attributes are read")
