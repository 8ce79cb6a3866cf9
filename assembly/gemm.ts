// The matrix product that matmul.ts and loss.ts share: packing into panels, the 6x8 register tile and the loops around it.
// No kernel is exported from the module here. Operands are packed so that the inner loop reads both in order: A in panels
// of 6 rows, [panel][K][6], B in panels of 8 columns, [panel][K][8], zeros beyond the edge. Every element of the result
// is start + a0 b0 + a1 b1 + ... with k ascending, one madd each, whatever the blocking, so its bits depend neither on
// the tile it falls into nor on how panels are shared between threads.

import { loadPartial, madd, storePartial } from "./simd";

/** Rows of a panel of A. */
export const MR: i32 = 6;
/** Columns of a panel of B. */
export const NR: i32 = 8;

/** What the sums start from: nothing, */
export const FROM_ZERO: i32 = 0;
/** what the result holds already, */
export const FROM_RESULT: i32 = 1;
/** or a bias per column. */
export const FROM_BIAS: i32 = 2;

/** Longest stretch of k between two visits to a tile: a panel of A (9 KB) and one of B (12 KB) then fit in the L1 cache. */
const KC: i32 = 384;
/** Panels of B swept per panel of A: 256 columns of up to 384 k are 393 KB, which stay in the L2 cache. */
const JC: i32 = 32;

/** Panels of width `width` that cover `n`. */
// @ts-ignore: decorator
@inline
export function panels(n: i32, width: i32): i32 {
  return (n + width - 1) / width;
}

/** Bytes of `rows` times `columns` floats. */
// @ts-ignore: decorator
@inline
export function bytes(rows: i32, columns: i32): usize {
  return (<usize>rows * <usize>columns) << 2;
}

/** Packs an edge panel, element by element: `width` lanes of which `live` exist; the others become 0. */
function packEdge(src: usize, laneStep: usize, kStep: usize, dst: usize, width: i32, live: i32, K: i32): void {
  for (let k = 0; k < K; k++) {
    let p = src;
    for (let i = 0; i < width; i++) {
      f32.store(dst, i < live ? f32.load(p) : 0);
      p += laneStep;
      dst += 4;
    }
    src += kStep;
  }
}

/** Four k of four lanes that lie `step` bytes apart, as four vectors over the lanes, stored `gap` bytes apart. */
// @ts-ignore: decorator
@inline
function transpose4(src: usize, step: usize, dst: usize, gap: usize): void {
  const r0 = v128.load(src), r1 = v128.load(src + step);
  const r2 = v128.load(src + 2 * step), r3 = v128.load(src + 3 * step);
  const lo01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5), hi01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const lo23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5), hi23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  v128.store(dst, v128.shuffle<f32>(lo01, lo23, 0, 1, 4, 5));
  v128.store(dst + gap, v128.shuffle<f32>(lo01, lo23, 2, 3, 6, 7));
  v128.store(dst + 2 * gap, v128.shuffle<f32>(hi01, hi23, 0, 1, 4, 5));
  v128.store(dst + 3 * gap, v128.shuffle<f32>(hi01, hi23, 2, 3, 6, 7));
}

/** Packs `live` (1 to 6) rows of a row-major matrix with `ld` bytes between rows into one panel [K][6]. */
export function packRows6(src: usize, ld: usize, dst: usize, live: i32, K: i32): void {
  if (live < MR) {
    packEdge(src, ld, 4, dst, MR, live, K);
    return;
  }
  const whole = K & ~3;
  for (let k = 0; k < whole; k += 4) {
    transpose4(src, ld, dst, 24);
    const r4 = v128.load(src + 4 * ld), r5 = v128.load(src + 5 * ld);
    const lo = v128.shuffle<f32>(r4, r5, 0, 4, 1, 5), hi = v128.shuffle<f32>(r4, r5, 2, 6, 3, 7);
    v128.store64_lane(dst, lo, 0, 16);
    v128.store64_lane(dst, lo, 1, 40);
    v128.store64_lane(dst, hi, 0, 64);
    v128.store64_lane(dst, hi, 1, 88);
    src += 16;
    dst += 96;
  }
  packEdge(src, ld, 4, dst, MR, MR, K - whole);
}

/** Packs `live` (1 to 6) columns of a matrix of K rows, `ld` bytes apart, into one panel [K][6]. */
export function packColumns6(src: usize, ld: usize, dst: usize, live: i32, K: i32): void {
  if (live < MR) {
    packEdge(src, 4, ld, dst, MR, live, K);
    return;
  }
  for (let k = 0; k < K; k++) {
    v128.store(dst, v128.load(src));
    v128.store64_lane(dst, v128.load64_zero(src, 16), 0, 16);
    src += ld;
    dst += 24;
  }
}

/** Packs `live` (1 to 8) rows of a row-major matrix with `ld` bytes between rows into one panel [K][8]. */
export function packRows8(src: usize, ld: usize, dst: usize, live: i32, K: i32): void {
  if (live < NR) {
    packEdge(src, ld, 4, dst, NR, live, K);
    return;
  }
  const whole = K & ~3;
  for (let k = 0; k < whole; k += 4) {
    transpose4(src, ld, dst, 32);
    transpose4(src + 4 * ld, ld, dst + 16, 32);
    src += 16;
    dst += 128;
  }
  packEdge(src, ld, 4, dst, NR, NR, K - whole);
}

