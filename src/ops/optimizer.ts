// The optimizer, over flat pages rather than tensor by tensor. `adam` is GPT-1's own rule (its released code): decay is
// decoupled from the moments but multiplied by the bias-corrected step size, epsilon is added to the uncorrected root.
// Step sizes, decay and the active flag of every group arrive in the step block, so that nothing is baked into a plan.

import { requireShape, sameShape, show, sizeOf } from "../core/shape.ts";
import { blocks } from "../graph/copy.ts";
import type { Op } from "../graph/op.ts";

const PARTIAL = 16384; // elements per partial sum

/** The sum of squares of all elements, shape (1), accumulated in float64. */
export const sumSquares: Op = {
  name: "sumSquares",
  takes: ["f32"],
  infer: () => [{ dtype: "f32", shape: [1] }],
  dims: ([x]) => [sizeOf(x.shape)],
  passes: () => 2,
  rows: ([n], pass) => pass === 0 ? Math.ceil(n / PARTIAL) : 1,
  scratch: ([n]) => Math.ceil(n / PARTIAL) * 8,
  reference([x], [y]) {
    y[0] = 0;
    for (let i = 0; i < x.length; i++) y[0] += x[i] * x[i];
  },
  cases: [
    ...[[1], [3, 5], [63], [2051], [40000]].map((shape) => ({ inputs: [{ shape }] })),
    { inputs: [{ shape: [2 ** 22] }], bench: true },
  ],
};

/** Constants of Adam. `maxNorm` 0 means no clipping. */
export type AdamConstants = {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly maxNorm: number;
};

const clips = [[1, 6.25], [0, 6.25], [1, Infinity], [0, Infinity], [1, NaN]]; // maxNorm and squared norm to test with

/**
 * One update of a page. Inputs: segments (S,3) of [begin, end, group] in elements; step block (G,4) of [step size a,
 * decay l2, active, factor f]; the squared global norm (1) of f g; then parameters, gradients, first and second moments (n),
 * which the outputs replace. g' = f g · maxNorm / max(norm, maxNorm); m and v as in Adam; p -= a (m / (sqrt(v) + eps) + l2 p).
 * Segments of inactive groups and the padding between segments keep p, m and v, and so does everything if the norm is not
 * finite: a bad update is skipped on the device. Every gradient ends as 0.
 */
export const adam: Op<AdamConstants> = {
  name: "adam",
  takes: ["i32", "f32", "f32", "f32", "f32", "f32", "f32"],
  infer([segments, groups, , p, g, m, v]) {
    requireShape(
      [g, m, v].every(({ shape }) => sameShape(shape, p.shape)),
      `Cannot update ${show(p.shape)}`,
      `gradients and moments are ${[g, m, v].map(({ shape }) => show(shape)).join(", ")}`,
    );
    requireShape(
      segments.shape[1] === 3 && groups.shape[1] === 4,
      `Cannot update with segments ${show(segments.shape)} and groups ${show(groups.shape)}`,
      "they must be (S,3) and (G,4)",
    );
    return [p, g, m, v].map(({ shape }) => ({ dtype: "f32", shape }));
  },
  dims: ([segments, , , p]) => [sizeOf(p.shape), segments.shape[0]],
  floats: ({ beta1, beta2, epsilon, maxNorm }) => [beta1, 1 - beta1, beta2, 1 - beta2, epsilon, maxNorm],
  rows: ([n]) => blocks(n),
  inPlace: [0, 1, 2, 3].map((output) => ({ output, input: output + 3, kind: "into" })),
  reference(
    [segments, groups, squared],
    [p, g, m, v],
    [, S],
    [beta1, rest1, beta2, rest2, epsilon, maxNorm],
  ) {
    const norm = Math.sqrt(squared[0]), clip = maxNorm > 0 ? maxNorm / Math.max(norm, maxNorm) : 1;
    for (let s = 0; Number.isFinite(norm) && s < S; s++) {
      const [begin, end, group] = segments.subarray(3 * s, 3 * s + 3);
      const [rate, decay, active, factor] = groups.subarray(4 * group, 4 * group + 4);
      for (let i = begin; active !== 0 && i < end; i++) {
        const d = g[i] * clip * factor;
        m[i] = beta1 * m[i] + rest1 * d;
        v[i] = beta2 * v[i] + rest2 * d * d;
        p[i] -= rate * (m[i] / (Math.sqrt(v[i]) + epsilon) + decay * p[i]);
      }
    }
    g.fill(0);
  },
  cases: [
    { n: 64, segments: [0, 1, 0] },
    { n: 320, segments: [0, 64, 1, 64, 70, 0, 128, 300, 2] },
    { n: 4096, segments: [0, 1500, 0, 1536, 3000, 1, 3072, 4095, 0] },
    { n: 2 ** 20, segments: [0, 2 ** 20, 0], bench: true },
  ].flatMap(({ n, segments, bench = false }) =>
    (bench ? [[1, 6.25]] : clips).map(([maxNorm, squared]) => ({
      inputs: [
        { shape: [segments.length / 3, 3], dtype: "i32" as const, values: segments },
        { shape: [3, 4], values: [0.1, 0.01, 1, 1, 0.02, 0, 1, 0.5, 0.3, 0.01, 0, 1] },
        { shape: [1], values: [squared] },
        { shape: [n] },
        { shape: [n] },
        { shape: [n] },
        {
          shape: [n],
          get values() {
            return Array.from({ length: n }, (_, i) => (i % 7) / 7);
          },
        },
      ],
      bench,
      attrs: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, maxNorm },
    }))
  ),
  tolerance: 5e-5,
};

