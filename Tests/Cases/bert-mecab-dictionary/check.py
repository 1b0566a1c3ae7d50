"""The MeCab dictionary that a model tokenizes with is passed on, and another one is refused where it would be used."""
import json
import os
import pathlib
import subprocess

import ipadic
import unidic_lite

PIPELINE = os.environ["PIPELINE"]
SETTINGS = json.loads(pathlib.Path("m/tokenizer_config.json").read_text())
pathlib.Path("pairs.jsonl").write_text("".join(
    json.dumps({"sentence1": a, "sentence2": b, "label": label}, ensure_ascii=False) + "\n"
    for a, b, label in [("あい", "あい", 5), ("うえ", "かき", 1), ("お", "あ", 2)]))


def document(**options):
    read = {"folder": "m", **({"mecabDictionary": options["read"]} if options.get("read") else {})}
    score = {"validation": "pairs.jsonl", "test": "pairs.jsonl", "mecabDictionary": options.get("score")}
    model = {"checkpoint": "r.checkpoint", "tokenizer": "r.tokenizer"}
    return {"format": 1, "name": "t", "stages": {
        "r": {"use": "huggingface.read", "options": read},
        "c": {"use": "huggingface.convert", "inputs": model},
        "s": {"use": "evaluate.sts", "inputs": model, "options": score}}}


def run(settings, until=None, **options):
    pathlib.Path("m/tokenizer_config.json").write_text(json.dumps(settings))
    pathlib.Path("doc.json").write_text(json.dumps(document(**options)))
    command = [PIPELINE, "run", "doc.json"] + (["--until", until] if until else [])
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def kwargs():
    folder = subprocess.run([PIPELINE, "artifact", "doc.json", "c.model"], capture_output=True, text=True).stdout.strip()
    return json.loads((pathlib.Path(folder) / "tokenizer_config.json").read_text())["mecab_kwargs"]


def named(name, **more):
    return {**SETTINGS, "mecab_kwargs": {"mecab_dic": name}, **more}


for name in ["unidic_lite", "ipadic", "unidic"]:
    code, output = run(named(name), until="c")
    assert code == 0 and kwargs() == {"mecab_dic": name}, f"{name}: {output[-300:]}"
refusals = [
    ("the system's dictionary", named("unidic_lite"), {}),
    ("another dictionary at work", named("unidic_lite"), {"score": ipadic.DICDIR}),
    ("another dictionary at work", named("ipadic"), {"score": unidic_lite.DICDIR}),
    ("another dictionary by name", named("unidic"), {"score": unidic_lite.DICDIR}),
    ("another dictionary when read", named("unidic_lite"), {"read": ipadic.DICDIR}),
]
for what, settings, options in refusals:
    code, output = run(settings, **options)
    assert code == 1 and "requires MeCab's dictionary" in output and "mecabDictionary" in output, (
        f"{what}: exit {code}: {output[-300:]}")
code, output = run({key: value for key, value in SETTINGS.items() if key != "mecab_kwargs"})
assert code == 1 and "does not name the MeCab dictionary" in output, output[-300:]
code, output = run({key: value for key, value in SETTINGS.items() if key != "mecab_kwargs"}, until="c", read=unidic_lite.DICDIR)
assert code == 0 and kwargs() == {"mecab_dic": "unidic_lite"}, output[-300:]
# A dictionary without a name: known by what it is.
code, output = run({**SETTINGS, "mecab_kwargs": {"mecab_dic": None, "mecab_option": "-d /elsewhere"}}, read=unidic_lite.DICDIR)
assert code == 1 and "requires MeCab's dictionary" in output, output[-300:]
for key, value in [("do_lower_case", True), ("do_subword_tokenize", False), ("subword_tokenizer_type", "character"),
                   ("never_split", ["あ"]), ("mecab_kwargs", {"mecab_dic": "ipadic", "normalize_text": False}),
                   ("mecab_kwargs", {"mecab_dic": "ipadic", "mecab_option": "-u user.dic"})]:
    code, output = run({**SETTINGS, key: value}, until="r")
    assert code == 0 and "tokenizer-not-read" in output, f"{key}: exit {code}: {output[-300:]}"
for name, folder in [("unidic_lite", unidic_lite.DICDIR), ("ipadic", ipadic.DICDIR)]:
    code, output = run(named(name), score=folder)
    assert code == 0, f"{name}: exit {code} (the engine of Scripts/engine is needed): {output[-300:]}"
print(f"names are carried through; {len(refusals) + 2} wrong or unnamed dictionaries are refused, 6 settings told")
