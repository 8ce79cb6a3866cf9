// Ops whose kernels reduce over threads, at sizes around those of teams, subgroups and workgroups: fewer numbers than
// threads, one more, several for each thread, rows without any. Hosts run them with subgroups and without.

import type { Case, CaseInput, Op } from "../../src/graph/op.ts";
import { ops } from "../../src/ops/mod.ts";
import { sampleOf } from "../op_cases.ts";
import { type Job, jobs, jobsOf } from "../op_jobs.ts";

const made = (op: { readonly name: string }, inputs: readonly CaseInput[], attrs?: Case["attrs"]): Job[] =>
  jobsOf(sampleOf(op as Op, attrs ? { inputs, attrs } : { inputs }, 1));

const targets = (n: number, k: number): CaseInput => ({
  shape: [n],
  dtype: "i32",
  values: Array.from({ length: n }, (_, i) => i % (k + 1) - 1),
});

// All cases of ops with one workgroup for a row, which are small.
const whole: readonly string[] = [ops.sampleTokens.name, ops.attentionWeights.name];

/** Forward and, except of products, gradient. */
export const reductionJobs: readonly Job[] = [
  ...jobs.filter(({ sample }) => whole.includes(sample.op.name)),
  ...[1, 3, 8, 96, 100, 768, 3073].flatMap((C) => {
    const x = { shape: [C > 1000 ? 2 : 35, C] }, gain = { shape: [C] };
    return made(ops.addLayerNorm, [x, x, gain, gain], { epsilon: 1e-5 });
  }),
  ...[1, 255, 257, 20_000].flatMap((n) => [
    ...made(ops.dot, [{ shape: [n] }, { shape: [n] }]),
    ...made(ops.sumSquares, [{ shape: [n] }]),
  ]),
  ...[1, 5, 300].flatMap((k) => made(ops.crossEntropy, [{ shape: [4, k] }, targets(4, k)])),
  ...made(ops.linearCrossEntropy, [{ shape: [5, 8] }, { shape: [301, 8] }, targets(5, 300)], { rows: 300 }),
  ...[[1, 20, 300], [5, 21, 37], [8, 20, 1024]].flatMap(([m, n, k]) =>
    [false, true].map((tb) =>
      made(ops.matmul, [{ shape: [m, k] }, { shape: tb ? [n, k] : [k, n] }], { ta: false, tb })[0]
    )
  ),
  ...made(ops.attentionWeights, [{ shape: [1, 270, 12] }, { shape: [1], dtype: "i32", values: [261] }], {
    heads: 1,
    causal: true,
  }),
  ...[[1, 600, 530, 1, 3, 0], [3, 6, 4, 3, 0, 5]].flatMap(([T, N, ...extents]) =>
    made(ops.cachedAttention, [
      { shape: [2, T, 24] },
      { shape: [2, 2], dtype: "i32", values: extents },
      { shape: [2, N, 8] },
      { shape: [2, N, 8] },
    ], { heads: 2 })
  ),
];
