"""Small tokenizers of many kinds, trained by Hugging Face's tokenizers, to compare with.

  python3 subword_tokenizers.py build FOLDER TEXTS   writes FOLDER/NAME.json for each kind, trained on the texts
  python3 subword_tokenizers.py merges TEXTS SIZE UNIT  the merges learned from words, one a line; of characters or bytes
  python3 subword_tokenizers.py frames TOKENIZER     ids and types of "a" alone and of "a" with "b", with special tokens

TEXTS is a file of texts, each ended by a NUL. Needs: pip install tokenizers.
"""
import json
import struct
import sys

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"
SPECIAL = ["<unk>", "<s>", "</s>", "<mask>", "<pad>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def texts(path):
    with open(path, "rb") as file:
        return file.read().decode().split("\0")[:-1]


def charsmap(pairs):
    """A precompiled charsmap of SentencePiece: a double array whose nodes have a block of 256 each, and the texts."""
    root, strings = {}, b""
    for key, text in pairs.items():
        node = root
        for byte in key.encode():
            node = node.setdefault(byte, {})
        node[None] = len(strings)
        strings += text.encode() + b"\0"
    units, queue = [0] * 256, [(root, 0, 0)]
    while queue:
        node, place, parent = queue.pop()
        base = len(units)
        units += [0] * 256
        # A unit's offset is relative to its own place, by exclusive or.
        units[place] |= (place ^ base) << 10 | (0x100 if None in node else 0)
        if None in node:
            units[base] = 1 << 31 | node[None]
        for byte, child in node.items():
            if byte is not None:
                units[base ^ byte] = byte
                queue.append((child, base ^ byte, base))
    data = struct.pack("<I", len(units) * 4) + struct.pack(f"<{len(units)}I", *units) + strings
    return normalizers.Precompiled(data)


CHARSMAP = {"ＡＢ": "?", "Ａ": "A", "①": "1", "ｶ": "カ", "\u3000": " ", "\t": " ", "\r": " ", "\n": " ", "e\u0301": "é",
            "e": "E", "\u200b": "", "㌔": "キロ", "か": "カ", "u\u0308": "ü"}


def bpe(**settings):
    special = ["<unk>"] if settings.get("unk_token") else []
    return Tokenizer(models.BPE(**settings)), trainers.BpeTrainer(
        vocab_size=600, special_tokens=special + SPECIAL[1:] + (BYTES if settings.get("byte_fallback") else []),
        show_progress=False, max_token_length=12)


def byte_level():
    return Tokenizer(models.BPE()), trainers.BpeTrainer(
        vocab_size=700, special_tokens=SPECIAL, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())


def unigram(byte_fallback=False):
    special = SPECIAL + (BYTES if byte_fallback else [])
    return Tokenizer(models.Unigram()), trainers.UnigramTrainer(
        vocab_size=400 + len(special), special_tokens=special, unk_token="<unk>", show_progress=False)


def word_piece():
    return Tokenizer(models.WordPiece(unk_token="[UNK]")), trainers.WordPieceTrainer(
        vocab_size=500, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False)


def sequence(*steps):
    return (normalizers if isinstance(steps[0], normalizers.Normalizer) else pre_tokenizers).Sequence(list(steps))


def kinds():
    n, p = normalizers, pre_tokenizers
    split = lambda pattern, behavior="isolated", invert=False: p.Split(Regex(pattern), behavior, invert)
    plain = p.ByteLevel(add_prefix_space=False, use_regex=False)
    lines = n.Replace(Regex(r"(?<!\n)^"), "▁"), n.Replace(Regex(" "), "▁")
    return {
        "bytes": (byte_level(), n.NFC(), p.ByteLevel(add_prefix_space=False)),
        "bytes-space": (byte_level(), None, p.ByteLevel(add_prefix_space=True)),
        "bytes-llama": (byte_level(), None, sequence(split(LLAMA3), plain)),
        "bytes-o200k": (byte_level(), n.NFKC(), sequence(split(O200K, "removed", True), plain)),
        "bytes-bloom": (byte_level(), None, sequence(split(BLOOM), plain)),
        "metaspace": (bpe(unk_token="<unk>", byte_fallback=True, fuse_unk=True), n.NFKC(), p.Metaspace(prepend_scheme="first")),
        "prepend": (bpe(unk_token="<unk>", fuse_unk=True), n.Sequence([n.Prepend("▁"), n.Replace(" ", "▁")]), None),
        "words": (bpe(unk_token="<unk>"), n.NFD(), p.Whitespace()),
        "silent": (bpe(), n.NFKD(), sequence(p.WhitespaceSplit(), p.Metaspace(prepend_scheme="first", split=False))),
        "unigram": (unigram(), n.NFKC(), p.Metaspace()),
        "unigram-bytes": (unigram(True), n.Sequence(list(lines)), None),
        "unigram-map": (unigram(), n.Sequence([charsmap(CHARSMAP), n.Replace(Regex(" {2,}"), " ")]), p.Metaspace()),
        "unigram-strip": (unigram(), n.Sequence([n.Strip(), n.Nmt(), n.Lowercase(), n.NFD(), n.StripAccents()]),
                          sequence(p.Punctuation("merged_with_previous"), p.Digits(False), p.Metaspace(prepend_scheme="first"))),
        "pieces": (word_piece(), n.BertNormalizer(), p.BertPreTokenizer()),
        "pieces-digits": (word_piece(), n.Lowercase(), sequence(
            p.CharDelimiterSplit("、"), p.Punctuation("contiguous"), p.Digits(True), split(r"\s+", "merged_with_next"),
            split("の", "merged_with_previous"))),
    }


ADDED = [AddedToken("<left>", lstrip=True, normalized=False), AddedToken("<right>", rstrip=True, normalized=False),
         AddedToken("word", single_word=True, normalized=False), AddedToken("Ｎorm", normalized=True),
         AddedToken("<ma", normalized=False), AddedToken("魚 市", normalized=True), AddedToken("  ", normalized=False)]


def frame(tokenizer, name):
    ids = lambda *names: [(x, tokenizer.token_to_id(x)) for x in names]
    if name.startswith("pieces"):
        return processors.BertProcessing(*ids("[SEP]", "[CLS]"))
    if name == "bytes":
        return processors.RobertaProcessing(*ids("</s>", "<s>"))
    if name == "bytes-llama":
        return processors.Sequence([processors.ByteLevel(), processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=ids("<s>"))])
    if name.startswith("unigram"):
        return processors.TemplateProcessing(
            single="<s>:1 $A:0 </s>", pair="<s> $A </s> </s> $B:1 <mask>:2", special_tokens=ids("<s>", "</s>", "<mask>"))
    return None


