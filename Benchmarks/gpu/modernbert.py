"""ModernBERT on one GPU: the engine's operations against float32, and training steps beside transformers' own model.

usage: modernbert.py libpipelinetorch.so [--only check,sdpa,flash,compile,flash-compile,engine,profile]
                     [--shapes 1024x128,8192x16] [--layers 22] [--transformers FOLDER]

`check`: rotary positions, a sum with its norm, and attention within a window, each against float32 with plain bfloat16 beside it and
the same bits twice; then the whole model's logits and gradients, engine in bf16 beside transformers in float32 and in bf16, over
packed documents of unequal lengths, longer than the window. Exits with 1 if anything is wrong.

The others print tokens/s, TFLOP/s and peak memory of a training step of ModernBERT-base (bf16, 30 % of tokens masked, fused AdamW,
clipping, no padding): `sdpa` is transformers' ModernBertForMaskedLM in autocast over fp32 parameters with sparse prediction where the
release has it, `flash` the same with flash attention in its windowed form (flash-attn where it is installed, else the copy of its
kernels that torch has), `compile` and `flash-compile` are torch.compile of the two. `engine` does what the engine's trainer does:
bf16 working copies of fp32 masters, the last layer and the head on masked rows only.

--transformers names a folder that has the release to import, such as .venv/transformers5.
"""
import argparse
import importlib.util
import math
import sys

import torch
import torch.nn.functional as F
from mosaicbert import milliseconds
from segments import bounds_of, random_lengths

VOCABULARY, WIDTH, HEADS, SIZE, INNER, WINDOW, EVERY = 50368, 768, 12, 64, 1152, 128, 3
REACH = WINDOW // 2
BASES = {True: 160000.0, False: 10000.0}  # of global and of local layers
EPSILON = 1e-5
device = "cuda"


def configuration(layers, attention):
    import transformers

    bases = {"full_attention": BASES[True], "sliding_attention": BASES[False]}
    own = {"rope_parameters": {kind: {"rope_type": "default", "rope_theta": base} for kind, base in bases.items()}}
    if transformers.__version__ < "5":
        own = {"global_rope_theta": BASES[True], "local_rope_theta": BASES[False], "reference_compile": False}
    return transformers.ModernBertConfig(
        num_hidden_layers=layers, vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=INNER, num_attention_heads=HEADS,
        local_attention=WINDOW, global_attn_every_n_layers=EVERY, pad_token_id=0, bos_token_id=None, eos_token_id=None,
        cls_token_id=None, sep_token_id=None, attn_implementation=attention, sparse_prediction=True, **own)


def new_model(layers, attention="sdpa"):
    import transformers

    torch.manual_seed(0)
    return transformers.ModernBertForMaskedLM(configuration(layers, attention)).to(device)


def torch_flash(module, query, key, value, attention_mask, scaling, dropout=0.0, sliding_window=None, **kwargs):
    """transformers' form of an attention [batch, heads, length, size], by torch's own copy of flash attention's kernels."""
    assert attention_mask is None
    reach = -1 if sliding_window is None else sliding_window - 1
    query, key, value = (x.transpose(1, 2) for x in (query, key, value))
    out = torch.ops.aten._flash_attention_forward(
        query, key, value, None, None, query.shape[1], key.shape[1], dropout, False, False, scale=scaling,
        window_size_left=reach, window_size_right=reach)[0]
    return out, None


def flash_name():
    """The name of flash attention for transformers, which learns of torch's kernels where flash-attn is not installed (it looks for a
    package behind every name with "flash" in it)."""
    if importlib.util.find_spec("flash_attn") is not None:
        return "flash_attention_2"
    import transformers
    from transformers.masking_utils import AttentionMaskInterface, flash_attention_mask

    transformers.AttentionInterface.register("torch_windowed", torch_flash)
    AttentionMaskInterface.register("torch_windowed", flash_attention_mask)
    return "torch_windowed"


# MARK: The engine's form

def tables(length):
    """Cosines and sines [length, size/2] in float32, of global and of local layers."""
    out = {}
    for is_global, base in BASES.items():
        frequency = 1.0 / base ** (torch.arange(0, SIZE, 2, device=device, dtype=torch.float32) / SIZE)
        angle = torch.outer(torch.arange(length, device=device, dtype=torch.float32), frequency)
        out[is_global] = angle.cos(), angle.sin()
    return out


def clipped(bounds, reach=REACH):
    """Bounds of a window: no farther from each token than `reach`."""
    places = torch.arange(bounds.shape[1], device=device, dtype=torch.int32)
    return torch.stack([torch.maximum(bounds[0], places - reach), torch.minimum(bounds[1], places + reach + 1)])


