"""The models of 2018 to 2023 in plain PyTorch, written from their papers, and ModernBERT by transformers: what the engine's
numbers are compared with.

  reference_model.py forward --model DIR --batch FILE --out FILE [--dtype float32]
  reference_model.py train   --model DIR --batch FILE --out FILE [--steps 50] [--rate 5e-4] [--warmup 5] …
  reference_model.py random  --model DIR [--seed 0]

`train --still-norms` leaves norms and biases without weight decay; `--muon bfloat16` gives the layers' matrices to
torch.optim.Muon (query, key, value and the halves of a gate each on their own), `--muon float32` computes its
iterations in that type.

`--transformers5` before them takes the release that Scripts/install lays beside the environment's own.

DIR holds `model.json` and `weights.safetensors`; `random` writes the latter for a model.json. Dropout is off.

A batch is a safetensors file:
  ids             [batch, length], or [tokens] without padding, where `lengths` gives each sequence's share
  attention_mask  [batch, length], 1 at real tokens; or lengths [batch]; neither: all are real
  token_types     as ids; 0 where absent
  labels          as ids, the masked-language head being asked where they are above 0; or [masked] together with
  positions       [masked], rows in ids written as one line
For `train`, keys may begin with `0/`, `1/`, …: the steps' batches, begun again when they end. `rates` [steps] replaces
the schedule: `t` finished steps of `n` give rate·t/warmup below the warm-up, then a fall to `final`·rate at t = n.

`forward` writes: logits [masked, vocabulary], loss, hidden [rows, hidden], gradient/NAME of every weight.
`train` writes: losses, rates, norms (of the gradient before clipping), weight/NAME of every weight at the end.
"""
import argparse
import json
import math
import os
import sys

if sys.argv[1:2] == ["--transformers5"]:
    sys.path.insert(0, f"{sys.prefix}/transformers5")
    del sys.argv[1]
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file


def alibi_slopes(heads):
    """One slope a head (Press et al. 2022); what lies beyond a power of two comes from the next power's odd places."""
    def of_power(n):
        return [2.0 ** (-8.0 * (i + 1) / n) for i in range(n)]

    power = 2 ** int(math.floor(math.log2(heads)))
    return of_power(power) + of_power(2 * power)[0::2][: heads - power]


def rotate(x, base):
    """Rotary positions (Su et al. 2021) over [batch, heads, length, size]: halves, not neighbors, are pairs."""
    size, length = x.shape[-1], x.shape[-2]
    frequency = 1.0 / base ** (torch.arange(0, size, 2, dtype=torch.float32) / size)
    angle = torch.outer(torch.arange(length, dtype=torch.float32), frequency)
    cosine, sine = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x[..., : size // 2], x[..., size // 2 :]
    return torch.cat((a * cosine - b * sine, b * cosine + a * sine), dim=-1)


def attention(shape, weights, prefix, x, real):
    """x [batch, length, hidden]; real [batch, length], false at padding."""
    batch, length, hidden = x.shape
    heads = shape["heads"]
    size = hidden // heads
    projected = F.linear(x, weights[f"{prefix}.self.Wqkv.weight"], weights.get(f"{prefix}.self.Wqkv.bias"))
    q, k, v = (part.view(batch, length, heads, size).transpose(1, 2) for part in projected.split(hidden, dim=-1))
    if shape["kind"] == "rope-bert":
        q, k = rotate(q, shape["rotaryBase"]), rotate(k, shape["rotaryBase"])
    scores = q @ k.transpose(-1, -2) / math.sqrt(size)
    if shape["kind"] == "mosaic-bert":
        place = torch.arange(length)
        distance = (place[None, :] - place[:, None]).abs().to(x.dtype)
        slopes = torch.tensor(alibi_slopes(heads), dtype=x.dtype)
        scores = scores - slopes[:, None, None] * distance
    scores = scores.masked_fill(~real[:, None, None, :], -10000.0)
    mixed = (scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(batch, length, hidden)
    return F.linear(mixed, weights[f"{prefix}.output.dense.weight"], weights.get(f"{prefix}.output.dense.bias"))


def norm(shape, weights, name, x):
    return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], shape["normEpsilon"])


