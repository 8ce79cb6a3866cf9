// What the generated suite is too small to reach on the GPU: bits of dropout masks, tensors above one binding, more rows and
// columns than one workgroup of an LSTM takes. Against the float64 reference, as in op_jobs.ts.

import { assert, assertEquals } from "@std/assert";
import { openWebGpu } from "../src/backends/webgpu/device.ts";
import { openReference } from "../src/backends/reference.ts";
import { Random } from "../src/core/random.ts";
import { sizeOf } from "../src/core/shape.ts";
import type { Case, CaseInput, Op } from "../src/graph/op.ts";
import { ops } from "../src/ops/mod.ts";
import { forwardPlan, type Sample } from "./op_cases.ts";
import { assertAgrees, type Job, runJob } from "./op_jobs.ts";
import { webGpuTest } from "./webgpu_support.ts";

function job<A extends Case["attrs"]>(
  op: { readonly name: string },
  inputs: readonly CaseInput[],
  attrs?: A,
): Job {
  const random = new Random(1, op.name);
  const feeds = Object.fromEntries(inputs.map(({ shape, values, below, dtype }, i) => {
    const numbers = values ??
      Array.from({ length: sizeOf(shape) }, () => below ? random.below(below) : random.normal());
    return [`x${i}`, dtype === "i32" || below ? Int32Array.from(numbers) : Float32Array.from(numbers)];
  }));
  const sample: Sample = {
    label: `${op.name} ${inputs.map(({ shape }) => `(${shape})`).join(" ")}`,
    op: op as Op,
    case: attrs ? { inputs, attrs } : { inputs },
    feeds,
  };
  return { sample, plan: forwardPlan(sample), parameters: [] };
}

webGpuTest("dropout drops the same elements on the GPU as in the definition", async () => {
  using device = await openWebGpu({ portable: true, poison: true });
  const reference = openReference(), dropped = new Set<string>();
  const settings = [[0, 1, 7, 3], [0.1, -123456789, 7, 3], [0.5, 0x7fffffff, -7, 3], [
    0.9,
    -1,
    7,
    -2147483648,
  ]];
  for (const [rate, stream, seed, draw] of settings) {
    const rng: CaseInput = { shape: [2], dtype: "i32", values: [seed, draw] };
    for (const shape of [[10_000], [9_999]]) {
      const x = { shape, values: Array<number>(shape[0]).fill(1) };
      const one = job(ops.dropout, [x, rng], { rate, stream });
      const { y0: got } = await runJob(device, one), { y0: want } = await runJob(reference, one);
      const zeros = Array.from(got, (value) => value === 0 ? 1 : 0);
      assertEquals(zeros, Array.from(want, (value) => value === 0 ? 1 : 0), `${[rate, stream, seed, draw]}`);
      const share = zeros.reduce<number>((sum, zero) => sum + zero, 0) / shape[0];
      assert(Math.abs(share - rate) < 0.02, `${share} are dropped at rate ${rate}`);
      dropped.add(zeros.slice(0, 9_000).join(""));
    }
    const rows = { shape: [606, 17], values: Array<number>(606 * 17).fill(1) };
    const one = job(ops.sharedDropout, [rows, rng], { rate, stream, shared: 2 });
    const { y0: got } = await runJob(device, one), { y0: want } = await runJob(reference, one);
    assertEquals(Array.from(got, (value) => value === 0), Array.from(want, (value) => value === 0));
  }
  assertEquals(
    dropped.size,
    settings.length,
    "each setting has its own mask, whatever the number of elements",
  );
});

webGpuTest("tensors above one binding are worked on in windows", async () => {
  using device = await openWebGpu({ portable: true, poison: true, bindingBytes: 4096 });
  const pages = (n: number): CaseInput[] => [{ shape: [n] }, { shape: [n] }, { shape: [n] }, {
    shape: [n],
    values: Array.from({ length: n }, (_, i) => i % 7 / 7),
  }];
  for (const n of [5000, 4097]) {
    await assertAgrees(device, job(ops.gelu, [{ shape: [n] }]));
    await assertAgrees(device, job(ops.sumSquares, [{ shape: [n] }]));
    await assertAgrees(
      device,
      job(ops.dropout, [{ shape: [n] }, { shape: [2], dtype: "i32", values: [7, 3] }], {
        rate: 0.5,
        stream: -5,
      }),
    );
    const segments = [0, 1500, 0, 1536, 1537, 1, 1600, 3000, 1, 3072, 4097, 0];
    await assertAgrees(
      device,
      job(ops.adam, [
        { shape: [4, 3], dtype: "i32", values: segments },
        { shape: [2, 4], values: [0.1, 0.01, 1, 0, 0.02, 0, 1, 0] },
        { shape: [1], values: [6.25] },
        ...pages(n),
      ], { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, maxNorm: 1 }),
    );
  }
  // Windows of 80 and 128 rows; many ids are there more than once.
  for (const [R, n, K, C] of [[300, 40, 2, 12], [300, 70, 1, 7], [64, 9, 3, 16]]) {
    for (const below of [R, 5]) {
      const table = { shape: [R, C] }, ids = { shape: [n, K], below }, d = { shape: [n, C] };
      await assertAgrees(device, job(ops.embedding, [table, ids]));
      await assertAgrees(device, job(ops.embeddingGradInto, [d, ids, table]));
    }
  }
});

webGpuTest("a lookup's gradient sums over ids of several tiles", async () => {
  using device = await openWebGpu({ portable: true, poison: true });
  for (const [R, n, K, C, below] of [[900, 700, 1, 4, 900], [90, 350, 2, 260, 12], [3, 257, 1, 1, 1]]) {
    const inputs = [{ shape: [n, C] }, { shape: [n, K], below }, { shape: [R, C] }];
    await assertAgrees(device, job(ops.embeddingGradInto, inputs));
  }
});

webGpuTest("an LSTM of several workgroups and tiles agrees with the reference", async () => {
  using device = await openWebGpu({ portable: true, poison: true });
  for (const [B, T, C] of [[17, 3, 133], [33, 2, 20], [1, 2, 260]]) {
    const state = { shape: [B, C] }, cells = { shape: [B, T, C] }, gates = { shape: [B, T, 4 * C] };
    const w = { shape: [C, 4 * C], values: scaled(4 * C * C, 1 / Math.sqrt(C)) };
    const open = { ...gates, values: scaled(4 * B * T * C, 0.3) }; // gates of lstmGrad: bounded, as real ones are
    const live = (s: number): CaseInput => ({
      shape: s === 1 ? [B] : [B, 2],
      dtype: "i32",
      // Rows from 16 are dead in one case, so that a whole workgroup has nothing to do.
      values: Array.from({ length: B }, (_, b) => {
        const steps = b >= 16 && s === 1 ? 0 : b === 0 ? T : b % (T + 1);
        return s === 1 ? [steps] : [b % 3, steps];
      }).flat(),
    });
    for (const s of [1, 2]) {
      await assertAgrees(device, job(ops.lstm, [gates, w, state, state, live(s)]));
      await assertAgrees(device, job(ops.lstmGrad, [w, open, cells, state, live(s), cells, state, state]));
    }
  }
});

function scaled(n: number, by: number): number[] {
  const random = new Random(2, "scaled");
  return Array.from({ length: n }, () => by * random.normal());
}
