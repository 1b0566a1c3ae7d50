"""Models between pipeline and transformers.

  huggingface_models.py load MODEL REFERENCE BATCH
      Loads a converted folder as AutoModelForMaskedLM and compares its logits with what reference_model.py computes
      from the checkpoint REFERENCE over BATCH; loads every other Auto class that it names; fills a mask. Prints JSON:
      difference (largest, absolute), class, missing and unexpected weights, tied, classes, filled (best token).
  huggingface_models.py save FOLDER KIND
      Saves a small model with random weights: bert, bert-legacy (TensorFlow's names of norms), bert-half (float16),
      roberta, roberta-two-types, roberta-untied, or xlm-roberta; modern (as ModernBERT was published, with byte pairs), modern-ja
      (as its Japanese form, with unigrams), modern-biases (all of them, and a decoder of its own), modern-bare (without a head) or
      modern-mean (a classifier of three labels).
  huggingface_models.py logits FOLDER REFERENCE BATCH
      The largest difference between the stock model in FOLDER and reference_model.py over the checkpoint REFERENCE.

  huggingface_models.py ids FOLDER TEXTS
      The ids of each line by the folder's tokenizer, special tokens added.

`--transformers5` before them takes the release that Scripts/install lays beside the environment's own.
"""
import json
import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
if sys.argv[1:2] == ["--transformers5"]:
    sys.path.insert(0, f"{sys.prefix}/transformers5")
    del sys.argv[1]

import torch
import transformers
from safetensors.torch import load_file, save_file

import reference_model

if "transformers5" in sys.path[0]:
    assert transformers.__version__.startswith("5.")


def inputs(batch, takes_types=True):
    ids, real, types, _ = reference_model.padded(batch)
    given = {"input_ids": ids, "attention_mask": real.long()}
    return given | ({"token_type_ids": types} if takes_types else {}), batch["labels"].flatten() > 0


def takes_types(model):
    return model.config.model_type != "modernbert"


def reference_logits(checkpoint, batch):
    shape, weights = reference_model.load(checkpoint, torch.float32)
    with torch.no_grad():
        return reference_model.forward(shape, weights, batch)[1]


@torch.no_grad()
def difference(model, checkpoint, batch):
    given, asked = inputs(batch, takes_types(model))
    logits = model.eval()(**given).logits.flatten(0, 1)[asked]
    return float((logits - reference_logits(checkpoint, batch)).abs().max())


def load(folder, checkpoint, batch_path):
    batch = load_file(batch_path)
    model, found = transformers.AutoModelForMaskedLM.from_pretrained(
        folder, trust_remote_code=True, output_loading_info=True)
    eager = transformers.AutoModelForMaskedLM.from_pretrained(
        folder, trust_remote_code=True, attn_implementation="eager")
    with open(f"{folder}/config.json") as file:
        named = json.load(file).get("auto_map", {"AutoModel": None})
    classes = {}
    for name in named:
        if name.startswith("AutoModel"):
            other = getattr(transformers, name).from_pretrained(folder, trust_remote_code=True)
            given, _ = inputs(batch, takes_types(model))
            if name.endswith("MultipleChoice"):
                given = {key: tensor[:, None].expand(-1, 2, -1) for key, tensor in given.items()}
            first = other.eval()(**given).to_tuple()[0]
            classes[type(other).__name__] = bool(torch.isfinite(first).all())
            if model.config.model_type == "mosaic_bert":
                places = torch.arange(batch["ids"].shape[-1]).expand_as(given["input_ids"])
                placed = other(**given, position_ids=places).to_tuple()[0]
                classes[type(other).__name__] &= bool(torch.allclose(placed, first, atol=1e-5))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    fill = transformers.pipeline("fill-mask", model=model, tokenizer=tokenizer)
    best = fill(f"東京{tokenizer.mask_token}")[0]
    return {
        "difference": difference(model, checkpoint, batch), "eager": difference(eager, checkpoint, batch),
        "class": type(model).__name__, "missing": sorted(found["missing_keys"]),
        "unexpected": sorted(found["unexpected_keys"]), "classes": classes,
        "tied": model.get_output_embeddings().weight is model.get_input_embeddings().weight,
        "arguments": arguments(model, batch) if model.config.model_type == "mosaic_bert" else 0,
        "tokenizer": type(tokenizer).__name__, "filled": best["token"], "maximum": tokenizer.model_max_length,
    }


@torch.no_grad()
def arguments(model, batch):
    """The largest difference that places and masks of three dimensions make where they say what is so anyway."""
    given, _ = inputs(batch)
    real = given["attention_mask"]
    length = real.shape[1]
    plain = model(**given).logits
    shifted = model(**given, position_ids=torch.arange(length)[None] + 7).logits
    wide = model(**{**given, "attention_mask": real[:, None].expand(-1, length, -1)}).logits
    found = [(other - plain)[real > 0].abs().max() for other in (shifted, wide)]
    # The first two rows side by side, each seeing itself alone.
    counts = real.sum(1)[:2].tolist()
    packed = {key: torch.cat([tensor[i, :count] for i, count in enumerate(counts)])[None]
              for key, tensor in given.items() if key != "attention_mask"}
    mask = torch.block_diag(*[torch.ones(count, count) for count in counts])[None]
    places = torch.cat([torch.arange(count) for count in counts])[None]
    together = model(**packed, attention_mask=mask, position_ids=places).logits[0]
    alone = torch.cat([plain[i, :count] for i, count in enumerate(counts)])
    return float(max(found + [(together - alone).abs().max()]))


