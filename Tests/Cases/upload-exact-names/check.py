"""Names that differ only by composed and decomposed letters are two files, in a folder and in a bucket."""
import hashlib
import http.server
import json
import os
import pathlib
import subprocess
import threading
import urllib.parse
from xml.sax.saxutils import escape

NAMES = ["が.txt", "か\u3099.txt", "café", "cafe\u0301"]
objects = {}


class Server(http.server.BaseHTTPRequestHandler):
    """Files below /file, and a bucket that asks for no keys."""

    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        path = urllib.parse.unquote(self.path.split("?")[0])
        if path.startswith("/file"):
            return self.answer(200, path.encode())
        found = sorted(objects.items(), key=lambda item: item[0].encode())
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(body)}</Size><ETag>{etag}</ETag></Contents>"
            for key, (body, etag) in found
        )
        listing = f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
        self.answer(200, listing.encode(), Content_Type="application/xml")

    def do_HEAD(self):
        key = urllib.parse.unquote(self.path).removeprefix("/bucket/")
        self.answer(200, objects[key][0], ETag=objects[key][1]) if key in objects else self.answer(404)

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        objects[urllib.parse.unquote(self.path).removeprefix("/bucket/")] = (body, etag)
        self.answer(200, ETag=etag)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
origin = f"http://127.0.0.1:{server.server_port}"
network = {"allowPrivateAddresses": True, "delaySeconds": 0}
urls = [f"{origin}/file{number} {name}" for number, name in enumerate(NAMES)]
doc = {
    "format": 1,
    "name": "t",
    "stages": {
        "get": {"use": "http.download", "options": {"urls": urls, **network}},
        "folder": {
            "use": "folder.upload", "inputs": {"artifacts": "get"},
            "options": {"to": str(pathlib.Path("out").resolve())},
        },
        "bucket": {
            "use": "s3.upload", "inputs": {"artifacts": "get"},
            "options": {"to": "s3://bucket/set", "endpoint": origin, "allowPrivateAddresses": True, "checksums": False},
        },
    },
}
pathlib.Path("doc.json").write_text(json.dumps(doc))
keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_EC2_METADATA_DISABLED": "true"}
command = [os.environ["PIPELINE"], "run", "doc.json"]
done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **keys})
assert done.returncode == 0, done.stdout + done.stderr
files = {path.name: path.read_text() for path in pathlib.Path("out").iterdir()}
assert files == {name: f"/file{number}" for number, name in enumerate(NAMES)}, files
sent = {key: body.decode() for key, (body, _) in objects.items()}
assert sent == {f"set/{name}": f"/file{number}" for number, name in enumerate(NAMES)}, sent
print("4 names, 4 files, 4 objects")
