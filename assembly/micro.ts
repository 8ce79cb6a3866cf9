// The register tiles of the matrix product, which gemm.ts drives: no kernel is exported from the module here. A tile is six
// rows of the result by the eight columns of one panel of B, or by the sixteen of two neighbouring panels. Both read the
// same packed panels and give every element the same chain, start + a0 b0 + a1 b1 + ..., so their results have the same
// bits and the host may choose: sixteen columns are too many for the registers of 128 bits, but an engine that joins
// neighbouring vectors (V8's revectorization) keeps them in registers of 256 bits and computes twice as fast. Such an
// engine wants to see pairs of adjacent loads and stores with nothing between them that could branch.

import { loadPartial, madd, storePartial } from "./simd";

/** What the sums start from: nothing, */
export const FROM_ZERO: i32 = 0;
/** what the result holds already, */
export const FROM_RESULT: i32 = 1;
/** or a bias per column. */
export const FROM_BIAS: i32 = 2;

/** A whole tile of six rows and eight columns: what is there, plus `K` steps. A step of A is `aStep` bytes after the last. */
export function tile6x8(a: usize, aStep: usize, b: usize, c: usize, ldc: usize, K: i32): void {
  const c1 = c + ldc, c2 = c1 + ldc, c3 = c2 + ldc, c4 = c3 + ldc, c5 = c4 + ldc;
  let s00 = v128.load(c), s01 = v128.load(c, 16);
  let s10 = v128.load(c1), s11 = v128.load(c1, 16);
  let s20 = v128.load(c2), s21 = v128.load(c2, 16);
  let s30 = v128.load(c3), s31 = v128.load(c3, 16);
  let s40 = v128.load(c4), s41 = v128.load(c4, 16);
  let s50 = v128.load(c5), s51 = v128.load(c5, 16);
  for (let k = 0; k < K; k++) {
    const b0 = v128.load(b), b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    s00 = madd(x, b0, s00), s01 = madd(x, b1, s01);
    x = v128.load32_splat(a, 4);
    s10 = madd(x, b0, s10), s11 = madd(x, b1, s11);
    x = v128.load32_splat(a, 8);
    s20 = madd(x, b0, s20), s21 = madd(x, b1, s21);
    x = v128.load32_splat(a, 12);
    s30 = madd(x, b0, s30), s31 = madd(x, b1, s31);
    x = v128.load32_splat(a, 16);
    s40 = madd(x, b0, s40), s41 = madd(x, b1, s41);
    x = v128.load32_splat(a, 20);
    s50 = madd(x, b0, s50), s51 = madd(x, b1, s51);
    a += aStep, b += 32;
  }
  v128.store(c, s00), v128.store(c, s01, 16);
  v128.store(c1, s10), v128.store(c1, s11, 16);
  v128.store(c2, s20), v128.store(c2, s21, 16);
  v128.store(c3, s30), v128.store(c3, s31, 16);
  v128.store(c4, s40), v128.store(c4, s41, 16);
  v128.store(c5, s50), v128.store(c5, s51, 16);
}

/** The same for sixteen columns, the second eight from the panel of B at `p`. */
export function tile6x16(a: usize, aStep: usize, b: usize, p: usize, c: usize, ldc: usize, K: i32): void {
  const c1 = c + ldc, c2 = c1 + ldc, c3 = c2 + ldc, c4 = c3 + ldc, c5 = c4 + ldc;
  let s00 = v128.load(c), s01 = v128.load(c, 16), s02 = v128.load(c, 32), s03 = v128.load(c, 48);
  let s10 = v128.load(c1), s11 = v128.load(c1, 16), s12 = v128.load(c1, 32), s13 = v128.load(c1, 48);
  let s20 = v128.load(c2), s21 = v128.load(c2, 16), s22 = v128.load(c2, 32), s23 = v128.load(c2, 48);
  let s30 = v128.load(c3), s31 = v128.load(c3, 16), s32 = v128.load(c3, 32), s33 = v128.load(c3, 48);
  let s40 = v128.load(c4), s41 = v128.load(c4, 16), s42 = v128.load(c4, 32), s43 = v128.load(c4, 48);
  let s50 = v128.load(c5), s51 = v128.load(c5, 16), s52 = v128.load(c5, 32), s53 = v128.load(c5, 48);
  for (let k = 0; k < K; k++) {
    const b0 = v128.load(b), b1 = v128.load(b, 16), b2 = v128.load(p), b3 = v128.load(p, 16);
    let x = v128.load32_splat(a);
    s00 = madd(x, b0, s00), s01 = madd(x, b1, s01), s02 = madd(x, b2, s02), s03 = madd(x, b3, s03);
    x = v128.load32_splat(a, 4);
    s10 = madd(x, b0, s10), s11 = madd(x, b1, s11), s12 = madd(x, b2, s12), s13 = madd(x, b3, s13);
    x = v128.load32_splat(a, 8);
    s20 = madd(x, b0, s20), s21 = madd(x, b1, s21), s22 = madd(x, b2, s22), s23 = madd(x, b3, s23);
    x = v128.load32_splat(a, 12);
    s30 = madd(x, b0, s30), s31 = madd(x, b1, s31), s32 = madd(x, b2, s32), s33 = madd(x, b3, s33);
    x = v128.load32_splat(a, 16);
    s40 = madd(x, b0, s40), s41 = madd(x, b1, s41), s42 = madd(x, b2, s42), s43 = madd(x, b3, s43);
    x = v128.load32_splat(a, 20);
    s50 = madd(x, b0, s50), s51 = madd(x, b1, s51), s52 = madd(x, b2, s52), s53 = madd(x, b3, s53);
    a += aStep, b += 32, p += 32;
  }
  v128.store(c, s00), v128.store(c, s01, 16), v128.store(c, s02, 32), v128.store(c, s03, 48);
  v128.store(c1, s10), v128.store(c1, s11, 16), v128.store(c1, s12, 32), v128.store(c1, s13, 48);
  v128.store(c2, s20), v128.store(c2, s21, 16), v128.store(c2, s22, 32), v128.store(c2, s23, 48);
  v128.store(c3, s30), v128.store(c3, s31, 16), v128.store(c3, s32, 32), v128.store(c3, s33, 48);
  v128.store(c4, s40), v128.store(c4, s41, 16), v128.store(c4, s42, 32), v128.store(c4, s43, 48);
  v128.store(c5, s50), v128.store(c5, s51, 16), v128.store(c5, s52, 32), v128.store(c5, s53, 48);
}

