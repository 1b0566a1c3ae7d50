"""The engine's transformer operations against plain torch in float64: values, gradients, dropout.

usage: fused_kernels.py libpipelinetorch.so

Errors are relative: |out - reference| / |reference| over a whole tensor. bf16 results carry the rounding of their last
store (2^-9 at most, near 2^-9.6 on average, twice that where two roundings meet), so that 4e-3 passes; fp32 results
must agree within 1e-5. Without a GPU the same checks run over the compositions that the engine uses there, in fp32.
"""
import math
import sys

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

if len(sys.argv) < 2:
    sys.exit(0)  # asked whether the imports work
torch.ops.load_library(sys.argv[1])
ops = torch.ops.pipeline
device = "cuda" if torch.cuda.is_available() else "cpu"
types = [torch.float32, torch.bfloat16] if device == "cuda" else [torch.float32]
tolerance = {torch.float32: 1e-5, torch.bfloat16: 4e-3}
checks, failures = 0, []


def check(name, passed, detail=""):
    global checks
    checks += 1
    if not passed:
        failures.append(name)
        print(f"FAILED {name} {detail}", flush=True)


def close(name, out, reference, limit=None):
    limit = limit or tolerance[out.dtype]
    reference = reference.double()
    error = ((out.double() - reference).norm() / reference.norm().clamp_min(1e-30)).item()
    check(name, out.shape == reference.shape and error <= limit, f"error {error:.2e}, allowed {limit:.0e}")
    return error


def normal(*shape, dtype, scale=1.0):
    return (torch.randn(*shape, device=device) * scale).to(dtype).requires_grad_()


def double(*tensors):
    return [t.detach().double().requires_grad_() for t in tensors]


def gradients(out, inputs, outside):
    return torch.autograd.grad(out, inputs, outside)


def geglu_of(x, mask=1.0):
    gate, value = x.chunk(2, -1)
    return F.gelu(gate) * value * mask


def check_geglu():
    for dtype in types:
        for rows, width in [(1, 8), (7, 24), (33, 768), (1000, 3072), (5, 4104), (3, 40)]:
            name = f"geglu {dtype} {rows}x{width}"
            x = normal(rows, 2 * width, dtype=dtype, scale=1.5)
            outside = torch.randn(rows, width, device=device).to(dtype)
            wide, = double(x)
            out, reference = ops.geglu(x, 0.1, False), geglu_of(wide)
            close(name, out, reference)
            close(name + " gradient", gradients(out, x, outside)[0], gradients(reference, wide, outside.double())[0])

            torch.manual_seed(rows)
            out = ops.geglu(x, 0.25, True)
            gradient, = gradients(out, x, outside)
            mask = (out != 0).double() / 0.75
            reference = geglu_of(wide, mask)
            close(name + " dropped", out, reference)
            close(name + " dropped gradient", gradient, gradients(reference, wide, outside.double())[0])


def check_tail():
    """Far out the gate must follow the tail of the normal distribution, not cut it off."""
    gate = torch.linspace(-6, 6, 4096, device=device)
    x = torch.stack([gate.view(-1, 8), torch.ones_like(gate).view(-1, 8)], 1).reshape(-1, 16)
    reference = F.gelu(gate.double())
    error = (ops.geglu(x, 0.0, False).flatten().double() - reference).abs().max().item()
    check("geglu's tail in fp32", error < 2e-6, f"{error:.1e}")
    if device == "cuda":
        low = x.bfloat16()
        reference = F.gelu(low[:, :8].double())
        error = ((ops.geglu(low, 0.0, False).double() - reference).abs() - reference.abs() * 4e-3).max().item()
        check("geglu's tail in bf16", error < 1e-6, f"{error:.1e}")


