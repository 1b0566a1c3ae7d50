"""A MosaicBERT-Base training step on one GPU: plain PyTorch, torch.compile, and the engine's fused operations.

usage: mosaicbert.py libpipelinetorch.so [--only operations,eager,compile,engine,profile,loss] [--shapes 128x1024,512x256]

All three take the same batches (30 % of tokens masked, no padding), bf16, fused AdamW, clipping. The first two are
written as one would: autocast over fp32 parameters. The third does what the engine's trainer does: bf16 working copies
of fp32 masters, the last layer and the head on masked rows only.
"""
import argparse
import math
import statistics

import torch
import torch.nn as nn
import torch.nn.functional as F

VOCABULARY, WIDTH, LAYERS, HEADS, INNER, DROPOUT = 32768, 768, 12, 12, 3072, 0.1
device = "cuda"


def slopes(heads):
    powers = lambda n: [2 ** (-8 / n * (i + 1)) for i in range(n)]
    lower = 2 ** int(math.log2(heads))
    return powers(lower) + powers(2 * lower)[0::2][:heads - lower]


def alibi(length):
    places = torch.arange(length, device=device)
    distances = (places[None] - places[:, None]).abs()[None]
    return (-distances * torch.tensor(slopes(HEADS), device=device)[:, None, None]).bfloat16()[None]


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.dense = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH, eps=1e-12), nn.LayerNorm(WIDTH, eps=1e-12)
        self.gated, self.wo = nn.Linear(WIDTH, 2 * INNER, bias=False), nn.Linear(INNER, WIDTH)

    def forward(self, x, bias):
        batch, length, _ = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        context = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.expand(batch, -1, -1, -1))
        x = self.norm1(F.dropout(self.dense(context.transpose(1, 2).reshape(batch, length, WIDTH)), DROPOUT) + x)
        gate, value = self.gated(x).chunk(2, -1)
        return self.norm2(self.wo(F.dropout(F.gelu(gate) * value, DROPOUT)) + x)


class Model(nn.Module):
    """Also holds the parameters of the fused form."""

    def __init__(self):
        super().__init__()
        self.word, self.token_type, self.norm = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(2, WIDTH), nn.LayerNorm(WIDTH, eps=1e-12)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.transform, self.head_norm = nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH, eps=1e-12)
        self.decoder_bias = nn.Parameter(torch.zeros(VOCABULARY))
        for parameter in self.parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, ids, rows, labels, bias):
        x = F.dropout(self.norm(self.word(ids) + self.token_type.weight[0]), DROPOUT)
        for layer in self.layers:
            x = layer(x, bias)
        x = self.head_norm(F.gelu(self.transform(x.reshape(-1, WIDTH)[rows])))
        logits = F.linear(x, self.word.weight.to(x.dtype), self.decoder_bias.to(x.dtype))
        return F.cross_entropy(logits.float(), labels)


def fused_loss(model, ids, rows, labels, bias):
    """The order of operations of the engine's MosaicBERT."""
    ops = torch.ops.pipeline
    batch, length = ids.shape
    penalty = torch.tensor(slopes(HEADS), device=device)
    x = F.embedding(ids.view(-1), model.word.weight, 0) + model.token_type.weight[:1]
    x = F.dropout(ops.layer_norm(x, model.norm.weight, model.norm.bias, 1e-12), DROPOUT)
    twin = x
    for number, layer in enumerate(model.layers):
        qkv = ops.linear(x, layer.qkv.weight, layer.qkv.bias)
        if length > 128:
            context = ops.segmented_attention(qkv, length, HEADS, None, penalty)
        else:
            context = ops.attention(qkv, batch, length, HEADS, bias, None, None, 0.0, True)
        if number == LAYERS - 1:
            context, twin = context.index_select(0, rows), x.index_select(0, rows)
        x = ops.linear(context, layer.dense.weight, layer.dense.bias)
        x, twin = ops.dropout_add_norm(x, twin, layer.norm1.weight, layer.norm1.bias, DROPOUT, True, 1e-12)
        hidden = ops.geglu(ops.linear(x, layer.gated.weight, None), DROPOUT, True)
        hidden = ops.linear(hidden, layer.wo.weight, layer.wo.bias)
        x, twin = ops.dropout_add_norm(hidden, twin, layer.norm2.weight, layer.norm2.bias, 0.0, True, 1e-12)
    x = F.gelu(ops.linear(x, model.transform.weight, model.transform.bias))
    x = ops.layer_norm(x, model.head_norm.weight, model.head_norm.bias, 1e-12)
    return ops.cross_entropy(ops.linear(x, model.word.weight, model.decoder_bias), labels, -100, False)


