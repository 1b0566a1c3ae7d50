"""What transformers' BertJapaneseTokenizer cuts texts into before it looks for pieces.

  python3 bert_japanese_words.py words FILE     FILE: texts, each ended by a NUL; prints each one's words, one a line, and a NUL
  python3 bert_japanese_words.py dictionary     prints the folder of its dictionary

Needs: pip install transformers fugashi ipadic.
"""
import sys

import fugashi
import ipadic
from transformers.models.bert_japanese.tokenization_bert_japanese import MecabTokenizer

if len(sys.argv) > 1 and sys.argv[1] == "dictionary":
    sys.stdout.write(ipadic.DICDIR)
elif len(sys.argv) > 1:
    tokenizer = MecabTokenizer(mecab_dic="ipadic")
    with open(sys.argv[2], "rb") as file:
        texts = file.read().decode("utf-8").split("\0")[:-1]
    for text in texts:
        # The subword tokenizers cut at white space what MeCab takes for a word.
        words = [part for word in tokenizer.tokenize(text) for part in word.split()]
        sys.stdout.buffer.write("\n".join(words).encode("utf-8") + b"\0")
