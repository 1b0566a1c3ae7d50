"""Whatever config.json asks for and the file lacks is named; a trained pooler stays; what is not read is told."""
import os
import pathlib
import subprocess

import torch
from safetensors.torch import load_file, save_file

PIPELINE = os.environ["PIPELINE"]
WHOLE = {name: tensor for name, tensor in load_file("m/model.safetensors").items() if name != "cls.predictions.decoder.weight"}


def run(tensors):
    save_file(tensors, "m/model.safetensors", metadata={"format": "pt"})
    done = subprocess.run([PIPELINE, "run", "doc.json"], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def converted():
    done = subprocess.run([PIPELINE, "artifact", "doc.json", "c.model"], capture_output=True, text=True)
    folder = pathlib.Path(done.stdout.strip())
    return load_file(folder / "model.safetensors"), (folder / "config.json").read_text()


def without(*parts):
    return {name: tensor for name, tensor in WHOLE.items() if not any(part in name for part in parts)}


for name in [
    "bert.encoder.layer.1.output.dense.weight", "bert.encoder.layer.0.attention.self.key.bias",
    "bert.embeddings.position_embeddings.weight", "bert.embeddings.LayerNorm.bias",
    "cls.predictions.transform.dense.weight",
]:
    code, output = run(without(name))
    assert code == 1 and f"has no tensor '{name}'" in output, f"{name}: exit {code}: {output[-300:]}"
code, output = run(without("encoder.layer.1."))
assert code == 1 and "and 13 others" in output, output[-300:]
pooler = {"bert.pooler.dense.weight": torch.randn(16, 16), "bert.pooler.dense.bias": torch.randn(16)}
code, output = run({**WHOLE, "bert.pooler.dense.weight": pooler["bert.pooler.dense.weight"]})
assert code == 1 and "has no tensor 'bert.pooler.dense.bias'" in output, output[-300:]
others = {"cls.seq_relationship.weight": torch.randn(2, 16), "bert.encoder.layer.2.output.dense.bias": torch.randn(16)}
code, output = run({**WHOLE, **pooler, **others})
assert code == 0 and "tensors-left-aside (2 times" in output and "bert.encoder.layer.2.output.dense.bias" in output, output
kept, _ = converted()
assert all(torch.equal(kept[name], tensor) for name, tensor in pooler.items())
code, output = run({name.removeprefix("bert."): tensor for name, tensor in {**without("cls."), **pooler}.items()})
assert code == 0 and "no-language-head" in output, output
kept, configuration = converted()
assert '"BertModel"' in configuration and "bert.pooler.dense.bias" in kept
print("7 incomplete models are refused by name; the pooler is kept; a model without a head is read as an encoder")
