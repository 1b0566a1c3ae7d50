"""Byte pairs and unigrams of Hugging Face's tokenizers and of SentencePiece: training of 32,768 pieces, and encoding.

  subwords.py tokenizers|sentencepiece train bpe|unigram CORPUS FOLDER
  subwords.py tokenizers|sentencepiece encode bpe|unigram CORPUS FOLDER
"""

import os
import sys
import time

from documents import documents

peer, work, model, corpus, folder = sys.argv[1:]
os.makedirs(folder, exist_ok=True)
start, processor = time.monotonic(), time.process_time()
texts = [document["text"] for document in documents(corpus)]


def train_tokenizers():
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    special = ["<unk>", "[PAD]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>") if model == "bpe" else models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    # Learned from within scripts, as the others do; encoded from spaces.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.BertPreTokenizer(), pre_tokenizers.UnicodeScripts()])
    common = {"vocab_size": 32_768, "special_tokens": special, "show_progress": False}
    tokenizer.train_from_iterator(
        texts, trainers.BpeTrainer(limit_alphabet=7000, **common) if model == "bpe"
        else trainers.UnigramTrainer(unk_token="<unk>", **common))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.save(f"{folder}/tokenizer.json")


def train_sentencepiece():
    import sentencepiece

    with open(f"{folder}/texts", "w", encoding="utf-8") as out:
        for text in texts:
            out.write(text + "\n")
    sentencepiece.SentencePieceTrainer.train(
        input=f"{folder}/texts", model_prefix=f"{folder}/model", model_type=model, vocab_size=32_768,
        character_coverage=0.9995, byte_fallback=True, num_threads=os.cpu_count(), input_sentence_size=0,
        max_sentence_length=1 << 20, minloglevel=2)


def encode_tokenizers():
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    for first in range(0, len(texts), 1000):
        batch = tokenizer.encode_batch_fast(texts[first : first + 1000], add_special_tokens=False)
        yield sum(len(one.ids) for one in batch)


def encode_sentencepiece():
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_file=f"{folder}/model.model")
    for first in range(0, len(texts), 1000):
        yield sum(map(len, processor.encode(texts[first : first + 1000], num_threads=os.cpu_count())))


if work == "train":
    train_tokenizers() if peer == "tokenizers" else train_sentencepiece()
else:
    print(sum(encode_tokenizers() if peer == "tokenizers" else encode_sentencepiece()), "tokens")
print(f"seconds {time.monotonic() - start:.3f}")
print(f"processor {time.process_time() - processor:.3f}")
