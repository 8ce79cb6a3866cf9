// Elementwise and scalar kernels. Sums are taken by one workgroup in a fixed order, so that the same numbers give the same
// bits every time.

import type { basic as family } from "../../ops/basic.ts";
import { elementwise, f32, type Kernel, read, write } from "./kernel.ts";
import { exchange, place, reductions, SUM_OF_GROUP } from "./reduce.ts";

const add: Kernel = ({ dims: [n], limits }) =>
  elementwise({
    name: "add",
    n,
    tensors: [read("a", 0), read("b", 1), write("y", 2)],
    body: "y[i] = a[i] + b[i];",
  }, limits);

// Bits are copied, whatever they mean.
const copy: Kernel = ({ dims: [n], limits }) =>
  elementwise({
    name: "copy",
    n,
    tensors: [read("x", 0, { as: "u32" }), write("y", 1, { as: "u32" })],
    body: "y[i] = x[i];",
  }, limits);

const fill: Kernel = ({ dims: [n], floats: [value], limits }) =>
  elementwise({
    name: "fill",
    n,
    tensors: [write("y", 0)],
    body: "y[i] = p.value;",
    sizes: { value: f32(value) },
  }, limits);

const dot: Kernel = ({ dims: [n], limits }) => [{
  name: "dot",
  tensors: [read("a", 0), read("b", 1), write("y", 2)],
  sizes: { n },
  code: `${reductions(limits, SUM_OF_GROUP)}
@compute @workgroup_size(256) fn main(@builtin(local_invocation_index) lane: u32${exchange(limits)}) {
  var sum = 0.0;
  for (var i = lane; i < p.n; i += 256u) { sum += a[i] * b[i]; }
  sum = sumOfGroup(sum, ${place(limits)});
  if (lane == 0u) { y[0] = sum; }
}`,
  workgroups: [1, 1, 1],
  work: 4 * n,
}];

const scaleBy: Kernel = ({ dims: [n], limits }) =>
  elementwise({
    name: "scaleBy",
    n,
    tensors: [read("x", 0), { ...read("s", 1), whole: true }, write("y", 2)],
    body: "y[i] = x[i] * s[0];",
  }, limits);

/** The family of src/ops/basic.ts. */
export const basic = { add, copy, fill, dot, scaleBy } satisfies Record<keyof typeof family, Kernel>;
