// What is computed only to be looked at: attention probabilities, which the ops of attention.ts never store. Nothing here
// can be differentiated, and nothing in training or generation uses it.

import { requireShape, show } from "../core/shape.ts";
import type { Case, Op } from "../graph/op.ts";
import { attend } from "./attention.ts";

/** Heads, and whether a token sees later ones. */
export type Inspecting = { readonly heads: number; readonly causal: boolean };

const cases: Case<Inspecting>[] = [
  { b: 1, t: 1, h: 1, d: 1, lengths: [1] },
  { b: 2, t: 5, h: 2, d: 3, lengths: [5, 2] },
  { b: 1, t: 9, h: 1, d: 4, lengths: [9] },
  { b: 3, t: 18, h: 2, d: 5, lengths: [0, 18, 11] },
  { b: 1, t: 37, h: 1, d: 12, lengths: [37] },
].flatMap(({ b, t, h, d, lengths }) =>
  [true, false].map((causal) => ({
    inputs: [{ shape: [b, t, 3 * h * d] }, { shape: [b], dtype: "i32" as const, values: lengths }],
    attrs: { heads: h, causal },
  }))
);

/**
 * The probabilities that `attention` mixes values with, before dropout. Inputs: qkv (B,T,3C), lengths (B). Output:
 * (B,H,T,T), [query][key]; 0 where a key is not seen and in rows of dead queries.
 */
export const attentionWeights: Op<Inspecting> = {
  name: "attentionWeights",
  takes: ["f32", "i32"],
  infer([qkv, lengths], { heads }) {
    const [b, t, width] = qkv.shape;
    requireShape(
      qkv.shape.length === 3 && width % (3 * heads) === 0 && lengths.shape.length === 1 &&
        lengths.shape[0] === b,
      `Cannot show attention over ${show(qkv.shape)} with ${heads} heads and lengths ${show(lengths.shape)}`,
      "they must be (B,T,3C), C a multiple of the heads, and (B)",
    );
    return [{ dtype: "f32", shape: [b, heads, t, t] }];
  },
  dims: ([qkv], { heads, causal }) => {
    const [b, t, width] = qkv.shape;
    return [b, t, heads, width / 3 / heads, Number(causal)];
  },
  rows: ([b, t, h]) => b * h * t,
  reference([qkv, lengths], [p], [B, T, H, D, causal]) {
    const C = H * D;
    p.fill(0);
    for (let row = 0; row < B * H * T; row++) {
      const b = Math.floor(row / (H * T)), h = Math.floor(row / T) % H, query = row % T;
      if (query >= lengths[b]) continue;
      const at = (t: number, part: number, d: number) => qkv[(b * T + t) * 3 * C + part * C + h * D + d];
      const count = causal ? query + 1 : lengths[b];
      p.set(attend((d) => at(query, 0, d), (k, d) => at(k, 1, d), count, D).p, row * T);
    }
  },
  cases,
};

/** The family: one kernel of each name in every backend. */
export const inspection = { attentionWeights } as const;
