// GELU in the tanh form of GPT-1's released code: 0.5 x (1 + tanh(u)), u = sqrt(2/pi) (x + 0.044715 x^3). Kernels compute
// the equal x * sigmoid(2u), which loses nothing near 0.

import { sizeOf } from "../core/shape.ts";
import { blocks } from "../graph/copy.ts";
import type { Op } from "../graph/op.ts";
import { apply, plus } from "./basic.ts";

const ROOT = Math.sqrt(2 / Math.PI), CUBIC = 0.044715;
const shapes = [[1], [3, 5], [1029], [2, 7, 4]] as const;

/** y = GELU(x), element by element. */
export const gelu: Op = {
  name: "gelu",
  takes: ["f32"],
  infer: ([x]) => [{ dtype: "f32", shape: x.shape }],
  dims: ([x]) => [sizeOf(x.shape)],
  rows: ([n]) => blocks(n),
  inPlace: [{ output: 0, input: 0, kind: "may" }],
  vjp: ({ inputs: [x], douts: [d], into: [into] }) => ({ dins: [plus(into, apply(geluGrad, x, d!))] }),
  reference([x], [y]) {
    for (let i = 0; i < x.length; i++) y[i] = 0.5 * x[i] * (1 + Math.tanh(ROOT * (x[i] + CUBIC * x[i] ** 3)));
  },
  cases: [
    ...shapes.map((shape) => ({ inputs: [{ shape }] })),
    { inputs: [{ shape: [8], values: [-100, -12, -3, -1e-4, 0, 1e-4, 3, 100] }] },
    { inputs: [{ shape: [2048, 3072] }], bench: true },
  ],
};

/** dx = d * GELU'(x). Inputs: x, d. */
export const geluGrad: Op = {
  name: "geluGrad",
  takes: ["f32", "f32"],
  infer: ([x]) => [{ dtype: "f32", shape: x.shape }],
  dims: ([x]) => [sizeOf(x.shape)],
  rows: ([n]) => blocks(n),
  inPlace: [{ output: 0, input: 1, kind: "may" }, { output: 0, input: 0, kind: "may" }],
  reference([x, d], [dx]) {
    for (let i = 0; i < x.length; i++) {
      const t = Math.tanh(ROOT * (x[i] + CUBIC * x[i] ** 3));
      const slope = 0.5 * (1 + t) + 0.5 * x[i] * (1 - t * t) * ROOT * (1 + 3 * CUBIC * x[i] ** 2);
      dx[i] = d[i] * slope;
    }
  },
  cases: [
    ...shapes.map((shape) => ({ inputs: [{ shape }, { shape }] })),
    { inputs: [{ shape: [2048, 3072] }, { shape: [2048, 3072] }], bench: true },
  ],
};

/** The family: one kernel of each name in every backend. */
export const activation = { gelu, geluGrad } as const;
