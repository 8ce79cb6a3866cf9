// Products of matrices as ops: which argument is which operand, and how it lies. How products are launched, and which
// kernel takes which shape, is in gemm.ts. A sum over rows is a product with a row of ones.

import type { matmuls as family } from "../../ops/matmul.ts";
import { product } from "./gemm.ts";
import type { Kernel } from "./kernel.ts";

const multiply = (name: string, accumulate: boolean): Kernel => ({ dims: [m, n, k, ta, tb], limits }) =>
  product({
    name,
    m,
    n,
    k,
    a: { arg: 0, stride: ta ? m : k },
    b: { arg: 1, stride: tb ? k : n },
    y: { arg: 2, stride: n },
    ta: ta === 1,
    tb: tb === 1,
    accumulate,
  }, limits);

const linear: Kernel = ({ dims: [m, n, k], limits }) =>
  product({
    name: "linear",
    m,
    n,
    k,
    a: { arg: 0, stride: k },
    b: { arg: 1, stride: n },
    y: { arg: 3, stride: n },
    bias: 2,
  }, limits);

const columnSumInto: Kernel = ({ dims: [m, n], limits }) =>
  product({
    name: "columnSumInto",
    m: 1,
    n,
    k: m,
    a: null,
    b: { arg: 0, stride: n },
    y: { arg: 1, stride: n },
    accumulate: true,
  }, limits);

/** The family of src/ops/matmul.ts. */
export const matmuls = {
  matmul: multiply("matmul", false),
  matmulInto: multiply("matmulInto", true),
  linear,
  columnSumInto,
} satisfies Record<keyof typeof family, Kernel>;
