"""Repositories, commits and large objects of `hub-server`, and the rules by which the Hub takes them.

What breaks the protocol is a `Refusal`, whose status and words the client sees.
"""
import base64, hashlib, json, math, re, secrets


class Refusal(Exception):
    def __init__(self, status, message, code=None, more={}):
        super().__init__(message)
        self.status, self.message, self.code, self.more = status, message, code, more


def need(condition, message, status=400):
    if not condition:
        raise Refusal(status, message)


def git_oid(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def pointer(oid, size):
    """A large file as git sees it: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md"""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n".encode()


class Repository:
    def __init__(self, kind, name, private=False):
        self.kind, self.name, self.private, self.gated = kind, name, private, False
        self.commits, self.branches = {}, {}
        self.modes = {}
        self.commit("main", {".gitattributes": self.blob(b"*.zst filter=lfs diff=lfs merge=lfs -text\n")}, "initial commit")

    @staticmethod
    def blob(data):
        return {"oid": git_oid(data), "size": len(data), "data": data}

    @staticmethod
    def large(oid, size):
        text = pointer(oid, size)
        return {"oid": git_oid(text), "size": size, "lfs": {"oid": oid, "size": size, "pointerSize": len(text)}}

    def commit(self, branch, changes, message, parent=None):
        before = self.branches.get(branch)
        tree = dict(self.commits[before]["tree"]) if before else {}
        for path, entry in changes.items():
            if entry is None:
                tree.pop(path, None)
            else:
                tree[path] = entry
        sha = hashlib.sha1(secrets.token_bytes(20)).hexdigest()
        self.commits[sha] = {"tree": tree, "parent": before, "message": message}
        self.branches[branch] = sha
        return sha

    def resolve(self, revision):
        sha = self.branches.get(revision) or (revision if revision in self.commits else None)
        if sha is None:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return sha


class Hub:
    """All state. Called under one lock."""

    FORBIDDEN = {".git", "..", ".", ""}

    def __init__(self):
        self.repositories, self.objects, self.uploads, self.signatures = {}, {}, {}, set()
        self.samples = {}
        # As the Hub has them (2025); tests set smaller ones.
        self.rules = {
            "lfsOver": 10 << 20, "multipartOver": 5 << 30, "chunk": 5 << 30, "page": 1000, "continues": False,
            "large": [".zst", ".mds", ".safetensors", ".bin", ".gz", ".parquet"],
        }
        # The outsider's account has accepted nobody's terms.
        self.tokens = {"hf_writer": "write", "hf_reader": "read", "hf_outsider": "read"}
        self.seen = {"parts": 0, "basic": 0, "commits": 0, "storageAuthorizations": 0, "storedBytes": 0}

    # Repositories

    @staticmethod
    def url(hub, kind, name):
        return f"{hub}/{'datasets/' if kind == 'dataset' else ''}{name}"

    def create(self, order, hub):
        need(isinstance(order.get("name"), str) and order["name"], "name is missing")
        kind = order.get("type", "model")
        need(kind in ("model", "dataset"), "type is unknown")
        name = f"{order.get('organization') or 'me'}/{order['name']}"
        if (kind, name) in self.repositories:
            raise Refusal(409, f"You already created this {kind} repo", more={"url": self.url(hub, kind, name), "name": name})
        self.repositories[kind, name] = Repository(kind, name, bool(order.get("private")))
        return {"url": self.url(hub, kind, name), "name": name}

    def find(self, kind, name, token, writes=False):
        repository = self.repositories.get((kind, name))
        right = self.tokens.get(token)
        if token is not None and right is None:
            raise Refusal(401, "Invalid credentials in Authorization header")
        if repository is None or (repository.private and right is None):
            raise Refusal(404 if token else 401, "Repository not found", "RepoNotFound")
        if writes and right is None:
            raise Refusal(401, "Invalid username or password.")
        if writes and right != "write":
            raise Refusal(403, "you must use a write token to upload to a repository.")
        return repository

    def readable(self, repository, token):
        """Files of a gated repository are for those who have accepted its terms."""
        if repository.gated and (token == "hf_outsider" or self.tokens.get(token) is None):
            raise Refusal(401 if token is None else 403, "Access to this repository is restricted.", "GatedRepo")

    # Before a commit

    def preupload(self, repository, order):
        answers = []
        files = order.get("files")
        need(isinstance(files, list) and 0 < len(files) <= 256, "files should be a list of at most 256")
        for file in files:
            path, size = self.path(file.get("path")), file.get("size")
            need(isinstance(size, int) and size >= 0, "size is missing")
            sample = base64.b64decode(file.get("sample", ""), validate=True)
            need(len(sample) == min(512, size), "a sample should hold the first 512 bytes")
            is_large = size > self.rules["lfsOver"] or any(path.endswith(s) for s in self.rules["large"])
            mode = "lfs" if is_large or b"\0" in sample else "regular"
            repository.modes[path] = mode
            self.samples[path, size] = sample
            answers.append({"path": path, "uploadMode": mode, "shouldIgnore": path.endswith(".ignored")})
        return {"files": answers}

    def path(self, path):
        need(isinstance(path, str) and 0 < len(path) < 1000, "path is missing")
        need(not self.FORBIDDEN & set(path.split("/")), f"path is not allowed: {path}")
        return path

    def batch(self, repository, order, hub, storage):
        need(order.get("operation") == "upload", "only uploads are served here")
        need(order.get("hash_algo", "sha256") == "sha256", "unknown hash_algo")
        transfers = order.get("transfers", ["basic"])
        objects = order.get("objects")
        need(isinstance(objects, list) and 0 < len(objects) <= 1000, "objects should be a list of at most 1000")
        answers, chosen = [], "basic"
        for wanted in objects:
            oid, size = wanted.get("oid"), wanted.get("size")
            if not isinstance(oid, str) or not re.fullmatch("[0-9a-f]{64}", oid) or not isinstance(size, int) or size < 1:
                answers.append({"oid": oid, "size": size, "error": {"code": 422, "message": "object is malformed"}})
                continue
            answer = {"oid": oid, "size": size}
            if oid not in self.objects:
                many = size > self.rules["multipartOver"] and "multipart" in transfers
                chosen = "multipart" if many else chosen
                upload = self.multipart(oid, size, hub, storage) if many else self.basic(oid, size, storage)
                verify = self.url(hub, repository.kind, repository.name) + ".git/info/lfs/verify"
                answer |= {"authenticated": True, "actions": {"upload": upload, "verify": {"href": verify}}}
            answers.append(answer)
        return {"transfer": chosen, "objects": answers}

    def sign(self):
        signature = secrets.token_hex(16)
        self.signatures.add(signature)
        return signature

    def basic(self, oid, size, storage):
        return {"href": f"{storage}/objects/{oid}?size={size}&X-Amz-Signature={self.sign()}"}

    def multipart(self, oid, size, hub, storage):
        known = [k for k, u in self.uploads.items() if u["oid"] == oid] if self.rules["continues"] else []
        chunk = self.rules["chunk"]
        upload = known[-1] if known else secrets.token_hex(12)
        if not known:
            self.uploads[upload] = {"oid": oid, "size": size, "chunk": chunk, "parts": {}}
        header = {"chunk_size": str(chunk)}
        for number in range(1, math.ceil(size / chunk) + 1):
            header[f"{number:05d}"] = (
                f"{storage}/parts/{oid}?partNumber={number}&uploadId={upload}&X-Amz-Signature={self.sign()}")
        return {
            "href": f"{hub}/api/complete_multipart?uploadId={upload}&signature={self.sign()}", "header": header}

    # The storage

    def store(self, oid, data):
        need(hashlib.sha256(data).hexdigest() == oid, "the object's SHA-256 is not its name")
        sample = [s for (_, size), s in self.samples.items() if size == len(data)]
        need(not sample or any(data.startswith(s) for s in sample), "no sample of this size was of these bytes")
        self.objects[oid] = data
        self.seen["storedBytes"] += len(data)

    def take_object(self, oid, size, data):
        need(len(data) == size, "the object has another size than was said")
        self.store(oid, data)
        self.seen["basic"] += 1

    def take_part(self, upload, number, data):
        state = self.uploads.get(upload)
        if state is None:
            raise Refusal(404, "NoSuchUpload")
        count = math.ceil(state["size"] / state["chunk"])
        need(1 <= number <= count, "no such part")
        wanted = state["chunk"] if number < count else state["size"] - state["chunk"] * (count - 1)
        need(len(data) == wanted, f"part {number} has {len(data)} bytes instead of {wanted}")
        state["parts"][number] = data
        self.seen["parts"] += 1
        return '"%s"' % hashlib.md5(data).hexdigest()

    def complete(self, upload, order):
        state = self.uploads.get(upload)
        if state is None:
            raise Refusal(404, "NoSuchUpload")
        need(order.get("oid") == state["oid"], "the oid is another one than the upload's")
        parts = order.get("parts", [])
        numbers = [p.get("partNumber") for p in parts]
        need(numbers == list(range(1, math.ceil(state["size"] / state["chunk"]) + 1)), "parts are missing or out of order")
        for part in parts:
            data = state["parts"].get(part["partNumber"])
            need(data is not None, f"part {part['partNumber']} was not sent")
            need(part.get("etag") == '"%s"' % hashlib.md5(data).hexdigest(), "an ETag is wrong")
        self.store(state["oid"], b"".join(state["parts"][n] for n in numbers))
        self.uploads = {k: u for k, u in self.uploads.items() if u["oid"] != state["oid"]}

    def verify(self, order):
        data = self.objects.get(order.get("oid"))
        need(data is not None and len(data) == order.get("size"), "the object is not here", 404)

    # Commits

    def commit(self, repository, branch, body):
        lines = body.split(b"\n")
        need(lines.pop() == b"", "the last line has no end")
        items = [json.loads(line) for line in lines]
        need(items and items[0].get("key") == "header", "the first line is no header")
        header = items[0]["value"]
        need(isinstance(header.get("summary"), str) and header["summary"], "the header has no summary")
        head = repository.resolve(branch)
        need(branch in repository.branches, "not a branch")
        parent = header.get("parentCommit")
        if parent is not None and parent != head:
            raise Refusal(412, "A commit has happened since. Please refresh and try again.")
        changes = {}
        for item in items[1:]:
            path, entry = self.operation(repository, item["key"], item["value"])
            need(path not in changes, f"{path} stands twice")
            changes[path] = entry
        need(changes, "the commit is empty")
        sha = repository.commit(branch, changes, header["summary"], head)
        self.seen["commits"] += 1
        return sha

    def operation(self, repository, key, value):
        path = self.path(value.get("path"))
        if key == "deletedFile":
            return path, None
        need(key in ("file", "lfsFile"), f"unknown operation {key}")
        need(path in repository.modes, f"{path} was not announced by preupload")
        if key == "file":
            need(value.get("encoding") == "base64", "the encoding should be base64")
            data = base64.b64decode(value["content"], validate=True)
            need(repository.modes[path] == "regular" or not data, f"{path} should be sent as a large file")
            return path, Repository.blob(data)
        need(value.get("algo") == "sha256", "algo should be sha256")
        need(repository.modes[path] == "lfs", f"{path} is a regular file")
        data = self.objects.get(value.get("oid"))
        need(data is not None, "LFS pointer pointed to a file that does not exist")
        need(value.get("size", len(data)) == len(data), "the size is not the object's")
        return path, Repository.large(value["oid"], len(data))