class Places:
    """Where the tokens of documents stand: positions, bounds and rotary tables, as the trainer makes them."""

    def __init__(self, lengths):
        self.bounds = bounds_of(lengths)
        self.local = clipped(self.bounds)
        self.positions = torch.arange(sum(lengths), device=device) - self.bounds[0].long()
        self.tables = tables(max(lengths))


def engine_logits(weights, layers, ids, rows, places):
    """The order of operations of the engine's ModernBERT, over transformers' names of weights."""
    ops = torch.ops.pipeline
    x = ops.layer_norm(F.embedding(ids, weights["model.embeddings.tok_embeddings.weight"], 0),
                       weights["model.embeddings.norm.weight"], None, EPSILON)
    rest = None
    for number in range(layers):
        prefix, is_global = f"model.layers.{number}", number % EVERY == 0
        normed = x
        if rest is not None:
            x, normed = ops.add_norm(rest, x, weights[f"{prefix}.attn_norm.weight"], None, EPSILON)
        qkv = ops.linear(normed, weights[f"{prefix}.attn.Wqkv.weight"], None)
        qkv = ops.rotary(qkv, HEADS, *places.tables[is_global], places.positions)
        context = ops.segmented_attention(qkv, 0, HEADS, places.bounds if is_global else places.local, None)
        if number == layers - 1:
            context, x = context.index_select(0, rows), x.index_select(0, rows)
        x, normed = ops.add_norm(
            ops.linear(context, weights[f"{prefix}.attn.Wo.weight"], None), x, weights[f"{prefix}.mlp_norm.weight"], None, EPSILON)
        hidden = ops.geglu(ops.linear(normed, weights[f"{prefix}.mlp.Wi.weight"], None), 0.0, True)
        rest = ops.linear(hidden, weights[f"{prefix}.mlp.Wo.weight"], None)
    _, x = ops.add_norm(rest, x, weights["model.final_norm.weight"], None, EPSILON)
    x = ops.layer_norm(F.gelu(ops.linear(x, weights["head.dense.weight"], None)), weights["head.norm.weight"], None, EPSILON)
    return ops.linear(x, weights["model.embeddings.tok_embeddings.weight"], weights["decoder.bias"])


# MARK: Checks

def relative(found, wanted):
    return ((found.float() - wanted.float()).norm() / wanted.float().norm().clamp_min(1e-30)).item()


def judge(name, ours, plain, same=True):
    """Errors of ours may be half as much again as those of plain bfloat16."""
    fine = same and all(a < 1.5 * b + 1e-4 for a, b in zip(ours, plain))
    print(f"{name:44} relative error {', '.join(f'{e:.2e}' for e in ours)}; in plain bfloat16 "
          f"{', '.join(f'{e:.2e}' for e in plain)}; same bits twice: {same}  {'ok' if fine else 'WRONG'}", flush=True)
    return fine


def compare(name, inputs, ours, reference):
    """`reference` in float32 and in bfloat16 beside `ours`, with gradients of all inputs."""
    def run(work, dtype):
        leaves = [x.to(dtype).detach().clone().requires_grad_() for x in inputs]
        # Not leaves: an operation may work in place, as it may on what a linear layer gives.
        outs = work(*[leaf * 1 for leaf in leaves])
        outs = outs if isinstance(outs, tuple) else (outs,)
        torch.manual_seed(4)
        outside = [torch.randn(o.shape, device=device).bfloat16().to(o.dtype) for o in outs]
        return [*(o.detach() for o in outs), *torch.autograd.grad(outs, leaves, outside)]

    exact, plain = run(reference, torch.float32), run(reference, torch.bfloat16)
    first, second = run(ours, torch.bfloat16), run(ours, torch.bfloat16)
    same = all(torch.equal(a, b) for a, b in zip(first, second))
    return judge(name, [relative(a, b) for a, b in zip(first, exact)], [relative(a, b) for a, b in zip(plain, exact)], same)


