"""Reads exported tokens with the libraries that they are made for.

usage: token_exports.py megatron PREFIX     prints each sequence as JSON, then the list of where documents begin
       token_exports.py webdataset FILE     prints each sample's tokens and documents as JSON

Without arguments it does nothing but import what it needs, from .venv/megatron or the environment.
"""
import json
import os
import sys
import warnings

warnings.filterwarnings("ignore")
sys.path.insert(0, os.path.join(sys.prefix, "megatron"))

import webdataset
from megatron.core.datasets.indexed_dataset import IndexedDataset


def main(arguments):
    if not arguments:
        return
    form, path = arguments
    if form == "megatron":
        found = IndexedDataset(path)
        for number in range(len(found)):
            print(json.dumps(found[number].tolist()))
        print(json.dumps(found.document_indices.tolist()))
    else:
        for sample in webdataset.WebDataset(path, shardshuffle=False).decode():
            print(json.dumps([sample["input_ids.npy"].tolist(), sample["documents.json"]], ensure_ascii=False))


if __name__ == "__main__":
    main(sys.argv[1:])
