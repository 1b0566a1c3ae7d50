"""Pipeline documents with mistakes of every kind end 'plan' with an exit code and a sentence: no trap, no hang.

The documents are those of Pipelines/, changed by a fixed sequence of random numbers. HOSTILE_DOCUMENTS says how many
are made (300), HOSTILE_SEED where the sequence begins (1).
"""
import concurrent.futures
import copy
import json
import os
import pathlib
import random
import subprocess
import sys

program = pathlib.Path(os.environ["PIPELINE"]).absolute()
count = int(os.environ.get("HOSTILE_DOCUMENTS", "300"))
seed = int(os.environ.get("HOSTILE_SEED", "1"))

numbers = ["0", "-0", "-1", "1", "2", "1e308", "-1e308", "1e400", "-1e400", "1e-320", "0.5", "9223372036854775807",
           "-9223372036854775808", "9223372036854775808", "18446744073709551616", "1e18", "1e19", "4294967296",
           "NaN", "Infinity", "2147483648", "0x10", "01", "1.", ".5", "1e", "999999999999999999999999999999"]
texts = ["", " ", "a", "none", "-", "\0", "a\0b", "\x1b[2J", "\u202e", "\ud800", "\U0001F363" * 50, "x" * 100_000, "${", "$${",
         "${}", "${nothing}", "${data}", "$", "}", "*", "[", "?" * 50, "a*b", "9" * 400, "1e999GiB", "1e30TB", "-5MB",
         "99999999999TiB", "1.5", "1.5.5GiB", "0B", "s3://", "http://[", "https://\0", "s3://b/../k", "../nowhere/else",
         "a.b.c", ".", "..documents", "read.", "true", "null", "{}", "%s%n", "C:\\x", "ｆｉｌｅ", "が", "が", "\ufeff"]


def places(value, path=()):
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], path + (key,))
    elif isinstance(value, list):
        for i in range(len(value)):
            yield from places(value[i], path + (i,))


def at(document, path):
    for key in path:
        document = document[key]
    return document


class Raw(str):
    """A token that is written as it is."""


def written(value):
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(json.dumps(key) + ":" + written(value[key]) for key in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(item) for item in value) + "]"
    return json.dumps(value)


def hostile_value(chance, document):
    return chance.choice([
        lambda: Raw(chance.choice(numbers)), lambda: chance.choice(texts), lambda: None, lambda: True, lambda: [],
        lambda: {}, lambda: [[[]]], lambda: {"a": {"b": [None]}}, lambda: [chance.choice(texts) for _ in range(5)],
        lambda: Raw("[" * chance.choice([5, 127, 128, 129, 5000])), lambda: [Raw(chance.choice(numbers))] * 300,
        lambda: copy.deepcopy(at(document, chance.choice(list(places(document)))))])()


def changed(document, chance):
    document = copy.deepcopy(document)
    for _ in range(chance.choice([1, 1, 1, 2, 3, 8])):
        path = chance.choice(list(places(document)))
        if not path:
            continue
        holder, key = at(document, path[:-1]), path[-1]
        kind = chance.randrange(6)
        if kind < 3:
            holder[key] = hostile_value(chance, document)
        elif kind == 3:
            del holder[key]
        elif isinstance(holder, dict):
            name = chance.choice(texts + [key + "x", key[:-1], key.upper(), *list(holder)])
            holder[name] = holder[key] if kind == 4 else holder.pop(key)
    return document


def bytes_changed(text, chance):
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(chance.choice([0, 0, 0, 1, 3, 20])):
        if not data:
            break
        place = chance.randrange(len(data))
        kind = chance.randrange(4)
        if kind == 0:
            data[place] = chance.randrange(256)
        elif kind == 1:
            del data[place:place + chance.choice([1, 1, 10, 1000])]
        elif kind == 2:
            data[place:place] = chance.choice([b'"', b"{", b"]", b",", b"\\", b"\xff", b"\xe3\x81", b"\0", b"\\ud800"])
        else:
            data[place:place] = data[place:place + chance.randrange(200)]
    return bytes(data)


def is_harmless(document):
    """Whether no path in it is a place of this machine, which plan would look through."""
    for path in places(document):
        value = at(document, path)
        if isinstance(value, str) and not isinstance(value, Raw):
            plain = value.split("*")[0].strip("./ \ufeff")
            if value.startswith(("/", "~")) or (plain == "" and ("/" in value or "." in value or "*" in value)):
                return False
    return True


def document(number, originals):
    chance = random.Random(seed * 1_000_003 + number)
    while True:
        made = changed(originals[number % len(originals)], chance)
        if not is_harmless(made):
            continue
        text = bytes_changed(written(made), chance)
        if b'"/' not in text and b'"."' not in text and b'".."' not in text and b'"*' not in text:
            return text


def check(number, originals):
    folder = pathlib.Path(f"d{number}")
    folder.mkdir()
    (folder / "doc.json").write_bytes(document(number, originals))
    try:
        ended = subprocess.run([program, "plan", "doc.json"], cwd=folder, capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        return number, f"document {number} of seed {seed} hangs", None
    told = ended.stderr
    if ended.returncode not in (0, 1, 2) or b"Fatal error" in told or (ended.returncode and not told and not ended.stdout):
        return number, f"document {number} of seed {seed}: exit code {ended.returncode}: {told[-300:]}", None
    (folder / "doc.json").unlink()
    folder.rmdir()
    return number, None, ended.returncode


root = next((folder for folder in program.parents if (folder / "Pipelines").is_dir()), None)
if root:
    found = [path for path in sorted((root / "Pipelines").glob("*.json")) if "schema" not in path.name]
else:
    subprocess.run([program, "init", "first/corpus.json"], check=True, capture_output=True)
    found = [pathlib.Path("first/corpus.json")]
originals = [json.loads(path.read_text()) for path in found]
codes = {}
with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("HOSTILE_JOBS", "2"))) as pool:
    for _, problem, code in pool.map(lambda number: check(number, originals), range(count)):
        if problem:
            sys.exit(problem)
        codes[code] = codes.get(code, 0) + 1
print(f"{count} documents end with exit codes {dict(sorted(codes.items()))}")