def feed_forward(shape, weights, prefix, x):
    if shape["kind"] == "bert":
        h = F.gelu(F.linear(x, weights[f"{prefix}.intermediate.dense.weight"], weights[f"{prefix}.intermediate.dense.bias"]))
        h = F.linear(h, weights[f"{prefix}.output.dense.weight"], weights[f"{prefix}.output.dense.bias"])
        return norm(shape, weights, f"{prefix}.output.LayerNorm", h + x)
    gate, up = F.linear(x, weights[f"{prefix}.mlp.gated_layers.weight"]).chunk(2, dim=-1)
    h = F.linear(F.gelu(gate) * up, weights[f"{prefix}.mlp.wo.weight"], weights.get(f"{prefix}.mlp.wo.bias"))
    return norm(shape, weights, f"{prefix}.mlp.layernorm", h + x)


def encode(shape, weights, ids, real, types):
    """The last layer's output, [batch, length, hidden]."""
    x = F.embedding(ids, weights["bert.embeddings.word_embeddings.weight"], padding_idx=shape["padding"])
    x = x + weights["bert.embeddings.token_type_embeddings.weight"][types]
    if shape["kind"] == "bert":
        x = x + weights["bert.embeddings.position_embeddings.weight"][: ids.shape[1]]
    x = norm(shape, weights, "bert.embeddings.LayerNorm", x)
    for layer in range(shape["layers"]):
        prefix = f"bert.encoder.layer.{layer}"
        mixed = attention(shape, weights, f"{prefix}.attention", x, real)
        x = norm(shape, weights, f"{prefix}.attention.output.LayerNorm", mixed + x)
        x = feed_forward(shape, weights, prefix, x)
    return x


def predict(shape, weights, rows):
    """The masked-language head over [rows, hidden]."""
    h = F.linear(rows, weights["cls.predictions.transform.dense.weight"], weights["cls.predictions.transform.dense.bias"])
    h = norm(shape, weights, "cls.predictions.transform.LayerNorm", F.gelu(h))
    decoder = weights.get("cls.predictions.decoder.weight", weights["bert.embeddings.word_embeddings.weight"])
    return F.linear(h, decoder, weights["cls.predictions.decoder.bias"])


def padded(batch):
    """ids, real, types as [batch, length], and of the written rows those that exist once padding is added."""
    ids = batch["ids"].long()
    types = batch.get("token_types", torch.zeros_like(ids)).long()
    if ids.dim() == 2:
        real = torch.ones_like(ids, dtype=torch.bool)
        if "attention_mask" in batch:
            real = batch["attention_mask"].bool()
        elif "lengths" in batch:
            real = torch.arange(ids.shape[1])[None, :] < batch["lengths"].long()[:, None]
        return ids, real, types, torch.arange(ids.numel())
    lengths = batch["lengths"].long()
    real = torch.arange(int(lengths.max()))[None, :] < lengths[:, None]
    wide = torch.zeros(real.shape, dtype=torch.long)
    wide_types = wide.clone()
    wide[real], wide_types[real] = ids, types
    return wide, real, wide_types, real.flatten().nonzero().flatten()


def forward(shape, weights, batch):
    ids, real, types, rows = padded(batch)
    if shape["kind"] == "modernbert":
        import modern_bert

        hidden, everywhere = (x.flatten(0, 1)[rows] for x in modern_bert.outputs(shape, weights, ids, real))
    else:
        hidden = encode(shape, weights, ids, real, types).flatten(0, 1)[rows]
    labels = batch["labels"].long().flatten()
    if "positions" in batch:
        positions = batch["positions"].long()
    else:
        positions = (labels > 0).nonzero().flatten()
        labels = labels[positions]
    is_modern = shape["kind"] == "modernbert"
    logits = everywhere[positions] if is_modern else predict(shape, weights, hidden[positions])
    return hidden, logits, F.cross_entropy(logits, labels)


