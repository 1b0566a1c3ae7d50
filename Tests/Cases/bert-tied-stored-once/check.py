"""A tied embedding is read under either of its names."""
import os
import pathlib
import subprocess

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMaskedLM

PIPELINE = os.environ["PIPELINE"]
EMBEDDING, DECODER = "bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight"


def converted():
    done = subprocess.run([PIPELINE, "run", "doc.json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([PIPELINE, "artifact", "doc.json", "c.model"], capture_output=True, text=True)
    return pathlib.Path(done.stdout.strip())


@torch.no_grad()
def logits(folder):
    return AutoModelForMaskedLM.from_pretrained(folder).eval()(torch.tensor([[2, 5, 6, 7, 3]])).logits


stored = load_file("m/model.safetensors")
assert EMBEDDING not in stored
first = converted()
assert torch.equal(load_file(first / "model.safetensors")[EMBEDDING], stored[DECODER])
once = logits(first)
# What transformers itself reads: the embedding under its own name, and then under both.
whole = {**{name: tensor for name, tensor in stored.items() if name != DECODER}, EMBEDDING: stored[DECODER]}
save_file(whole, "m/model.safetensors", metadata={"format": "pt"})
assert torch.equal(logits("m"), once) and torch.equal(logits(converted()), once)
save_file({**whole, DECODER: stored[DECODER].clone()}, "m/model.safetensors", metadata={"format": "pt"})
assert torch.equal(logits(converted()), once)
# Behind Composer's prefix.
save_file({f"model.{name}": tensor for name, tensor in stored.items()}, "m/model.safetensors", metadata={"format": "pt"})
assert torch.equal(logits(converted()), once)
print("the same logits from the decoder alone, the embedding alone, both, and behind a prefix")
