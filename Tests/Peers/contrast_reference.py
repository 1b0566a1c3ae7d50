"""Contrastive training by sentence-transformers' MultipleNegativesRankingLoss over reference_model.py's encoder.

  contrast_reference.py MODEL BATCHES OUT POOLING TEMPERATURE DECAY

MODEL is a folder of model.json and weights.safetensors. BATCHES has for each step `N/ids` [texts, length], `N/lengths`
[texts] and `N/columns` [examples, columns], rows of `ids`: anchor, positive, and negatives; and `rates` [steps]. OUT gets
`losses` and `norms` by step, `gradient/NAME` of the first step, and `weight/NAME` after the last one.
"""
import sys

import torch
from safetensors.torch import load_file
from sentence_transformers.losses import MultipleNegativesRankingLoss

import reference_model


def pooled(shape, weights, batch, pooling):
    ids, real, types, _ = reference_model.padded(batch)
    hidden = reference_model.encode(shape, weights, ids, real, types)
    if pooling == "mean":
        return (hidden * real[..., None]).sum(1) / real.sum(1, keepdim=True)
    if pooling == "cls":
        return hidden[:, 0]
    return torch.tanh(torch.nn.functional.linear(
        hidden[:, 0], weights["bert.pooler.dense.weight"], weights["bert.pooler.dense.bias"]))


class Texts(torch.nn.Module):
    """What the loss asks of a model: vectors of a column's texts."""

    def __init__(self, shape, weights, pooling):
        super().__init__()
        self.parts = (shape, weights, pooling)

    def forward(self, batch):
        shape, weights, pooling = self.parts
        return {"sentence_embedding": pooled(shape, weights, batch, pooling)}


def main(model, path, out, pooling, temperature, decay):
    torch.set_num_threads(1)
    shape, weights = reference_model.load(model, torch.float32)
    weights = {name: weight for name, weight in weights.items()
               if not name.startswith("cls.") and (pooling == "pooler" or "pooler" not in name)}
    batches = load_file(path)
    loss_of = MultipleNegativesRankingLoss(Texts(shape, weights, pooling), scale=1 / float(temperature))
    optimizer = torch.optim.AdamW(weights.values(), betas=(0.9, 0.999), eps=1e-8, weight_decay=float(decay), foreach=False)
    losses, norms, result = [], [], {}
    for step, rate in enumerate(batches["rates"].tolist()):
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        ids, lengths = batches[f"{step}/ids"], batches[f"{step}/lengths"]
        columns = [{"ids": ids[rows], "lengths": lengths[rows]} for rows in batches[f"{step}/columns"].long().T]
        loss = loss_of(columns, None)
        loss.backward()
        if step == 0:
            result |= {f"gradient/{name}": weight.grad.clone() for name, weight in weights.items()}
        norms.append(float(torch.nn.utils.clip_grad_norm_(weights.values(), 1.0)))
        optimizer.step()
        losses.append(loss.item())
    result |= {"losses": torch.tensor(losses), "norms": torch.tensor(norms)}
    reference_model.write(result | {f"weight/{name}": weight for name, weight in weights.items()}, out)


if __name__ == "__main__" and len(sys.argv) > 1:
    main(*sys.argv[1:])
