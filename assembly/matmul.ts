// Matrix products and column sums: matmul, matmulInto, linear, columnSumInto. The packed product itself is in gemm.ts.
// Products with at most eight rows of A (decoding) read B once, as it lies, and pack nothing: the thin path.
// Everything is f32, accumulated in f32 with k ascending from the start value (0, the old result or the bias); thin and
// packed paths give the same bits.

import {
  bytes, FROM_BIAS, FROM_RESULT, FROM_ZERO, MR, multiply, NR, packColumns6, packColumns8, packRows6, packRows8, panels,
} from "./gemm";
import { hiddenZero, loadPartial, madd, storePartial } from "./simd";

/** Most rows of the thin path. */
const THIN: i32 = 8;
/** Columns of the result per row of the thin path and of columnSumInto. */
const STRIP: i32 = 16;
/** Bytes of b that are fetched into the L2 cache at a time. */
const FETCHED: usize = 1 << 18;

/**
 * y (M, N) = op(a) op(b). ta: a is stored (K, M) instead of (M, K); tb: b is stored (N, K) instead of (K, N).
 * Thin (M <= 8 and ta = 0): one pass, no scratch; row r owns columns 16 r to 16 r + 15 of y. Otherwise pass 0 packs, row r
 * owning panel r of A (6 rows of op(a)), then of B (8 columns of op(b)); in pass 1 row r owns the rows of y of panel r of
 * A, or its columns of panel r of B if those are more. scratch: (6 K ceil(M/6) + 8 K ceil(N/8)) floats.
 */
export function matmul(
  a: usize, b: usize, y: usize, scratch: usize,
  M: i32, N: i32, K: i32, ta: i32, tb: i32, pass: i32, begin: i32, end: i32,
): void {
  product(a, b, 0, y, scratch, M, N, K, ta, tb, FROM_ZERO, pass, begin, end);
}

/** y (M, N) += op(a) op(b). Everything else as in matmul. */
export function matmulInto(
  a: usize, b: usize, y: usize, scratch: usize,
  M: i32, N: i32, K: i32, ta: i32, tb: i32, pass: i32, begin: i32, end: i32,
): void {
  product(a, b, 0, y, scratch, M, N, K, ta, tb, FROM_RESULT, pass, begin, end);
}

/** y (M, N) = x (M, K) w (K, N) + b (N). Rows, passes and scratch as in matmul with ta = tb = 0. */
export function linear(
  x: usize, w: usize, b: usize, y: usize, scratch: usize,
  M: i32, N: i32, K: i32, pass: i32, begin: i32, end: i32,
): void {
  product(x, w, b, y, scratch, M, N, K, 0, 0, FROM_BIAS, pass, begin, end);
}

function product(
  a: usize, b: usize, bias: usize, y: usize, scratch: usize,
  M: i32, N: i32, K: i32, ta: i32, tb: i32, start: i32, pass: i32, begin: i32, end: i32,
): void {
  if (M <= THIN && ta == 0) {
    if (tb == 0) return thinRows(a, b, bias, y, M, N, K, start, begin, end);
    if (M == 1) return oneDots(a, b, bias, y, N, K, start, begin, end);
    for (let m = 0; m < M; m += 4) {
      thinDots(false, a + bytes(m, K), b, bias, y + bytes(m, N), min(4, M - m), N, K, start, begin, end);
    }
    return;
  }
  const mP = panels(M, MR), nP = panels(N, NR);
  // B lies first, because its size is a multiple of 32 bytes whatever K: vector loads then never straddle a cache line.
  const aPanel = bytes(MR, K), bPanel = bytes(NR, K);
  const aPacked = scratch + <usize>nP * bPanel;
  if (pass == 0) {
    for (let r = begin; r < end; r++) {
      if (r < mP) {
        const first = r * MR, live = min(MR, M - first), to = aPacked + <usize>r * aPanel;
        if (ta == 0) packRows6(a + bytes(first, K), bytes(K, 1), to, live, K);
        else packColumns6(a + bytes(first, 1), bytes(M, 1), to, live, K);
      } else {
        const j = r - mP, first = j * NR, live = min(NR, N - first), to = scratch + <usize>j * bPanel;
        if (tb == 0) packColumns8(b + bytes(first, 1), bytes(N, 1), to, live, K);
        else packRows8(b + bytes(first, K), bytes(K, 1), to, live, K);
      }
    }
  } else if (mP >= nP) {
    multiply(aPacked, 24, aPanel, scratch, bPanel, y, bytes(N, 1), M, N, K, begin, end, 0, nP, start, bias);
  } else {
    multiply(aPacked, 24, aPanel, scratch, bPanel, y, bytes(N, 1), M, N, K, 0, mP, begin, end, start, bias);
  }
}