def check_dropout():
    dtype = types[-1]
    x = torch.ones(4096, 2 * 1024, device=device, dtype=dtype)
    residual = torch.zeros(4096, 2048, device=device, dtype=dtype)
    one = torch.ones(2048, device=device, dtype=dtype)
    for probability in (0.1, 0.5):
        torch.manual_seed(1)
        first = ops.geglu(x, probability, True)
        second = ops.geglu(x, probability, True)
        torch.manual_seed(1)
        again = ops.geglu(x, probability, True)
        torch.manual_seed(2)
        other = ops.geglu(x, probability, True)
        kept = (first != 0).double()
        deviation = math.sqrt(probability * (1 - probability) / kept.numel())
        check("share dropped", abs(1 - kept.mean().item() - probability) < 5 * deviation + 1e-5)
        check("the same seed drops the same", torch.equal(first, again))
        for name, values in (("the next call", second), ("another seed", other)):
            both = (kept * (values != 0)).mean().item()
            check(f"{name} drops others", abs(both - (1 - probability) ** 2) < 1e-3, f"{both}")
        for axis in (0, 1):
            spread = kept.mean(axis).std().item()
            expected = math.sqrt(probability * (1 - probability) / kept.shape[axis])
            check(f"dropped evenly over axis {axis}", abs(spread / expected - 1) < 0.1, f"{spread / expected}")
        for shift in (1, 8, 1024):
            a, b = kept.flatten()[:-shift] - kept.mean(), kept.flatten()[shift:] - kept.mean()
            correlation = ((a * b).mean() / (probability * (1 - probability))).item()
            check(f"no correlation at distance {shift}", abs(correlation) < 5 / math.sqrt(kept.numel()), f"{correlation}")
        value = first[first != 0].double().mean().item() / ops.geglu(x, 0.0, True)[0, 0].item()
        check("what stays is scaled", abs(value * (1 - probability) - 1) < 4e-3, f"{value}")

    wide = normal(4096, 2048, dtype=dtype)
    torch.manual_seed(3)
    out, _ = ops.dropout_add_norm(wide, residual, one, None, 0.1, True, 1e-12)
    direct, = gradients(out, wide, torch.ones_like(out) * wide.detach())
    torch.manual_seed(3)
    block = lambda t: ops.dropout_add_norm(t, residual, one, None, 0.1, True, 1e-12)[0]
    out = checkpoint(block, wide, use_reentrant=False)
    again, = gradients(out, wide, torch.ones_like(out) * wide.detach())
    check("a checkpointed block drops the same", torch.equal(direct, again))


def check_names():
    """Rows are dropped by their names: a batch that is cut into parts drops what the whole one drops."""
    for dtype in types:
        rows, width = 300, 96
        x, residual = normal(rows, width, dtype=dtype), normal(rows, width, dtype=dtype)
        gated, weight = normal(rows, 2 * width, dtype=dtype), normal(width, dtype=dtype)
        names = torch.randperm(1 << 16, device=device)[:rows] << 24
        operations = {
            "dropout": lambda part, name: [ops.dropout(x[part], 0.3, True, name)],
            "geglu": lambda part, name: [ops.geglu(gated[part], 0.3, True, name)],
            "norm": lambda part, name: [ops.dropout_add_norm(x[part], residual[part], weight, None, 0.3, True, 1e-12, name)[0]],
        }
        for title, operation in operations.items():
            def seeded(part, name):
                torch.manual_seed(4)
                out = operation(part, name)[0]
                inputs = gated if title == "geglu" else x
                return out.detach(), gradients(out, [inputs], torch.ones_like(out))[0][part]

            everything = slice(0, rows)
            whole, slope = seeded(everything, names)
            parts = [seeded(part, names[part]) for part in (slice(0, 7), slice(7, 160), slice(160, rows))]
            check(f"{title} {dtype} cut", torch.equal(whole, torch.cat([out for out, _ in parts])))
            check(f"{title} {dtype} cut, gradient", torch.equal(slope, torch.cat([part for _, part in parts])))
            plain, _ = seeded(everything, None)
            numbered, _ = seeded(everything, torch.arange(rows, device=device))
            check(f"{title} {dtype} without names", torch.equal(plain, numbered) and not torch.equal(plain, whole))


