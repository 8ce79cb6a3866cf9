// Paths of products on WebGPU that small op cases do not reach: every tile, split sums, windows, sizes around the edges of
// tiles; and losses whose logits or table are bound in windows. Compared with sums in float64.

import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { type Matrix, product, TUNING, type Tuning } from "../src/backends/webgpu/gemm.ts";
import type { GpuLimits, Launch } from "../src/backends/webgpu/kernel.ts";
import { kernels } from "../src/backends/webgpu/kernels.ts";
import { losses } from "../src/ops/loss.ts";
import { type RunLaunches, withLaunches } from "./webgpu_launch_support.ts";
import { webGpuTest } from "./webgpu_support.ts";

const portable: GpuLimits = {
  bindingBytes: 128 * 2 ** 20,
  workgroupBytes: 16384,
  halves: false,
  subgroups: false,
};
const numbers = (length: number, seed: number): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length }, (_, i) => Math.sin((i + 1) * (seed + 0.37) * 1.7));

const exact = (data: Float32Array | Int32Array): Float64Array | Int32Array =>
  data instanceof Int32Array ? data : Float64Array.from(data);

function assertClose(what: string, got: Float32Array, want: ArrayLike<number>, tolerance = 1e-5): void {
  assertEquals(got.length, want.length);
  const scale = Math.max(1, ...Array.from(want, Math.abs));
  got.forEach((value, i) =>
    assert(Math.abs(value - want[i]) <= tolerance * scale, `${what}: ${i} is ${value}, not ${want[i]}`)
  );
}

function assertBound(launches: readonly Launch[], bindingBytes: number): void {
  for (const { tensors, name, workgroups } of launches) {
    for (const { bytes = 0, offset = 0 } of tensors) {
      assert(bytes <= bindingBytes && offset % 256 === 0, `${name} binds ${bytes} bytes at ${offset}`);
    }
    assert(Math.max(...workgroups) <= 65535, `${name} has ${workgroups} workgroups`);
  }
}

interface Case {
  readonly size: readonly [m: number, n: number, k: number];
  readonly ta?: boolean;
  readonly tb?: boolean;
  readonly accumulate?: boolean;
  readonly bias?: boolean;
  readonly ones?: boolean;
  /** Added to the row strides of a and y, which are then followed by zeros. */
  readonly padding?: number;
  readonly bindingBytes?: number;
  readonly tuning?: Partial<Tuning>;
}

/** Runs one product and compares it; what lies before y and in its padding must stay, or be zero where it is padded. */
async function check(run: RunLaunches, one: Case): Promise<readonly Launch[]> {
  const { size: [m, n, k], ta = false, tb = false, accumulate = false, bias = false, ones = false } = one;
  const { padding = 0, bindingBytes = portable.bindingBytes, tuning = {} } = one, start = 4;
  const strides = { a: (ta ? m : k) + padding, b: tb ? k : n, y: n + padding }, padded = padding > 0;
  const a = numbers((ta ? k : m) * strides.a, 1), b = numbers((tb ? n : k) * strides.b, 2);
  if (padded) a.forEach((_, i) => i % strides.a >= (ta ? m : k) && (a[i] = 0));
  const y = numbers(start + m * strides.y, 3), add = numbers(n, 4);
  const launches = product(
    {
      name: "product",
      m,
      n,
      k,
      a: ones ? null : { arg: 0, stride: strides.a, padded } as Matrix,
      b: { arg: 1, stride: strides.b },
      y: { arg: 2, start, stride: strides.y, padded },
      ta,
      tb,
      accumulate,
      ...(bias ? { bias: 3 } : {}),
    },
    { ...portable, bindingBytes },
    { ...TUNING, ...tuning },
  );
  assertBound(launches, bindingBytes);
  const want = Float64Array.from(y);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < strides.y; j++) {
      const at = start + i * strides.y + j;
      if (j >= n) {
        if (j < Math.ceil(n / 4) * 4 && padded) want[at] = NaN; // 0 or left alone
        continue;
      }
      let sum = (accumulate ? y[at] : 0) + (bias ? add[j] : 0);
      for (let p = 0; p < k; p++) {
        const left = ones ? 1 : ta ? a[p * strides.a + i] : a[i * strides.a + p];
        sum += left * (tb ? b[j * k + p] : b[p * n + j]);
      }
      want[at] = sum;
    }
  }
  const [got] = await run(launches, [a, b, y, add], [2]);
  want.forEach((value, i) => {
    if (!Number.isNaN(value)) return;
    assert(got[i] === 0 || got[i] === y[i], `padding ${i} is ${got[i]}`);
    want[i] = got[i];
  });
  assertClose(JSON.stringify(one), got, want);
  return launches;
}

const transposes = [[false, false], [false, true], [true, false], [true, true]] as const;

webGpuTest(
  "Products by each tile agree around the edges of tiles, in every layout",
  () =>
    withLaunches(async (run) => {
      for (const [i, tile] of TUNING.tiles.entries()) {
        for (const [j, [ta, tb]] of transposes.entries()) {
          // Odd sizes load single numbers, multiples of four load vectors; tiles take turns, as compiling takes its time.
          const sizes = (i + j) % 2 === 0
            ? [[63, 129, 17], [65, 127, 31], [127, 65, 15], [129, 33, 33]] as const
            : [[64, 128, 16], [60, 132, 36], [128, 64, 48], [132, 36, 20]] as const;
          for (const size of sizes) {
            const tuning = { tiles: [tile], splitFrom: Infinity };
            const launches = await check(run, { size, ta, tb, accumulate: j % 2 === 0, bias: j > 1, tuning });
            assertEquals(launches.map(({ workgroups }) => workgroups), [
              [Math.ceil(size[1] / tile.columns), Math.ceil(size[0] / tile.rows), 1],
            ]);
          }
        }
      }
    }),
);

