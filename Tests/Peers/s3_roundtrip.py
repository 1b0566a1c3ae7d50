"""Sends shards to an S3 service on this machine and fetches them back with pipeline, which is killed on the way.

  s3_roundtrip.py PIPELINE [--mebibytes 1024] [--shard 64] [--part 8] [--kills 2]

Each way is killed (SIGKILL) so many times, at even distances, while a request is out, and run again. Prints figures as
JSON; fails where a digest differs, or where a part or object that had arrived went over the wire again.
Needs: pip install boto3 "moto[server]" (see object-store), and no other disk than the temporary folder's.
"""
import argparse, functools, hashlib, http.server, json, os, random, signal, subprocess, sys, tempfile, threading, time
import urllib.request

import boto3, moto.server  # noqa: F401

HERE = os.path.dirname(os.path.abspath(__file__))
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "s3cr3t/Key+EXAMPLE", "AWS_EC2_METADATA_DISABLED": "true"}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Store:
    def __init__(self):
        self.child = subprocess.Popen([sys.executable, HERE + "/object-store"], stdout=subprocess.PIPE)
        self.origin = "http://127.0.0.1:%d" % json.loads(self.child.stdout.readline())["http"]

    def tell(self, name, order=None):
        data = None if order is None else json.dumps(order).encode()
        return json.load(urllib.request.urlopen(urllib.request.Request(f"{self.origin}/-/{name}", data)))


