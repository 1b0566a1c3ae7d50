"""Attention within segments on one GPU: against float32, the same bits twice, and the speed beside attention with a bias.

usage: segments.py libpipelinetorch.so [--only check,speed] [--tokens 131072]
"""
import argparse
import sys

import torch
from mosaicbert import milliseconds

HEADS, SIZE = 12, 64
device = "cuda"


def slopes():
    powers = lambda n: [2 ** (-8 / n * (i + 1)) for i in range(n)]
    return torch.tensor(powers(8) + powers(16)[0::2][:4], device=device)


def bounds_of(lengths):
    """int32 [2, tokens]: where each token's segment begins and ends."""
    lengths = torch.tensor(lengths, device=device)
    ends = lengths.cumsum(0)
    return torch.stack([torch.repeat_interleave(ends - lengths, lengths), torch.repeat_interleave(ends, lengths)]).int()


def reference(qkv, lengths, penalty, dtype):
    """Segment by segment, in another precision."""
    outs = []
    for part in qkv.to(dtype).split(lengths):
        q, k, v = part.view(len(part), 3, HEADS, SIZE).permute(1, 2, 0, 3)
        scores = q @ k.transpose(1, 2) / 8
        if penalty is not None:
            places = torch.arange(len(part), device=device)
            scores = scores.float() - penalty[:, None, None] * (places[None] - places[:, None]).abs()
        outs.append((scores.softmax(-1).to(dtype) @ v).transpose(0, 1).reshape(len(part), HEADS * SIZE))
    return torch.cat(outs)


def random_lengths(tokens, longest, seed):
    generator, lengths = torch.Generator().manual_seed(seed), []
    while sum(lengths) < tokens:
        lengths.append(min(int(torch.randint(1, longest + 1, (1,), generator=generator)), tokens - sum(lengths)))
    return lengths


def check(name, lengths, length, penalty):
    """`length`: of uniform segments, which need no bounds."""
    torch.manual_seed(len(lengths))
    tokens = sum(lengths)
    qkv = torch.randn(tokens, 3 * HEADS * SIZE, device=device).bfloat16()
    outside = torch.randn(tokens, HEADS * SIZE, device=device).bfloat16()
    bounds = None if length else bounds_of(lengths)

    def run(work):
        leaf = qkv.clone().requires_grad_()
        out = work(leaf)
        (gradient,) = torch.autograd.grad(out, leaf, outside.to(out.dtype))
        return out.float(), gradient.float()

    ours = lambda x: torch.ops.pipeline.segmented_attention(x, length, HEADS, bounds, penalty)
    exact = run(lambda x: reference(x, lengths, penalty, torch.float32))
    plain = run(lambda x: reference(x, lengths, penalty, torch.bfloat16))
    first, second = run(ours), run(ours)
    same = all(torch.equal(a, b) for a, b in zip(first, second))
    errors = [
        [((found - wanted).norm() / wanted.norm()).item() for found, wanted in zip(tries, exact)] for tries in (first, plain)]
    fine = same and all(a < 1.5 * b + 1e-4 for a, b in zip(*errors))
    print(f"{name:34} relative error forward {errors[0][0]:.2e}, backward {errors[0][1]:.2e}; in plain bfloat16 "
          f"{errors[1][0]:.2e}, {errors[1][1]:.2e}; same bits twice: {same}  {'ok' if fine else 'WRONG'}", flush=True)
    return fine


def speed(name, work, qkv, pairs):
    """`pairs` of tokens that attend to each other: of each, a product forward takes 128 operations."""
    out = work()
    outside = torch.randn_like(out)
    forward = milliseconds(work, 20)
    back = milliseconds(lambda: torch.autograd.grad(out, qkv, outside, retain_graph=True), 20)
    rate = lambda products, time: products * 128 * HEADS * pairs / time / 1e9
    print(f"{name:34} forward {forward:6.3f} ms ({rate(2, forward):4.0f} TFLOP/s), backward {back:6.3f} ms "
          f"({rate(5, back):4.0f})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine")
    parser.add_argument("--only", default="check,speed")
    parser.add_argument("--tokens", type=int, default=131072)
    options = parser.parse_args()
    torch.ops.load_library(options.engine)
    torch.backends.cuda.matmul.allow_tf32 = False
    print(f"torch {torch.__version__} on {torch.cuda.get_device_name()}", flush=True)
    penalty, fine = slopes(), True
    if "check" in options.only:
        for length in (128, 512, 1024, 200):
            fine &= check(f"segments of {length}", [length] * 7, length, penalty)
        fine &= check("segments of 512, no penalty", [512] * 5, 512, None)
        for longest in (700, 60, 3):
            fine &= check(f"segments of up to {longest}", random_lengths(3001, longest, longest), 0, penalty)
        fine &= check("one token", [1], 0, penalty)
    if "speed" in options.only:
        tokens = options.tokens
        qkv = torch.randn(tokens, 3 * HEADS * SIZE, device=device, dtype=torch.bfloat16).requires_grad_()
        for length in (128, 512):
            places = torch.arange(length, device=device)
            bias = (-(places[None] - places[:, None]).abs()[None] * penalty[:, None, None]).bfloat16()[None]
            sequences = tokens // length
            speed(f"{length}, with a bias", lambda: torch.ops.pipeline.attention(
                qkv, sequences, length, HEADS, bias, None, None, 0.0, True), qkv, tokens * length)
            speed(f"{length}, segments", lambda: torch.ops.pipeline.segmented_attention(
                qkv, length, HEADS, None, penalty), qkv, tokens * length)
        lengths = random_lengths(tokens, 512, 1)
        bounds, pairs = bounds_of(lengths), sum(length ** 2 for length in lengths)
        speed("segments of up to 512", lambda: torch.ops.pipeline.segmented_attention(
            qkv, 0, HEADS, bounds, penalty), qkv, pairs)
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