def norm_of(total, weight, bias):
    return F.layer_norm(total, total.shape[-1:], weight, bias, 1e-12)


def check_norm():
    for dtype in types:
        for rows, width in [(1, 8), (3, 40), (129, 768), (1000, 768), (77, 1024), (5, 264), (9, 1536), (6, 2048), (4, 4096)]:
            for shift in (True, False):
                name = f"norm {dtype} {rows}x{width} bias {shift}"
                x, residual = normal(rows, width, dtype=dtype), normal(rows, width, dtype=dtype)
                weight, bias = normal(width, dtype=dtype), normal(width, dtype=dtype) if shift else None
                inputs = [x, residual, weight] + ([bias] if shift else [])
                a, b = (torch.randn(rows, width, device=device).to(dtype) for _ in range(2))
                for probability in (0.0, 0.3):
                    torch.manual_seed(width)
                    out, twin = ops.dropout_add_norm(x, residual, weight, bias, probability, True, 1e-12)
                    check(name + " twin", torch.equal(out, twin))
                    found = gradients([out, twin], inputs, [a, b])
                    mask = (found[0] != 0).double() / (1 - probability) if probability else 1.0
                    wide = double(*inputs)
                    # The sum is kept in the tensors' type: the reference's is rounded alike.
                    total = wide[0] * mask + wide[1]
                    total = total + ((total.to(torch.float32).to(dtype)).double() - total).detach()
                    reference = norm_of(total, wide[2], wide[3] if shift else None)
                    close(name, out, reference)
                    expected = gradients(reference, wide, a.double() + b.double())
                    for part, mine, right in zip(("x", "residual", "weight", "bias"), found, expected):
                        close(f"{name} dropout {probability} gradient of {part}", mine, right, 6e-3 if dtype == torch.bfloat16 else None)
                wide = double(x, weight) + (double(bias) if shift else [None])
                out, reference = ops.layer_norm(x, weight, bias, 1e-12), norm_of(wide[0], wide[1], wide[2])
                close(name + " alone", out, reference)
                mine, right = gradients(out, [x, weight], a), gradients(reference, wide[:2], a.double())
                close(name + " alone, gradient of x", mine[0], right[0])
                close(name + " alone, gradient of weight", mine[1], right[1])
                out, twin = ops.dropout_add_norm(x, residual, weight, bias, 0.0, True, 1e-12)
                one, = gradients(twin, x, a)
                out, twin = ops.dropout_add_norm(x, residual, weight, bias, 0.0, True, 1e-12)
                check(name + " gradient of one twin", torch.equal(one, gradients(out, x, a)[0]))


def check_cross_entropy():
    for dtype in types:
        for rows, classes in [(1, 8), (37, 1000), (61, 32768), (513, 248)]:
            for scale in (1.0, 20.0):
                logits = normal(rows, classes, dtype=dtype, scale=scale)
                labels = torch.randint(0, classes, (rows,), device=device)
                if rows > 1:
                    labels[::5] = -100
                wide, = double(logits)
                for total in (False, True):
                    name = f"cross-entropy {dtype} {rows}x{classes} x{scale} sum {total}"
                    out = ops.cross_entropy(logits, labels, -100, total)
                    reference = F.cross_entropy(wide, labels, reduction="sum" if total else "mean")
                    check(name + " is fp32", out.dtype == torch.float32)
                    close(name, out, reference, 1e-5)
                    weight = torch.tensor(0.7, device=device)
                    close(name + " gradient", gradients(out, logits, weight)[0], gradients(reference, wide, weight.double())[0])
    logits = normal(4, 16, dtype=types[-1])
    ignored = torch.full((4,), -100, device=device)
    check("nothing counted", ops.cross_entropy(logits, ignored, -100, False).isnan().item())
    with torch.no_grad():
        logits[0] = -math.inf
        logits[0, 3] = 1
    out = ops.cross_entropy(logits[:1], torch.tensor([3], device=device), -100, False)
    check("classes without probability", out.item() == 0, f"{out.item()}")
    if device == "cuda":
        beyond = torch.tensor([0, 1, 16, 2], device=device)
        check("a label outside", ops.cross_entropy(logits, beyond, -100, False).isnan().item())


