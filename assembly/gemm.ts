// The matrix product that matmul.ts and loss.ts share: packing into panels and the loops around the tiles of micro.ts.
// No kernel is exported from the module here. Operands are packed so that the inner loop reads both in order: A in panels
// of 6 rows, [panel][K][6], B in panels of 8 columns, [panel][K][8], zeros beyond the edge. Every element of the result
// is start + a0 b0 + a1 b1 + ... with k ascending, one madd each, whatever the blocking, so its bits depend neither on
// the tile it falls into nor on how panels are shared between threads.

import { FROM_RESULT, startTile, tile6x16, tile6x8, tileEdge } from "./micro";

export { FROM_BIAS, FROM_RESULT, FROM_ZERO } from "./micro";

/** Rows of a panel of A. */
export const MR: i32 = 6;
/** Columns of a panel of B. */
export const NR: i32 = 8;

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

/** Where the host writes which tile to use (probe.ts there): 0 for 6x8, 1 for 6x16. */
const TILE_ADDRESS: usize = 3584;

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
  const wide = load<i32>(TILE_ADDRESS) == 1;
  const stretch = panels(K, panels(K, KC)); // all blocks of k about equally long
  for (let k = 0; k < K; k += stretch) {
    const depth = min(stretch, K - k);
    for (let jc = j0; jc < j1; jc += JC) {
      const jEnd = min(jc + JC, j1), jWhole = min(jEnd, N / NR);
      for (let i = i0; i < i1; i++) {
        const m = min(MR, M - i * MR);
        const ap = a + <usize>i * aPanel + <usize>k * aStep;
        let at = c + <usize>i * <usize>MR * ldc + <usize>jc * 32, from = bias + <usize>jc * 32;
        let bp = b + <usize>jc * bPanel + <usize>k * 32, j = jc;
        if (m == MR) {
          if (wide) {
            for (; j + 2 <= jWhole; j += 2, at += 64, from += 64, bp += 2 * bPanel) {
              if (start != FROM_RESULT) startTile(at, ldc, 16, start, from);
              tile6x16(ap, aStep, bp, bp + bPanel, at, ldc, depth);
            }
          }
          for (; j < jWhole; j++, at += 32, from += 32, bp += bPanel) {
            if (start != FROM_RESULT) startTile(at, ldc, 8, start, from);
            tile6x8(ap, aStep, bp, at, ldc, depth);
          }
        }
        for (; j < jEnd; j++, at += 32, from += 32, bp += bPanel) {
          tileEdge(ap, aStep, bp, at, ldc, m, min(NR, N - j * NR), depth, start, from);
        }
      }
    }
    start = FROM_RESULT;
  }
}
