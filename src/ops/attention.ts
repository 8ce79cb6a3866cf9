// Multi-head self-attention on packed projections: qkv (B,T,3C) holds queries, keys and values side by side, head h in
// columns h*D.. of each. The T x T probabilities are never stored: the forward pass keeps the log of each softmax's sum,
// and the gradient recomputes from it. Lengths are live: a kernel loops over `lengths[b]` tokens of a row and writes zeros
// behind them. `cachedAttention` is the inference form, with keys and values in a cache that outlives the run.

import { requireShape, show } from "../core/shape.ts";
import type { Case, Op, TensorType } from "../graph/op.ts";
import { plus } from "./basic.ts";
import { type Dropping, keepScale, threshold } from "./dropout.ts";

/** Heads, whether a token sees later ones, and dropout on the probabilities. */
export type Attending = Dropping & { readonly heads: number; readonly causal: boolean };

const queryBlocks = (t: number): number => Math.ceil(t / 8); // queries that a kernel keeps in lanes

function split(qkv: TensorType, heads: number): [b: number, t: number, h: number, d: number] {
  const [b, t, width] = qkv.shape;
  requireShape(
    qkv.shape.length === 3 && width % (3 * heads) === 0,
    `Cannot attend over ${show(qkv.shape)} with ${heads} heads`,
    "it must be (B,T,3C) with C a multiple of the heads",
  );
  return [b, t, heads, width / 3 / heads];
}

const dimsOf = (qkv: TensorType, { heads, causal, rate, stream }: Attending): number[] => [
  ...split(qkv, heads),
  Number(causal),
  threshold(rate),
  stream,
];

// The probabilities of one query over its keys before dropout, the log of their sum, and the dropout factors.
function attend(
  query: (d: number) => number,
  key: (k: number, d: number) => number,
  count: number,
  size: number,
): { p: Float64Array; logSum: number } {
  const p = new Float64Array(count);
  for (let k = 0; k < count; k++) {
    for (let d = 0; d < size; d++) p[k] += query(d) * key(k, d);
    p[k] /= Math.sqrt(size);
  }
  const top = p.reduce((a, b) => Math.max(a, b), -Infinity);
  const sum = p.reduce((total, score) => total + Math.exp(score - top), 0);
  for (let k = 0; k < count; k++) p[k] = Math.exp(p[k] - top) / sum;
  return { p, logSum: top + Math.log(sum) };
}

const rng = { shape: [2], dtype: "i32", values: [11, 5] } as const;
const cases: Case<Attending>[] = [
  { b: 1, t: 1, h: 1, d: 1, lengths: [1] },
  { b: 2, t: 5, h: 2, d: 3, lengths: [5, 2] },
  { b: 1, t: 9, h: 1, d: 4, lengths: [9] },
  { b: 2, t: 18, h: 2, d: 5, lengths: [18, 11] },
  { b: 3, t: 4, h: 1, d: 8, lengths: [0, 3, 4] },
].flatMap(({ b, t, h, d, lengths }) =>
  [[true, 0], [true, 0.3], [false, 0], [false, 0.3]].map(([causal, rate]) => ({
    inputs: [{ shape: [b, t, 3 * h * d] }, { shape: [b], dtype: "i32" as const, values: lengths }, rng],
    attrs: { heads: h, causal: Boolean(causal), rate: Number(rate), stream: 99 },
  }))
);
const longer: Case<Attending>[] = [[37, 12, 0.1], [70, 16, 0]].map(([t, d, rate]) => ({
  inputs: [{ shape: [2, t, 6 * d] }, { shape: [2], dtype: "i32", values: [t, t - 3] }, rng],
  attrs: { heads: 2, causal: true, rate, stream: 7 },
}));
const timed: Case<Attending> = {
  inputs: [{ shape: [2, 512, 3 * 768] }, { shape: [2], dtype: "i32", values: [512, 512] }, rng],
  attrs: { heads: 12, causal: true, rate: 0, stream: 0 },
  bench: true,
};
// The gradient by itself, besides what its use by the cases above covers: any numbers may stand for y and the log sums.
const gradCases = ([small, big]: readonly Case<Attending>[]): Case<Attending>[] => [
  {
    ...small,
    inputs: [...small.inputs, { shape: [2, 70, 32] }, { shape: [2, 2, 70] }, { shape: [2, 70, 32] }],
  },
  {
    ...big,
    inputs: [...big.inputs, { shape: [2, 512, 768] }, { shape: [2, 12, 512] }, { shape: [2, 512, 768] }],
  },
];

