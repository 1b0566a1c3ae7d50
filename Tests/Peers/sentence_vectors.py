"""Vectors of texts by sentence-transformers.

  sentence_vectors.py encode FOLDER TEXTS OUT [PROMPT]
      Loads the model of FOLDER and encodes the JSON list of texts in the file TEXTS, with the named prompt, into `vectors`
      of OUT. Prints JSON: the modules' names, the prompts, the longest input.
  sentence_vectors.py save MODEL FOLDER POOLING [LENGTH]
      Loads the model of transformers in MODEL, and saves it as one of sentence-transformers: mean, cls or pooler; with a
      longest input. Prints JSON: the members of its sentence_bert_config.json.
"""
import json
import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers import models


def encode(folder, texts, out, prompt=None):
    model = SentenceTransformer(folder, trust_remote_code=True, device="cpu")
    with open(texts) as file:
        texts = json.load(file)
    vectors = model.encode(texts, prompt_name=prompt, convert_to_tensor=True, batch_size=3)
    save_file({"vectors": vectors.float().contiguous()}, out)
    print(json.dumps({
        "modules": [type(module).__name__ for module in model], "prompts": model.prompts,
        "length": model.max_seq_length}))


def save(source, folder, pooling, length=None):
    transformer = models.Transformer(
        source, model_args={"trust_remote_code": True}, tokenizer_args={"trust_remote_code": True},
        config_args={"trust_remote_code": True})
    size = transformer.get_word_embedding_dimension()
    modules = [transformer, models.Pooling(size, pooling_mode="mean" if pooling == "mean" else "cls")]
    if pooling == "pooler":
        modules.append(models.Dense(size, size, activation_function=torch.nn.Tanh()))
    else:
        modules.append(models.Normalize())
    model = SentenceTransformer(modules=modules, prompts={"query": "京", "document": "阪"}, device="cpu")
    if length:
        model.max_seq_length = int(length)
    model.save(folder)
    with open(os.path.join(folder, "sentence_bert_config.json")) as file:
        print(json.dumps(sorted(json.load(file))))


if __name__ == "__main__" and len(sys.argv) > 1:
    torch.set_num_threads(1)
    {"encode": encode, "save": save}[sys.argv[1]](*sys.argv[2:])
