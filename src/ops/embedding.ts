// Looking up rows of one table. GPT-1 keeps tokens, special tokens and positions in a single matrix and adds two rows per
// token, so ids have a last size K and K rows are summed. The gradient adds into the table; threads share out its columns,
// so that no two of them write the same number.

import { asRows, requireShape, show, sizeOf } from "../core/shape.ts";
import type { Op } from "../graph/op.ts";
import { orZeros } from "./basic.ts";

const timed = {
  table: { shape: [8192, 768] },
  ids: { shape: [2048, 2], below: 8192 },
  d: { shape: [2048, 768] },
} as const;

/** y (…,C) = the sum over k of table[ids[…,k]]. Inputs: table (R,C), ids (…,K), which the feeding host keeps in range. */
export const embedding: Op = {
  name: "embedding",
  takes: ["f32", "i32"],
  infer([table, ids]) {
    requireShape(
      table.shape.length === 2 && ids.shape.length >= 1,
      `Cannot look up ${show(ids.shape)} in ${show(table.shape)}`,
      "the table must be (R,C) and the ids (…,K)",
    );
    return [{ dtype: "f32", shape: [...ids.shape.slice(0, -1), table.shape[1]] }];
  },
  dims: ([table, ids]) => [...asRows(ids.shape), table.shape[1]],
  rows: ([n]) => n,
  vjp: ({ inputs: [table, ids], douts: [d], into }) => ({
    dins: [table.graph.apply(embeddingGradInto, [d!, ids, orZeros(table.graph, into[0], table)])[0], null],
  }),
  reference([table, ids], [y], [n, K, C]) {
    y.fill(0);
    for (let i = 0; i < n * K; i++) {
      for (let c = 0; c < C; c++) y[Math.floor(i / K) * C + c] += table[ids[i] * C + c];
    }
  },
  cases: [
    ...[[1, 1, 1, 1], [5, 3, 2, 7], [9, 4, 1, 8], [30, 17, 2, 20], [7, 4, 3, 13]].map(([rows, n, k, c]) => ({
      inputs: [{ shape: [rows, c] }, { shape: [n, k], below: rows }],
    })),
    { inputs: [timed.table, timed.ids], bench: true },
  ],
};

/** The gradient of a lookup, added into the table's. Inputs: d (…,C), ids (…,K), dTable (R,C). */
export const embeddingGradInto: Op = {
  name: "embeddingGradInto",
  takes: ["f32", "i32", "f32"],
  infer: ([, , table]) => [{ dtype: "f32", shape: table.shape }],
  dims: ([d, ids]) => {
    const [n, C] = asRows(d.shape);
    return [n, sizeOf(ids.shape) / n, C];
  },
  rows: ([, , C]) => Math.ceil(C / 16),
  inPlace: [{ output: 0, input: 2, kind: "into" }],
  reference([d, ids], [table], [n, K, C]) {
    for (let i = 0; i < n * K; i++) {
      for (let c = 0; c < C; c++) table[ids[i] * C + c] += d[Math.floor(i / K) * C + c];
    }
  },
  cases: [{ inputs: [timed.d, timed.ids, timed.table], bench: true }],
};

/** The family: one kernel of each name in every backend. */
export const embeddings = { embedding, embeddingGradInto } as const;
