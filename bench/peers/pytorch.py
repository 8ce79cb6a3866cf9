# PyTorch, where it happens to be installed: the same jobs on its fused kernels (scaled_dot_product_attention, layer_norm,
# gelu, cross_entropy), eager, with GPT-1's Adam in the multi-tensor operations that its own optimizers use. It speaks
# the protocol of serve.ts.

import json
import math
import sys
import time

import torch
import torch.nn.functional as F


def read_job(folder):
    with open(f"{folder}/job.json") as file:
        job = json.load(file)
    with open(f"{folder}/tensors.bin", "rb") as file:
        values = torch.frombuffer(bytearray(file.read()), dtype=torch.float32)
    sizes = [math.prod(tensor["shape"]) for tensor in job["tensors"]]
    parts = zip(job["tensors"], values.split(sizes))
    return job, {tensor["name"]: part.view(tensor["shape"]).clone() for tensor, part in parts}


def gemm(job, tensors):
    a, b = tensors["a"], tensors["b"]

    def turn():
        for _ in range(job["repeats"]):
            product = a @ b
        flat = product.flatten()
        return [flat[i * 4999 % len(flat)].item() for i in range(64)]

    return turn


def loss_of(p, job, ids, positions, targets):
    B, T, config = job["batch"], job["length"], job["config"]
    C, H = config["channels"], config["heads"]
    x = F.embedding(ids, p["we"]) + F.embedding(positions, p["we"])  # (B*T, C)
    for i in range(config["layers"]):

        def linear(x, name):
            return torch.addmm(p[f"h{i}/{name}/b"], x, p[f"h{i}/{name}/w"])

        def norm(x, name):
            return F.layer_norm(x, (C,), p[f"h{i}/{name}/g"], p[f"h{i}/{name}/b"], 1e-5)

        qkv = linear(x, "attn/c_attn").view(B, T, 3, H, C // H).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*qkv.unbind(0), is_causal=True)  # (B, H, T, D)
        n = norm(x + linear(mixed.transpose(1, 2).reshape(B * T, C), "attn/c_proj"), "ln_1")
        h = F.gelu(linear(n, "mlp/c_fc"), approximate="tanh")
        x = norm(n + linear(h, "mlp/c_proj"), "ln_2")
    return F.cross_entropy(x @ p["we"].T, targets)


def train(job, tensors):
    adam = job["adam"]
    names, parameters = list(tensors), [t.requires_grad_() for t in tensors.values()]
    matrices = [i for i, t in enumerate(parameters) if t.dim() > 1]
    m, v = ([torch.zeros_like(t) for t in parameters] for _ in range(2))
    ids, positions, targets = (torch.tensor(job[key]) for key in ("ids", "positions", "targets"))
    n = 0

    def turn():
        nonlocal n
        n += 1
        loss = loss_of(dict(zip(names, parameters)), job, ids, positions, targets)
        grads = list(torch.autograd.grad(loss, parameters))
        with torch.no_grad():
            norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
            torch._foreach_mul_(grads, adam["maxNorm"] / torch.clamp(norm, min=adam["maxNorm"]))
            torch._foreach_lerp_(m, grads, 1 - adam["beta1"])
            torch._foreach_mul_(v, adam["beta2"])
            torch._foreach_addcmul_(v, grads, grads, 1 - adam["beta2"])
            size = adam["rate"] * math.sqrt(1 - adam["beta2"] ** n) / (1 - adam["beta1"] ** n)
            roots = torch._foreach_sqrt(v)
            torch._foreach_add_(roots, adam["epsilon"])
            changes = list(torch._foreach_div(m, roots))
            for i in matrices:
                changes[i].add_(parameters[i], alpha=adam["decay"])
            torch._foreach_add_(parameters, changes, alpha=-size)
        return [loss.item()]

    return turn


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


job, tensors = read_job(sys.argv[1])
torch.set_num_threads(job["threads"])
turn = {"gemm": gemm, "train": train}[job["kind"]](job, tensors)
for _ in sys.stdin:
    began = time.perf_counter()
    values = turn()
    seconds = time.perf_counter() - began
    try:
        size = resident()
    except OSError:  # there is no /proc elsewhere
        size = 0
    print(json.dumps({"seconds": seconds, "values": values, "resident": size}), flush=True)
