"""Sitemaps as sites write them: white space first, bare `&`, one address in several spellings, an index without end."""
import http.server
import json
import os
import pathlib
import subprocess
import threading
import urllib.parse

PROSE = "<p>" + "川の水は、山の雪がとけて流れてくるものなので、春になると急に増える。" * 5
asked = []


def urls(*paths):
    return "<urlset>" + "".join(f"<url><loc>{ORIGIN}{path}</loc></url>" for path in paths) + "</urlset>"


class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.path)
        path = urllib.parse.unquote(self.path.split("?")[0])
        body = FILES.get(path)
        if body is None and path.startswith("/page"):
            body = PROSE
        if body is None and path.startswith("/list"):
            body = urls(f"/page{path[5:-4]}")
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "application/xml" if path.endswith(".xml") else "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write((body or "").encode())

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
threading.Thread(target=server.serve_forever, daemon=True).start()
ORIGIN = f"http://127.0.0.1:{server.server_port}"
FILES = {
    "/one.xml": "\n \t<?xml version='1.0'?>\n" + urls("/page1", "/page2?a=1&b=2", "/page2?a=1&amp;b=2"),
    "/two.xml": urls("/page/%E6%B5%B7", "/page/%e6%b5%b7", "/page/海", "/%70age/ab", "/page/%61b", "/page/x/../ab"),
    "/endless.xml": "<sitemapindex>"
    + "".join(f"<sitemap><loc>{ORIGIN}/list{n}.xml</loc></sitemap>" for n in range(200_000))
    + "</sitemapindex>",
}


def run(name, **options):
    asked.clear()
    options = {"snapshot": name, "delaySeconds": 0, "allowPrivateAddresses": True, "minimumCharacters": 0, **options}
    doc = {"format": 1, "name": name, "stages": {"crawl": {"use": "html.crawl", "options": options}}}
    pathlib.Path(f"{name}.json").write_text(json.dumps(doc))
    command = [os.environ["PIPELINE"], "run", f"{name}.json", "--store", f"store-{name}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    manifest = next(pathlib.Path(f"store-{name}/artifacts/crawl").glob("*/manifest.json")).read_text()
    return json.loads(manifest)["warnings"]


warnings = run("lists", sitemaps=[ORIGIN + "/one.xml", ORIGIN + "/two.xml"])
pages = sorted(path for path in asked if path.startswith("/page"))
assert pages == ["/page/%E6%B5%B7", "/page/ab", "/page1", "/page2?a=1&b=2"], pages
assert "broken-sitemap" not in str(warnings), warnings
warnings = run("index", sitemaps=[ORIGIN + "/endless.xml"], maximumSitemaps=20)
lists = [path for path in asked if path.startswith("/list")]
assert len(lists) == 19 and "too-many-sitemaps" in str(warnings), (len(lists), warnings)
print("4 pages of 9 spellings, each asked once; an index of 200,000 read up to its bound, with a warning")