/** Writes what the sums of a whole tile of six rows start from: 0, or the bias of its `columns`. */
export function startTile(c: usize, ldc: usize, columns: i32, start: i32, bias: usize): void {
  for (let n = 0; n < columns; n += 8, c += 32, bias += 32) {
    let s0 = f32x4.splat(0), s1 = s0;
    if (start == FROM_BIAS) s0 = v128.load(bias), s1 = v128.load(bias, 16);
    let p = c;
    for (let m = 0; m < 6; m++, p += ldc) v128.store(p, s0), v128.store(p, s1, 16);
  }
}

/** A tile at the edge: `m` <= 6 rows and `n` <= 8 columns of it exist; nothing else of the result is touched. */
export function tileEdge(
  a: usize, aStep: usize, b: usize, c: usize, ldc: usize, m: i32, n: i32, K: i32, start: i32, bias: usize,
): void {
  let c00 = f32x4.splat(0), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00;
  let c30 = c00, c31 = c00, c40 = c00, c41 = c00, c50 = c00, c51 = c00;
  const p1 = c + ldc, p2 = p1 + ldc, p3 = p2 + ldc, p4 = p3 + ldc, p5 = p4 + ldc;
  if (start == FROM_BIAS) {
    c00 = loadEdge(bias, n), c01 = loadEdge(bias + 16, n - 4);
    c10 = c00, c20 = c00, c30 = c00, c40 = c00, c50 = c00;
    c11 = c01, c21 = c01, c31 = c01, c41 = c01, c51 = c01;
  } else if (start == FROM_RESULT) {
    c00 = loadEdge(c, n), c01 = loadEdge(c + 16, n - 4);
    if (m > 1) c10 = loadEdge(p1, n), c11 = loadEdge(p1 + 16, n - 4);
    if (m > 2) c20 = loadEdge(p2, n), c21 = loadEdge(p2 + 16, n - 4);
    if (m > 3) c30 = loadEdge(p3, n), c31 = loadEdge(p3 + 16, n - 4);
    if (m > 4) c40 = loadEdge(p4, n), c41 = loadEdge(p4 + 16, n - 4);
    if (m > 5) c50 = loadEdge(p5, n), c51 = loadEdge(p5 + 16, n - 4);
  }
  for (let k = 0; k < K; k++) {
    const b0 = v128.load(b), b1 = v128.load(b, 16);
    let s = v128.load32_splat(a);
    c00 = madd(s, b0, c00), c01 = madd(s, b1, c01);
    s = v128.load32_splat(a, 4);
    c10 = madd(s, b0, c10), c11 = madd(s, b1, c11);
    s = v128.load32_splat(a, 8);
    c20 = madd(s, b0, c20), c21 = madd(s, b1, c21);
    s = v128.load32_splat(a, 12);
    c30 = madd(s, b0, c30), c31 = madd(s, b1, c31);
    s = v128.load32_splat(a, 16);
    c40 = madd(s, b0, c40), c41 = madd(s, b1, c41);
    s = v128.load32_splat(a, 20);
    c50 = madd(s, b0, c50), c51 = madd(s, b1, c51);
    a += aStep, b += 32;
  }
  storeEdge(c, c00, c01, n);
  if (m > 1) storeEdge(p1, c10, c11, n);
  if (m > 2) storeEdge(p2, c20, c21, n);
  if (m > 3) storeEdge(p3, c30, c31, n);
  if (m > 4) storeEdge(p4, c40, c41, n);
  if (m > 5) storeEdge(p5, c50, c51, n);
}

function loadEdge(p: usize, n: i32): v128 {
  return loadPartial(p, n);
}

function storeEdge(p: usize, lo: v128, hi: v128, n: i32): void {
  storePartial(p, lo, n);
  storePartial(p + 16, hi, n - 4);
}