def load(directory, dtype):
    with open(f"{directory}/model.json") as file:
        shape = json.load(file)
    weights = load_file(f"{directory}/weights.safetensors")
    return shape, {name: tensor.to(dtype).requires_grad_() for name, tensor in weights.items()}


def run_forward(options):
    shape, weights = load(options.model, options.dtype)
    hidden, logits, loss = forward(shape, weights, load_file(options.batch))
    loss.backward()
    result = {"logits": logits, "loss": loss, "hidden": hidden}
    for name, tensor in weights.items():
        if tensor.grad is not None:
            result[f"gradient/{name}"] = tensor.grad
    write(result, options.out)


def rate_at(step, options):
    if step < options.warmup:
        return options.rate * step / options.warmup
    share = (step - options.warmup) / max(1, options.steps - options.warmup)
    fall = share if options.schedule == "linear" else (1 - math.cos(math.pi * share)) / 2
    return options.rate * (1 - (1 - options.final) * fall)


def split_matrices(weights):
    """The layers' matrices as leaves of their own: name → parts, of which the weight is the concatenation."""
    parts = {}
    for name, tensor in weights.items():
        if name.startswith("bert.encoder.layer.") and tensor.dim() == 2:
            count = 3 if ".Wqkv." in name else 2 if ".gated_layers." in name else 1
            parts[name] = [part.detach().clone().requires_grad_() for part in tensor.chunk(count)]
    return parts


def in_float32(grad, ns_coefficients, ns_steps, eps):
    """torch's own iterations, but for the type."""
    a, b, c = ns_coefficients
    x = grad.T if grad.size(0) > grad.size(1) else grad
    x = x / x.norm().clamp(min=eps)
    for _ in range(ns_steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if grad.size(0) > grad.size(1) else x


def optimizers_of(weights, parts, options):
    """AdamW, in two groups, and Muon over the parts."""
    others = {name: tensor for name, tensor in weights.items() if name not in parts}
    still = [tensor for tensor in others.values() if options.still_norms and tensor.dim() == 1]
    decayed = [tensor for tensor in others.values() if not any(tensor is other for other in still)]
    groups = [{"params": decayed, "weight_decay": options.decay}, {"params": still, "weight_decay": 0.0}]
    made = [torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=options.rate, betas=(options.beta1, options.beta2),
        eps=options.epsilon, foreach=False)]
    if parts:
        if options.muon == "float32":
            torch.optim._muon._zeropower_via_newtonschulz = in_float32
        made.append(torch.optim.Muon(
            [part for own in parts.values() for part in own], lr=options.rate, weight_decay=options.decay, momentum=0.95,
            nesterov=True, adjust_lr_fn="match_rms_adamw"))
    return made


def run_train(options):
    shape, weights = load(options.model, options.dtype)
    parts = split_matrices(weights) if options.muon else {}
    file = load_file(options.batch)
    batches = {}
    for key, tensor in file.items():
        number, _, name = key.rpartition("/")
        if key != "rates":
            batches.setdefault(int(number or 0), {})[name] = tensor
    batches = [batches[number] for number in sorted(batches)]
    rates = file["rates"].tolist() if "rates" in file else [rate_at(t, options) for t in range(options.steps)]
    optimizers = optimizers_of(weights, parts, options)
    leaves = [tensor for optimizer in optimizers for group in optimizer.param_groups for tensor in group["params"]]
    losses, norms = [], []
    for step, rate in enumerate(rates):
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
        weights |= {name: torch.cat(own) for name, own in parts.items()}
        _, _, loss = forward(shape, weights, batches[step % len(batches)])
        loss.backward()
        limit = options.clip if options.clip > 0 else math.inf
        norms.append(float(torch.nn.utils.clip_grad_norm_(leaves, limit)))
        for optimizer in optimizers:
            optimizer.step()
        losses.append(loss.item())
    weights |= {name: torch.cat(own) for name, own in parts.items()}
    result = {"losses": losses, "rates": rates, "norms": norms}
    result = {name: torch.tensor(values, dtype=torch.float64) for name, values in result.items()}
    write(result | {f"weight/{name}": tensor for name, tensor in weights.items()}, options.out)


