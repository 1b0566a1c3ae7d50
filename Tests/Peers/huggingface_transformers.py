"""Loads a tokenizer's folder with transformers; prints its class and the ids of each text, special tokens added, in a line.

  python3 huggingface_transformers.py FOLDER TEXT...

Needs: pip install transformers; for MeCab's also fugashi and ipadic.
"""
import sys

from transformers import AutoTokenizer

if len(sys.argv) > 1:
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    for text in sys.argv[2:]:
        print(type(tokenizer).__name__, *tokenizer(text)["input_ids"])
