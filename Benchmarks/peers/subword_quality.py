"""Vocabularies of byte pairs and unigrams on texts that they were not learned from: tokens per character, and of unigrams
the log-likelihood per character of the best segmentation.

  subword_quality.py CORPUS MODEL …

A MODEL is a tokenizer.json or a SentencePiece model. Characters are those of the text in NFKC, with one space for white
space of any kind, which SentencePiece makes of it anyway. What is unknown or written in bytes counts as ten less than the least score for each character, as both peers count it.
"""

import json
import sys
import unicodedata

from documents import documents


class HuggingFace:
    def __init__(self, path):
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_file(path)
        vocabulary = json.load(open(path))["model"]["vocab"]
        self.scores = [score for _, score in vocabulary] if isinstance(vocabulary, list) else None

    def encode(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def is_byte(self, token):
        name = self.tokenizer.id_to_token(token)
        return name.startswith("<0x") or name in ("<unk>", "[UNK]")


class SentencePiece:
    def __init__(self, path):
        import sentencepiece

        self.model = sentencepiece.SentencePieceProcessor(model_file=path)
        scores = [self.model.get_score(token) for token in range(len(self.model))]
        self.scores = scores if "unigram" in path else None

    def encode(self, text):
        return self.model.encode(text)

    def is_byte(self, token):
        return self.model.is_byte(token) or self.model.is_unknown(token)


def main(corpus, *paths):
    texts = [" ".join(unicodedata.normalize("NFKC", document["text"]).split()) for document in documents(corpus)]
    characters = sum(map(len, texts))
    print(f"{len(texts)} texts, {characters} characters\n\n| | tokens/character | log-likelihood/character |\n|---|--:|--:|")
    for path in paths:
        model = HuggingFace(path) if path.endswith(".json") else SentencePiece(path)
        tokens = likelihood = 0
        least = min(model.scores) if model.scores else 0
        for text in texts:
            ids = model.encode(text)
            tokens += len(ids)
            if model.scores:
                likelihood += sum(least - 10 if model.is_byte(token) else model.scores[token] for token in ids)
        shown = f"{likelihood / characters:.4f}" if model.scores else ""
        print(f"| {path} | {tokens / characters:.4f} | {shown} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