/** Packs `live` (1 to 8) columns of a matrix of K rows, `ld` bytes apart, into one panel [K][8]. */
export function packColumns8(src: usize, ld: usize, dst: usize, live: i32, K: i32): void {
  if (live < NR) {
    packEdge(src, 4, ld, dst, NR, live, K);
    return;
  }
  for (let k = 0; k < K; k++) {
    v128.store(dst, v128.load(src));
    v128.store(dst, v128.load(src, 16), 16);
    src += ld;
    dst += 32;
  }
}

function loadEdge(p: usize, n: i32): v128 {
  return loadPartial(p, n);
}

function storeEdge(p: usize, lo: v128, hi: v128, n: i32): void {
  storePartial(p, lo, n);
  storePartial(p + 16, hi, n - 4);
}

/**
 * One tile of the result, `m` <= 6 rows and `n` <= 8 columns of it alive: twelve accumulators over `K` steps. A step of A
 * is six floats `aStep` bytes after the last six, a step of B eight floats.
 */
function tile(
  a: usize, aStep: usize, b: usize, c: usize, ldc: usize, m: i32, n: i32, K: i32, start: i32, bias: usize,
): void {
  let c00 = f32x4.splat(0), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00;
  let c30 = c00, c31 = c00, c40 = c00, c41 = c00, c50 = c00, c51 = c00;
  const whole = m == MR && n == NR;
  const p1 = c + ldc, p2 = p1 + ldc, p3 = p2 + ldc, p4 = p3 + ldc, p5 = p4 + ldc;
  if (start == FROM_BIAS) {
    c00 = loadEdge(bias, n), c01 = loadEdge(bias + 16, n - 4);
    c10 = c00, c20 = c00, c30 = c00, c40 = c00, c50 = c00;
    c11 = c01, c21 = c01, c31 = c01, c41 = c01, c51 = c01;
  } else if (start == FROM_RESULT) {
    if (whole) {
      c00 = v128.load(c), c01 = v128.load(c, 16);
      c10 = v128.load(p1), c11 = v128.load(p1, 16);
      c20 = v128.load(p2), c21 = v128.load(p2, 16);
      c30 = v128.load(p3), c31 = v128.load(p3, 16);
      c40 = v128.load(p4), c41 = v128.load(p4, 16);
      c50 = v128.load(p5), c51 = v128.load(p5, 16);
    } else {
      c00 = loadEdge(c, n), c01 = loadEdge(c + 16, n - 4);
      if (m > 1) c10 = loadEdge(p1, n), c11 = loadEdge(p1 + 16, n - 4);
      if (m > 2) c20 = loadEdge(p2, n), c21 = loadEdge(p2 + 16, n - 4);
      if (m > 3) c30 = loadEdge(p3, n), c31 = loadEdge(p3 + 16, n - 4);
      if (m > 4) c40 = loadEdge(p4, n), c41 = loadEdge(p4 + 16, n - 4);
      if (m > 5) c50 = loadEdge(p5, n), c51 = loadEdge(p5 + 16, n - 4);
    }
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
    a += aStep;
    b += 32;
  }
  if (whole) {
    v128.store(c, c00), v128.store(c, c01, 16);
    v128.store(p1, c10), v128.store(p1, c11, 16);
    v128.store(p2, c20), v128.store(p2, c21, 16);
    v128.store(p3, c30), v128.store(p3, c31, 16);
    v128.store(p4, c40), v128.store(p4, c41, 16);
    v128.store(p5, c50), v128.store(p5, c51, 16);
  } else {
    storeEdge(c, c00, c01, n);
    if (m > 1) storeEdge(p1, c10, c11, n);
    if (m > 2) storeEdge(p2, c20, c21, n);
    if (m > 3) storeEdge(p3, c30, c31, n);
    if (m > 4) storeEdge(p4, c40, c41, n);
    if (m > 5) storeEdge(p5, c50, c51, n);
  }
}

/**
 * Rows of panels i0..i1 of A times columns of panels j0..j1 of B, into the row-major result `c` (M, N) with `ldc` bytes
 * between rows. Panel i of A begins at a + i aPanel and moves on by `aStep` bytes per k (24 when packed; a matrix stored
 * (K, M) can be read where it lies, with its row length). Panel j of B begins at b + j bPanel. A panel of A stays in the
 * L1 cache while a block of B in the L2 cache passes by, so the result is visited along its rows.
 */
export function multiply(
  a: usize, aStep: usize, aPanel: usize, b: usize, bPanel: usize, c: usize, ldc: usize,
  M: i32, N: i32, K: i32, i0: i32, i1: i32, j0: i32, j1: i32, start: i32, bias: usize,
): void {
  const stretch = panels(K, panels(K, KC)); // all blocks of k about equally long
  for (let k = 0; k < K; k += stretch) {
    const depth = min(stretch, K - k);
    for (let jc = j0; jc < j1; jc += JC) {
      const jEnd = min(jc + JC, j1);
      for (let i = i0; i < i1; i++) {
        const m = min(MR, M - i * MR);
        const ap = a + <usize>i * aPanel + <usize>k * aStep;
        const row = c + <usize>i * <usize>MR * ldc;
        for (let j = jc; j < jEnd; j++) {
          const at = <usize>j * 32;
          const bp = b + <usize>j * bPanel + <usize>k * 32;
          tile(ap, aStep, bp, row + at, ldc, m, min(NR, N - j * NR), depth, start, bias + at);
        }
      }
    }
    start = FROM_RESULT;
  }
}