/**
 * Self-attention. Inputs: qkv (B,T,3C), lengths (B), rng (2). Outputs: y (B,T,C) and, for the gradient, the log sum of
 * exponentials (B,H,T). Scores are scaled by 1/sqrt(D). The dropout element of (b, h, query, key) is
 * ((b*H + h)*T + key) * T16 + query, where T16 is T rounded up to a multiple of 16.
 */
export const attention: Op<Attending> = {
  name: "attention",
  takes: ["f32", "i32", "i32"],
  infer([qkv, lengths], { heads }) {
    const [b, t, h, d] = split(qkv, heads);
    requireShape(
      lengths.shape[0] === b,
      `Cannot attend over ${show(qkv.shape)}`,
      `there are ${lengths.shape[0]} lengths`,
    );
    return [{ dtype: "f32", shape: [b, t, h * d] }, { dtype: "f32", shape: [b, h, t] }];
  },
  dims: ([qkv], attrs) => dimsOf(qkv, attrs),
  rows: ([b, t, h]) => b * h * queryBlocks(t),
  workspace: ([, t, , d]) => attentionWorkspace(t, d),
  saved: [1],
  vjp({ inputs: [qkv, lengths, random], outputs: [y, logSum], attrs, douts: [d], into: [into] }) {
    const inputs = [qkv, lengths, random, y, logSum, d!];
    return { dins: [plus(into, qkv.graph.apply(attentionGrad, inputs, attrs)[0]), null, null] };
  },
  reference([qkv, lengths, random], [y, logSum], [B, T, H, D, causal, limit, stream]) {
    const C = H * D, T16 = Math.ceil(T / 16) * 16;
    y.fill(0);
    logSum.fill(0);
    for (let b = 0; b < B; b++) {
      for (let h = 0; h < H; h++) {
        const at = (t: number, part: number, d: number) => qkv[(b * T + t) * 3 * C + part * C + h * D + d];
        for (let q = 0; q < lengths[b]; q++) {
          const count = causal ? q + 1 : lengths[b];
          const result = attend((d) => at(q, 0, d), (k, d) => at(k, 1, d), count, D);
          logSum[(b * H + h) * T + q] = result.logSum;
          for (let k = 0; k < count; k++) {
            const block = ((b * H + h) * T + k) * (T16 / 4) + (q >> 2);
            const p = result.p[k] * (limit ? keepScale(random, limit, stream, block, q & 3) : 1);
            for (let d = 0; d < D; d++) y[(b * T + q) * C + h * D + d] += p * at(k, 2, d);
          }
        }
      }
    }
  },
  cases: [...cases, ...longer, timed],
};

/** The gradient of `attention`. Inputs: qkv, lengths, rng, y, log sums, dy. Output: dqkv (B,T,3C). */
export const attentionGrad: Op<Attending> = {
  name: "attentionGrad",
  takes: ["f32", "i32", "i32", "f32", "f32", "f32"],
  infer: ([qkv]) => [{ dtype: "f32", shape: qkv.shape }],
  dims: ([qkv], attrs) => dimsOf(qkv, attrs),
  rows: ([b, , h]) => b * h,
  workspace: ([, t, , d]) => attentionGradWorkspace(t, d),
  reference([qkv, lengths, random, y, logSum, dy], [dqkv], [B, T, H, D, causal, limit, stream]) {
    const C = H * D, T16 = Math.ceil(T / 16) * 16, scale = 1 / Math.sqrt(D);
    dqkv.fill(0);
    for (let b = 0; b < B; b++) {
      for (let h = 0; h < H; h++) {
        const place = (t: number, part: number, d: number) => (b * T + t) * 3 * C + part * C + h * D + d;
        for (let q = 0; q < lengths[b]; q++) {
          const out = (d: number) => (b * T + q) * C + h * D + d;
          let delta = 0;
          for (let d = 0; d < D; d++) delta += dy[out(d)] * y[out(d)];
          for (let k = 0; k < (causal ? q + 1 : lengths[b]); k++) {
            let score = 0, dp = 0;
            for (let d = 0; d < D; d++) {
              score += qkv[place(q, 0, d)] * qkv[place(k, 1, d)];
              dp += dy[out(d)] * qkv[place(k, 2, d)];
            }
            const p = Math.exp(score * scale - logSum[(b * H + h) * T + q]);
            const block = ((b * H + h) * T + k) * (T16 / 4) + (q >> 2);
            const keep = limit ? keepScale(random, limit, stream, block, q & 3) : 1;
            const ds = p * (keep * dp - delta) * scale;
            for (let d = 0; d < D; d++) {
              dqkv[place(q, 0, d)] += ds * qkv[place(k, 1, d)];
              dqkv[place(k, 1, d)] += ds * qkv[place(q, 0, d)];
              dqkv[place(k, 2, d)] += p * keep * dy[out(d)];
            }
          }
        }
      }
    }
  },
  cases: gradCases([longer[1], timed]),
};