/** y (M <= 8 rows) from b stored (K, N): eight rows of b at a time are streamed through y, which stays in the L1 cache. */
function thinRows(
  a: usize, b: usize, bias: usize, y: usize, M: i32, N: i32, K: i32, start: i32, begin: i32, end: i32,
): void {
  const first = begin * STRIP, last = min(end * STRIP, N), ld = bytes(N, 1);
  if (start != FROM_RESULT) {
    for (let m = 0; m < M; m++) {
      const row = y + bytes(m, N);
      for (let n = first; n < last; n += 4) {
        const at = bytes(n, 1), live = last - n;
        storePartial(row + at, start == FROM_BIAS ? loadPartial(bias + at, live) : f32x4.splat(0), live);
      }
    }
  }
  if (M == 1 && first == 0 && last == N && N <= 2048) {
    // Whole rows of b are one long stretch, which memory hands over faster than eight short ones; y stays in the L1 cache.
    for (let k = 0; k < K; k++, a += 4, b += ld) addRow(f32.load(a), b, y, N);
    return;
  }
  const whole = K & ~7;
  for (let k = 0; k < whole; k += 8) {
    // Pieces of 256 columns: rows of y after the first find b in the L1 cache.
    for (let piece = first; piece < last; piece += 256) {
      const pieceEnd = min(piece + 256, last);
      for (let m = 0; m < M; m++) {
        stream8(a + bytes(m, K) + bytes(k, 1), b + bytes(k, N), ld, y + bytes(m, N), piece, pieceEnd);
      }
    }
  }
  for (let k = whole; k < K; k++) {
    for (let m = 0; m < M; m++) {
      const s = v128.load32_splat(a + bytes(m, K) + bytes(k, 1)), from = b + bytes(k, N), row = y + bytes(m, N);
      for (let n = first; n < last; n += 4) {
        const at = bytes(n, 1), live = last - n;
        storePartial(row + at, madd(s, loadPartial(from + at, live), loadPartial(row + at, live)), live);
      }
    }
  }
}

/** y[n] += s b[n] */
function addRow(s: f32, b: usize, y: usize, n: i32): void {
  const x = f32x4.splat(s), stop = b + bytes(n & ~15, 1);
  for (; b < stop; b += 64, y += 64) {
    v128.store(y, madd(x, v128.load(b), v128.load(y)));
    v128.store(y, madd(x, v128.load(b, 16), v128.load(y, 16)), 16);
    v128.store(y, madd(x, v128.load(b, 32), v128.load(y, 32)), 32);
    v128.store(y, madd(x, v128.load(b, 48), v128.load(y, 48)), 48);
  }
  for (n &= 15; n > 0; n -= 4, b += 16, y += 16) storePartial(y, madd(x, loadPartial(b, n), loadPartial(y, n)), n);
}

/** y[n] += a[0] b[0, n] + ... + a[7] b[7, n] for columns first..last, `ld` bytes between rows of b. */
function stream8(a: usize, b: usize, ld: usize, y: usize, first: i32, last: i32): void {
  const s0 = v128.load32_splat(a), s1 = v128.load32_splat(a, 4), s2 = v128.load32_splat(a, 8);
  const s3 = v128.load32_splat(a, 12), s4 = v128.load32_splat(a, 16), s5 = v128.load32_splat(a, 20);
  const s6 = v128.load32_splat(a, 24), s7 = v128.load32_splat(a, 28);
  let p = b + bytes(first, 1), q = y + bytes(first, 1), n = first;
  for (; n + 4 <= last; n += 4) {
    let sum = madd(s0, v128.load(p), v128.load(q));
    sum = madd(s1, v128.load(p + ld), sum);
    sum = madd(s2, v128.load(p + 2 * ld), sum);
    sum = madd(s3, v128.load(p + 3 * ld), sum);
    sum = madd(s4, v128.load(p + 4 * ld), sum);
    sum = madd(s5, v128.load(p + 5 * ld), sum);
    sum = madd(s6, v128.load(p + 6 * ld), sum);
    sum = madd(s7, v128.load(p + 7 * ld), sum);
    v128.store(q, sum);
    p += 16;
    q += 16;
  }
  const live = last - n;
  if (live > 0) {
    let sum = loadPartial(q, live);
    for (let k = 0; k < 8; k++) {
      sum = madd(v128.load32_splat(a + bytes(k, 1)), loadPartial(p, live), sum);
      p += ld;
    }
    storePartial(q, sum, live);
  }
}

