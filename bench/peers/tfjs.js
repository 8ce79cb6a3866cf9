// TensorFlow.js on WASM. Its product is fast only for two matrices neither of which is transposed, so every product here
// is one, transposes are made explicitly and heads are multiplied one by one; gradients are written out where the library's
// own would transpose, or would need a kernel that this backend lacks. It has one thread outside browsers.

import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { sampled, serve, stepSize } from "./serve.ts";

async function start() {
  const folder = dirname(
    createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm"),
  );
  const binaries = readdirSync(folder).filter((name) => name.endsWith(".wasm"));
  setWasmPaths(
    Object.fromEntries(binaries.map((name) => [name, `${folder}/${name}`])),
  );
  await tf.setBackend("wasm");
  await tf.ready();
}

async function gemm({ repeats, tensors }) {
  await start();
  const [a, b] = tensors.map(({ values, shape }) => () => tf.tensor(values, shape));
  const left = a();
  let rights = [];
  // It keeps the right side of a product packed as long as the tensor lives. Fresh ones are packed within the turn, as
  // everybody else's are and as changing weights would be.
  const before = () => {
    tf.dispose(rights);
    rights = Array.from({ length: repeats }, b);
  };
  const turn = async () => {
    for (const right of rights.slice(1)) tf.matMul(left, right).dispose();
    const product = tf.matMul(left, rights[0]), values = await product.data();
    product.dispose();
    return sampled(values);
  };
  return { before, turn };
}

// A function with a gradient of its own, whose temporaries do not wait for the end of the step.
const custom = (forward) =>
  tf.customGrad((...args) => {
    const { value, gradFunc } = tf.tidy(() => forward(...args));
    return { value, gradFunc: (d, saved) => tf.tidy(() => gradFunc(d, saved)) };
  });

const turned = (x) => tf.transpose(x, x.rank === 2 ? [1, 0] : [0, 2, 1]);

// x (N,K) · w (K,M) + b (M)
const linear = custom((x, w, b, save) => {
  save([x, w, b]);
  return {
    value: tf.add(tf.matMul(x, w), b),
    gradFunc: (d, [x, w, b]) => [
      tf.matMul(d, turned(w)),
      tf.matMul(turned(x), d),
      tf.reshape(tf.matMul(tf.ones([1, d.shape[0]]), d), b.shape),
    ],
  };
});

// The matrices of x (N,M,K), by halves: a slice copies all of what it is taken from.
function apart(x) {
  const [n, m, k] = x.shape, half = n >> 1;
  if (n === 1) return [tf.reshape(x, [m, k])];
  return [
    ...apart(tf.slice(x, [0, 0, 0], [half, m, k])),
    ...apart(tf.slice(x, [half, 0, 0], [n - half, m, k])),
  ];
}

// a (N,M,K) · b (N,K,L), one by one.
const products = (a, b) => {
  const right = apart(b);
  return tf.stack(apart(a).map((left, i) => tf.matMul(left, right[i])));
};
const batched = custom((a, b, save) => {
  save([a, b]);
  return {
    value: products(a, b),
    gradFunc: (d, [a, b]) => [products(d, turned(b)), products(turned(a), d)],
  };
});

const ROOT = Math.sqrt(2 / Math.PI), CUBIC = 0.044715;
const gelu = custom((x, save) => {
  const t = tf.tanh(
    tf.mul(tf.mul(x, tf.add(tf.mul(tf.square(x), CUBIC), 1)), ROOT),
  );
  save([x, t]);
  const gradFunc = (d, [x, t]) => {
    const bent = tf.mul(
      tf.sub(1, tf.square(t)),
      tf.mul(x, tf.add(tf.mul(tf.square(x), 3 * CUBIC * ROOT), ROOT)),
    );
    return tf.mul(d, tf.mul(tf.add(tf.add(t, 1), bent), 0.5));
  };
  return { value: tf.mul(tf.mul(x, tf.add(t, 1)), 0.5), gradFunc };
});

const embed = custom((table, ids, save) => {
  save([ids]);
  const [rows, C] = table.shape;
  const gradFunc = (d, [ids]) => [
    tf.scatterND(tf.expandDims(ids, 1), d, [rows, C]),
    tf.zerosLike(ids),
  ];
  return { value: tf.gather(table, ids), gradFunc };
});