class PlainStep:
    def __init__(self, model, compiled, rate):
        self.model, self.call = model, torch.compile(model) if compiled else model
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True)

    def __call__(self, batch):
        with torch.autocast(device, torch.bfloat16):
            loss = self.call(*batch)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0, foreach=True)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach()


class FusedStep:
    def __init__(self, model, rate):
        self.model = model
        self.masters = [p.detach().clone() for p in model.parameters()]
        model.bfloat16()
        self.working = list(model.parameters())
        self.sums, self.first, self.second = ([torch.zeros_like(m) for m in self.masters] for _ in range(3))
        self.count, self.rate = torch.zeros((), device=device), rate

    def __call__(self, batch):
        loss = fused_loss(self.model, *batch)
        loss.backward()
        with torch.no_grad():
            # The type embedding's second row is used by nothing here; all parameters have gradients.
            torch._foreach_copy_(self.sums, [p.grad for p in self.working])
            for p in self.working:
                p.grad = None
            norm = torch.stack(torch._foreach_norm(self.sums)).norm()
            torch._foreach_mul_(self.sums, (1.0 / (norm + 1e-6)).clamp_max(1.0))
            self.count += 1
            torch._fused_adamw_(
                self.masters, self.sums, self.first, self.second, [], [self.count] * len(self.masters), lr=self.rate,
                beta1=0.9, beta2=0.98, weight_decay=0.01, eps=1e-8, amsgrad=False, maximize=False)
            torch._foreach_copy_(self.working, self.masters)
        return loss.detach()


def make_step(kind, rate=1e-4):
    torch.manual_seed(0)
    model = Model().to(device).train()
    return FusedStep(model, rate) if kind == "engine" else PlainStep(model, kind == "compile", rate)


def make_batch(length, sequences, seed=1):
    generator = torch.Generator(device).manual_seed(seed)
    draw = lambda *shape: torch.randint(1, VOCABULARY, shape, device=device, generator=generator)
    masked = int(length * sequences * 0.3) // 64 * 64
    rows = torch.randperm(length * sequences, device=device, generator=generator)[:masked].sort()[0]
    return draw(sequences, length), rows, draw(masked), alibi(length)


def milliseconds(work, count):
    times = []
    for _ in range(count):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        work()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times)


def time_step(kind, length, sequences, steps=12):
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    step, batch = make_step(kind), make_batch(length, sequences)
    for _ in range(4):
        step(batch)
    time = milliseconds(lambda: step(batch), steps)
    tokens = length * sequences / time
    matrices = LAYERS * 9437184 + 0.3 * (WIDTH * WIDTH + VOCABULARY * WIDTH)
    flops = 6 * matrices + 12 * LAYERS * length * WIDTH
    print(f"step {kind:8} {length:4}x{sequences:<5} {time:7.1f} ms  {tokens:5.0f}k tokens/s  "
          f"{tokens * flops / 1e9:4.0f} TFLOP/s  peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB", flush=True)
    return step, batch