def save(folder, kind):
    torch.manual_seed(3)
    if kind.startswith("modern"):
        return save_modern(folder, kind)
    shape = dict(
        vocab_size=96, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        initializer_range=0.2)
    if "roberta" in kind:
        family = "XLMRoberta" if kind == "xlm-roberta" else "Roberta"
        config = getattr(transformers, family + "Config")(
            **shape, max_position_embeddings=42, type_vocab_size=2 if kind == "roberta-two-types" else 1,
            pad_token_id=1, layer_norm_eps=1e-5, tie_word_embeddings=kind != "roberta-untied")
        model = getattr(transformers, family + "ForMaskedLM")(config)
    else:
        model = transformers.BertForMaskedLM(transformers.BertConfig(**shape, max_position_embeddings=40))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    if kind == "bert-half":
        model = model.half()
    model.save_pretrained(folder)
    if kind == "bert-legacy":
        path = f"{folder}/model.safetensors"
        old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
        tensors = {}
        for name, tensor in load_file(path).items():
            for new, legacy in old.items():
                name = name.replace(new, legacy)
            tensors[name] = tensor
        save_file(tensors, path, metadata={"format": "pt"})
    ids = torch.randint(5, 96, (3, 20))
    save_file({"ids": ids, "lengths": torch.tensor([20, 7, 13]), "labels": ids * (torch.arange(20) % 3 == 1)},
              f"{folder}/batch.safetensors")
    return {}


def modern_tokenizer(kind):
    """Trained on a few lines, with the special tokens of the published forms."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    lines = ["東京と大阪は日本の都市である。", "名古屋は愛知県の都市である。", "The quick brown fox jumps over the lazy dog."] * 9
    is_unigram = kind == "modern-ja"
    names = ["<s>", "</s>", "<unk>", "<pad>", "<cls>", "<sep>", "<mask>"] if is_unigram else [
        "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    if is_unigram:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.normalizer = normalizers.NFKC()
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=80, special_tokens=names, unk_token="<unk>")
        first, last, padding, unknown, mask = "<s>", "</s>", "<pad>", "<unk>", "<mask>"
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=320, special_tokens=names, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
        first, last, padding, unknown, mask = "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"
    tokenizer.train_from_iterator(lines, trainer)
    ids = [(name, tokenizer.token_to_id(name)) for name in (first, last)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}", pair=f"{first} $A {last} $B {last}", special_tokens=ids)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, cls_token=first, sep_token=last, pad_token=padding, unk_token=unknown, mask_token=mask,
        model_input_names=["input_ids", "attention_mask"], model_max_length=64)


def save_modern(folder, kind):
    tokenizer = modern_tokenizer(kind)
    own = {"attn_implementation": "eager"}
    if kind == "modern-biases":
        own |= {"tie_word_embeddings": False} | {
            f"{part}_bias": True for part in ("norm", "attention", "mlp", "classifier", "decoder")}
    if kind == "modern-mean":
        own |= {"classifier_pooling": "mean", "num_labels": 3, "id2label": {0: "a", 1: "b", 2: "c"}, "label2id": {"a": 0, "b": 1, "c": 2}}
    bases = {"full_attention": 160000.0, "sliding_attention": 9000.0}
    if transformers.__version__ < "5":
        own |= {"global_rope_theta": 160000.0, "local_rope_theta": 9000.0, "reference_compile": False}
    else:
        own |= {"rope_parameters": {kind: {"rope_type": "default", "rope_theta": base} for kind, base in bases.items()}}
    config = transformers.ModernBertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=4, num_attention_heads=4, intermediate_size=48,
        max_position_embeddings=64, local_attention=6, global_attn_every_n_layers=3, initializer_range=0.2,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=None, eos_token_id=None, cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id, **own)
    classes = {"modern-bare": transformers.ModernBertModel, "modern-mean": transformers.ModernBertForSequenceClassification}
    model = classes.get(kind, transformers.ModernBertForMaskedLM)(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    ids = torch.randint(7, len(tokenizer), (3, 20))
    lengths = torch.tensor([20, 7, 13])
    # What implementations of attention say of padding is of no account.
    asked = (torch.arange(20) % 3 == 1) & (torch.arange(20)[None] < lengths[:, None])
    save_file({"ids": ids, "lengths": lengths, "labels": ids * asked,
               "types": torch.zeros_like(ids)}, f"{folder}/batch.safetensors")
    return {"tokens": len(tokenizer)}


def logits(folder, checkpoint, batch_path):
    model, found = transformers.AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
    return {"difference": difference(model.float(), checkpoint, load_file(batch_path)),
            "class": type(model).__name__, "missing": sorted(found["missing_keys"])}


def ids(folder, texts):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with open(texts, encoding="utf-8") as file:
        return [tokenizer(line.rstrip("\n"))["input_ids"] for line in file]


if len(sys.argv) > 1:
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    answers, sys.stdout = sys.stdout, sys.stderr  # the libraries print too
    print(json.dumps({"load": load, "save": save, "logits": logits, "ids": ids}[sys.argv[1]](*sys.argv[2:])), file=answers, flush=True)
