// The small matrix products inside attention, on packed operands: rows of a multiple of 8 floats, padded with zeros, so
// that there are no tails. Tiles are 4 x 8 in registers; A is read as whole vectors whose lanes are spread, because a
// bounds check per load costs more than a shuffle. The large products of matmul.ts have their own core, gemm.ts.
// Nothing here is exported from the module. Strides are in bytes.

import { madd } from "./simd";

// @ts-ignore: decorator
@inline
function lane0(a: v128): v128 {
  return v128.shuffle<f32>(a, a, 0, 0, 0, 0);
}

// @ts-ignore: decorator
@inline
function lane1(a: v128): v128 {
  return v128.shuffle<f32>(a, a, 1, 1, 1, 1);
}

// @ts-ignore: decorator
@inline
function lane2(a: v128): v128 {
  return v128.shuffle<f32>(a, a, 2, 2, 2, 2);
}

// @ts-ignore: decorator
@inline
function lane3(a: v128): v128 {
  return v128.shuffle<f32>(a, a, 3, 3, 3, 3);
}

/**
 * C[i][j] = (into: C[i][j] +) sum over p of A(p, i) * B(p, j), p ascending, for i < M (multiple of 4), j < N (multiple
 * of 8), p < P. Four neighbours A(p, i) are contiguous, at a + (i / 4) * panelA + p * lda; eight neighbours B(p, j) are,
 * at b + (j / 8) * panelB + p * ldb; C has rows of ldc.
 */
export function product(
  a: usize, panelA: usize, lda: usize, b: usize, panelB: usize, ldb: usize, c: usize, ldc: usize,
  M: i32, N: i32, P: i32, into: bool,
): void {
  for (let j = 0; j < N; j += 8, b += panelB, c += 32) {
    let ai = a, ci = c;
    for (let i = 0; i < M; i += 4, ai += panelA, ci += ldc << 2) {
      const r1 = ci + ldc, r2 = r1 + ldc, r3 = r2 + ldc;
      let ap = ai, bp = b;
      let c00 = f32x4.splat(0), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00, c30 = c00, c31 = c00;
      if (into) {
        c00 = v128.load(ci), c01 = v128.load(ci, 16), c10 = v128.load(r1), c11 = v128.load(r1, 16);
        c20 = v128.load(r2), c21 = v128.load(r2, 16), c30 = v128.load(r3), c31 = v128.load(r3, 16);
      }
      for (let p = 0; p < P; p++) {
        const x = v128.load(ap), b0 = v128.load(bp), b1 = v128.load(bp, 16);
        c00 = madd(lane0(x), b0, c00), c01 = madd(lane0(x), b1, c01);
        c10 = madd(lane1(x), b0, c10), c11 = madd(lane1(x), b1, c11);
        c20 = madd(lane2(x), b0, c20), c21 = madd(lane2(x), b1, c21);
        c30 = madd(lane3(x), b0, c30), c31 = madd(lane3(x), b1, c31);
        ap += lda, bp += ldb;
      }
      v128.store(ci, c00), v128.store(ci, c01, 16), v128.store(r1, c10), v128.store(r1, c11, 16);
      v128.store(r2, c20), v128.store(r2, c21, 16), v128.store(r3, c30), v128.store(r3, c31, 16);
    }
  }
}

/** Copies `rows` rows of D floats into rows of `width` floats, times `scale`; the rest of each row becomes 0. */
export function pack(
  from: usize, ldFrom: usize, to: usize, width: i32, D: i32, rows: i32, scale: f32,
): void {
  const whole = D & ~3, factor = f32x4.splat(scale);
  for (let r = 0; r < rows; r++, from += ldFrom) {
    let d = 0;
    for (; d < whole; d += 4, to += 16) v128.store(to, f32x4.mul(v128.load(from + (<usize>d << 2)), factor));
    for (; d < D; d++, to += 4) store<f32>(to, load<f32>(from + (<usize>d << 2)) * scale);
    for (; d < width; d++, to += 4) store<f32>(to, 0);
  }
}

