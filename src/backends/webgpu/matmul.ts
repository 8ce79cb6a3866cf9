// The products of src/ops/matmul.ts and sums over rows. What a product is on the GPU is gemm.ts.

import type { matmuls as family } from "../../ops/matmul.ts";
import { product } from "./gemm.ts";
import { type Kernel, read, write } from "./kernel.ts";

const matrices = { a: { arg: 0 }, b: { arg: 1 }, y: { arg: 2 }, partials: 0 };

const matmul: Kernel = ({ dims: [m, n, k, ta, tb], limits }) =>
  product({ name: "matmul", m, n, k, ta: ta === 1, tb: tb === 1, ...matrices }, limits);

const matmulInto: Kernel = ({ dims: [m, n, k, ta, tb], limits }) =>
  product({ name: "matmulInto", m, n, k, ta: ta === 1, tb: tb === 1, accumulate: true, ...matrices }, limits);

const linear: Kernel = ({ dims: [m, n, k], limits }) =>
  product({ name: "linear", m, n, k, ...matrices, bias: 2, y: { arg: 3 } }, limits);

const ROWS = 64; // of a partial sum

// Columns go to threads; rows in blocks whose sums are added in order.
const columnSumInto: Kernel = ({ dims: [m, n] }) => {
  const blocks = Math.ceil(m / ROWS), bytes = 4 * blocks * n, groups = Math.ceil(n / 64);
  return [{
    name: "columnSumInto blocks",
    tensors: [read("d", 0), write("partial", "scratch", { offset: 0, bytes })],
    sizes: { m, n },
    code: `var<workgroup> sums: array<f32, 256>;
@compute @workgroup_size(256) fn main(
  @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32,
) {
  let column = group.x * 64u + lane % 64u;
  let end = min(p.m, (group.y + 1u) * ${ROWS}u);
  var sum = 0.0;
  if (column < p.n) {
    for (var row = group.y * ${ROWS}u + lane / 64u; row < end; row += 4u) { sum += d[row * p.n + column]; }
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane < 64u && column < p.n) {
    partial[group.y * p.n + column] = (sums[lane] + sums[lane + 64u]) + (sums[lane + 128u] + sums[lane + 192u]);
  }
}`,
    workgroups: [groups, blocks, 1],
    work: m * n * 2,
  }, {
    name: "columnSumInto",
    tensors: [read("partial", "scratch", { offset: 0, bytes }), write("y", 1)],
    sizes: { n, blocks },
    code: `var<workgroup> sums: array<f32, 256>;
@compute @workgroup_size(256) fn main(
  @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32,
) {
  let column = group.x * 64u + lane % 64u;
  var sum = 0.0;
  if (column < p.n) {
    for (var block = lane / 64u; block < p.blocks; block += 4u) { sum += partial[block * p.n + column]; }
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane < 64u && column < p.n) {
    y[column] += (sums[lane] + sums[lane + 64u]) + (sums[lane + 128u] + sums[lane + 192u]);
  }
}`,
    workgroups: [groups, 1, 1],
    work: blocks * n * 2,
  }];
};

/** The family of src/ops/matmul.ts. */
export const matmuls = { matmul, matmulInto, linear, columnSumInto } satisfies Record<
  keyof typeof family,
  Kernel
>;
