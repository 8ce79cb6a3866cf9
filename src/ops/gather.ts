// Selecting one row of each sequence, and summing what is selected from neighbouring sequences: the classifier of a
// fine-tuned model reads the hidden state of the extract token, for similarity the sum of two. And neighbouring rows of a
// matrix put in or taken out: the special tokens of a table that is not trained with them. Looking up rows of a table is
// embedding.ts's business.

import { requireShape, show } from "../core/shape.ts";
import type { Op } from "../graph/op.ts";
import { orZeros, plus } from "./basic.ts";

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
  cases: [{ inputs: [{ shape: [3, 7] }, { shape: [6], below: 5 }, { shape: [6, 5, 7] }] }],
};

/** The first of the neighbouring rows. */
export type Placed = { readonly first: number };

const rowCases = [[1, 1, 1, 0], [5, 3, 2, 1], [7, 8, 3, 4], [33, 50, 4, 0]] as const;

/** y (R,C): x (R,C), but rows `first` on are those of `rows` (S,C). Inputs: x, rows. */
export const placeRows: Op<Placed> = {
  name: "placeRows",
  takes: ["f32", "f32"],
  infer([x, rows], { first }) {
    requireShape(
      x.shape.length === 2 && rows.shape.length === 2 && x.shape[1] === rows.shape[1] &&
        first >= 0 && first + rows.shape[0] <= x.shape[0],
      `Cannot place ${show(rows.shape)} in ${show(x.shape)} from row ${first} on`,
      "the last sizes must agree and the rows must lie inside",
    );
    return [{ dtype: "f32", shape: x.shape }];
  },
  dims: ([x, rows], { first }) => [...x.shape, first, rows.shape[0]],
  rows: ([R]) => R,
  inPlace: [{ output: 0, input: 0, kind: "may" }],
  vjp({ inputs: [x, rows], attrs: { first }, douts: [d], needs, into }) {
    const { graph } = x, count = rows.shape[0];
    const others = () => graph.apply(placeRows, [d!, orZeros(graph, undefined, rows)], { first })[0];
    return {
      dins: [
        needs[0] ? plus(into[0], others()) : null,
        needs[1] ? plus(into[1], graph.apply(takeRows, [d!], { first, count })[0]) : null,
      ],
    };
  },
  reference([x, rows], [y], [R, C, first, count]) {
    for (let i = 0; i < R * C; i++) {
      const row = Math.floor(i / C) - first;
      y[i] = row >= 0 && row < count ? rows[i - first * C] : x[i];
    }
  },
  cases: rowCases.map(([r, c, count, first]) => ({
    inputs: [{ shape: [r, c] }, { shape: [count, c] }],
    attrs: { first },
  })),
};

/** y (count,C): rows `first` on of x (R,C). */
export const takeRows: Op<Placed & { readonly count: number }> = {
  name: "takeRows",
  takes: ["f32"],
  infer([x], { first, count }) {
    requireShape(
      x.shape.length === 2 && first >= 0 && first + count <= x.shape[0],
      `Cannot take ${count} rows of ${show(x.shape)} from row ${first} on`,
      "they must lie inside",
    );
    return [{ dtype: "f32", shape: [count, x.shape[1]] }];
  },
  dims: ([x], { first, count }) => [count, x.shape[1], first],
  rows: ([count]) => count,
  vjp: ({ inputs: [x], attrs: { first }, douts: [d], into: [into] }) => ({
    dins: [plus(into, x.graph.apply(placeRows, [orZeros(x.graph, undefined, x), d!], { first })[0])],
  }),
  reference([x], [y], [, C, first]) {
    for (let i = 0; i < y.length; i++) y[i] = x[first * C + i];
  },
  cases: rowCases.map(([r, c, count, first]) => ({ inputs: [{ shape: [r, c] }], attrs: { first, count } })),
};

/** The family: one kernel of each name in every backend. */
export const gather = { selectRows, selectRowsGradInto, placeRows, takeRows } as const;
