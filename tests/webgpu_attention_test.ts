// Attention and layer norm on WebGPU at sizes that the generated suite does not reach: several tiles and chunks of a head,
// lengths in the middle of a tile, more workgroups than one dimension has, sums through scratch.

import { assertEquals } from "@std/assert";
import { openWebGpu } from "../src/backends/webgpu/device.ts";
import { kernels } from "../src/backends/webgpu/kernels.ts";
import type { Case, CaseInput, Op } from "../src/graph/op.ts";
import { type OpName, ops } from "../src/ops/mod.ts";
import { sampleOf } from "./op_cases.ts";
import { assertAgrees, jobsOf } from "./op_jobs.ts";
import { webGpuTest } from "./webgpu_support.ts";

const i32 = (shape: number[], values: number[]): CaseInput => ({ shape, dtype: "i32", values });
const rng = i32([2], [-3, 2]);

function agrees(name: string, op: unknown, cases: readonly Case[]): void {
  webGpuTest(`WebGPU agrees with the reference: ${name}`, async () => {
    using device = await openWebGpu({ portable: true, poison: true });
    for (const [seed, one] of cases.entries()) {
      for (const job of jobsOf(sampleOf(op as Op, one, seed))) await assertAgrees(device, job);
    }
  });
}

agrees(
  "attention over several tiles",
  ops.attention,
  [
    { h: 1, d: 64, lengths: [130, 75], causal: true, rate: 0.1 },
    { h: 1, d: 64, lengths: [130, 75], causal: true, rate: 0 },
    { h: 2, d: 5, lengths: [130, 31, 0], causal: false, rate: 0.4 },
    { h: 1, d: 5, lengths: [129, 64], causal: true, rate: 0 },
    { h: 1, d: 100, lengths: [70], causal: false, rate: 0 },
  ].map(({ h, d, lengths, causal, rate }) => ({
    inputs: [
      { shape: [lengths.length, Math.max(...lengths), 3 * h * d] },
      i32([lengths.length], lengths),
      rng,
    ],
    attrs: { heads: h, causal, rate, stream: 0xfedcba98 },
  })),
);

Deno.test("attention of more heads than a grid is wide has its launches folded", () => {
  const limits = { bindingBytes: 2 ** 27, workgroupBytes: 16384, halves: false, subgroups: false };
  const groups = (name: OpName, dims: number[]) =>
    kernels[name]({ dims, floats: [], shapes: [], limits }).map(({ workgroups }) => workgroups);
  assertEquals(groups("attention", [66_000, 1, 1, 1, 1, 0, 1]), [[65_535, 2, 1]]);
  assertEquals(groups("attentionGrad", [66_000, 1, 1, 1, 1, 0, 1]), [[65_535, 2, 1], [65_535, 2, 1]]);
  assertEquals(groups("cachedAttention", [66_000, 1, 2, 1, 1]), [[258, 1, 1], [65_535, 2, 1]]);
});

agrees(
  "attention over a long cache",
  ops.cachedAttention,
  [
    { t: 1, n: 600, h: 2, d: 64, extents: [599, 1, 0, 1, 300, 1, 17, 0] },
    { t: 1, n: 300, h: 3, d: 7, extents: [256, 1, 255, 1] },
    { t: 3, n: 520, h: 1, d: 12, extents: [512, 3, 250, 2, 519, 3] },
    { t: 70, n: 150, h: 2, d: 36, extents: [0, 70, 61, 45, 100, 60] },
  ].map(({ t, n, h, d, extents }) => {
    const b = extents.length / 2, cache = { shape: [b, n, h * d] };
    return {
      inputs: [{ shape: [b, t, 3 * h * d] }, i32([b, 2], extents), cache, cache],
      attrs: { heads: h },
    };
  }),
);

// More workgroups than one dimension of a grid has.
agrees("probabilities of many sequences", ops.attentionWeights, [{
  inputs: [
    { shape: [66_000, 1, 3] },
    i32([66_000], Array.from({ length: 66_000 }, (_, i) => i % 3 ? 1 : 0)),
  ],
  attrs: { heads: 1, causal: true },
}]);

agrees(
  "layer norm of many rows",
  ops.addLayerNorm,
  [[150, 33], [129, 768], [40, 4100], [9000, 8]].map(([rows, C]) => ({
    inputs: [{ shape: [rows, C] }, { shape: [rows, C] }, { shape: [C] }, { shape: [C] }],
    attrs: { epsilon: 1e-5 },
  })),
);