/**
 * y (M <= 4 rows) from b stored (N, K): eight columns of y at a time, so eight rows of b are read in order. Four k of them
 * are transposed in registers, because lanes must be columns for every sum to run over k in order. Rows and columns that
 * do not exist repeat the last one and are not stored. `single` (a constant) says that M = 1.
 */
// @ts-ignore: decorator
@inline
function thinDots(
  single: bool,
  a: usize, b: usize, bias: usize, y: usize, M: i32, N: i32, K: i32, start: i32, begin: i32, end: i32,
): void {
  const last = min(end * STRIP, N), whole = K & ~3, ld = bytes(K, 1);
  const a1 = a + bytes(min(1, M - 1), K), a2 = a + bytes(min(2, M - 1), K), a3 = a + bytes(M - 1, K);
  for (let n = begin * STRIP; n < last; n += 8) {
    const live = last - n, row = y + bytes(n, 1);
    let c00 = startOf(row, bias, n, live, start), c01 = startOf(row + 16, bias, n + 4, live - 4, start);
    let c10 = c00, c11 = c01, c20 = c00, c21 = c01, c30 = c00, c31 = c01;
    if (!single && start == FROM_RESULT) {
      const q1 = row + bytes(min(1, M - 1), N), q2 = row + bytes(min(2, M - 1), N), q3 = row + bytes(M - 1, N);
      c10 = loadPartial(q1, live), c11 = loadPartial(q1 + 16, live - 4);
      c20 = loadPartial(q2, live), c21 = loadPartial(q2 + 16, live - 4);
      c30 = loadPartial(q3, live), c31 = loadPartial(q3 + 16, live - 4);
    }
    const edge = last - 1, p0 = b + bytes(n, K);
    const p1 = b + bytes(min(n + 1, edge), K), p2 = b + bytes(min(n + 2, edge), K), p3 = b + bytes(min(n + 3, edge), K);
    const p4 = b + bytes(min(n + 4, edge), K), p5 = b + bytes(min(n + 5, edge), K), p6 = b + bytes(min(n + 6, edge), K);
    const p7 = b + bytes(min(n + 7, edge), K);
    let k: usize = 0;
    for (const stop = bytes(whole, 1); k < stop; k += 16) {
      const r0 = v128.load(p0 + k), r1 = v128.load(p1 + k), r2 = v128.load(p2 + k), r3 = v128.load(p3 + k);
      const r4 = v128.load(p4 + k), r5 = v128.load(p5 + k), r6 = v128.load(p6 + k), r7 = v128.load(p7 + k);
      const l01 = low(r0, r1), l23 = low(r2, r3), l45 = low(r4, r5), l67 = low(r6, r7);
      const h01 = high(r0, r1), h23 = high(r2, r3), h45 = high(r4, r5), h67 = high(r6, r7);
      const b00 = firsts(l01, l23), b01 = firsts(l45, l67), b10 = seconds(l01, l23), b11 = seconds(l45, l67);
      const b20 = firsts(h01, h23), b21 = firsts(h45, h67), b30 = seconds(h01, h23), b31 = seconds(h45, h67);
      c00 = four(a + k, b00, b10, b20, b30, c00), c01 = four(a + k, b01, b11, b21, b31, c01);
      if (!single) {
        c10 = four(a1 + k, b00, b10, b20, b30, c10), c11 = four(a1 + k, b01, b11, b21, b31, c11);
        c20 = four(a2 + k, b00, b10, b20, b30, c20), c21 = four(a2 + k, b01, b11, b21, b31, c21);
        c30 = four(a3 + k, b00, b10, b20, b30, c30), c31 = four(a3 + k, b01, b11, b21, b31, c31);
      }
    }
    for (; k < ld; k += 4) {
      const b0 = gather(p0 + k, p1 + k, p2 + k, p3 + k), b1 = gather(p4 + k, p5 + k, p6 + k, p7 + k);
      let s = v128.load32_splat(a + k);
      c00 = madd(s, b0, c00), c01 = madd(s, b1, c01);
      if (!single) {
        s = v128.load32_splat(a1 + k);
        c10 = madd(s, b0, c10), c11 = madd(s, b1, c11);
        s = v128.load32_splat(a2 + k);
        c20 = madd(s, b0, c20), c21 = madd(s, b1, c21);
        s = v128.load32_splat(a3 + k);
        c30 = madd(s, b0, c30), c31 = madd(s, b1, c31);
      }
    }
    storePair(row, c00, c01, live);
    if (!single) {
      if (M > 1) storePair(row + bytes(1, N), c10, c11, live);
      if (M > 2) storePair(row + bytes(2, N), c20, c21, live);
      if (M > 3) storePair(row + bytes(3, N), c30, c31, live);
    }
  }
}