def shards(folder, mebibytes, each):
    """Random bytes, and an index that tells of them."""
    digests = {}
    for number in range(max(1, mebibytes // each)):
        name = f"shard.{number:05}.mds"
        digest = hashlib.sha256()
        with open(f"{folder}/{name}", "wb") as file:
            for _ in range(each):
                block = os.urandom(1 << 20)
                digest.update(block)
                file.write(block)
        digests[name] = digest.hexdigest()
    with open(f"{folder}/index.json", "w") as file:
        json.dump({"shards": sorted(digests)}, file)
    with open(f"{folder}/index.json", "rb") as file:
        digests["index.json"] = hashlib.sha256(file.read()).hexdigest()
    return digests


def run(command, environment, kills, hold, store):
    """Runs it to its end, killed so often with a request held; returns seconds of running."""
    seconds = 0.0
    for kill in range(kills + 1):
        started = time.time()
        if kill < kills:
            store.tell("hold", hold)
        child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while kill < kills and child.poll() is None:
            if store.tell("held")["held"]:
                time.sleep(random.random() / 20)
                child.send_signal(signal.SIGKILL)
                break
            time.sleep(0.02)
        errors = child.communicate()[1].decode()
        store.tell("release", {"answers": False})
        seconds += time.time() - started
        if any(key in errors for key in list(KEYS.values())[:2]):
            sys.exit("keys stand in what it says")
        if child.returncode != (-signal.SIGKILL if kill < kills else 0):
            sys.exit(f"pipeline ended with {child.returncode} after {kill} kills of {kills}: {errors}")
    return seconds


def resent(log):
    """Finished parts that were sent again, and how many were sent again because the service was still taking them in
    when the next process asked it what it had."""
    finished, again, overlapping, asked = {}, [], 0, {}
    for entry in log:
        if entry["method"] in ("GET", "HEAD"):
            asked[entry["path"]] = entry["at"]
        elif entry["method"] == "PUT" and entry["status"] == 200:
            part = (entry["path"], entry["query"].split("&")[0])
            if part in finished and finished[part] < asked[entry["path"]]:
                again.append(part)
            overlapping += part in finished
            finished[part] = entry["ended"]
    return again, overlapping


def document(folder, name, stages):
    path = f"{folder}/{name}.json"
    with open(path, "w") as file:
        json.dump({"format": 1, "name": name, "stages": stages}, file)
    return path


def main():
    if len(sys.argv) == 1:
        return  # only asked whether it can be imported
    parser = argparse.ArgumentParser()
    parser.add_argument("pipeline")
    for name, value in [("--mebibytes", 1024), ("--shard", 64), ("--part", 8), ("--kills", 2)]:
        parser.add_argument(name, type=int, default=value)
    order = parser.parse_args()
    store = Store()
    with tempfile.TemporaryDirectory(prefix="s3-roundtrip-") as folder:
        try:
            print(json.dumps(roundtrip(order, store, folder), indent=1))
        finally:
            store.child.kill()


def roundtrip(order, store, folder):
    os.mkdir(f"{folder}/data")
    digests = shards(f"{folder}/data", order.mebibytes, order.shard)
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=f"{folder}/data"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site = f"http://127.0.0.1:{server.server_port}"
    store.tell("bucket", {"name": "corpus"})
    near = {"allowPrivateAddresses": True, "delaySeconds": 0}
    there = {"endpoint": store.origin, **near}
    fetch = {"use": "http.download", "options": {"urls": [f"{site}/{name}" for name in sorted(digests)], **near}}
    upload = {
        "use": "s3.upload", "inputs": {"artifacts": "fetch"},
        "options": {"to": "s3://corpus/set", "partBytes": f"{order.part}MiB", **there}}
    environment = {**{k: v for k, v in os.environ.items() if not k.startswith("AWS_")}, **KEYS}
    environment["AWS_SHARED_CREDENTIALS_FILE"] = environment["AWS_CONFIG_FILE"] = "/nonexistent"

    def command(path):
        return [order.pipeline, "run", path, "--store", f"{folder}/store"]

    subprocess.run(command(document(folder, "source", {"fetch": fetch})), check=True, env=environment,
                   stdout=subprocess.DEVNULL)
    taken = lambda: [e for e in store.tell("log") if e["method"] == "PUT" and e["status"] == 200]
    parts = sum(-(-order.shard // order.part) for _ in range(len(digests) - 1))
    # A part of the way, and then a request that is not answered, or not to its end.
    up = run(command(document(folder, "up", {"fetch": fetch, "upload": upload})), environment, order.kills,
             {"after": parts // (order.kills + 1), "match": "PUT "}, store)
    sent = taken()
    again, overlapping = resent(store.tell("log"))
    if again or len(sent) != parts + 1 + overlapping:
        sys.exit(f"{parts + 1} parts and files were needed, {len(sent)} were sent; finished ones sent again: {again}")

    store.tell("forget", {})
    total = order.mebibytes << 20
    gets = lambda: [e for e in store.tell("log") if e["method"] == "GET" and "list-type" not in e["query"]]
    went = lambda: sum(e["sent"] for e in gets())
    download = {"use": "s3.download", "options": {"from": "s3://corpus/set", **there}}
    down = run(command(document(folder, "down", {"download": download})), environment, order.kills,
               {"after": len(digests) // (order.kills + 1), "match": "GET /corpus/set/shard", "inside": True}, store)
    back = {}
    for root, _, names in os.walk(f"{folder}/store/artifacts/download"):
        for name in names:
            if os.path.basename(root) == "files":
                with open(f"{root}/{name}", "rb") as file:
                    back[name] = hashlib.file_digest(file, "sha256").hexdigest()
    if back != digests:
        sys.exit(f"digests differ: {sorted(set(back.items()) ^ set(digests.items()))[:4]}")
    leaks = subprocess.run(["grep", "-rlF", "-e", KEYS["AWS_SECRET_ACCESS_KEY"], "-e", "AKIDTEST", f"{folder}/store"],
                           capture_output=True, text=True).stdout
    if leaks:
        sys.exit(f"keys stand in {leaks}")
    return {
        "mebibytes": order.mebibytes, "files": len(digests), "kills": 2 * order.kills, "puts": len(sent),
        "putsNeeded": parts + 1, "overlapping": overlapping, "upSeconds": round(up, 1), "downSeconds": round(down, 1),
        # Objects resumed by range, and begun anew. What went more than the content stood in sockets at a kill, or was
        # begun anew.
        "rangedGets": sum("range" in e["headers"] for e in gets()),
        "getsAnew": sum("range" not in e["headers"] for e in gets()) - len(digests),
        "downExcessMebibytes": round((went() - total) / (1 << 20), 1),
    }


if __name__ == "__main__":
    main()
