"""The Hugging Face client against `hub-server`: what it uploads, the server must take; what pipeline uploads, it must read.

  python3 hub_client.py upload ENDPOINT KIND NAME FOLDER     uploads a folder
  python3 hub_client.py download ENDPOINT KIND NAME          prints {path: sha256} of a snapshot
  python3 hub_client.py tokenize ENDPOINT NAME TEXT          prints tokens by transformers' AutoTokenizer from there
"""
import hashlib, json, os, pathlib, sys, tempfile

os.environ |= {
    "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_TOKEN": "hf_writer", "HF_HUB_ETAG_TIMEOUT": "10",
}
if len(sys.argv) > 2:
    # Both are read when the package is imported.
    os.environ["HF_ENDPOINT"] = sys.argv[2]
    cache = tempfile.TemporaryDirectory()
    os.environ["HF_HOME"] = cache.name
import huggingface_hub


def upload(_, kind, name, folder):
    api = huggingface_hub.HfApi()
    api.create_repo(name, repo_type=kind, exist_ok=True)
    api.create_repo(name, repo_type=kind, exist_ok=True)
    api.upload_folder(repo_id=name, repo_type=kind, folder_path=folder, commit_message="by the client")


def download(_, kind, name):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(huggingface_hub.snapshot_download(name, repo_type=kind, local_dir=folder))
        files = [f for f in root.rglob("*") if f.is_file() and ".cache" not in f.parts]
        print(json.dumps({str(f.relative_to(root)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}))


def tokenize(_, name, text):
    import transformers

    print(json.dumps(transformers.AutoTokenizer.from_pretrained(name).tokenize(text)))


if __name__ == "__main__" and len(sys.argv) > 1:
    {"upload": upload, "download": download, "tokenize": tokenize}[sys.argv[1]](*sys.argv[2:])