def rotated(qkv, cosine, sine, positions):
    parts = qkv.view(len(qkv), 3, HEADS, SIZE)
    c, s = (t[positions].view(-1, 1, 1, SIZE // 2).to(qkv.dtype) for t in (cosine, sine))
    a, b = parts[:, :2].chunk(2, -1)
    return torch.cat([torch.cat([a * c - b * s, b * c + a * s], -1), parts[:, 2:]], 1).reshape(qkv.shape)


def windowed(qkv, lengths, reach):
    outs = []
    for part in qkv.split(lengths):
        q, k, v = part.view(len(part), 3, HEADS, SIZE).permute(1, 2, 0, 3)
        places = torch.arange(len(part), device=device)
        far = (places[None] - places[:, None]).abs() > reach
        scores = (q @ k.transpose(1, 2) / 8).float().masked_fill(far, float("-inf"))
        outs.append((scores.softmax(-1).to(qkv.dtype) @ v).transpose(0, 1).reshape(len(part), HEADS * SIZE))
    return torch.cat(outs)


def check_operations():
    torch.manual_seed(1)
    normal = lambda *shape: torch.randn(*shape, device=device).bfloat16()
    ops, fine = torch.ops.pipeline, True
    for lengths in ([700, 3, 1, 129, 300], [512] * 3, [1]):
        places = Places(lengths)
        qkv = normal(sum(lengths), 3 * WIDTH)
        for is_global in (True, False):
            cosine, sine = places.tables[is_global]
            fine &= compare(f"rotary, {len(lengths)} documents, base {BASES[is_global]:.0f}", [qkv],
                            lambda x: ops.rotary(x, HEADS, cosine, sine, places.positions),
                            lambda x: rotated(x, cosine, sine, places.positions))
    for rows in (1000, 1):
        fine &= compare(f"sum and norm, {rows} rows", [normal(rows, WIDTH), normal(rows, WIDTH), normal(WIDTH)],
                        lambda x, y, w: ops.add_norm(x, y, w, None, EPSILON),
                        lambda x, y, w: (x + y, F.layer_norm(x + y, (WIDTH,), w, None, EPSILON)))
    for name, lengths, reach in (
        ("documents of up to 900", random_lengths(5000, 900, 3), REACH), ("one of 4096", [4096], REACH),
        ("documents of up to 60", random_lengths(1500, 60, 4), REACH), ("a window of 3", [400, 200], 1),
        ("a window of 301", [2000, 100, 700], 150), ("one token", [1], REACH),
    ):
        bounds = clipped(bounds_of(lengths), reach)
        fine &= compare(f"attention in a window, {name}", [normal(sum(lengths), 3 * WIDTH)],
                        lambda x: ops.segmented_attention(x, 0, HEADS, bounds, None),
                        lambda x: windowed(x, lengths, reach))
    return fine


def check_model(layers=4):
    """Logits and gradients of all weights over documents, each alone for transformers, packed for the engine."""
    lengths = [700, 31, 300, 129, 5]
    torch.manual_seed(2)
    documents = [torch.randint(1, VOCABULARY, (length,), device=device) for length in lengths]
    labels = torch.randint(1, VOCABULARY, (sum(lengths),), device=device)
    rows = torch.arange(0, sum(lengths), 3, device=device)

    def theirs(dtype):
        model = new_model(layers, "eager").to(dtype)
        model.config.sparse_prediction = model.sparse_prediction = False
        logits = torch.cat([model(input_ids=ids[None]).logits[0] for ids in documents])[rows]
        F.cross_entropy(logits.float(), labels[rows]).backward()
        return logits.detach(), {name: p.grad for name, p in model.named_parameters()}

    def ours():
        model = new_model(layers).bfloat16()
        weights = dict(model.named_parameters())
        logits = engine_logits(weights, layers, torch.cat(documents), rows, Places(lengths))
        torch.ops.pipeline.cross_entropy(logits, labels[rows], -100, False).backward()
        return logits.detach(), {name: p.grad for name, p in weights.items()}

    exact, plain, first, second = theirs(torch.float32), theirs(torch.bfloat16), ours(), ours()
    same = torch.equal(first[0], second[0]) and all(
        torch.equal(first[1][name], second[1][name]) for name in exact[1] if name != "model.embeddings.tok_embeddings.weight")
    fine = judge("ModernBERT: logits", [relative(first[0], exact[0])], [relative(plain[0], exact[0])], same)
    worst = max(exact[1], key=lambda name: relative(first[1][name], exact[1][name]))
    errors = [[relative(side[1][name], exact[1][name]) for name in exact[1]] for side in (first, plain)]
    mean = [sum(e) / len(e) for e in errors]
    print(f"worst gradient: {worst}", flush=True)
    return fine & judge("ModernBERT: gradients, mean and worst", [mean[0], max(errors[0])], [mean[1], max(errors[1])])


# MARK: Speed

class PlainStep:
    def __init__(self, model, compiled):
        self.model, self.call = model, torch.compile(model) if compiled else model
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.98), weight_decay=1e-5, fused=True)

    def __call__(self, batch):
        ids, rows, labels, _ = batch
        wanted = torch.full_like(ids, -100).view(-1)
        wanted[rows] = labels
        with torch.autocast(device, torch.bfloat16):
            loss = self.call(input_ids=ids, labels=wanted.view_as(ids)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0, foreach=True)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach()


