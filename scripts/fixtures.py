"""Writes tests/fixtures/gpt1_tiny.json: the figures of the tiny GPT-1 of scripts/parity_model.ts, computed
again by an implementation that shares nothing with src/. It follows the paper and the released code: forward in
plain JAX float64, gradients by its autodiff, the optimizer by hand. Building and testing never need Python. To
make the file again (a last digit may differ): pip install jax==0.8.2 && python3 scripts/fixtures.py
"""

import json
import math
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_enable_x64", True)

FILLS = [(31, 17, 101, 7), (3, 5, 7, 11), (123, 45, 678, 90)]
CLIPS = [1.0, 0.5]

VOCABULARY, SPECIALS, CONTEXT, CHANNELS, HEADS, LAYERS = 11, 3, 6, 8, 2, 2
CLASSIFY = 13  # after 11 start and 12 delimiter
# Two examples of two choices; the last 0 of the shorter ones is padding.
FIRST = [[11, 3, 5, 12, 7, 13], [11, 3, 5, 12, 2, 13]]
SECOND = [[11, 1, 12, 9, 13, 0], [11, 1, 12, 4, 13, 0]]
TOKENS = np.array(FIRST + SECOND)
MASK = np.array([[1, 1, 1, 1, 1, 1]] * 2 + [[1, 1, 1, 1, 1, 0]] * 2)
LABELS = np.array([0, 1])
LAMBDA = 0.5

RATE, PLANNED, WARMUP, UPDATES = 0.01, 10, 0.2, 6
BETA1, BETA2, EPSILON, DECAY = 0.9, 0.999, 1e-8, 0.01


def shapes(rows, channels, layers, outputs):
    """Kind and shape of every tensor, in the order of the released weight files."""
    c = channels
    dense = lambda n, m: [("weight", (n, m)), ("bias", (m,))]
    norm = [("gain", (c,)), ("bias", (c,))]
    block = dense(c, 3 * c) + dense(c, c) + norm + dense(c, 4 * c) + dense(4 * c, c) + norm
    return [("weight", (rows, c))] + block * layers + dense(c, outputs)


def filled(kind, shape, k, fill):
    """Tensor number k under the fill rule."""
    a, b, c, d = fill
    i = np.arange(math.prod(shape), dtype=np.int64)
    base = ((a * i * i + b * i + c * k + d) % 1009) / 504.5 - 1
    values = {"weight": 0.4 * base, "bias": 0.1 * base, "gain": 1 + 0.1 * base}[kind]
    return values.reshape(shape)


def layer_norm(x, gain, bias):
    centred = x - x.mean(-1, keepdims=True)
    return centred / jnp.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * gain + bias


def gelu(x):
    return 0.5 * x * (1 + jnp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def attention(qkv, heads):
    """Causal attention: qkv (B, T, 3C) to (B, T, C), one head at a time."""
    length = qkv.shape[1]
    seen = np.tril(np.ones((length, length), dtype=bool))
    q, k, v = (jnp.split(part, heads, axis=-1) for part in jnp.split(qkv, 3, axis=-1))
    merged = []
    for head in range(heads):
        scores = q[head] @ k[head].transpose(0, 2, 1) / math.sqrt(q[head].shape[-1])  # (B, T, T)
        merged.append(jax.nn.softmax(jnp.where(seen, scores, -1e9)) @ v[head])
    return jnp.concatenate(merged, axis=-1)


def hidden(params, tokens, first_position, heads):
    """Hidden states (B, T, C) of the last block. `params` are all tensors, the classifier's two last."""
    we, blocks = params[0], params[1:-2]
    x = we[tokens] + we[first_position + np.arange(tokens.shape[1])]
    for i in range(0, len(blocks), 12):
        qkv_w, qkv_b, merge_w, merge_b, g1, b1 = blocks[i : i + 6]
        wide_w, wide_b, narrow_w, narrow_b, g2, b2 = blocks[i + 6 : i + 12]
        n = layer_norm(x + attention(x @ qkv_w + qkv_b, heads) @ merge_w + merge_b, g1, b1)
        x = layer_norm(n + gelu(n @ wide_w + wide_b) @ narrow_w + narrow_b, g2, b2)
    return x


def cross_entropy(logits, labels):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], axis=-1)[..., 0]