def profile(step, batch, top=32):
    from torch.profiler import ProfilerActivity, profile as record
    with record(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as seen:
        for _ in range(2):
            step(batch)
        torch.cuda.synchronize()
    kernels = {}
    for event in seen.events():
        if event.device_type == torch.autograd.DeviceType.CUDA:
            total, count = kernels.get(event.name, (0, 0))
            kernels[event.name] = total + event.device_time, count + 1
    whole = sum(total for total, _ in kernels.values())
    print(f"profile: {whole / 2e3:.1f} ms of kernels a step")
    for name, (total, count) in sorted(kernels.items(), key=lambda item: -item[1][0])[:top]:
        print(f"  {total / 2e3:8.2f} ms {count // 2:5} x  {name[:150]}")


def compare_losses(steps=200):
    """Loss curves on the same 20 batches, drawn in a skewed way so that there is something to learn."""
    curves = {}
    for kind in ("eager", "engine"):
        step, losses = make_step(kind, rate=5e-4), []
        for number in range(steps):
            ids, rows, _, bias = make_batch(128, 64, seed=number % 20)
            ids = (ids.float() ** 2 / VOCABULARY).long().clamp_min(1)
            losses.append(step((ids, rows, ids.view(-1)[rows], bias)))
        curves[kind] = torch.stack(losses).float()
    apart = (curves["eager"] - curves["engine"]).abs()
    for number in (0, 9, 49, 99, 149, 199):
        print(f"loss after {number + 1:3} steps: eager {curves['eager'][number]:.4f}, engine {curves['engine'][number]:.4f}")
    print(f"loss curves apart: {apart.mean():.4f} on average, {apart.max():.4f} at most", flush=True)


def time_operations(tokens=131072, count=20):
    ops = torch.ops.pipeline
    new = lambda *shape: torch.randn(*shape, device=device, dtype=torch.bfloat16).requires_grad_()
    weight, bias = new(WIDTH), new(WIDTH)

    def row(name, plain, fused, inputs, moved):
        columns = []
        for work in (plain, fused):
            out = work()
            outs = out if isinstance(out, tuple) else (out,)
            outside = [torch.randn_like(o) for o in outs]
            forward = milliseconds(work, count)
            back = milliseconds(lambda: torch.autograd.grad(outs, inputs, outside, retain_graph=True), count)
            columns.append((forward, back))
        (a, b), (c, d) = columns
        print(f"{name:34} forward {a:6.3f} → {c:6.3f} ms   backward {b:6.3f} → {d:6.3f} ms   "
              f"fused {moved[0] / c / 1e9:4.2f}, {moved[1] / d / 1e9:4.2f} TB/s", flush=True)

    x = new(tokens, 2 * INNER)
    size = tokens * INNER * 2

    def plain_geglu():
        gate, value = x.chunk(2, -1)
        return F.dropout(F.gelu(gate) * value, DROPOUT)

    row("geglu + dropout", plain_geglu, lambda: ops.geglu(x, DROPOUT, True), [x], (3 * size, 5 * size))
    x, residual, size = new(tokens, WIDTH), new(tokens, WIDTH), tokens * WIDTH * 2

    def plain_norm(probability):
        with torch.autocast(device, torch.bfloat16):
            return F.layer_norm(F.dropout(x, probability) + residual, (WIDTH,), weight, bias, 1e-12).bfloat16()

    inputs = [x, residual, weight, bias]
    row("dropout + residual + norm", lambda: plain_norm(DROPOUT),
        lambda: ops.dropout_add_norm(x, residual, weight, bias, DROPOUT, True, 1e-12)[0], inputs, (4 * size, 4 * size))
    row("residual + norm", lambda: plain_norm(0.0),
        lambda: ops.dropout_add_norm(x, residual, weight, bias, 0.0, True, 1e-12)[0], inputs, (4 * size, 3 * size))
    row("norm", lambda: F.layer_norm(x, (WIDTH,), weight, bias, 1e-12),
        lambda: ops.layer_norm(x, weight, bias, 1e-12), [x, weight, bias], (2 * size, 3 * size))
    for length in (128, 512):
        qkv, sequences, positions = new(tokens, 3 * WIDTH), tokens // length, alibi(length)

        def plain_attention():
            q, k, v = qkv.view(sequences, length, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=positions.expand(sequences, -1, -1, -1))
            return out.transpose(1, 2).reshape(tokens, WIDTH)

        row(f"attention, {length}", plain_attention,
            lambda: ops.attention(qkv, sequences, length, HEADS, positions, None, None, 0.0, True), [qkv], (4 * size, 8 * size))
    masked = tokens * 3 // 10 // 64 * 64
    logits, labels = new(masked, VOCABULARY), torch.randint(0, VOCABULARY, (masked,), device=device)
    size = masked * VOCABULARY * 2
    row("cross-entropy", lambda: F.cross_entropy(logits.float(), labels), lambda: ops.cross_entropy(logits, labels, -100, False),
        [logits], (size, 2 * size))
    del logits
    for inner, outer in ((WIDTH, 3 * WIDTH), (WIDTH, WIDTH), (INNER, WIDTH)):
        x, matrix, shift = new(tokens, inner), new(outer, inner), new(outer)
        row(f"linear {inner}→{outer}", lambda: F.linear(x, matrix, shift), lambda: ops.linear(x, matrix, shift),
            [x, matrix, shift], (0, 0))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine")
    parser.add_argument("--only", default="operations,eager,compile,engine,profile,loss")
    parser.add_argument("--shapes", default="128x1024,512x256")
    options = parser.parse_args()
    torch.ops.load_library(options.engine)
    torch.backends.cuda.matmul.allow_tf32 = True
    wanted = options.only.split(",")
    print(f"torch {torch.__version__} on {torch.cuda.get_device_name()}", flush=True)
    if "operations" in wanted:
        time_operations()
    for shape in options.shapes.split(","):
        length, sequences = map(int, shape.split("x"))
        for kind in ("eager", "compile", "engine"):
            if kind not in wanted:
                continue
            step, batch = time_step(kind, length, sequences)
            if kind == "engine" and "profile" in wanted:
                profile(step, batch)
            del step, batch
    if "loss" in wanted:
        compare_losses()


if __name__ == "__main__":
    main()
