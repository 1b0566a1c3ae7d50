"""A stock BERT as published for Japanese, made small, and its fine-tuning by transformers: what pipeline is compared with.

  baseline_bert.py make FOLDER TEXTS       saves a BertForPreTraining of random weights, with a trained-looking pooler, and
                                           a BertJapaneseTokenizer whose words are unidic_lite's
  baseline_bert.py english FOLDER TEXTS [base]
                                           the same with a BertTokenizer in lower case; with base, of BERT-Base's shape
  baseline_bert.py roberta FOLDER TEXTS    a RobertaForSequenceClassification of three labels, with a Unigram tokenizer of
                                           SentencePiece's form, of texts whose words are parted by spaces
  baseline_bert.py words TEXTS             the words of each text by fugashi with unidic_lite, parted by spaces
  baseline_bert.py ids FOLDER TEXTS        the ids of each text, special tokens added
  baseline_bert.py dictionary              the folder of unidic_lite
  baseline_bert.py pooled FOLDER TEXTS     the pooler's output for the first token of each text, as a line of JSON
  baseline_bert.py tune MODEL JOB          fine-tunes the converted MODEL (its head is there) as pipeline's job file says,
                                           with the same batches in the same order; prints JSON: losses of every step,
                                           scores of every test example, and the model's labels and problem type
  baseline_bert.py task MODEL BATCH        what a converted fine-tuned MODEL says of a batch; prints JSON: class, labels,
                                           problem, missing, unexpected, scores

TEXTS is a file of one text a line. `--transformers5` before them takes the release that Scripts/install lays beside the
environment's own. Needs: pip install transformers torch safetensors; for all but `task` fugashi and unidic-lite.
"""
import json
import math
import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
if sys.argv[1:2] == ["--transformers5"]:
    sys.path.insert(0, f"{sys.prefix}/transformers5")
    del sys.argv[1]

import fugashi
import tokenizers
import torch
import transformers
import unidic_lite
from safetensors.torch import load_file

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = 64