const MOST_SCALE = 2 ** 24, LEAST_SCALE = 1;

/**
 * What a scaled loss asks of an update, and the next scale. Inputs: the squared norm of scaled gradients (1), the step
 * block (G,4), the scale (1), a power of two, and how many good updates there were with it (1). Outputs: the squared norm without the
 * scale, the step block with factors divided by it, and the next scale and count in place of the old. After `interval`
 * good updates in a row the scale is doubled, up to 2^24; where the norm is not finite it is halved, down to 1.
 */
export const unscale: Op<{ readonly interval: number }> = {
  name: "unscale",
  takes: ["f32", "f32", "f32", "f32"],
  infer([squared, groups, scale, streak]) {
    requireShape(
      [squared, scale, streak].every(({ shape }) => sizeOf(shape) === 1) && groups.shape[1] === 4,
      `Cannot unscale ${show(squared.shape)} and ${show(groups.shape)} by ${show(scale.shape)} and ${
        show(streak.shape)
      }`,
      "they must be (1), (G,4), (1) and (1)",
    );
    return [squared, groups, scale, streak].map(({ shape }) => ({ dtype: "f32", shape }));
  },
  dims: ([, groups], { interval }) => [groups.shape[0], interval],
  rows: () => 1,
  inPlace: [{ output: 2, input: 2, kind: "into" }, { output: 3, input: 3, kind: "into" }],
  reference([squared, groups], [norm, block, scale, streak], [, interval]) {
    const by = scale[0], good = Number.isFinite(squared[0]) ? streak[0] + 1 : 0, grows = good >= interval;
    norm[0] = squared[0] / by / by;
    block.forEach((_, i) => block[i] = i % 4 === 3 ? groups[i] / by : groups[i]);
    streak[0] = grows ? 0 : good;
    scale[0] = good === 0 ? Math.max(by / 2, LEAST_SCALE) : grows ? Math.min(2 * by, MOST_SCALE) : by;
  },
  cases: [[9, 1024, 0], [9, 1024, 2], [9, 2 ** 24, 2], [1e30, 2, 0], [Infinity, 8, 2], [Infinity, 1, 0]].map((
    [squared, scale, streak],
  ) => ({
    inputs: [
      { shape: [1], values: [squared] },
      { shape: [2, 4], values: [0.1, 0.01, 1, 1, 0.02, 0, 0, 0.5] },
      { shape: [1], values: [scale] },
      { shape: [1], values: [streak] },
    ],
    attrs: { interval: 3 },
  })),
};

/** The family: one kernel of each name in every backend. */
export const optimizer = { sumSquares, adam, unscale } as const;