def check_linear():
    # From 8,192 rows on, Hopper GPUs take other algorithms.
    large = [(9001, 768, 768), (9001, 768, 2304), (9001, 768, 6144)] if device == "cuda" else []
    for dtype in types:
        for rows, inner, outer in [(1, 8, 8), (300, 768, 2304), (33, 64, 40), (1025, 128, 768), *large]:
            name = f"linear {dtype} {rows}x{inner}x{outer}"
            inputs = [normal(rows, inner, dtype=dtype), normal(outer, inner, dtype=dtype, scale=0.05), normal(outer, dtype=dtype)]
            wide = double(*inputs)
            outside = torch.randn(rows, outer, device=device).to(dtype)
            out, reference = ops.linear(*inputs), F.linear(*wide)
            close(name, out, reference)
            for part, mine, right in zip("xwb", gradients(out, inputs, outside), gradients(reference, wide, outside.double())):
                close(f"{name} gradient of {part}", mine, right)
            out, reference = ops.linear(*inputs[:2], None), F.linear(*wide[:2])
            close(f"{name} without bias", out, reference)
            for part, mine, right in zip("xw", gradients(out, inputs[:2], outside), gradients(reference, wide[:2], outside.double())):
                close(f"{name} without bias, gradient of {part}", mine, right)


