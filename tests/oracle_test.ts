// The tiny GPT-1 under several fill constants against tests/fixtures/gpt1_tiny.json, which scripts/fixtures.py computes
// with an implementation and an autodiff of its own: losses, scores, the gradient of every tensor, six updates with and
// without clipping. The reference must agree to float64, WASM and WebGPU to float32. Figures known from elsewhere: parity_test.ts.

import { assert, assertEquals } from "@std/assert";
import { type Fill, parity } from "../scripts/parity_model.ts";
import type { Device } from "../src/backends/backend.ts";
import { openReference } from "../src/backends/reference.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { openWebGpu } from "../src/backends/webgpu/device.ts";
import { testOn } from "./webgpu_support.ts";
import fixture from "./fixtures/gpt1_tiny.json" with { type: "json" };

interface Tested {
  readonly name: string;
  open(): Device | Promise<Device>;
  /** Allowed error, of a value or of one in a value beyond 1. */
  readonly tolerance: number;
}

const devices: readonly Tested[] = [
  { name: "reference", open: openReference, tolerance: 1e-9 },
  ...[1, 2].map((threads) => ({
    name: `WASM, ${threads} thread${threads > 1 ? "s" : ""}`,
    open: () => openWasm({ threads }),
    tolerance: 1e-5,
  })),
  { name: "WebGPU", open: () => openWebGpu({ poison: true }), tolerance: 1e-5 },
];

// Sum, sum of squares, middle element: what the fixture keeps of a tensor.
function digest(tensor: ArrayLike<number>): number[] {
  const values = Array.from(tensor);
  const sum = values.reduce((total, x) => total + x, 0),
    squares = values.reduce((total, x) => total + x * x, 0);
  return [sum, squares, values[Math.floor(values.length / 2)]];
}

function check(
  what: string,
  actual: ArrayLike<number>,
  expected: readonly number[],
  tolerance: number,
): void {
  assertEquals(actual.length, expected.length, what);
  expected.forEach((value, i) => {
    const error = Math.abs(actual[i] - value) / Math.max(1, Math.abs(value)); // NaN fails too
    assert(error <= tolerance, `${what}[${i}] is ${actual[i]}, not ${value}`);
  });
}

for (const { name, open, tolerance } of devices) {
  for (const { fill, runs, gradients, total, gradientNorm, ...losses } of fixture.cases) {
    for (const { maxNorm, losses: perUpdate, firstElements } of runs) {
      testOn(name)(`tiny GPT-1, fill ${fill}, clipped at ${maxNorm}, on ${name}`, async () => {
        using device = await open();
        const result = await parity(device, { fill: fill as unknown as Fill, maxNorm });
        for (const key of ["lm", "classifier", "logits", "tokenLosses"] as const) {
          check(key, result[key], losses[key], tolerance);
        }
        check("total, gradient norm", [result.total, result.gradientNorm], [total, gradientNorm], tolerance);
        assertEquals(result.gradients.length, gradients.length);
        gradients.forEach((expected, k) => {
          check(`sums and middle of d/T${k}`, digest(result.gradients[k]), expected, tolerance);
        });
        check("losses before and after six updates", result.losses, perUpdate, tolerance);
        // All but the classifier's bias, whose gradient is rounding alone.
        const first = result.parameters.slice(0, -1).map((tensor) => tensor[0]);
        check("first element of each parameter", first, firstElements, tolerance);
      });
    }
  }
}