// Mean cross-entropy of h (N,C) against the rows of a table (R,C). The gradient of the targets' logits stays apart from
// that of the log sums, so that no (N,R) one-hot matrix is made.
const crossEntropy = custom((h, table, targets, save) => {
  const logits = tf.matMul(h, turned(table)), N = h.shape[0];
  const logSums = tf.logSumExp(logits, 1, true),
    picked = tf.sum(tf.mul(h, tf.gather(table, targets)), 1, true);
  save([h, table, targets, tf.softmax(logits)]);
  const gradFunc = (d, [h, table, targets, p]) => {
    const scale = tf.div(d, N);
    const hit = tf.scatterND(tf.expandDims(targets, 1), h, table.shape);
    return [
      tf.mul(tf.sub(tf.matMul(p, table), tf.gather(table, targets)), scale),
      tf.mul(tf.sub(tf.matMul(turned(p), h), hit), scale),
      tf.zerosLike(targets),
    ];
  };
  return { value: tf.mean(tf.sub(logSums, picked)), gradFunc };
});

function layerNorm(x, g, b) {
  const centred = tf.sub(x, tf.mean(x, -1, true));
  const deviation = tf.sqrt(
    tf.add(tf.mean(tf.square(centred), -1, true), 1e-5),
  );
  return tf.add(tf.mul(tf.div(centred, deviation), g), b);
}

function lossOf(
  p,
  ids,
  positions,
  targets,
  mask,
  { batch: B, length: T, config },
) {
  const { channels: C, heads: H, layers } = config, D = C / H;
  let x = tf.add(embed(p.we, ids), embed(p.we, positions)); // (B*T, C)
  for (let i = 0; i < layers; i++) {
    const w = (name) => p[`h${i}/${name}`];
    const qkv = tf.reshape(linear(x, w("attn/c_attn/w"), w("attn/c_attn/b")), [
      B,
      T,
      3,
      H,
      D,
    ]);
    const [q, k, v] = tf.unstack(
      tf.reshape(tf.transpose(qkv, [2, 0, 3, 1, 4]), [3, B * H, T, D]),
    );
    const scores = tf.add(
      tf.mul(batched(q, turned(k)), 1 / Math.sqrt(D)),
      mask,
    );
    const mixed = tf.reshape(batched(tf.softmax(scores), v), [B, H, T, D]);
    const rows = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [B * T, C]);
    const a = linear(rows, w("attn/c_proj/w"), w("attn/c_proj/b"));
    const n = layerNorm(tf.add(x, a), w("ln_1/g"), w("ln_1/b"));
    const h = gelu(linear(n, w("mlp/c_fc/w"), w("mlp/c_fc/b")));
    const m = linear(h, w("mlp/c_proj/w"), w("mlp/c_proj/b"));
    x = layerNorm(tf.add(n, m), w("ln_2/g"), w("ln_2/b"));
  }
  return crossEntropy(x, p.we, targets);
}

async function train(job) {
  await start();
  const { tensors, ids, positions, targets, length: T, adam } = job;
  const variables = Object.fromEntries(
    tensors.map((
      { name, shape, values },
    ) => [name, tf.variable(tf.tensor(values, shape), true, name)]),
  );
  const states = tensors.map(({ name, shape }) => {
    const [m, v] = [0, 1].map(() => tf.variable(tf.zeros(shape), false));
    return { name, m, v, decay: shape.length > 1 ? adam.decay : 0 };
  });
  const input = [ids, positions, targets].map((values) => tf.tensor1d(values, "int32"));
  const future = Float32Array.from(
    { length: T * T },
    (_, i) => i % T > Math.floor(i / T) ? -1e9 : 0,
  );
  const mask = tf.tensor(future, [1, T, T]);
  let n = 0;
  const turn = async () => {
    const size = stepSize(adam, ++n);
    const loss = tf.tidy(() => {
      const { value, grads } = tf.variableGrads(() => lossOf(variables, ...input, mask, job));
      const norm = tf.sqrt(
        tf.addN(Object.values(grads).map((g) => tf.sum(tf.square(g)))),
      );
      const clip = tf.div(adam.maxNorm, tf.maximum(norm, adam.maxNorm));
      for (const { name, m, v, decay } of states) {
        const g = tf.mul(grads[name], clip), p = variables[name];
        m.assign(tf.add(tf.mul(m, adam.beta1), tf.mul(g, 1 - adam.beta1)));
        v.assign(
          tf.add(tf.mul(v, adam.beta2), tf.mul(tf.square(g), 1 - adam.beta2)),
        );
        const change = tf.div(m, tf.add(tf.sqrt(v), adam.epsilon));
        p.assign(
          tf.sub(
            p,
            tf.mul(decay > 0 ? tf.add(change, tf.mul(p, decay)) : change, size),
          ),
        );
      }
      return value;
    });
    const values = [...await loss.data()];
    loss.dispose();
    return values;
  };
  return { turn };
}

await serve({ gemm, train });