/**
 * Attention of new tokens over a cache. Inputs: qkv (B,T,3C), extents (B,2), key cache (B,N,C), value cache (B,N,C).
 * `extents[b]` is [offset, count]: the first `count` of the T tokens are live and stand at offset.. in the cache. Writes
 * their keys and values there, as many as there is room for; query i sees keys up to offset + i. Outputs: y (B,T,C) and both caches, in place.
 */
export const cachedAttention: Op<{ heads: number }> = {
  name: "cachedAttention",
  takes: ["f32", "i32", "f32", "f32"],
  infer([qkv, extents, keys, values], { heads }) {
    const [b, t, h, d] = split(qkv, heads);
    for (const cache of [keys, values]) {
      requireShape(
        cache.shape[0] === b && cache.shape[2] === h * d,
        `Cannot attend with ${show(qkv.shape)} over a cache ${show(cache.shape)}`,
        `the cache must be (${b},N,${h * d})`,
      );
    }
    requireShape(
      extents.shape[0] === b && extents.shape[1] === 2,
      `Cannot attend with extents ${show(extents.shape)}`,
      `they must be (${b},2)`,
    );
    return [
      { dtype: "f32", shape: [b, t, h * d] },
      { dtype: "f32", shape: keys.shape },
      { dtype: "f32", shape: values.shape },
    ];
  },
  dims: ([qkv, , keys], { heads }) => {
    const [b, t, h, d] = split(qkv, heads);
    return [b, t, keys.shape[1], h, d];
  },
  passes: () => 2,
  rows: ([b, t, , h], pass) => pass === 0 ? b : b * h * queryBlocks(t),
  workspace: ([, , n, , d]) => attentionWorkspace(n, d),
  inPlace: [{ output: 1, input: 2, kind: "into" }, { output: 2, input: 3, kind: "into" }],
  reference([qkv, extents], [y, keys, values], [B, T, N, H, D]) {
    const C = H * D;
    y.fill(0);
    for (let b = 0; b < B; b++) {
      const offset = extents[2 * b], count = Math.max(0, Math.min(extents[2 * b + 1], T, N - offset));
      for (let t = 0; t < count; t++) {
        for (let c = 0; c < C; c++) {
          keys[(b * N + offset + t) * C + c] = qkv[(b * T + t) * 3 * C + C + c];
          values[(b * N + offset + t) * C + c] = qkv[(b * T + t) * 3 * C + 2 * C + c];
        }
      }
      for (let h = 0; h < H; h++) {
        for (let q = 0; q < count; q++) {
          const cached = (k: number, d: number) => (b * N + k) * C + h * D + d;
          const { p } = attend(
            (d) => qkv[(b * T + q) * 3 * C + h * D + d],
            (k, d) => keys[cached(k, d)],
            offset + q + 1,
            D,
          );
          p.forEach((weight, k) => {
            for (let d = 0; d < D; d++) y[(b * T + q) * C + h * D + d] += weight * values[cached(k, d)];
          });
        }
      }
    }
  },
  cases: [
    { b: 1, t: 1, n: 1, h: 1, d: 1, extents: [0, 1] },
    { b: 2, t: 1, n: 9, h: 2, d: 3, extents: [4, 1, 8, 1] },
    { b: 3, t: 5, n: 12, h: 2, d: 4, extents: [0, 5, 3, 2, 7, 0] },
    { b: 1, t: 11, n: 40, h: 1, d: 8, extents: [28, 11] },
    { b: 3, t: 3, n: 6, h: 1, d: 4, extents: [4, 3, 0, 5, 6, 2] },
  ].map(({ b, t, n, h, d, extents }) => ({
    inputs: [
      { shape: [b, t, 3 * h * d] },
      { shape: [b, 2], dtype: "i32" as const, values: extents },
      { shape: [b, n, h * d] },
      { shape: [b, n, h * d] },
    ],
    attrs: { heads: h },
  })),
};

// Bytes per thread, as assembly/attention.ts lays them out: packed keys and values of a head, a block's operands.
const roundUp = (n: number, to: number): number => Math.ceil(n / to) * to;

const attentionWorkspace = (keys: number, d: number): number =>
  4 * (2 * roundUp(keys, 4) * roundUp(d, 8) + 16 * roundUp(d, 8) + 32 + 8 * roundUp(keys, 4));

const attentionGradWorkspace = (keys: number, d: number): number =>
  4 * (5 * roundUp(keys, 8) * roundUp(d, 8) + 5 * 16 * roundUp(d, 8) + 3 * 512 + 32);

/** The family: one kernel of each name in every backend. */
export const attentions = { attention, attentionGrad, cachedAttention } as const;
