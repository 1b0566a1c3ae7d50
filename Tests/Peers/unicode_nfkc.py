"""Normalizes texts to NFKC with Python's unicodedata.

  python3 unicode_nfkc.py FILE     FILE: texts, each ended by a NUL; prints them normalized, each ended by a NUL, or "?"
                                   for a text with a character that this Python's Unicode does not have
"""
import sys
import unicodedata


def form(text):
    known = all(unicodedata.category(c) != "Cn" for c in text)
    return unicodedata.normalize("NFKC", text) if known else "?"


if len(sys.argv) > 1:
    with open(sys.argv[1], "rb") as file:
        texts = file.read().decode("utf-8").split("\0")[:-1]
    sys.stdout.buffer.write("".join(form(text) + "\0" for text in texts).encode("utf-8"))
