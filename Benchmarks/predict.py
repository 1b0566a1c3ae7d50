#!/usr/bin/env python3
"""Documents per second of classifier.predict beside transformers: the same model, the same texts, the same threads.

usage: predict.py --program pipeline --texts FILES [--documents 2000] [--shape small|base] [--labels 3] [--length 512]
                  [--threads 2] [--device cpu] [--batch 32] [--work FOLDER]

FILES are documents as documents.read takes them. The model is a BertForSequenceClassification of random weights with a
BertTokenizer (in lower case) whose vocabulary is made of the texts' words and characters: small has 4 layers of width 256,
base is BERT-Base. transformers runs its pipeline("text-classification") with batches of `--batch` in the texts' order, and
again in batches by length, which is what one writes by hand; loading is not counted. Of pipeline the stage's whole time is
counted: process, engine and model are started, documents are read and written. Both say the same labels, or the script
fails. On a GPU both compute in bfloat16, and 97 % of the labels of
random weights must be equal. Needs: torch, transformers, safetensors; the engine is that of PIPELINE_ENGINE.
"""

import argparse
import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SHAPES = {
    "small": dict(hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=1024),
    "base": dict(),
}


def run(options, name, stages):
    document = options.work / f"{name}.json"
    document.write_text(json.dumps({"format": 1, "name": name, "stages": stages}))
    store = ["--store", str(options.work / "store")]
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    answer = subprocess.run(
        [options.program, "run", str(document), *store], capture_output=True, text=True, env=environment)
    if answer.returncode != 0:
        sys.exit(answer.stdout + answer.stderr)

    def artifact(port):
        command = [options.program, "artifact", str(document), port, *store]
        return pathlib.Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0])

    return artifact


def decompressed(path):
    """By pyarrow where there is no zstd program."""
    if shutil.which("zstd"):
        return subprocess.run(["zstd", "-dc", str(path)], capture_output=True, check=True).stdout
    import pyarrow

    return pyarrow.CompressedInputStream(str(path), "zstd").read()


def lines(folder):
    for path in sorted(folder.rglob("*.jsonl*")) if folder.is_dir() else [folder]:
        if path.name.endswith(".ids"):
            continue
        data = path.read_bytes()
        if path.name.endswith(".zst"):
            data = decompressed(path)
        for line in data.decode().splitlines():
            yield json.loads(line)


def make(options, texts):
    import tokenizers
    import torch
    import transformers

    normal, split = tokenizers.normalizers.BertNormalizer(lowercase=True), tokenizers.pre_tokenizers.BertPreTokenizer()
    words = collections.Counter(
        word for text in texts[:500] for word, _ in split.pre_tokenize_str(normal.normalize_str(text)))
    letters = sorted({letter for word in words for letter in word})
    often = [word for word, _ in words.most_common(20_000)]
    vocabulary = list(dict.fromkeys(SPECIAL + letters + [f"##{letter}" for letter in letters] + often))[:30_522]
    folder = options.work / "model"
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("".join(token + "\n" for token in vocabulary))
    tokenizer = transformers.BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=True, model_max_length=512)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    names = {i: f"label{i}" for i in range(options.labels)}
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), id2label=names, label2id={name: i for i, name in names.items()},
        initializer_range=0.1, **SHAPES[options.shape])
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def theirs(options, folder, texts):
    import torch
    import transformers

    torch.set_num_threads(options.threads)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    kind = torch.float32 if options.device == "cpu" else torch.bfloat16
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=kind).eval().to(options.device)
    pipe = transformers.pipeline(
        "text-classification", model=model, tokenizer=tokenizer, device=options.device, batch_size=options.batch)
    cut = dict(truncation=True, max_length=options.length)
    pipe(texts[:options.batch], **cut)
    start = time.time()
    labels = [answer["label"] for answer in pipe(texts, **cut)]
    in_order = time.time() - start
    start = time.time()
    with torch.inference_mode():
        ids = tokenizer(texts, **cut)["input_ids"]
        order = sorted(range(len(texts)), key=lambda i: len(ids[i]))
        found = [None] * len(texts)
        for at in range(0, len(order), options.batch):
            places = order[at:at + options.batch]
            batch = tokenizer.pad({"input_ids": [ids[i] for i in places]}, return_tensors="pt").to(options.device)
            for place, label in zip(places, model(**batch).logits.argmax(-1).tolist()):
                found[place] = model.config.id2label[label]
    return labels, in_order, time.time() - start


def ours(options, folder):
    read = {
        "texts": {"use": "documents.read", "options": {"files": str(options.work / "texts.jsonl")}},
        "encoder": {"use": "huggingface.read", "options": {"folder": str(folder)}},
    }
    run(options, "predict", read)
    label = {
        "use": "classifier.predict",
        "inputs": {"documents": "texts", "checkpoint": "encoder.checkpoint", "tokenizer": "encoder.tokenizer"},
        "options": {"maximumLength": options.length, "threads": options.threads, "device": options.device}}
    start = time.time()
    artifact = run(options, "predict", {**read, "labels": label})
    taken = time.time() - start
    return {line["id"]: line["metadata"]["prediction"]["label"] for line in lines(artifact("labels"))}, taken


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--program", required=True)
    arguments.add_argument("--texts", required=True)
    arguments.add_argument("--documents", type=int, default=2000)
    arguments.add_argument("--shape", choices=SHAPES, default="small")
    arguments.add_argument("--labels", type=int, default=3)
    arguments.add_argument("--length", type=int, default=512)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--batch", type=int, default=32)
    arguments.add_argument("--work", type=pathlib.Path)
    options = arguments.parse_args()
    options.work = options.work or pathlib.Path(tempfile.mkdtemp(prefix="predict-"))
    options.work.mkdir(parents=True, exist_ok=True)
    records = []
    for record in lines(pathlib.Path(options.texts)):
        records.append({"id": f"t{len(records)}", "text": record["text"]})
        if len(records) == options.documents:
            break
    (options.work / "texts.jsonl").write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    texts = [record["text"] for record in records]
    folder = make(options, texts)
    labels, seconds = ours(options, folder)
    expected, in_order, by_length = theirs(options, folder, texts)
    equal = sum(labels[record["id"]] == label for record, label in zip(records, expected))
    if equal < len(texts) * (1 if options.device == "cpu" else 0.97):
        sys.exit(f"{len(texts) - equal} of {len(texts)} labels differ")
    print(f"{len(texts)} documents, {options.shape}, {options.threads} threads, {options.device}; {equal} labels equal\n")
    print("| | documents/s |\n|---|--:|")
    print(f"| transformers, pipeline of batches of {options.batch} | {len(texts) / in_order:.1f} |")
    print(f"| transformers, batches by length | {len(texts) / by_length:.1f} |")
    print(f"| classifier.predict | {len(texts) / seconds:.1f} |")


if __name__ == "__main__":
    main()
