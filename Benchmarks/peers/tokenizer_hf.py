"""Hugging Face's tokenizers: learns a WordPiece vocabulary of 32,768, or encodes with one; all processors.

  tokenizer_hf.py train CORPUS TOKENIZER.json
  tokenizer_hf.py encode CORPUS TOKENIZER.json
"""

import sys
import time

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from documents import documents

work, corpus, path = sys.argv[1:]
start, processor = time.monotonic(), time.process_time()
texts = [document["text"] for document in documents(corpus)]
if work == "train":
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.BertPreTokenizer(), pre_tokenizers.UnicodeScripts()])
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(
        vocab_size=32_768, limit_alphabet=7000, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.save(path)
    print(f"{tokenizer.get_vocab_size()} tokens")
else:
    tokenizer = Tokenizer.from_file(path)
    tokens = 0
    for first in range(0, len(texts), 10_000):
        encoded = tokenizer.encode_batch(texts[first : first + 10_000], add_special_tokens=False)
        tokens += sum(len(one.ids) for one in encoded)
    print(f"{tokens} tokens")
print(f"seconds {time.monotonic() - start:.3f}")
print(f"processor {time.process_time() - processor:.3f}")