def run_random(options):
    """Weights of every name a model.json asks for; biases and norms are random too, so that none hides."""
    with open(f"{options.model}/model.json") as file:
        shape = json.load(file)
    torch.manual_seed(options.seed)
    hidden, inner, vocabulary = shape["hiddenSize"], shape["intermediateSize"], shape["vocabularySize"]
    weights = {}

    def matrix(name, *sizes):
        weights[name] = torch.randn(*sizes) * options.deviation

    def linear(name, inputs, outputs, bias=True):
        matrix(f"{name}.weight", outputs, inputs)
        if bias:
            matrix(f"{name}.bias", outputs)

    def layer_norm(name, bias=True):
        weights[f"{name}.weight"] = 1 + torch.randn(hidden) * options.deviation
        if bias:
            matrix(f"{name}.bias", hidden)

    if shape["kind"] == "modernbert":
        import modern_bert

        modern_bert.random_weights(shape, matrix, linear, layer_norm)
        return write(weights, f"{options.model}/weights.safetensors")
    matrix("bert.embeddings.word_embeddings.weight", vocabulary, hidden)
    if shape["kind"] == "bert":
        matrix("bert.embeddings.position_embeddings.weight", shape["maximumLength"], hidden)
    matrix("bert.embeddings.token_type_embeddings.weight", shape["tokenTypes"], hidden)
    layer_norm("bert.embeddings.LayerNorm")
    bias = shape["kind"] != "rope-bert"
    for layer in range(shape["layers"]):
        prefix = f"bert.encoder.layer.{layer}"
        linear(f"{prefix}.attention.self.Wqkv", hidden, 3 * hidden, bias)
        linear(f"{prefix}.attention.output.dense", hidden, hidden, bias)
        layer_norm(f"{prefix}.attention.output.LayerNorm")
        if shape["kind"] == "bert":
            linear(f"{prefix}.intermediate.dense", hidden, inner)
            linear(f"{prefix}.output.dense", inner, hidden)
            layer_norm(f"{prefix}.output.LayerNorm")
        else:
            linear(f"{prefix}.mlp.gated_layers", hidden, 2 * inner, False)
            linear(f"{prefix}.mlp.wo", inner, hidden, bias)
            layer_norm(f"{prefix}.mlp.layernorm")
    linear("cls.predictions.transform.dense", hidden, hidden)
    layer_norm("cls.predictions.transform.LayerNorm")
    matrix("cls.predictions.decoder.bias", vocabulary)
    write(weights, f"{options.model}/weights.safetensors")


def write(tensors, path):
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, run in (("forward", run_forward), ("train", run_train), ("random", run_random)):
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        command.add_argument("--model", required=True)
        if name == "random":
            command.add_argument("--seed", type=int, default=0)
            command.add_argument("--deviation", type=float, default=0.02)
            continue
        command.add_argument("--batch", required=True)
        command.add_argument("--out", required=True)
        command.add_argument("--dtype", type=lambda word: getattr(torch, word), default=torch.float32)
        if name == "train":
            command.add_argument("--steps", type=int, default=50)
            command.add_argument("--warmup", type=int, default=5)
            command.add_argument("--still-norms", action="store_true")
            command.add_argument("--muon", choices=("float32", "bfloat16"))
            command.add_argument("--schedule", choices=("linear", "cosine"), default="linear")
            for option, default in (
                ("rate", 5e-4), ("final", 0.02), ("beta1", 0.9), ("beta2", 0.98), ("epsilon", 1e-6), ("decay", 0.01),
                ("clip", 1.0)
            ):
                command.add_argument(f"--{option}", type=float, default=default)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.run(options)


if __name__ == "__main__" and len(sys.argv) > 1:
    main()
