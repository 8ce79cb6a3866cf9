// Inverted dropout with masks that are recomputed, never stored. The key is (seed, stream), the counter (block, draw):
// `rng` carries [seed, draw] at run time, the stream is the hash of the scope name. Four neighbouring elements share one
// Threefry block, 16 bits each; an element is kept when its bits are at least round(rate * 65536).

import { threefry } from "../core/random.ts";
import { requireShape, show, sizeOf } from "../core/shape.ts";
import { blocks } from "../graph/copy.ts";
import type { Op, ReferenceArray } from "../graph/op.ts";
import { plus } from "./basic.ts";

/** Rate in [0, 1) and the stream that tells this mask from all others. */
export type Dropping = { readonly rate: number; readonly stream: number };

/** The 16-bit number below which an element is dropped. */
export const threshold = (rate: number): number => {
  if (!(rate >= 0 && rate < 1)) throw new RangeError(`A dropout rate lies in [0, 1), not ${rate}`);
  return Math.round(rate * 65536);
};

/** The factor of one element: 0, or what a kept element is scaled by. Its block is `block`, its place in it `lane`. */
export function keepScale(
  rng: ReferenceArray,
  limit: number,
  stream: number,
  block: number,
  lane: number,
): number {
  const word = threefry(rng[0], stream, block >>> 0, rng[1])[lane >> 1];
  const bits = lane & 1 ? word >>> 16 : word & 0xffff;
  return bits >= limit ? 65536 / (65536 - limit) : 0;
}

/** y = x with elements zeroed at random and the others scaled up. Inputs: x, rng (2). Its gradient is itself. */
export const dropout: Op<Dropping> = {
  name: "dropout",
  takes: ["f32", "i32"],
  infer: ([x]) => [{ dtype: "f32", shape: x.shape }],
  dims: ([x], { rate, stream }) => [sizeOf(x.shape), threshold(rate), stream],
  rows: ([n]) => blocks(n),
  inPlace: [{ output: 0, input: 0, kind: "may" }],
  vjp: ({ inputs: [x, rng], attrs, douts: [d], into: [into] }) => ({
    dins: [plus(into, x.graph.apply(dropout, [d!, rng], attrs)[0]), null],
  }),
  reference([x, rng], [y], [n, limit, stream]) {
    for (let i = 0; i < n; i++) y[i] = x[i] * keepScale(rng, limit, stream, i >> 2, i & 3);
  },
  cases: [[1], [3, 5], [1029], [4100], [2048, 768]].flatMap((shape) =>
    [0.1, 0.5].map((rate) => ({
      inputs: [{ shape }, { shape: [2], dtype: "i32" as const, values: [7, 3] }],
      attrs: { rate, stream: -123456789 },
      bench: sizeOf(shape) > 5000,
    }))
  ),
};

/** `Dropping`, with the number of neighbouring rows that share a mask. */
export type SharedDropping = Dropping & { readonly shared: number };

/**
 * Dropout of x (N,C) with one mask for `shared` neighbouring rows: the candidates of one example lose the same features.
 * Inputs: x, rng (2). Row r, column c has the mask of element floor(r / shared) C + c. Its gradient is itself.
 */
export const sharedDropout: Op<SharedDropping> = {
  name: "sharedDropout",
  takes: ["f32", "i32"],
  infer([x], { shared }) {
    requireShape(
      x.shape.length === 2 && Number.isInteger(x.shape[0] / shared),
      `Cannot share dropout between ${shared} rows of ${show(x.shape)}`,
      "the rows must divide into such groups",
    );
    return [{ dtype: "f32", shape: x.shape }];
  },
  dims: ([x], { rate, stream, shared }) => [...x.shape, shared, threshold(rate), stream],
  rows: ([N, , shared]) => N / shared,
  inPlace: [{ output: 0, input: 0, kind: "may" }],
  vjp: ({ inputs: [x, rng], attrs, douts: [d], into: [into] }) => ({
    dins: [plus(into, x.graph.apply(sharedDropout, [d!, rng], attrs)[0]), null],
  }),
  reference([x, rng], [y], [, C, shared, limit, stream]) {
    for (let i = 0; i < y.length; i++) {
      const element = Math.floor(i / C / shared) * C + i % C;
      y[i] = x[i] * keepScale(rng, limit, stream, element >> 2, element & 3);
    }
  },
  cases: [[1, 1, 1], [2, 3, 2], [6, 7, 3], [4, 16, 2], [10, 37, 5], [6, 40, 1]].map(([n, c, shared]) => ({
    inputs: [{ shape: [n, c] }, { shape: [2], dtype: "i32" as const, values: [7, 3] }],
    attrs: { rate: 0.5, stream: -123456789, shared },
  })),
};

/** The family: one kernel of each name in every backend. */
export const dropouts = { dropout, sharedDropout } as const;