/**
 * thinDots for one row of A, which waits for memory. Memory hands over one long stretch up to twice as fast as several short
 * ones, so rows of b are fetched in the order in which they lie before sixteen at a time are read together.
 */
function oneDots(
  a: usize, b: usize, bias: usize, y: usize, N: i32, K: i32, start: i32, begin: i32, end: i32,
): void {
  const whole = min(end, N / STRIP), strip = bytes(STRIP, K), stretch = <i32>max<usize>(1, FETCHED / strip);
  for (let r = begin; r < whole; r++) {
    if ((r - begin) % stretch == 0) b += fetch(b + <usize>r * strip, b + <usize>min(r + stretch, whole) * strip);
    dots16(a, b, bias, y, N, K, start, r * STRIP);
  }
  if (whole < end) thinDots(true, a, b, bias, y, 1, N, K, start, max(begin, whole), end);
}

/** Reads a word of every cache line from `p` to `end`. The result is 0, though no compiler can tell and drop the loads. */
function fetch(p: usize, end: usize): usize {
  let some = 0;
  for (; p + 256 <= end; p += 256) some |= i32.load(p) | i32.load(p, 64) | i32.load(p, 128) | i32.load(p, 192);
  return <usize>(some & hiddenZero());
}

/** y[n] to y[n + 15] of one row of A, as thinDots; sixteen sums at a time hide each other's latency. */
function dots16(a: usize, b: usize, bias: usize, y: usize, N: i32, K: i32, start: i32, n: i32): void {
  const ld = bytes(K, 1), ld2 = 2 * ld, ld3 = 3 * ld, ld4 = 4 * ld, block = b + bytes(n, K), row = y + bytes(n, 1);
  let c0 = startOf(row, bias, n, 4, start), c1 = startOf(row + 16, bias, n + 4, 4, start);
  let c2 = startOf(row + 32, bias, n + 8, 4, start), c3 = startOf(row + 48, bias, n + 12, 4, start);
  let k: usize = 0;
  for (const stop = bytes(K & ~3, 1); k < stop; k += 16) {
    const s0 = v128.load32_splat(a + k), s1 = v128.load32_splat(a + k, 4);
    const s2 = v128.load32_splat(a + k, 8), s3 = v128.load32_splat(a + k, 12);
    let p = block + k;
    c0 = dots4(p, p + ld, p + ld2, p + ld3, s0, s1, s2, s3, c0), p += ld4;
    c1 = dots4(p, p + ld, p + ld2, p + ld3, s0, s1, s2, s3, c1), p += ld4;
    c2 = dots4(p, p + ld, p + ld2, p + ld3, s0, s1, s2, s3, c2), p += ld4;
    c3 = dots4(p, p + ld, p + ld2, p + ld3, s0, s1, s2, s3, c3);
  }
  for (; k < ld; k += 4) {
    const s = v128.load32_splat(a + k);
    let p = block + k;
    c0 = madd(s, gather(p, p + ld, p + ld2, p + ld3), c0), p += ld4;
    c1 = madd(s, gather(p, p + ld, p + ld2, p + ld3), c1), p += ld4;
    c2 = madd(s, gather(p, p + ld, p + ld2, p + ld3), c2), p += ld4;
    c3 = madd(s, gather(p, p + ld, p + ld2, p + ld3), c3);
  }
  v128.store(row, c0), v128.store(row, c1, 16), v128.store(row, c2, 32), v128.store(row, c3, 48);
}

