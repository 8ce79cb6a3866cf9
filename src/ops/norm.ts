// Layer norm of a residual sum, as every post-LN block needs it: y = LN(x + r) g + b over the last size, biased variance,
// epsilon inside the root. The sum, the mean and the reciprocal deviation are kept for the gradient.

import { asRows, requireShape, sameShape, show } from "../core/shape.ts";
import type { Case, Op, TensorType } from "../graph/op.ts";
import { orZeros, plus } from "./basic.ts";

function requireGain(x: TensorType, gain: TensorType): void {
  requireShape(
    gain.shape.length === 1 && gain.shape[0] === x.shape.at(-1),
    `Cannot normalise rows of ${show(x.shape)} with a gain of ${show(gain.shape)}`,
    "the last sizes differ",
  );
}

const odd = [[1, 1], [4, 6], [3, 5], [2, 3, 7], [9, 64], [5, 33], [11, 87]] as const;
const wide = { shape: [2048, 768] } as const; // timed

/**
 * y = LN(x + r) * g + b. Inputs: x, r (…,C), g, b (C). Outputs: y and, for the gradient, x + r, mean and 1/deviation of
 * each row.
 */
export const addLayerNorm: Op<{ epsilon: number }> = {
  name: "addLayerNorm",
  takes: ["f32", "f32", "f32", "f32"],
  infer([x, r, g, b]) {
    requireShape(
      sameShape(x.shape, r.shape),
      `Cannot add ${show(x.shape)} and ${show(r.shape)}`,
      "the shapes differ",
    );
    requireGain(x, g);
    requireGain(x, b);
    const row = { dtype: "f32", shape: x.shape.slice(0, -1) } as const;
    return [{ dtype: "f32", shape: x.shape }, { dtype: "f32", shape: x.shape }, row, row];
  },
  dims: ([x]) => asRows(x.shape),
  floats: ({ epsilon }) => [epsilon],
  rows: ([rows]) => rows,
  inPlace: [{ output: 1, input: 1, kind: "may" }, { output: 1, input: 0, kind: "may" }],
  saved: [1, 2, 3],
  vjp({ inputs: [x, , g, b], outputs: [, sum, mean, deviation], douts: [d], needs, into }) {
    const { graph } = x;
    const dsum = needs[0] || needs[1] ? graph.apply(layerNormGrad, [d!, sum, g, mean, deviation])[0] : null;
    const dparams = needs[2] || needs[3]
      ? graph.apply(layerNormGainGradInto, [
        d!,
        sum,
        mean,
        deviation,
        orZeros(graph, into[2], g),
        orZeros(graph, into[3], b),
      ])
      : [null, null];
    return {
      dins: [
        needs[0] ? plus(into[0], dsum!) : null,
        needs[1] ? plus(into[1], dsum!) : null,
        needs[2] ? dparams[0] : null,
        needs[3] ? dparams[1] : null,
      ],
    };
  },
  reference([x, r, g, b], [y, sum, mean, deviation], [rows, C], [epsilon]) {
    for (let i = 0; i < rows; i++) {
      let m = 0, v = 0;
      for (let c = 0; c < C; c++) m += (sum[i * C + c] = x[i * C + c] + r[i * C + c]) / C;
      for (let c = 0; c < C; c++) v += (sum[i * C + c] - m) ** 2 / C;
      mean[i] = m;
      deviation[i] = 1 / Math.sqrt(v + epsilon);
      for (let c = 0; c < C; c++) y[i * C + c] = (sum[i * C + c] - m) * deviation[i] * g[c] + b[c];
    }
  },
  tolerance: 2e-5,
  cases: [
    ...odd.map((shape): Case<{ epsilon: number }> => ({
      inputs: [{ shape }, { shape }, { shape: [shape.at(-1)!] }, { shape: [shape.at(-1)!] }],
      attrs: { epsilon: 1e-5 },
    })),
    {
      inputs: [wide, wide, { shape: [768] }, { shape: [768] }],
      attrs: { epsilon: 1e-5 },
      bench: true,
    },
  ],
};

/** dx of layer norm. Inputs: d, sum (…,C), g (C), mean, 1/deviation of each row. */
export const layerNormGrad: Op = {
  name: "layerNormGrad",
  takes: ["f32", "f32", "f32", "f32", "f32"],
  infer: ([d]) => [{ dtype: "f32", shape: d.shape }],
  dims: ([d]) => asRows(d.shape),
  rows: ([rows]) => rows,
  inPlace: [{ output: 0, input: 0, kind: "may" }],
  reference([d, sum, g, mean, deviation], [dx], [rows, C]) {
    for (let i = 0; i < rows; i++) {
      let a = 0, s = 0;
      const hat = (c: number) => (sum[i * C + c] - mean[i]) * deviation[i];
      for (let c = 0; c < C; c++) {
        a += d[i * C + c] * g[c] / C;
        s += d[i * C + c] * g[c] * hat(c) / C;
      }
      for (let c = 0; c < C; c++) dx[i * C + c] = deviation[i] * (d[i * C + c] * g[c] - a - hat(c) * s);
    }
  },
  tolerance: 1e-4,
  cases: [{
    inputs: [wide, wide, { shape: [768] }, { shape: [2048] }, { shape: [2048] }],
    bench: true,
  }],
};

/** Gradients of gain and bias, added to what is there. Inputs: d, sum, mean, 1/deviation, dg, db. Outputs: dg, db. */
export const layerNormGainGradInto: Op = {
  name: "layerNormGainGradInto",
  takes: ["f32", "f32", "f32", "f32", "f32", "f32"],
  infer: ([, , , , dg, db]) => [{ dtype: "f32", shape: dg.shape }, { dtype: "f32", shape: db.shape }],
  dims: ([d]) => asRows(d.shape),
  rows: ([, C]) => Math.ceil(C / 16),
  inPlace: [{ output: 0, input: 4, kind: "into" }, { output: 1, input: 5, kind: "into" }],
  reference([d, sum, mean, deviation], [dg, db], [rows, C]) {
    for (let i = 0; i < rows * C; i++) {
      const row = Math.floor(i / C);
      dg[i % C] += d[i] * (sum[i] - mean[row]) * deviation[row];
      db[i % C] += d[i];
    }
  },
  tolerance: 1e-4,
  cases: [{
    inputs: [wide, wide, { shape: [2048] }, { shape: [2048] }, { shape: [768] }, { shape: [768] }],
    bench: true,
  }],
};

/** The family: one kernel of each name in every backend. */
export const norm = { addLayerNorm, layerNormGrad, layerNormGainGradInto } as const;
