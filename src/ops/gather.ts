// Selecting one row of each sequence, and summing what is selected from neighbouring sequences: the classifier of a
// fine-tuned model reads the hidden state of the extract token, for similarity the sum of two. Looking up rows of a table
// is embedding.ts's business.

import { requireShape, show } from "../core/shape.ts";
import type { Op } from "../graph/op.ts";
import { orZeros } from "./basic.ts";

/** How many neighbouring sequences are summed; 1 selects only. */
export type Selection = { readonly sum: number };

/**
 * y (B/sum,C): row `index[b]` of each sequence of x (B,T,C), `sum` neighbouring sequences added up in order. `index` (B) is
 * kept in [0, T) by the feeding host.
 */
export const selectRows: Op<Selection> = {
  name: "selectRows",
  takes: ["f32", "i32"],
  infer([x, index], { sum }) {
    requireShape(
      x.shape.length === 3 && index.shape.length === 1 && index.shape[0] === x.shape[0],
      `Cannot select rows ${show(index.shape)} of ${show(x.shape)}`,
      "they must be (B) and (B,T,C)",
    );
    requireShape(
      Number.isInteger(x.shape[0] / sum),
      `Cannot sum rows of ${show(x.shape)} in groups of ${sum}`,
      `${x.shape[0]} sequences do not divide into such groups`,
    );
    return [{ dtype: "f32", shape: [x.shape[0] / sum, x.shape[2]] }];
  },
  dims: ([x], { sum }) => [...x.shape, sum],
  rows: ([B, , , sum]) => B / sum,
  vjp: ({ inputs: [x, index], douts: [d], into }) => ({
    dins: [x.graph.apply(selectRowsGradInto, [d!, index, orZeros(x.graph, into[0], x)])[0], null],
  }),
  reference([x, index], [y], [B, T, C, sum]) {
    y.fill(0);
    for (let i = 0; i < B * C; i++) {
      const b = Math.floor(i / C);
      y[Math.floor(b / sum) * C + i % C] += x[(b * T + index[b]) * C + i % C];
    }
  },
  cases: [[1, 1, 1, 1], [3, 5, 7, 1], [2, 9, 16, 1], [6, 5, 7, 2], [2, 3, 1, 2], [6, 2, 13, 3]].map((
    [b, t, c, sum],
  ) => ({ inputs: [{ shape: [b, t, c] }, { shape: [b], below: t }], attrs: { sum } })),
};

/** The gradient of a selection, added into that of x. Inputs: d (B/sum,C), index (B), dx (B,T,C). */
export const selectRowsGradInto: Op = {
  name: "selectRowsGradInto",
  takes: ["f32", "i32", "f32"],
  infer: ([, , dx]) => [{ dtype: "f32", shape: dx.shape }],
  dims: ([d, , dx]) => [...dx.shape, dx.shape[0] / d.shape[0]],
  rows: ([B]) => B,
  inPlace: [{ output: 0, input: 2, kind: "into" }],
  reference([d, index], [dx], [B, T, C, sum]) {
    for (let i = 0; i < B * C; i++) {
      const b = Math.floor(i / C);
      dx[(b * T + index[b]) * C + i % C] += d[Math.floor(b / sum) * C + i % C];
    }
  },
  cases: [],
};

/** The family: one kernel of each name in every backend. */
export const gather = { selectRows, selectRowsGradInto } as const;
