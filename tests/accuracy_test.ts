// How exact the approximated functions of the kernels are: swept over the range of f32 through the device, in both builds,
// against float64. The bounds are those that the kernels' comments give.

import { assert, assertEquals } from "@std/assert";
import type { Results } from "../src/backends/backend.ts";
import type { HostArray } from "../src/core/dtype.ts";
import type { BuildName } from "../src/backends/wasm/builds.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { Graph } from "../src/graph/graph.ts";
import { plan } from "../src/graph/plan.ts";
import { type OpName, ops } from "../src/ops/mod.ts";

/** The first output of one op on some inputs, each given with its shape. */
async function apply(
  build: BuildName,
  name: OpName,
  inputs: readonly (readonly [HostArray, readonly number[]])[],
): Promise<Results[string]> {
  using device = await openWasm({ build, threads: 1 });
  const graph = new Graph("accuracy");
  const values = inputs.map(([data, shape], i) =>
    graph.input(`x${i}`, shape, data instanceof Int32Array ? "i32" : "f32")
  );
  const [y] = graph.apply(ops[name], values);
  const program = device.load(plan(graph, { y }), device.createStore({}));
  return (await program.run(Object.fromEntries(inputs.map(([data], i) => [`x${i}`, data])))).y;
}

// Both signs of numbers of every magnitude, and a fine grid over where something happens.
function sweep(): Float32Array {
  const values: number[] = [0, -0];
  for (let e = -120; e < 127; e += 0.37) values.push(2 ** e, -(2 ** e));
  for (let x = -14; x <= 14; x += 0.0011) values.push(x);
  return Float32Array.from(values);
}

const ROOT = Math.sqrt(2 / Math.PI), CUBIC = 0.044715;
const sigmoid2u = (x: number): number => 1 / (1 + Math.exp(-2 * ROOT * (x + CUBIC * x ** 3)));
const gelu = (x: number): number => x === 0 ? 0 : x * sigmoid2u(x);
const slope = (x: number): number => {
  const s = sigmoid2u(x), rest = sigmoid2u(-x);
  return s * (1 + (rest === 0 ? 0 : rest * x * 2 * ROOT * (1 + 3 * CUBIC * x ** 2)));
};

for (const build of ["relaxed", "simd"] satisfies BuildName[]) {
  Deno.test(`GELU is as exact as it says in the ${build} build`, async () => {
    const x = sweep(), y = await apply(build, "gelu", [[x, [x.length]]]);
    x.forEach((value, i) => {
      const want = gelu(value),
        error = Math.abs(y[i] - want),
        text = `gelu(${value}) is ${y[i]}, not ${want}`;
      assert(error <= 1e-7 * Math.max(1, Math.abs(value)), text);
      if (value > -9) assert(error <= (value >= -1 ? 3e-7 : 2e-5) * Math.abs(want), text);
    });
  });

  Deno.test(`the slope of GELU is as exact as it says in the ${build} build`, async () => {
    const x = sweep(), ones = new Float32Array(x.length).fill(1);
    const y = await apply(build, "geluGrad", [[x, [x.length]], [ones, [x.length]]]);
    x.forEach((value, i) =>
      assert(Math.abs(y[i] - slope(value)) <= 2e-7, `gelu'(${value}) is ${y[i]}, not ${slope(value)}`)
    );
  });

  Deno.test(`GELU of what is not finite is its limit, and NaN stays, in the ${build} build`, async () => {
    const x = Float32Array.of(Infinity, -Infinity, NaN), y = await apply(build, "gelu", [[x, [3]]]);
    assertEquals(y[0], Infinity);
    assert(Math.abs(y[1]) < 1e-36 && Number.isNaN(y[2]), `${y}`);
    const slopes = await apply(build, "geluGrad", [[x, [3]], [new Float32Array(3).fill(1), [3]]]);
    assert(slopes[0] === 1 && Math.abs(slopes[1]) < 1e-7 && Number.isNaN(slopes[2]), `${slopes}`);
  });

  Deno.test(`exponentials are as exact as they say in the ${build} build`, async () => {
    // Softmax of rows that begin with 0. Nineteen columns end in single numbers; the sum and its division add 2e-7.
    const columns = 19, rows = 6000, perUnit = build === "relaxed" ? 1.4e-8 : 7e-8;
    const x = Float32Array.from(
      { length: rows * columns },
      (_, i) => i % columns ? -((i * 0.00131) % 86) : 0,
    );
    const ones = new Float32Array(rows).fill(1), targets = new Int32Array(rows);
    const y = await apply(build, "crossEntropyGrad", [[x, [rows, columns]], [targets, [rows]], [ones, [
      rows,
    ]]]);
    for (let r = 0; r < rows; r++) {
      const row = x.subarray(r * columns, (r + 1) * columns);
      const sum = row.reduce((total, value) => total + Math.exp(value), 0);
      for (let i = 1; i < columns; i++) {
        const error = Math.abs(y[r * columns + i] * sum / Math.exp(row[i]) - 1);
        if (Math.exp(row[i]) / sum < 2 ** -126) continue; // what f32 rounds more coarsely
        assert(error <= 4e-7 - perUnit * row[i], `e^${row[i]} has a relative error of ${error}`);
      }
    }
  });

  Deno.test(`logarithms of sums are f32's own in the ${build} build`, async () => {
    for (const columns of [1, 2, 3, 7, 8, 100, 4096, 99_991]) { // of ones, whose sum is exact
      const y = await apply(build, "crossEntropy", [
        [new Float32Array(columns), [1, columns]],
        [Int32Array.of(0), [1]],
      ]);
      assertEquals(y[0], Math.fround(Math.log(columns)));
    }
  });

  Deno.test(`sums of squares are as exact as they say in the ${build} build`, async () => {
    for (const n of [1, 63, 64, 65, 1000, 20_001]) {
      const x = Float32Array.from({ length: n }, (_, i) => Math.sin(i + 1) * 10 ** (i % 9 - 4));
      const [got] = await apply(build, "sumSquares", [[x, [n]]]);
      const want = x.reduce((total, value) => total + value * value, 0);
      assert(Math.abs(got / want - 1) <= 5e-7, `${n}: ${got}, not ${want}`);
    }
  });
}
