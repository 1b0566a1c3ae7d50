"""Addresses with a secret are refused before anything is stored, and the secret is shown nowhere."""
import json
import os
import pathlib
import subprocess

NAMES = """
passwd password pass pwd passphrase jwt hmac sas session sessionid PHPSESSID sid sig signature X-Amz-Signature
X-Amz-Security-Token X-Amz-Credential X-Goog-Signature Key-Pair-Id AWSAccessKeyId access_token refreshToken apikey
api_key accessKey client_secret auth Authorization oauth_verifier code ticket otp %70asswd key policy token
""".split()
SECRET = "Zq7secretvalue93"


def attempt(stage, options):
    doc = {"format": 1, "name": "t", "stages": {"s": {"use": stage, "options": options}}}
    pathlib.Path("doc.json").write_text(json.dumps(doc))
    done = subprocess.run([os.environ["PIPELINE"], "run", "doc.json"], capture_output=True, text=True)
    shown = done.stdout + done.stderr
    assert done.returncode in (1, 2) and "would be stored with the run" in shown, (stage, options, shown)
    assert SECRET not in shown, (stage, options, shown)
    for path in pathlib.Path(".pipeline").rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


addresses = [f"https://127.0.0.1:9/file?a=1&{name}={SECRET}" for name in NAMES]
addresses += [f"https://user:{SECRET}@127.0.0.1:9/file", f"https://127.0.0.1:9/file;jsessionid={SECRET}"]
for address in addresses:
    attempt("http.download", {"urls": [address]})
pathlib.Path("list").write_text(f"https://127.0.0.1:9/a\n{addresses[0]} name\n")
attempt("http.download", {"lists": "list"})
for stage, options in [
    ("html.crawl", {"snapshot": "1", "urls": [addresses[0]]}),
    ("html.crawl", {"snapshot": "1", "sitemaps": [addresses[1]]}),
    ("aozora.crawl", {"snapshot": "1", "index": addresses[2]}),
    ("diet.crawl", {"snapshot": "1", "from": "2025-01-01", "until": "2025-01-02", "api": addresses[3]}),
    ("wikipedia.download", {"date": "20260101", "mirrors": [addresses[4]]}),
    ("llmjp.download", {"listing": addresses[5]}),
]:
    attempt(stage, options)
print(f"{len(addresses)} addresses and 7 other places refused; the value stands nowhere")