def attention_of(qkv, batch, length, heads, bias):
    q, k, v = qkv.view(batch, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    weights = (scores if bias is None else scores + bias).softmax(-1)
    return (weights @ v).transpose(1, 2).reshape(batch * length, -1)


def check_attention():
    for dtype in types:
        for batch, length, heads, size in [(2, 8, 2, 64), (3, 128, 12, 64), (2, 512, 3, 64), (5, 40, 4, 64), (2, 120, 2, 64),
                                           (3, 136, 2, 64), (2, 64, 2, 32), (70, 128, 2, 64), (2, 72, 3, 64), (3, 96, 1, 64),
                                           (2, 128, 2, 32)]:
            qkv = normal(batch * length, 3 * heads * size, dtype=dtype)
            outside = torch.randn(batch * length, heads * size, device=device).to(dtype)
            places = torch.arange(length, device=device)
            slopes = 2.0 ** -torch.arange(1, heads + 1, device=device)
            alibi = (-(places[None] - places[:, None]).abs()[None, None] * slopes[None, :, None, None]).to(dtype)
            padding = torch.zeros(batch, 1, 1, length, device=device, dtype=dtype)
            padding[0, :, :, length - 3:] = -10000
            for kind, bias in (("none", None), ("alibi", alibi), ("padding", padding), ("both", alibi + padding)):
                name = f"attention {dtype} {batch}x{length}x{heads}x{size} bias {kind}"
                wide, = double(qkv)
                out = ops.attention(qkv, batch, length, heads, bias, None, None, 0.0, True)
                reference = attention_of(wide, batch, length, heads, None if bias is None else bias.double())
                limit = 8e-3 if dtype == torch.bfloat16 else None
                close(name, out, reference, limit)
                close(name + " gradient", gradients(out, qkv, outside)[0], gradients(reference, wide, outside.double())[0], limit)
                if dtype == torch.bfloat16:
                    with torch.no_grad():
                        close(name + " without gradient", ops.attention(qkv, batch, length, heads, bias, None, None, 0.0, False), reference, limit)


def check_rotary():
    """Queries and keys turn by their tokens' positions, which begin anew and may be given in any order; values stay."""
    for dtype in types:
        for tokens, heads, size in [(1, 1, 16), (37, 3, 64), (300, 12, 64), (50, 2, 24), (9, 2, 6)]:
            qkv = normal(tokens, 3 * heads * size, dtype=dtype)
            positions = torch.randint(0, 40, (tokens,), device=device)
            angle = torch.outer(torch.arange(40, device=device), 1.0 / 100 ** (torch.arange(0, size, 2, device=device) / size))
            outside = torch.randn(tokens, 3 * heads * size, device=device).to(dtype)
            wide, = double(qkv)
            a, b = wide.view(tokens, 3, heads, size)[:, :2].chunk(2, -1)
            c, s = (f(angle.double())[positions].view(tokens, 1, 1, -1) for f in (torch.cos, torch.sin))
            reference = torch.cat(
                [torch.cat([a * c - b * s, b * c + a * s], -1), wide.view(tokens, 3, heads, size)[:, 2:]], 1).view(tokens, -1)
            name = f"rotary {dtype} {tokens}x{heads}x{size}"
            # It may work in place, on what an operation gave.
            out = ops.rotary(qkv * 1, heads, angle.cos(), angle.sin(), positions)
            close(name, out, reference)
            given = outside.clone()
            close(name + " gradient", gradients(out, qkv, outside)[0], gradients(reference, wide, given.double())[0])
            check(name + " leaves a gradient of others alone", torch.equal(outside, given))


def check_add_norm():
    for dtype in types:
        for rows, width, has_bias in [(1, 8, True), (33, 768, False), (700, 768, True), (7, 1024, False), (3, 12, False)]:
            inputs = [normal(rows, width, dtype=dtype), normal(rows, width, dtype=dtype), normal(width, dtype=dtype)]
            inputs += [normal(width, dtype=dtype)] if has_bias else []
            outside = [torch.randn(rows, width, device=device).to(dtype) for _ in range(2)]
            wide = double(*inputs)
            total = wide[0] + wide[1]
            reference = total, F.layer_norm(total, (width,), wide[2], wide[3] if has_bias else None, 1e-5)
            outs = ops.add_norm(*inputs[:3], inputs[3] if has_bias else None, 1e-5)
            name = f"add_norm {dtype} {rows}x{width}"
            limit = 8e-3 if dtype == torch.bfloat16 else None
            for part, out, wanted in zip(("sum", "norm"), outs, reference):
                close(f"{name} {part}", out, wanted, limit)
            found = torch.autograd.grad(outs, inputs, outside)
            for number, (x, y) in enumerate(zip(found, torch.autograd.grad(reference, wide, [o.double() for o in outside]))):
                close(f"{name} gradient {number}", x, y, 2e-2 if dtype == torch.bfloat16 else None)


def check_determinism():
    dtype = types[-1]
    x, weight = normal(5000, 1536, dtype=dtype), normal(768, dtype=dtype)
    labels = torch.randint(0, 768, (5000,), device=device)

    def run():
        torch.manual_seed(5)
        half = ops.geglu(x, 0.1, True)
        normed, twin = ops.dropout_add_norm(half, half, weight, weight, 0.1, True, 1e-12)
        loss = ops.cross_entropy(ops.linear(normed + twin, weight[None] * weight[:, None], weight), labels, -100, False)
        return [loss, *gradients(loss, [x, weight], None)]

    check("two runs give the same bits", all(torch.equal(a, b) for a, b in zip(run(), run())))


torch.manual_seed(0)
for part in (
    check_geglu, check_tail, check_dropout, check_names, check_norm, check_cross_entropy, check_linear, check_attention,
    check_rotary, check_add_norm, check_determinism,
):
    before = len(failures)
    try:
        part()
    except Exception as error:  # the other parts are worth knowing
        failures.append(part.__name__)
        print(f"FAILED {part.__name__}: {error!r}"[:600], flush=True)
    print(f"{part.__name__}: {'ok' if len(failures) == before else 'FAILED'}", flush=True)
print(f"{checks} checks, {len(failures)} failed, on {device}")
sys.exit(1 if failures else 0)