def losses(params):
    """Total loss of the batch, and everything it is made of."""
    h = hidden(params, TOKENS, VOCABULARY + SPECIALS, HEADS)
    token = cross_entropy((h @ params[0].T)[:, :-1], TOKENS[:, 1:])  # over all rows of the table; (4, T - 1)
    lm = (token * MASK[:, 1:]).sum(1) / MASK[:, 1:].sum(1)
    extracted = h[np.arange(len(TOKENS)), (TOKENS == CLASSIFY).argmax(1)]
    logits = (extracted @ params[-2] + params[-1]).reshape(2, 2)
    classifier = cross_entropy(logits, LABELS)
    parts = {"lm": lm, "classifier": classifier, "logits": logits.reshape(-1), "tokenLosses": token[0]}
    return classifier.mean() + LAMBDA * lm.mean(), parts


with_gradient = jax.jit(jax.value_and_grad(losses, has_aux=True))


def norm_of(gradients):
    return math.sqrt(sum(float((g**2).sum()) for g in gradients))


def step_size(t):
    """Of the update after t completed ones: bias correction times warmup_linear, so that the first is 0."""
    x = t / PLANNED
    schedule = (x / WARMUP if x <= WARMUP else 1) * (1 - x)
    return RATE * math.sqrt(1 - BETA2 ** (t + 1)) / (1 - BETA1 ** (t + 1)) * schedule


def train(params, clip):
    """Losses before each update and after the last, and the parameters then."""
    m, v, seen = [0 * p for p in params], [0 * p for p in params], []
    for t in range(UPDATES):
        (total, _), gradients = with_gradient(params)
        seen.append(total)
        scale = clip / max(norm_of(gradients), clip)
        for k, g in enumerate(gradients):
            m[k] = BETA1 * m[k] + (1 - BETA1) * (g * scale)
            v[k] = BETA2 * v[k] + (1 - BETA2) * (g * scale) ** 2
            decay = DECAY if g.ndim > 1 else 0  # matrices only
            params[k] = params[k] - step_size(t) * (m[k] / (np.sqrt(v[k]) + EPSILON) + decay * params[k])
    return seen + [with_gradient(params)[0][0]], params


def digest(tensor):
    """Sum, sum of squares, and the element in the middle."""
    flat = np.asarray(tensor).reshape(-1)
    return [flat.sum(), (flat**2).sum(), flat[len(flat) // 2]]


def case(fill):
    tensors = [
        filled(kind, shape, k, fill)
        for k, (kind, shape) in enumerate(shapes(VOCABULARY + SPECIALS + CONTEXT, CHANNELS, LAYERS, 1))
    ]
    (total, parts), gradients = with_gradient(tensors)
    runs = []
    for clip in CLIPS:
        seen, after = train(list(tensors), clip)
        # Without the classifier's bias: its gradient is 0 but for rounding, and Adam makes steps of rounding.
        first = [p.reshape(-1)[0] for p in after[:-1]]
        runs.append({"maxNorm": clip, "losses": seen, "firstElements": first})
    figures = {"fill": list(fill), **parts, "total": total, "gradientNorm": norm_of(gradients)}
    return {**figures, "gradients": [digest(g) for g in gradients], "runs": runs}


def plain(value):
    """Numbers to 12 digits, with the rounding errors that stand for 0 as 0; arrays as lists."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (str, int)):
        return value
    if isinstance(value, list) or np.ndim(value):
        return [plain(item) for item in value]
    return 0 if abs(value) < 1e-15 else float(f"{float(value):.12g}")


def pretty(value, indent=""):
    """JSON as `deno fmt` leaves it: lists of up to five numbers on a line."""
    inner = indent + "  "
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {pretty(item, inner)}" for key, item in value.items()]
        left, right = "{}"
    elif isinstance(value, list) and (len(value) > 5 or isinstance(value[0], (list, dict))):
        items = [pretty(item, inner) for item in value]
        left, right = "[]"
    else:
        return json.dumps(value)
    return f"{left}\n" + ",\n".join(inner + item for item in items) + f"\n{indent}{right}"


if __name__ == "__main__":
    source = f"scripts/fixtures.py with JAX {jax.__version__}, float64, CPU"
    target = pathlib.Path(__file__).parent.parent / "tests" / "fixtures" / "gpt1_tiny.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(pretty({"source": source, "cases": plain([case(fill) for fill in FILLS])}) + "\n")
