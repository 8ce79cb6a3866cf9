// Selecting one row of each sequence: the classifier of a fine-tuned model reads the hidden state of the extract token.
// Looking up rows of a table is embedding.ts's business.

import { requireShape, show } from "../core/shape.ts";
import type { Op } from "../graph/op.ts";
import { orZeros } from "./basic.ts";

/** y (B,C) = x[b, index[b]]. Inputs: x (B,T,C), index (B), which the feeding host keeps in [0, T). */
export const selectRows: Op = {
  name: "selectRows",
  takes: ["f32", "i32"],
  infer([x, index]) {
    requireShape(
      x.shape.length === 3 && index.shape.length === 1 && index.shape[0] === x.shape[0],
      `Cannot select rows ${show(index.shape)} of ${show(x.shape)}`,
      "they must be (B) and (B,T,C)",
    );
    return [{ dtype: "f32", shape: [x.shape[0], x.shape[2]] }];
  },
  dims: ([x]) => [...x.shape],
  rows: ([B]) => B,
  vjp: ({ inputs: [x, index], douts: [d], into }) => ({
    dins: [x.graph.apply(selectRowsGradInto, [d!, index, orZeros(x.graph, into[0], x)])[0], null],
  }),
  reference([x, index], [y], [B, T, C]) {
    for (let i = 0; i < B * C; i++) {
      const b = Math.floor(i / C);
      y[i] = x[(b * T + index[b]) * C + i % C];
    }
  },
  cases: [[1, 1, 1], [3, 5, 7], [2, 9, 16]].map(([b, t, c]) => ({
    inputs: [{ shape: [b, t, c] }, { shape: [b], below: t }],
  })),
};

/** The gradient of a selection, added into that of x. Inputs: d (B,C), index (B), dx (B,T,C). */
export const selectRowsGradInto: Op = {
  name: "selectRowsGradInto",
  takes: ["f32", "i32", "f32"],
  infer: ([, , dx]) => [{ dtype: "f32", shape: dx.shape }],
  dims: ([, , dx]) => [...dx.shape],
  rows: ([B]) => B,
  inPlace: [{ output: 0, input: 2, kind: "into" }],
  reference([d, index], [dx], [B, T, C]) {
    for (let i = 0; i < B * C; i++) {
      const b = Math.floor(i / C);
      dx[(b * T + index[b]) * C + i % C] += d[i];
    }
  },
  cases: [],
};

/** The family: one kernel of each name in every backend. */
export const gather = { selectRows, selectRowsGradInto } as const;