/** Writes four vectors as the columns of a 4 x 4 block at `to`, rows `ld` apart. */
// @ts-ignore: decorator
@inline
export function storeTransposed(to: usize, ld: usize, v0: v128, v1: v128, v2: v128, v3: v128): void {
  const a = v128.shuffle<f32>(v0, v1, 0, 4, 1, 5), b = v128.shuffle<f32>(v2, v3, 0, 4, 1, 5);
  const c = v128.shuffle<f32>(v0, v1, 2, 6, 3, 7), d = v128.shuffle<f32>(v2, v3, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f64>(a, b, 0, 2));
  v128.store(to + ld, v128.shuffle<f64>(a, b, 1, 3));
  v128.store(to + (ld << 1), v128.shuffle<f64>(c, d, 0, 2));
  v128.store(to + ld * 3, v128.shuffle<f64>(c, d, 1, 3));
}

/**
 * The same, transposed: element (r, d) goes to to[d][r], `columns` (multiple of 4) floats a row. Rows past `rows` and
 * elements past D become 0.
 */
export function packTransposed(
  from: usize, ldFrom: usize, to: usize, width: i32, columns: i32, D: i32, rows: i32, scale: f32,
): void {
  if (rows < columns || D < width) memory.fill(to, 0, <usize>(width * columns) << 2);
  const factor = f32x4.splat(scale), ld = <usize>columns << 2, whole = D & ~3;
  for (let r = 0; r < rows; r += 4, from += ldFrom << 2, to += 16) {
    const left = min(4, rows - r);
    let d = 0, cell = to, at = from;
    if (left == 4) {
      for (; d < whole; d += 4, cell += ld << 2, at += 16) {
        const x0 = v128.load(at), x1 = v128.load(at + ldFrom);
        const x2 = v128.load(at + (ldFrom << 1)), x3 = v128.load(at + ldFrom * 3);
        storeTransposed(
          cell, ld, f32x4.mul(x0, factor), f32x4.mul(x1, factor), f32x4.mul(x2, factor), f32x4.mul(x3, factor),
        );
      }
    }
    for (; d < D; d++, cell += ld, at += 4) {
      for (let i: usize = 0; i < <usize>left; i++) store<f32>(cell + (i << 2), load<f32>(at + i * ldFrom) * scale);
    }
  }
}

/** `packTransposed` of rows begin..end (begin a multiple of `columns`) into panels of `columns` rows each. */
export function packPanels(
  from: usize, ldFrom: usize, to: usize, width: i32, columns: i32, D: i32, begin: i32, end: i32,
): void {
  const bytes = <usize>width << 2;
  for (let r = begin; r < end; r += columns) {
    packTransposed(from + <usize>r * ldFrom, ldFrom, to + <usize>r * bytes, width, columns, D, min(columns, end - r), 1);
  }
}

/** Copies rows of D floats out of rows of `width` floats, row r times scales[r * step bytes]. */
export function unpack(
  from: usize, width: i32, to: usize, ldTo: usize, D: i32, rows: i32, scales: usize, step: usize,
): void {
  const whole = D & ~3;
  for (let r = 0; r < rows; r++, from += <usize>width << 2, to += ldTo, scales += step) {
    const scale = load<f32>(scales), factor = f32x4.splat(scale);
    let at: usize = 0, d = 0;
    for (; d < whole; d += 4, at += 16) v128.store(to + at, f32x4.mul(v128.load(from + at), factor));
    for (; d < D; d++, at += 4) store<f32>(to + at, load<f32>(from + at) * scale);
  }
}

/** Writes zeros to the first D floats of each of `rows` rows. */
export function zeroRows(to: usize, ldTo: usize, D: i32, rows: i32): void {
  for (let r = 0; r < rows; r++, to += ldTo) memory.fill(to, 0, <usize>D << 2);
}
