// PyTorch's part of the GPU benchmark: a program in Python, kept as text so that the bundled benchmark stays one file. Each
// line on its stdin is a JSON list of jobs, as webgpu_rows.ts describes them, and it answers each job with a JSON line. All
// is 32-bit and eager, TF32 off. How it is started is in torch.ts.

/** The program, for `python3 -c`. */
export const TORCH_PROGRAM = String.raw`
import json
import math
import statistics
import sys
import time

import torch
import torch.nn.functional as F

torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False
CUDA = torch.cuda.is_available()
DEVICE = "cuda" if CUDA else "cpu"
TURNS = 3


def synchronize():
    if CUDA:
        torch.cuda.synchronize()


# Seconds of one run: the median of batches that take so many seconds at least, after a warm-up.
def seconds_of(run, least):
    def batch(count):
        synchronize()
        began = time.perf_counter()
        for _ in range(count):
            run()
        synchronize()
        return time.perf_counter() - began

    batch(3)
    few = max(1, math.ceil(least / 10 / max(1e-7, batch(1))))
    count = max(1, math.ceil(least * few / max(1e-7, batch(few))))
    return statistics.median(batch(count) / count for _ in range(TURNS))


def gemm(job):
    m, k, n = (job[key] for key in "mkn")
    a, b = torch.randn(m, k, device=DEVICE), torch.randn(k, n, device=DEVICE)
    y = torch.empty(m, n, device=DEVICE)
    return {"seconds": seconds_of(lambda: torch.mm(a, b, out=y), job["least"])}


# Parameters under the names of GPT-1's release; matrices are N(0, 0.02), gains 1, biases 0.
def gpt1_parameters(L, C, rows):
    def normal(*shape):
        return (0.02 * torch.randn(*shape, device=DEVICE)).requires_grad_()

    def full(size, value):
        return torch.full((size,), value, device=DEVICE).requires_grad_()

    p = {"we": normal(rows, C)}
    for i in range(L):
        sizes = {"attn/c_attn": (C, 3 * C), "attn/c_proj": (C, C), "mlp/c_fc": (C, 4 * C), "mlp/c_proj": (4 * C, C)}
        for name, (inner, outer) in sizes.items():
            p[f"h{i}/{name}/w"], p[f"h{i}/{name}/b"] = normal(inner, outer), full(outer, 0.0)
        for name in ("ln_1", "ln_2"):
            p[f"h{i}/{name}/g"], p[f"h{i}/{name}/b"] = full(C, 1.0), full(C, 0.0)
    return p


# Causal attention of q, k, v (B, H, T, D) with dropout on its probabilities.
if hasattr(F, "scaled_dot_product_attention"):

    def attend(q, k, v, rate):
        return F.scaled_dot_product_attention(q, k, v, dropout_p=rate, is_causal=True)
else:

    def attend(q, k, v, rate):
        T, D = q.shape[-2:]
        future = torch.ones(T, T, dtype=torch.bool, device=q.device).triu(1)
        scores = (q @ k.transpose(-2, -1) / math.sqrt(D)).masked_fill(future, -math.inf)
        return F.dropout(scores.softmax(-1), rate) @ v


# Mean cross-entropy over all positions. One dropped table serves input and output; norms follow the residual sums.
def gpt1_loss(p, job, ids, positions, targets):
    L, C, H, T, B = (job[key] for key in ("layers", "channels", "heads", "context", "batch"))
    rate = job["dropout"]
    table = F.dropout(p["we"], rate)
    x = F.embedding(ids, table) + F.embedding(positions, table)  # (B*T, C)
    for i in range(L):

        def linear(x, name):
            return torch.addmm(p[f"h{i}/{name}/b"], x, p[f"h{i}/{name}/w"])

        def norm(x, name):
            return F.layer_norm(x, (C,), p[f"h{i}/{name}/g"], p[f"h{i}/{name}/b"], 1e-5)

        q, k, v = linear(x, "attn/c_attn").view(B, T, 3, H, C // H).permute(2, 0, 3, 1, 4)
        mixed = attend(q, k, v, rate).transpose(1, 2).reshape(B * T, C)
        n = norm(x + F.dropout(linear(mixed, "attn/c_proj"), rate), "ln_1")
        h = F.gelu(linear(n, "mlp/c_fc"), approximate="tanh")
        x = norm(n + F.dropout(linear(h, "mlp/c_proj"), rate), "ln_2")
    return F.cross_entropy(x @ table.T, targets)


# PyTorch's fastest Adam for the device: fused where it has that, over lists of tensors otherwise.
def adam_for(p, adam):
    matrices, vectors = ([t for t in p.values() if (t.dim() > 1) == wide] for wide in (True, False))
    groups = [{"params": matrices, "weight_decay": adam["decay"]}, {"params": vectors, "weight_decay": 0.0}]
    settings = {"lr": adam["rate"], "betas": (adam["beta1"], adam["beta2"]), "eps": adam["epsilon"]}
    if CUDA:
        try:
            return torch.optim.AdamW(groups, **settings, fused=True)
        except (TypeError, RuntimeError):
            pass
    return torch.optim.AdamW(groups, **settings, foreach=True)


def train(job):
    L, C, T, B, V = (job[key] for key in ("layers", "channels", "context", "batch", "vocab"))
    p = gpt1_parameters(L, C, V + T)
    parameters = list(p.values())
    optimizer = adam_for(p, job["adam"])
    text = torch.randint(V, (B, T + 1), device=DEVICE)
    ids, targets = text[:, :-1].reshape(-1), text[:, 1:].reshape(-1)
    positions = (V + torch.arange(T, device=DEVICE)).repeat(B)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = gpt1_loss(p, job, ids, positions, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, job["adam"]["maxNorm"])
        optimizer.step()
        return loss

    first = step().item()
    count = sum(parameter.numel() for parameter in parameters)
    return {"seconds": seconds_of(step, job["least"]), "parameters": count, "loss": first}


def answer(value):
    print(json.dumps(value), flush=True)


answer({"version": torch.__version__, "device": DEVICE, "name": torch.cuda.get_device_name() if CUDA else "the CPU"})
for line in sys.stdin:
    for job in json.loads(line):
        try:
            result = {"gemm": gemm, "train": train}[job["kind"]](job)
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}"}
        answer(result)
        if CUDA:
            torch.cuda.empty_cache()
`;