def build(folder, path):
    for name, ((tokenizer, trainer), normalizer, pre_tokenizer) in kinds().items():
        if normalizer:
            tokenizer.normalizer = normalizer
        if pre_tokenizer:
            tokenizer.pre_tokenizer = pre_tokenizer
        tokenizer.train_from_iterator(texts(path), trainer)
        tokenizer.add_tokens(ADDED)
        tokenizer.add_special_tokens([AddedToken("<extra>", special=True)])
        if processor := frame(tokenizer, name):
            tokenizer.post_processor = processor
        tokenizer.save(f"{folder}/{name}.json")
    whole = json.load(open(f"{folder}/bytes.json"))
    whole["model"]["ignore_merges"] = True
    # Whole words whose merges are gone.
    whole["model"]["merges"] = whole["model"]["merges"][::2]
    known = set(whole["model"]["vocab"])
    whole["model"]["merges"] = [[a, b] for a, b in whole["model"]["merges"] if a + b in known]
    json.dump(whole, open(f"{folder}/bytes-whole.json", "w"))


def merges(path, size, unit):
    """Each text is a word."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = (
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False) if unit == "bytes"
        else pre_tokenizers.WhitespaceSplit())
    tokenizer.train_from_iterator(texts(path), trainers.BpeTrainer(
        vocab_size=int(size), min_frequency=2, show_progress=False,
        special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if unit == "bytes" else []))
    return "".join(f"{a} {b}\n" for a, b in json.loads(tokenizer.to_str())["model"]["merges"])


def frames(path):
    tokenizer = Tokenizer.from_file(path)
    single, pair = tokenizer.encode("a"), tokenizer.encode("a", "b")
    lists = [single.ids, single.type_ids, pair.ids, pair.type_ids]
    return "\n".join(" ".join(map(str, list)) for list in lists) + "\n"


if __name__ == "__main__" and len(sys.argv) > 1:
    if sys.argv[1] == "build":
        build(*sys.argv[2:])
    elif sys.argv[1] == "merges":
        sys.stdout.write(merges(*sys.argv[2:]))
    else:
        sys.stdout.write(frames(*sys.argv[2:]))