/** c + four steps of k of the rows at p0 to p3. */
// @ts-ignore: decorator
@inline
function dots4(
  p0: usize, p1: usize, p2: usize, p3: usize, s0: v128, s1: v128, s2: v128, s3: v128, c: v128,
): v128 {
  const r0 = v128.load(p0), r1 = v128.load(p1), r2 = v128.load(p2), r3 = v128.load(p3);
  const l01 = low(r0, r1), l23 = low(r2, r3), h01 = high(r0, r1), h23 = high(r2, r3);
  c = madd(s0, firsts(l01, l23), c);
  c = madd(s1, seconds(l01, l23), c);
  c = madd(s2, firsts(h01, h23), c);
  return madd(s3, seconds(h01, h23), c);
}

function startOf(row: usize, bias: usize, n: i32, live: i32, start: i32): v128 {
  if (start == FROM_ZERO) return f32x4.splat(0);
  return loadPartial(start == FROM_BIAS ? bias + bytes(n, 1) : row, live);
}

function storePair(p: usize, lo: v128, hi: v128, live: i32): void {
  storePartial(p, lo, live);
  storePartial(p + 16, hi, live - 4);
}

/** c + a[0] b0 + ... + a[3] b3 */
// @ts-ignore: decorator
@inline
function four(a: usize, b0: v128, b1: v128, b2: v128, b3: v128, c: v128): v128 {
  c = madd(v128.load32_splat(a), b0, c);
  c = madd(v128.load32_splat(a, 4), b1, c);
  c = madd(v128.load32_splat(a, 8), b2, c);
  return madd(v128.load32_splat(a, 12), b3, c);
}

// @ts-ignore: decorator
@inline
function gather(p0: usize, p1: usize, p2: usize, p3: usize): v128 {
  return v128.load32_lane(p3, v128.load32_lane(p2, v128.load32_lane(p1, v128.load32_zero(p0), 1), 2), 3);
}

// The steps of a 4x4 transposition: pair up two rows, then take the first or the second halves of two pairs.
// @ts-ignore: decorator
@inline
function low(x: v128, y: v128): v128 {
  return v128.shuffle<f32>(x, y, 0, 4, 1, 5);
}
// @ts-ignore: decorator
@inline
function high(x: v128, y: v128): v128 {
  return v128.shuffle<f32>(x, y, 2, 6, 3, 7);
}
// @ts-ignore: decorator
@inline
function firsts(x: v128, y: v128): v128 {
  return v128.shuffle<f32>(x, y, 0, 1, 4, 5);
}
// @ts-ignore: decorator
@inline
function seconds(x: v128, y: v128): v128 {
  return v128.shuffle<f32>(x, y, 2, 3, 6, 7);
}

/**
 * y[n] += sum over m of d[m, n]; d (M, N), y (N). Row r owns columns 16 r to 16 r + 15. Eight rows of d are added up in a
 * fixed tree before they join y, which shortens the chain of roundings.
 */
export function columnSumInto(d: usize, y: usize, M: i32, N: i32, pass: i32, begin: i32, end: i32): void {
  const first = begin * STRIP, last = min(end * STRIP, N), ld = bytes(N, 1), whole = M & ~7;
  for (let m = 0; m < whole; m += 8) {
    let p = d + bytes(m, N) + bytes(first, 1), q = y + bytes(first, 1), n = first;
    for (; n + 4 <= last; n += 4) {
      const s01 = f32x4.add(v128.load(p), v128.load(p + ld));
      const s23 = f32x4.add(v128.load(p + 2 * ld), v128.load(p + 3 * ld));
      const s45 = f32x4.add(v128.load(p + 4 * ld), v128.load(p + 5 * ld));
      const s67 = f32x4.add(v128.load(p + 6 * ld), v128.load(p + 7 * ld));
      v128.store(q, f32x4.add(v128.load(q), f32x4.add(f32x4.add(s01, s23), f32x4.add(s45, s67))));
      p += 16;
      q += 16;
    }
    for (; n < last; n++) {
      const s01 = f32.load(p) + f32.load(p + ld), s23 = f32.load(p + 2 * ld) + f32.load(p + 3 * ld);
      const s45 = f32.load(p + 4 * ld) + f32.load(p + 5 * ld), s67 = f32.load(p + 6 * ld) + f32.load(p + 7 * ld);
      f32.store(q, f32.load(q) + ((s01 + s23) + (s45 + s67)));
      p += 4;
      q += 4;
    }
  }
  for (let m = whole; m < M; m++) {
    const from = d + bytes(m, N);
    for (let n = first; n < last; n += 4) {
      const at = bytes(n, 1), live = last - n;
      storePartial(y + at, f32x4.add(loadPartial(y + at, live), loadPartial(from + at, live)), live);
    }
  }
}
