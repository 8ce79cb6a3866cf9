// jax-js: the step is one jitted function of parameters and moments. It runs on as many threads as there are cores, as it
// finds when it is loaded, and only where a global Worker exists. Every use of an array but its last is marked `ref`:
// jax-js counts references and a call takes its arguments.

import "./cores.ts";
import { blockUntilReady, init, jit, nn, numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import { sampled, serve, stepSize } from "./serve.ts";

const arrayOf = ({ values, shape }) => np.array(values).reshape(shape);
const integers = (values, shape) => np.array(Int32Array.from(values)).reshape(shape);

async function gemm({ repeats, tensors }) {
  await init("wasm");
  const [a, b] = tensors.map(arrayOf), product = jit((a, b) => np.matmul(a, b));
  const turn = async () => {
    for (let i = 1; i < repeats; i++) {
      (await blockUntilReady(product(a.ref, b.ref))).dispose();
    }
    return sampled(await product(a.ref, b.ref).data());
  };
  return { turn };
}

const linear = (x, w, b) => np.matmul(x, w).add(b);

function layerNorm(x, g, b) {
  const mean = np.mean(x.ref, -1, { keepdims: true }), centred = x.sub(mean);
  const variance = np.mean(np.square(centred.ref), -1, { keepdims: true });
  return centred.div(np.sqrt(variance.add(1e-5))).mul(g).add(b);
}

// Mean cross-entropy of a batch: post-norm blocks, one table for input and output.
function lossOf(
  parameters,
  ids,
  positions,
  targets,
  { batch: B, length: T, config },
) {
  const { channels: C, heads: H, layers } = config,
    p = (name) => parameters[name];
  const embedded = np.take(p("we").ref, ids, 0).add(
    np.take(p("we").ref, positions, 0),
  ); // (B*T, C)
  let x = embedded;
  for (let i = 0; i < layers; i++) {
    const w = (name) => p(`h${i}/${name}`);
    const qkv = linear(x.ref, w("attn/c_attn/w"), w("attn/c_attn/b")).reshape([
      B,
      T,
      3,
      H,
      C / H,
    ]);
    const [q, k, v] = np.split(qkv, 3, 2).map((part) => part.reshape([B, T, H, C / H]));
    const mixed = nn.dotProductAttention(q, k, v, { isCausal: true }).reshape([
      B * T,
      C,
    ]);
    const a = linear(mixed, w("attn/c_proj/w"), w("attn/c_proj/b"));
    const n = layerNorm(x.add(a), w("ln_1/g"), w("ln_1/b"));
    const h = nn.gelu(linear(n.ref, w("mlp/c_fc/w"), w("mlp/c_fc/b")));
    const m = linear(h, w("mlp/c_proj/w"), w("mlp/c_proj/b"));
    x = layerNorm(n.add(m), w("ln_2/g"), w("ln_2/b"));
  }
  // The target's logit from its row of the table: jit takes no view as the gradient of a gather, as `takeAlongAxis` has it.
  const picked = np.sum(x.ref.mul(np.take(p("we").ref, targets, 0)), -1);
  const logits = np.matmul(x, np.transpose(p("we"))); // (B*T, R)
  return np.mean(nn.logsumexp(logits, -1).sub(picked));
}

async function train(job) {
  const { tensors, ids, positions, targets, batch, length, adam } = job;
  await init("wasm");
  const decays = Object.fromEntries(
    tensors.map(({ name, shape }) => [name, shape.length > 1 ? adam.decay : 0]),
  );
  let parameters = Object.fromEntries(
    tensors.map((tensor) => [tensor.name, arrayOf(tensor)]),
  );
  let moment1 = tree.map((x) => np.zeros(x.shape), parameters);
  let moment2 = tree.map((x) => np.zeros(x.shape), parameters);
  const rows = [batch * length],
    input = [ids, positions, targets].map((values) => integers(values, rows));
  const gradient = valueAndGrad((p, ...input) => lossOf(p, ...input, job));
  const step = jit((parameters, moment1, moment2, size, ...input) => {
    const [loss, gradients] = gradient(tree.ref(parameters), ...input);
    const squares = Object.values(gradients).map((g) => np.sum(np.square(g.ref)));
    const clip = np.minimum(
      np.array(adam.maxNorm).div(np.sqrt(squares.reduce(np.add))),
      1,
    );
    const next = { parameters: {}, moment1: {}, moment2: {} };
    for (const [name, g0] of Object.entries(gradients)) {
      const g = g0.mul(clip.ref);
      const m = moment1[name].mul(adam.beta1).add(g.ref.mul(1 - adam.beta1));
      const v = moment2[name].mul(adam.beta2).add(
        np.square(g).mul(1 - adam.beta2),
      );
      const change = m.ref.div(np.sqrt(v.ref).add(adam.epsilon)).add(
        parameters[name].ref.mul(decays[name]),
      );
      next.parameters[name] = parameters[name].sub(change.mul(size.ref));
      next.moment1[name] = m;
      next.moment2[name] = v;
    }
    clip.dispose();
    size.dispose();
    return [loss, next];
  });
  let n = 0;
  const turn = async () => {
    const size = np.array(stepSize(adam, ++n));
    const [loss, next] = step(
      parameters,
      moment1,
      moment2,
      size,
      ...input.map((x) => x.ref),
    );
    ({ parameters, moment1, moment2 } = next);
    await blockUntilReady(next);
    return [...await loss.data()];
  };
  return { turn };
}

await serve({ gemm, train });
