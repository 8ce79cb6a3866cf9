// Elementwise and scalar ops, and the two helpers that every gradient uses. Rows of the elementwise kernels are blocks of
// 1024 elements.

import { requireShape, sameShape, show, sizeOf } from "../core/shape.ts";
import { blocks, copy } from "../graph/copy.ts";
import type { Graph, Value } from "../graph/graph.ts";
import type { Op } from "../graph/op.ts";

const odd = [[1], [3, 5], [1023], [2051]] as const;

/** y = a + b, element by element; both have the same shape. */
export const add: Op = {
  name: "add",
  takes: ["f32", "f32"],
  infer([a, b]) {
    requireShape(
      sameShape(a.shape, b.shape),
      `Cannot add ${show(a.shape)} and ${show(b.shape)}`,
      "the shapes differ",
    );
    return [{ dtype: "f32", shape: a.shape }];
  },
  dims: ([a]) => [sizeOf(a.shape)],
  rows: ([n]) => blocks(n),
  inPlace: [{ output: 0, input: 0, kind: "may" }, { output: 0, input: 1, kind: "may" }],
  vjp: ({ douts: [d], needs, into }) => ({ dins: needs.map((need, i) => need ? plus(into[i], d!) : null) }),
  reference([a, b], [y]) {
    for (let i = 0; i < y.length; i++) y[i] = a[i] + b[i];
  },
  cases: [...odd.map((shape) => ({ inputs: [{ shape }, { shape }] })), {
    inputs: [{ shape: [2048, 768] }, { shape: [2048, 768] }],
    bench: true,
  }],
};

/** A tensor of one value everywhere. */
export const fill: Op<{ shape: readonly number[]; value: number }> = {
  name: "fill",
  takes: [],
  infer: (_, { shape }) => [{ dtype: "f32", shape }],
  dims: (_, { shape }) => [sizeOf(shape)],
  floats: ({ value }) => [value],
  rows: ([n]) => blocks(n),
  reference(_, [y], _dims, [value]) {
    y.fill(value);
  },
  cases: odd.map((shape) => ({ inputs: [], attrs: { shape, value: 0.25 } })),
};

/** The sum of a * b over all elements, shape (1): a weighted sum of losses. */
export const dot: Op = {
  name: "dot",
  takes: ["f32", "f32"],
  infer([a, b]) {
    requireShape(
      sameShape(a.shape, b.shape),
      `Cannot take the dot product of ${show(a.shape)} and ${show(b.shape)}`,
      "the shapes differ",
    );
    return [{ dtype: "f32", shape: [1] }];
  },
  dims: ([a]) => [sizeOf(a.shape)],
  rows: () => 1,
  vjp: ({ inputs: [a, b], douts: [d], needs, into }) => ({
    dins: [
      needs[0] ? plus(into[0], apply(scaleBy, b, d!)) : null,
      needs[1] ? plus(into[1], apply(scaleBy, a, d!)) : null,
    ],
  }),
  reference([a, b], [y]) {
    y[0] = 0;
    for (let i = 0; i < a.length; i++) y[0] += a[i] * b[i];
  },
  cases: odd.map((shape) => ({ inputs: [{ shape }, { shape }] })),
};

/** y = x * s[0] for a scalar s of shape (1). */
export const scaleBy: Op = {
  name: "scaleBy",
  takes: ["f32", "f32"],
  infer([x, s]) {
    requireShape(
      sizeOf(s.shape) === 1,
      `Cannot scale ${show(x.shape)} by ${show(s.shape)}`,
      "the factor has shape (1)",
    );
    return [{ dtype: "f32", shape: x.shape }];
  },
  dims: ([x]) => [sizeOf(x.shape)],
  rows: ([n]) => blocks(n),
  inPlace: [{ output: 0, input: 0, kind: "may" }],
  vjp: ({ inputs: [x, s], douts: [d], needs, into }) => ({
    dins: [
      needs[0] ? plus(into[0], apply(scaleBy, d!, s)) : null,
      needs[1] ? plus(into[1], apply(dot, d!, x)) : null,
    ],
  }),
  reference([x, s], [y]) {
    const factor = s[0];
    for (let i = 0; i < y.length; i++) y[i] = x[i] * factor;
  },
  cases: odd.map((shape) => ({ inputs: [{ shape }, { shape: [1] }] })),
};

/** Applies an op that has one output and no attributes. */
export function apply(op: Op, ...inputs: Value[]): Value {
  return inputs[0].graph.apply(op, inputs)[0];
}

/** What has been accumulated so far plus one contribution; the contribution alone if it is the first. */
export function plus(into: Value | undefined, contribution: Value): Value {
  return into ? apply(add, into, contribution) : contribution;
}

/** What has been accumulated so far, or zeros like `value`, for gradient kernels that can only add. */
export function orZeros(graph: Graph, into: Value | undefined, value: Value): Value {
  return into ?? graph.apply(fill, [], { shape: value.shape, value: 0 })[0];
}

/** The family: one kernel of each name in every backend. */
export const basic = { add, copy, fill, dot, scaleBy } as const;
