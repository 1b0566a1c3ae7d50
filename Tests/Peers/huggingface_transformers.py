"""Loads a tokenizer's folder with transformers; prints its class and the ids of each text, special tokens added, in a line.

  python3 huggingface_transformers.py FOLDER TEXT...
  python3 huggingface_transformers.py --transformers5 FOLDER TEXT...     by the release that Scripts/install lays beside it
  python3 huggingface_transformers.py pairs FOLDER TEXT PAIR LENGTH...   ids of the pair cut to each length

Needs: pip install transformers; for MeCab's also fugashi and ipadic.
"""
import sys

if "--transformers5" in sys.argv:
    sys.argv.remove("--transformers5")
    sys.path.insert(0, f"{sys.prefix}/transformers5")
from transformers import AutoTokenizer

if sys.argv[1:2] == ["pairs"]:
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[2])
    for length in map(int, sys.argv[5:]):
        print(*tokenizer(sys.argv[3], sys.argv[4], truncation=True, max_length=length)["input_ids"])
elif len(sys.argv) > 1:
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    for text in sys.argv[2:]:
        print(type(tokenizer).__name__, *tokenizer(text)["input_ids"])
