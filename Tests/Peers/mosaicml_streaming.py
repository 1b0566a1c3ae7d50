"""Reads an MDS data set with MosaicML Streaming and prints each sample as a line of JSON, sorted by keys.

  python3 mosaicml_streaming.py FOLDER [LOCAL [ENDPOINT KEY SECRET]]

LOCAL, where given, is an empty folder that the shards are copied and decompressed into; FOLDER may then be s3://bucket/
prefix of the service ENDPOINT.
Needs: pip install mosaicml-streaming. Works without torchvision, which that package imports for images alone.
"""
import fcntl
import importlib.machinery
import json
import os
import sys
import types


class Absent(types.ModuleType):
    """A module whose every attribute is an empty class."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def import_streaming():
    """Streaming's data set, for this process alone until it ends.

    Data sets share the machine's memory under numbered names. Each takes the first number that nobody has, but not in one
    step, so that two that begin at once may take the same.
    """
    global alone
    alone = open(f"/dev/shm/pipeline-streaming-{os.getuid()}", "w")
    fcntl.flock(alone, fcntl.LOCK_EX)
    return imported()


def imported():
    """Streaming's data set, not to be used."""
    try:
        import torchvision  # noqa: F401
    except Exception:
        for part in ("", ".io", ".datasets", ".transforms", ".transforms.functional"):
            module = Absent("torchvision" + part)
            module.__spec__ = importlib.machinery.ModuleSpec(module.__name__, None)
            module.__path__ = []
            sys.modules[module.__name__] = module
    from streaming import StreamingDataset
    return StreamingDataset


def plain(value):
    return value.tolist() if hasattr(value, "tolist") else value


def main():
    if len(sys.argv) == 1:
        imported()
        return  # only asked whether that is possible
    dataset_type = import_streaming()
    if len(sys.argv) == 6:
        os.environ.update(
            S3_ENDPOINT_URL=sys.argv[3], AWS_ACCESS_KEY_ID=sys.argv[4], AWS_SECRET_ACCESS_KEY=sys.argv[5],
            AWS_DEFAULT_REGION="us-east-1")
    where = {"local": sys.argv[1]} if len(sys.argv) == 2 else {"remote": sys.argv[1], "local": sys.argv[2]}
    dataset = dataset_type(**where, shuffle=False, batch_size=1, validate_hash="xxh64")
    for i in range(len(dataset)):
        sample = {key: plain(value) for key, value in dataset[i].items()}
        sys.stdout.write(json.dumps(sample, sort_keys=True, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