def lines(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        return file.read().split("\n")[:-1]


def mecab(text):
    tagger = transformers.models.bert_japanese.tokenization_bert_japanese.MecabTokenizer(mecab_dic="unidic_lite")
    return tagger.tokenize(text)


def tokenizer_of(folder):
    with open(f"{folder}/tokenizer_config.json") as file:
        name = json.load(file)["tokenizer_class"]
    # transformers' own way in Python, not that of the library tokenizers, which pipeline is compared with elsewhere.
    # A tokenizer without a class of its own exists in that form alone.
    own = name if name == "PreTrainedTokenizerFast" else name.removesuffix("Fast")
    return getattr(transformers, own).from_pretrained(folder)


def make(folder, texts):
    counts = {}
    for text in lines(texts):
        for word in mecab(text):
            counts[word] = counts.get(word, 0) + 1
    often = sorted(counts, key=lambda word: (-counts[word], word))
    letters = sorted({letter for word in counts for letter in word})
    # Every other letter only: some words are unknown.
    pieces = letters[::2] + [f"##{letter}" for letter in letters[1::2]]
    vocabulary = SPECIAL + list(dict.fromkeys(often[:WORDS] + pieces))
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/vocab.txt", "w", encoding="utf-8") as file:
        file.write("".join(token + "\n" for token in vocabulary))
    tokenizer = transformers.BertJapaneseTokenizer(
        f"{folder}/vocab.txt", word_tokenizer_type="mecab", subword_tokenizer_type="wordpiece",
        mecab_kwargs={"mecab_dic": "unidic_lite"}, model_max_length=64)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(7)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=64, initializer_range=0.2, layer_norm_eps=1e-12)
    model = transformers.BertForPreTraining(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(folder)


def english(folder, texts, size="tiny"):
    counts = {}
    for text in lines(texts):
        for word in transformers.models.bert.tokenization_bert.BasicTokenizer().tokenize(text):
            counts[word] = counts.get(word, 0) + 1
    often = sorted(counts, key=lambda word: (-counts[word], word))
    letters = sorted({letter for word in counts for letter in word})
    pieces = letters + [f"##{letter}" for letter in letters[1::2]]
    vocabulary = list(dict.fromkeys(SPECIAL + often[:WORDS // 2 if size == "tiny" else 30_000] + pieces))
    if size != "tiny":
        vocabulary += [f"[unused{i}]" for i in range(30_522 - len(vocabulary))]
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/vocab.txt", "w", encoding="utf-8") as file:
        file.write("".join(token + "\n" for token in vocabulary))
    tokenizer = transformers.BertTokenizer(f"{folder}/vocab.txt", do_lower_case=True, model_max_length=512)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(7)
    shape = {} if size != "tiny" else dict(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, max_position_embeddings=64,
        initializer_range=0.2)
    transformers.BertForPreTraining(transformers.BertConfig(vocab_size=len(vocabulary), **shape)).save_pretrained(folder)


def roberta(folder, texts):
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    pieces = tokenizers.SentencePieceUnigramTokenizer()
    pieces.train_from_iterator(lines(texts), vocab_size=180, special_tokens=special, unk_token="<unk>", show_progress=False)
    pieces.post_processor = tokenizers.processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    names = {f"{name}_token": token for name, token in zip(["cls", "pad", "sep", "unk", "mask"], special)}
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=pieces, **names, bos_token="<s>", eos_token="</s>", model_max_length=64).save_pretrained(folder)
    torch.manual_seed(7)
    labels = dict(enumerate(["entailment", "neutral", "contradiction"]))
    config = transformers.RobertaConfig(
        vocab_size=pieces.get_vocab_size(), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=66, type_vocab_size=1, pad_token_id=1, layer_norm_eps=1e-5,
        initializer_range=0.2, id2label=labels, label2id={name: i for i, name in labels.items()},
        problem_type="single_label_classification")
    transformers.RobertaForSequenceClassification(config).save_pretrained(folder)


@torch.no_grad()
def pooled(folder, texts):
    tokenizer, model = tokenizer_of(folder), transformers.BertModel.from_pretrained(folder).eval()
    return [model(**tokenizer(text, return_tensors="pt")).pooler_output[0].tolist() for text in lines(texts)]


# Pipeline's order of batches: SplitMix64, then Fisher and Yates.
def order(seed, epoch, count):
    mask = (1 << 64) - 1
    state = (seed * 0x9E3779B97F4A7C15 + epoch) & mask

    def number():
        nonlocal state
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & mask
        return z ^ z >> 31

    number()
    places = list(range(count))
    for i in range(count - 1, 0, -1):
        j = number() * (i + 1) >> 64
        places[i], places[j] = places[j], places[i]
    return places


ENTAILMENTS = ["entailment", "contradiction", "neutral"]


def example(task, record):
    """The pairs of a record, and its label."""
    if isinstance(task, dict):
        label = record["label"]
        if task["kind"] == "single-label":
            label = task["labels"].index(label)
        elif task["kind"] == "multi-label":
            label = [float(name in label) for name in task["labels"]]
        return [(record["text"], record.get("textPair"))], label
    if task == "jcommonsenseqa":
        return [(record["question"], record[f"choice{i}"]) for i in range(5)], record["label"]
    label = ENTAILMENTS.index(record["label"]) if task == "jnli" else float(record["label"])
    return [(record["sentence1"], record["sentence2"])], label


def examples(task, paths):
    return [example(task, json.loads(line)) for path in paths for line in open(path, encoding="utf-8") if line.strip()]


def inputs(tokenizer, batch, job):
    pairs = [pair for pairs, _ in batch for pair in pairs]
    seconds = [b for _, b in pairs]
    given = tokenizer(
        [a for a, _ in pairs], None if None in seconds else seconds, truncation="longest_first", max_length=job["maximumLength"],
        padding=True, return_tensors="pt")
    if job["task"] == "jcommonsenseqa":
        given = {key: tensor.view(len(batch), 5, -1) for key, tensor in given.items()}
    return given, torch.tensor([label for _, label in batch])


def automatic(folder):
    with open(f"{folder}/config.json") as file:
        name = json.load(file)["architectures"][0]
    return getattr(transformers, "AutoModelFor" + name.split("For")[1])


def rate(job, step, steps):
    warmup = math.ceil(steps * job["warmupFraction"])
    if step < warmup:
        return job["learningRate"] * step / warmup
    return job["learningRate"] * (1 - (step - warmup) / max(1, steps - warmup))


def tune(folder, path):
    with open(path) as file:
        job = json.load(file)
    # The one that transformers takes by itself: the library's cuts pairs otherwise than those in Python.
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    dropout = {"hidden_dropout_prob": job["dropout"], "attention_probs_dropout_prob": job["dropout"]}
    model = automatic(folder).from_pretrained(folder, **dropout).train()
    optimizer = torch.optim.AdamW(
        model.parameters(), betas=(0.9, job["beta2"]), eps=job["epsilon"], weight_decay=job["weightDecay"])
    train, test = examples(job["task"], job["train"]), examples(job["task"], job["test"])
    size = job["batchSize"]
    steps = math.ceil(len(train) / size) * job["epochs"]
    losses = []
    for epoch in range(job["epochs"]):
        places = order(job["seed"], epoch, len(train))
        for start in range(0, len(places), size):
            given, labels = inputs(tokenizer, [train[place] for place in places[start:start + size]], job)
            for group in optimizer.param_groups:
                group["lr"] = rate(job, len(losses), steps)
            loss = model(**given, labels=labels).loss
            loss.backward()
            if job["maximumGradientNorm"] > 0:
                torch.nn.utils.clip_grad_norm_(model.parameters(), job["maximumGradientNorm"])
            optimizer.step()
            optimizer.zero_grad()
            losses.append(float(loss))
    model.eval()
    with torch.no_grad():
        scores = [model(**inputs(tokenizer, [one], job)[0]).logits[0].tolist() for one in test]
    names = [model.config.id2label[i] for i in sorted(model.config.id2label)]
    return {"losses": losses, "scores": scores, "labels": names, "problem": model.config.problem_type}


@torch.no_grad()
def task(folder, path):
    batch = load_file(path)
    model, found = automatic(folder).from_pretrained(folder, trust_remote_code=True, output_loading_info=True)
    real = torch.arange(batch["ids"].shape[1])[None] < batch["lengths"][:, None]
    given = {"input_ids": batch["ids"], "token_type_ids": batch["types"], "attention_mask": real.long()}
    if model.config.model_type == "modernbert":
        del given["token_type_ids"]
    if "MultipleChoice" in type(model).__name__:
        given = {key: tensor[None] for key, tensor in given.items()}
    output = model.eval()(**given)
    scores = torch.stack([output.start_logits, output.end_logits], -1) if "start_logits" in output else output.logits
    return {
        "class": type(model).__name__, "labels": [model.config.id2label[i] for i in sorted(model.config.id2label)],
        "problem": model.config.problem_type, "missing": sorted(found["missing_keys"]),
        "unexpected": sorted(found["unexpected_keys"]), "scores": scores.flatten().tolist(),
    }


def main(command, *arguments):
    if command == "make":
        make(*arguments)
    elif command == "english":
        english(*arguments)
    elif command == "roberta":
        roberta(*arguments)
    elif command == "dictionary":
        print(unidic_lite.DICDIR)
    elif command == "words":
        print("".join(" ".join(mecab(text)) + "\n" for text in lines(*arguments)), end="")
    elif command == "ids":
        tokenizer = tokenizer_of(arguments[0])
        print("".join(" ".join(map(str, tokenizer(text)["input_ids"])) + "\n" for text in lines(arguments[1])), end="")
    else:
        answers, sys.stdout = sys.stdout, sys.stderr  # the libraries print too
        print(json.dumps({"pooled": pooled, "tune": tune, "task": task}[command](*arguments)), file=answers, flush=True)


if __name__ == "__main__" and len(sys.argv) > 1:
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    main(*sys.argv[1:])