class EngineStep:
    def __init__(self, model, layers):
        self.layers = layers
        self.masters = [p.detach().clone() for p in model.parameters()]
        self.weights = dict(model.bfloat16().named_parameters())
        self.working = list(self.weights.values())
        self.sums, self.first, self.second = ([torch.zeros_like(m) for m in self.masters] for _ in range(3))
        self.count = torch.zeros((), device=device)

    def __call__(self, batch):
        ids, rows, labels, places = batch
        logits = engine_logits(self.weights, self.layers, ids.view(-1), rows, places)
        loss = torch.ops.pipeline.cross_entropy(logits, labels, -100, False)
        loss.backward()
        with torch.no_grad():
            torch._foreach_copy_(self.sums, [p.grad for p in self.working])
            for p in self.working:
                p.grad = None
            norm = torch.stack(torch._foreach_norm(self.sums)).norm()
            torch._foreach_mul_(self.sums, (1.0 / (norm + 1e-6)).clamp_max(1.0))
            self.count += 1
            torch._fused_adamw_(
                self.masters, self.sums, self.first, self.second, [], [self.count] * len(self.masters), lr=1e-4,
                beta1=0.9, beta2=0.98, weight_decay=1e-5, eps=1e-6, amsgrad=False, maximize=False)
            torch._foreach_copy_(self.working, self.masters)
        return loss.detach()


def time_step(kind, layers, length, sequences, steps=8):
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    model = new_model(layers, flash_name() if kind.startswith("flash") else "sdpa").train()
    step = EngineStep(model, layers) if kind == "engine" else PlainStep(model, kind.endswith("compile"))
    generator = torch.Generator(device).manual_seed(1)
    draw = lambda *shape: torch.randint(1, VOCABULARY, shape, device=device, generator=generator)
    masked = int(length * sequences * 0.3) // 64 * 64
    rows = torch.randperm(length * sequences, device=device, generator=generator)[:masked].sort()[0]
    batch = draw(sequences, length), rows, draw(masked), Places([length] * sequences)
    try:
        for _ in range(3):
            step(batch)
        time = milliseconds(lambda: step(batch), steps)
    except torch.cuda.OutOfMemoryError:
        print(f"step {kind:13} {length:4}x{sequences:<5} does not fit", flush=True)
        return None
    tokens = length * sequences / time
    matrices = layers * (4 * WIDTH * WIDTH + 3 * WIDTH * INNER) + 0.3 * (WIDTH * WIDTH + VOCABULARY * WIDTH)
    wide = math.ceil(layers / EVERY)
    flops = 6 * matrices + 12 * WIDTH * (wide * length + (layers - wide) * min(length, 2 * REACH + 1))
    print(f"step {kind:13} {length:4}x{sequences:<5} {time:7.1f} ms  {tokens:5.0f}k tokens/s  "
          f"{tokens * flops / 1e9:4.0f} TFLOP/s  peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB", flush=True)
    return step, batch


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine")
    parser.add_argument("--only", default="check,sdpa,flash,compile,flash-compile,engine")
    parser.add_argument("--shapes", default="1024x128,8192x16")
    parser.add_argument("--layers", type=int, default=22)
    parser.add_argument("--transformers", default="")
    options = parser.parse_args()
    if options.transformers:
        sys.path.insert(0, options.transformers)
    import transformers

    transformers.logging.set_verbosity_error()
    torch.ops.load_library(options.engine)
    wanted, fine = options.only.split(","), True
    print(f"torch {torch.__version__}, transformers {transformers.__version__} on {torch.cuda.get_device_name()}", flush=True)
    if "check" in wanted:
        torch.backends.cuda.matmul.allow_tf32 = False
        fine = check_operations() & check_model()
    torch.backends.cuda.matmul.allow_tf32 = True
    for shape in options.shapes.split(","):
        length, sequences = map(int, shape.split("x"))
        for kind in ("sdpa", "flash", "compile", "flash-compile", "engine"):
            if kind not in wanted:
                continue
            made = time_step(kind, options.layers, length, sequences)
            if kind == "engine" and "profile" in wanted and made:
                from mosaicbert import profile

                profile(*made)
            del made
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