webGpuTest("Products with few rows or columns agree in every layout", () =>
  withLaunches(async (run) => {
    for (const [j, [ta, tb]] of transposes.entries()) {
      for (const size of [[1, 33, 70], [3, 68, 132], [8, 17, 40], [37, 5, 129], [64, 1, 68]] as const) {
        await check(run, { size, ta, tb, accumulate: j % 2 === 0, bias: j > 1 });
      }
    }
    for (const n of [36, 19]) await check(run, { size: [1, n, 45], ones: true, accumulate: true });
  }));

webGpuTest("Long sums are split and added up in order", () =>
  withLaunches(async (run) => {
    const tuning = { splitFrom: 64, splitLength: 32 };
    for (const [j, [ta, tb]] of transposes.entries()) {
      for (const size of [[33, 40, 100], [65, 66, 131], [2, 35, 136], [50, 3, 77]] as const) {
        const launches = await check(run, { size, ta, tb, accumulate: j % 2 === 0, bias: j > 1, tuning });
        assertEquals(launches.map(({ name }) => name), ["product (parts)", "product (sum)"]);
        assertGreater(launches[0].workgroups[2], 1);
      }
    }
    await check(run, { size: [1, 20, 300], ones: true, accumulate: true, tuning });
  }));

webGpuTest("Operands larger than a binding are bound in windows", () =>
  withLaunches(async (run) => {
    for (const [j, [ta, tb]] of transposes.entries()) {
      for (const size of [[70, 45, 37], [36, 60, 72], [3, 70, 41], [90, 4, 36]] as const) {
        const rest = { size, ta, tb, accumulate: j % 2 === 0, bias: j > 1, bindingBytes: 2048 };
        assertGreater((await check(run, rest)).length, 1);
        await check(run, { ...rest, bindingBytes: 8192, tuning: { splitFrom: 32, splitLength: 16 } });
      }
    }
  }));

webGpuTest("Rows may be padded for the sake of vectors", () =>
  withLaunches(async (run) => {
    for (const [ta, tb] of transposes) {
      // 4 n - 3 and so on: strides are multiples of four, sizes are not.
      await check(run, { size: ta ? [61, 61, 33] : [34, 37, 37], ta, tb, padding: 3 });
    }
  }));

webGpuTest(
  "Losses agree where logits, rows and the table are bound in windows",
  () =>
    withLaunches(async (run) => {
      const limits = { ...portable, bindingBytes: 8192 };
      const step = (dims: readonly number[]) => ({ dims, floats: [], shapes: [], limits });
      const [n, v, c] = [150, 70, 20], logits = numbers(n * v, 1), d = numbers(n, 2);
      const targets = Int32Array.from({ length: n }, (_, i) => (i * 5) % (v + 1) - 1);
      const plain = { ...limits, bindingBytes: 64 * 4 * v };
      for (const name of ["crossEntropy", "crossEntropyGrad"] as const) {
        const inputs = name === "crossEntropy" ? [logits, targets] : [logits, targets, d];
        const output = new Float32Array(name === "crossEntropy" ? n : n * v),
          want = Float64Array.from(output);
        losses[name].reference(inputs.map(exact), [want], [n, v], []);
        const launches = kernels[name]({ ...step([n, v]), limits: plain });
        assertEquals(launches.length, 3);
        assertBound(launches, plain.bindingBytes);
        assertClose(name, (await run(launches, [...inputs, output], [inputs.length]))[0], want);
      }
      const h = numbers(n * c, 3), table = numbers((v + 40) * c, 4), dtable = numbers((v + 40) * c, 5);
      const want = [new Float64Array(n), new Float64Array(n * c), Float64Array.from(dtable)];
      losses.linearCrossEntropyTrain.reference([h, table, targets, d].map(exact), want, [n, v, c], []);
      const train = kernels.linearCrossEntropyTrain(step([n, v, c]));
      assertBound(train, limits.bindingBytes);
      const outputs = [new Float32Array(n).fill(NaN), new Float32Array(n * c).fill(NaN), dtable];
      const got = await run(train, [h, table, targets, d, ...outputs], [4, 5, 6]);
      ["losses", "dh", "dtable"].forEach((what, i) => assertClose(what, got[i], want[i], 2e-5));
      assertEquals(got[2].subarray(v * c), dtable.subarray(v * c));
      const again = await run(train, [h, table, targets, d, ...outputs], [4, 5, 6]);
      assertEquals(again, got);
      const alone = await run(
        kernels.linearCrossEntropy!(step([n, v, c])),
        [h, table, targets, outputs[0]],
        [3],
      );
      assertClose("losses alone", alone[0], want[0]);
    }),
);

Deno.test("GPT-2's loss stays within portable bindings and about 128 MiB of scratch", () => {
  const dims = [1024, 50257, 768];
  const launches = kernels.linearCrossEntropyTrain({ dims, floats: [], shapes: [], limits: portable });
  assertBound(launches, portable.bindingBytes);
  assertEquals(launches.filter(({ name }) => name.includes("slopes")).length, 2);
  const scratch = launches.flatMap(({ tensors }) =>
    tensors.map(({ arg, offset = 0, bytes = 0 }) => arg === "scratch" ? offset + bytes : 0)
  );
  assertLess(Math.max(...scratch), 128 * 2 ** 20);
});
