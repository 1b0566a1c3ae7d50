"""What Hugging Face's tokenizers make of texts, to compare with.

  python3 huggingface_tokenizers.py normalize TEXTS          NFKC of each text
  python3 huggingface_tokenizers.py words TEXTS [CASE]       words of each text, one a line, normalized before; with
                                                             uncased or cased, as BERT splits them
  python3 huggingface_tokenizers.py ids TEXTS TOKENIZER      ids of each text, in one line, no special tokens added
  python3 huggingface_tokenizers.py places TEXTS TOKENIZER   where each token stands in each text, as bytes: 0-3 3-6 …
  python3 huggingface_tokenizers.py saved TOKENIZER          the tokenizer as saved again
  python3 huggingface_tokenizers.py train TEXTS SIZE LIMIT   the vocabulary learned, one token a line

TEXTS is a file of texts, each ended by a NUL; so is the output of the first four. Needs: pip install tokenizers.
"""
import sys

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

cutter = pre_tokenizers.Sequence([pre_tokenizers.BertPreTokenizer(), pre_tokenizers.UnicodeScripts()])
nfkc = normalizers.NFKC()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def texts(path):
    with open(path, "rb") as file:
        return file.read().decode().split("\0")[:-1]


def words(text, case=None):
    if case is not None:
        normalized = normalizers.BertNormalizer(lowercase=case == "uncased").normalize_str(text)
        return [word for word, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(normalized)]
    return [word for word, _ in cutter.pre_tokenize_str(nfkc.normalize_str(text))]


def ids(path, tokenizer):
    encoder = Tokenizer.from_file(tokenizer)
    for encoding in encoder.encode_batch(texts(path), add_special_tokens=False):
        yield " ".join(map(str, encoding.ids))


def places(path, tokenizer):
    encoder = Tokenizer.from_file(tokenizer)
    for text in texts(path):
        starts = [0]
        for character in text:
            starts.append(starts[-1] + len(character.encode()))
        encoding = encoder.encode(text, add_special_tokens=False)
        yield " ".join(f"{starts[start]}-{starts[end]}" for start, end in encoding.offsets)


def train(path, size, limit):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = nfkc, cutter
    tokenizer.train_from_iterator(texts(path), trainers.WordPieceTrainer(
        vocab_size=int(size), limit_alphabet=int(limit), min_frequency=2, special_tokens=SPECIAL, show_progress=False))
    return sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)


def main(command, *arguments):
    if command == "normalize":
        out = "".join(nfkc.normalize_str(text) + "\0" for text in texts(*arguments))
    elif command == "words":
        out = "".join("".join(word + "\n" for word in words(text, *arguments[1:])) + "\0" for text in texts(arguments[0]))
    elif command == "ids":
        out = "".join(line + "\0" for line in ids(*arguments))
    elif command == "places":
        out = "".join(line + "\0" for line in places(*arguments))
    elif command == "saved":
        out = Tokenizer.from_file(*arguments).to_str(pretty=True)
    elif command == "train":
        out = "".join(token + "\n" for token in train(*arguments))
    sys.stdout.buffer.write(out.encode())


if __name__ == "__main__" and len(sys.argv) > 1:
    main(*sys.argv[1:])
