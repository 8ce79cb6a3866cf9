// Softmax cross-entropy, alone (crossEntropy, crossEntropyGrad) and together with the output projection
// (linearCrossEntropy, linearCrossEntropyTrain), which works through chunks of 96 rows so that N x V logits are never
// stored. The matrix products are gemm.ts's. Targets are i32; -1 marks a row without a loss, which takes part in no product.
// The row maximum is subtracted before exponentials; sums have a fixed order, and the logarithm is taken in f64.

import {
  bytes, FROM_RESULT, FROM_ZERO, MR, multiply, NR, packColumns6, packColumns8, packRows6, packRows8, panels,
} from "./gemm";
import { exp, expPairs, hiddenZero, ln, max, sum } from "./simd";

/** nll[i] = log sum exp(logits[i, :]) - logits[i, targets[i]], 0 where the target is -1. Row i of N, K columns. */
export function crossEntropy(
  logits: usize, targets: usize, nll: usize, N: i32, K: i32, pass: i32, begin: i32, end: i32,
): void {
  for (let i = begin; i < end; i++) {
    const at = bytes(i, 1), target = i32.load(targets + at), row = logits + bytes(i, K);
    let loss: f32 = 0;
    if (target >= 0) {
      const top = rowMax(row, K);
      loss = negativeLog(top, expRow(false, row, row, K, top), f32.load(row + bytes(target, 1)));
    }
    f32.store(nll + at, loss);
  }
}

/** dlogits[i, :] = (softmax(logits[i, :]) - onehot(targets[i])) dnll[i], zeros where the target is -1. Row i of N. */
export function crossEntropyGrad(
  logits: usize, targets: usize, dnll: usize, dlogits: usize, N: i32, K: i32, pass: i32, begin: i32, end: i32,
): void {
  for (let i = begin; i < end; i++) {
    const at = bytes(i, 1), target = i32.load(targets + at), row = logits + bytes(i, K), to = dlogits + bytes(i, K);
    if (target < 0) memory.fill(to, 0, bytes(K, 1));
    else scaleRow(to, K, target, f32.load(dnll + at), expRow(true, row, to, K, rowMax(row, K)));
  }
}

/** The largest of n >= 1 numbers. */
function rowMax(x: usize, n: i32): f32 {
  let top = f32.load(x), i = 0;
  if (n >= 8) {
    let m0 = v128.load(x), m1 = v128.load(x, 16);
    for (i = 8; i + 8 <= n; i += 8) {
      const p = x + bytes(i, 1);
      m0 = f32x4.pmax(m0, v128.load(p));
      m1 = f32x4.pmax(m1, v128.load(p, 16));
    }
    top = max(f32x4.pmax(m0, m1));
  }
  for (; i < n; i++) {
    const v = f32.load(x + bytes(i, 1));
    if (v > top) top = v;
  }
  return top;
}

/** Sum of e^(x - shift) over n numbers, each also written to y if `keep` (a constant); y may be x. */
// @ts-ignore: decorator
@inline
function expRow(keep: bool, x: usize, y: usize, n: i32, shift: f32): f32 {
  const s = f32x4.splat(shift), whole = n & ~7;
  let total = sum(expPairs(keep, x, y, 16, 32, n >> 3, s, s, 0));
  for (let i = whole; i < n; i++) {
    const e = f32x4.extract_lane(exp(f32x4.splat(f32.load(x + bytes(i, 1)) - shift), hiddenZero()), 0);
    if (keep) f32.store(y + bytes(i, 1), e);
    total += e;
  }
  return total;
}

/** Turns exponentials with the sum `total` into the gradient: y = (y / total - onehot(target)) d. */
function scaleRow(y: usize, n: i32, target: i32, d: f32, total: f32): void {
  const at = y + bytes(target, 1), factor = d / total, f = f32x4.splat(factor);
  const own = (f32.load(at) / total - 1) * d;
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const p = y + bytes(i, 1);
    v128.store(p, f32x4.mul(v128.load(p), f));
  }
  for (; i < n; i++) {
    const p = y + bytes(i, 1);
    f32.store(p, f32.load(p) * factor);
  }
  f32.store(at, own);
}

/** top + ln total - x, formed in f64. */
function negativeLog(top: f32, total: f32, x: f32): f32 {
  return <f32>(<f64>top - <f64>x + ln(total));
}

/** Rows per chunk: 16 panels of A. */
const RC: i32 = 96;

// Rows with a target move together: places 0, 1, ... of chunks and panels are theirs, and `rows` says which row a place has.
//
// Scratch of the linear forms, in this order, each part rounded up to 64 floats, with R = min(N, 96), vP = ceil(V/8),
// cP = ceil(C/8), chunks = ceil(N/R) and row length ld = 32 ceil((V + 7)/32) + 16 floats (room for whole panels, and an odd
// multiple of 64 bytes so that the same column of neighbouring rows falls into different cache sets):
//   rows, -1 where none    (N) i32             N
//   w as B of the logits   [vP][C][8]          8 vP C
//   h as A of the logits   [ceil(N/6)][C][6]   6 ceil(N/6) C
//   logits, then dlogits   (R, ld)             R ld
// and for training, where dh is made as dhᵀ = wᵀ dlogitsᵀ, so that w is read as it lies and not packed a second time,
//   h as B of dw           [chunks][cP][R][8]  8 chunks cP R
//   dlogitsᵀ as B of dhᵀ   [rP][V][8]          8 rP V, rP = ceil(R/8)
//   dhᵀ of a chunk         (C, 8 rP)           8 rP C
//   last columns of w      [V][6]              6 V, if 6 does not divide C: reading them in w would go past its end

// @ts-ignore: decorator
@inline
function part(floats: usize): usize {
  return ((floats + 63) & ~63) << 2;
}

// @ts-ignore: decorator
@inline
function rowLength(V: i32): i32 {
  return ((V + 7 + 31) & ~31) + 16;
}

/**
 * nll (N) of logits = h wᵀ with h (N, C) and w (V, C), as crossEntropy. Passes: 1 + 2 chunks. Pass 0: rows vP +
 * ceil(N/6), packing panels of w, then of h. Then for every chunk of rows: vP, row r owning 8 columns of logits; and
 * ceil(rows of the chunk / 6), row r owning six of its places. Chunks behind the last target cost nothing but the barriers.
 */
export function linearCrossEntropy(
  h: usize, w: usize, targets: usize, nll: usize, scratch: usize,
  N: i32, V: i32, C: i32, pass: i32, begin: i32, end: i32,
): void {
  const rows = scratch, packed = rows + part(N);
  const logits = packed + part(bytes(panels(V, NR) * NR, C) >> 2) + part(bytes(panels(N, MR) * MR, C) >> 2);
  if (pass == 0) {
    clearRows(targets, nll, 0, N, V, C, begin, end);
    packOperands(h, w, targets, rows, packed, 0, 0, N, V, C, begin, end);
    return;
  }
  const first = ((pass - 1) >> 1) * RC, live = liveOf(rows, first, N);
  if (((pass - 1) & 1) == 0) {
    if (live > 0) logitsOf(packed, logits, first, live, N, V, C, begin, end);
  } else {
    for (let r = begin * MR; r < min(end * MR, live); r++) {
      const at = bytes(rowAt(rows, first + r), 1), row = logits + bytes(r, rowLength(V)), top = rowMax(row, V);
      const own = f32.load(row + bytes(i32.load(targets + at), 1));
      f32.store(nll + at, negativeLog(top, expRow(false, row, row, V, top), own));
    }
  }
}

/**
 * The same with its gradient: nll =, dh (N, C) = dlogits w, dw (V, C) += dlogitsᵀ h, where dlogits = (softmax - onehot)
 * dnll. Passes: 1 + 4 chunks. Pass 0 as above. Then for every chunk of rows: vP, row r owning 8 columns of logits;
 * ceil(rows of the chunk / 8), row r turning eight rows of logits into nll and dlogits; ceil(C/6), row r owning 6 columns
 * of the chunk's dh; ceil(V/6), row r owning six rows of dw. Chunks without a nonzero dnll skip what they do not need.
 */
export function linearCrossEntropyTrain(
  h: usize, w: usize, targets: usize, dnll: usize, nll: usize, dh: usize, dw: usize, scratch: usize,
  N: i32, V: i32, C: i32, pass: i32, begin: i32, end: i32,
): void {
  const R = min(N, RC), cP = panels(C, NR), rP = panels(R, NR), chunk = (pass - 1) >> 2;
  const rows = scratch, packed = rows + part(N);
  const logits = packed + part(bytes(panels(V, NR) * NR, C) >> 2) + part(bytes(panels(N, MR) * MR, C) >> 2);
  const hPacked = logits + part(bytes(R, rowLength(V)) >> 2);
  const gPacked = hPacked + part(bytes(panels(N, R) * R, cP * NR) >> 2);
  const turned = gPacked + part(bytes(rP * NR, V) >> 2), wLast = turned + part(bytes(rP * NR, C) >> 2);
  if (pass == 0) {
    clearRows(targets, nll, dh, N, V, C, begin, end);
    packOperands(h, w, targets, rows, packed, wLast, hPacked, N, V, C, begin, end);
    return;
  }
  const first = chunk * RC, live = liveOf(rows, first, N), step = (pass - 1) & 3;
  if (live == 0) return;
  if (step == 0) {
    logitsOf(packed, logits, first, live, N, V, C, begin, end);
  } else if (step == 1) {
    const grad = anyGradient(rows, dnll, first, live);
    for (let i = begin; i < min(end, panels(live, NR)); i++) {
      const r0 = i * NR, r1 = min(r0 + NR, live);
      for (let r = r0; r < r1; r++) {
        gradientRow(targets, dnll, nll, rowAt(rows, first + r), logits + bytes(r, rowLength(V)), V);
      }
      if (grad) {
        packRows8(logits + bytes(r0, rowLength(V)), bytes(rowLength(V), 1), gPacked + bytes(r0, V), r1 - r0, V);
      }
    }
  } else if (step == 2) {
    if (anyGradient(rows, dnll, first, live)) {
      const whole = min(end, C / MR), jP = panels(live, NR), ld = bytes(rP * NR, 1);
      multiply(
        w, bytes(C, 1), 24, gPacked, bytes(NR, V), turned, ld, C, live, V, begin, whole, 0, jP, FROM_ZERO, 0,
      );
      if (begin < end && end > whole) {
        multiply(
          wLast, 24, 0, gPacked, bytes(NR, V), turned + <usize>(whole * MR) * ld, ld,
          C - whole * MR, live, V, 0, 1, 0, jP, FROM_ZERO, 0,
        );
      }
      for (let c = begin * MR; c < min(end * MR, C); c++) {
        const from = turned + <usize>c * ld, column = dh + bytes(c, 1);
        for (let r = 0; r < live; r++) {
          f32.store(column + bytes(rowAt(rows, first + r), C), f32.load(from + bytes(r, 1)));
        }
      }
    } else {
      const c0 = begin * MR, c1 = min(end * MR, C);
      for (let r = 0; r < live && c0 < c1; r++) {
        memory.fill(dh + bytes(rowAt(rows, first + r), C) + bytes(c0, 1), 0, bytes(c1 - c0, 1));
      }
    }
  } else if (anyGradient(rows, dnll, first, live)) {
    // dlogits lies as (rows, V): six neighbouring columns of it are a step of the transposed operand as they are.
    multiply(
      logits, bytes(rowLength(V), 1), 24, hPacked + bytes(chunk * cP * NR, R), bytes(NR, R), dw, bytes(C, 1),
      V, C, live, begin, end, 0, cP, FROM_RESULT, 0,
    );
  }
}

// @ts-ignore: decorator
@inline
function rowAt(rows: usize, place: i32): i32 {
  return i32.load(rows + bytes(place, 1));
}

/** How many places of the chunk that begins at `first` have a row. */
function liveOf(rows: usize, first: i32, N: i32): i32 {
  const end = min(first + RC, N);
  let place = first;
  while (place < end && rowAt(rows, place) >= 0) place++;
  return place - first;
}

/** Whether a row of the chunk has a nonzero dnll. */
function anyGradient(rows: usize, dnll: usize, first: i32, live: i32): bool {
  for (let r = 0; r < live; r++) {
    if (f32.load(dnll + bytes(rowAt(rows, first + r), 1)) != 0) return true;
  }
  return false;
}

/** The first row from `from` on that has a target; N if there is none. */
function nextRow(targets: usize, from: i32, N: i32): i32 {
  while (from < N && i32.load(targets + bytes(from, 1)) < 0) from++;
  return from;
}

/** The rest of pass 0: rows without a target have no loss and, where dh is not 0, no gradient. */
function clearRows(
  targets: usize, nll: usize, dh: usize, N: i32, V: i32, C: i32, begin: i32, end: i32,
): void {
  const vP = panels(V, NR);
  for (let i = max0(begin - vP) * MR; i < min(max0(end - vP) * MR, N); i++) {
    if (i32.load(targets + bytes(i, 1)) >= 0) continue;
    f32.store(nll + bytes(i, 1), 0);
    if (dh != 0) memory.fill(dh + bytes(i, C), 0, bytes(C, 1));
  }
}

// @ts-ignore: decorator
@inline
function max0(n: i32): i32 {
  return n < 0 ? 0 : n;
}

/**
 * Pass 0: rows are panels of eight rows of w, then panels of six places, whose rows of h are found and packed. For training
 * (hPacked is not 0) h is packed for both its uses, and the last columns of w that make no panel of six.
 */
function packOperands(
  h: usize, w: usize, targets: usize, rows: usize, packed: usize, wLast: usize, hPacked: usize,
  N: i32, V: i32, C: i32, begin: i32, end: i32,
): void {
  const vP = panels(V, NR), cP = panels(C, NR), R = min(N, RC), ld = bytes(C, 1);
  const hA = packed + part(bytes(vP * NR, C) >> 2);
  for (let r = begin; r < min(end, vP); r++) {
    const v = r * NR, live = min(NR, V - v), from = w + bytes(v, C);
    packRows8(from, ld, packed + bytes(v, C), live, C);
    const last = C - C % MR;
    if (hPacked != 0 && last < C) packColumns6(from + bytes(last, 1), ld, wLast + bytes(v, MR), C - last, live);
  }
  const begins = max0(begin - vP) * MR, ends = min(max0(end - vP) * MR, N);
  if (begins >= ends) return;
  let row = 0;
  for (let place = 0; place < begins && row < N; place++) row = nextRow(targets, row, N) + 1;
  for (let n = begins; n < ends; n += MR) {
    const some = min(MR, N - n);
    let live = 0;
    for (let place = n; place < n + some; place++) {
      row = nextRow(targets, row, N);
      i32.store(rows + bytes(place, 1), row < N ? row : -1);
      if (row < N) {
        live++;
        row++;
      }
    }
    if (live == 0) continue;
    packPlaces(h, ld, rows + bytes(n, 1), hA + bytes(n, C), live, C);
    if (hPacked == 0) continue;
    const chunk = n / RC, panel = hPacked + bytes(chunk * cP * NR, R) + bytes(n - chunk * RC, NR);
    for (let i = 0; i < live; i++) {
      const from = h + bytes(rowAt(rows, n + i), C), to = panel + bytes(i, NR);
      for (let j = 0; j < cP; j++) {
        packColumns8(from + bytes(j * NR, 1), ld, to + bytes(j * NR, R), min(NR, C - j * NR), 1);
      }
    }
  }
}

/** Packs the rows of h at `live` (1 to 6) places into one panel [C][6]; what has no row becomes 0. */
function packPlaces(h: usize, ld: usize, rows: usize, to: usize, live: i32, C: i32): void {
  const first = rowAt(rows, 0);
  if (rowAt(rows, live - 1) - first == live - 1) {
    packRows6(h + <usize>first * ld, ld, to, live, C);
    return;
  }
  if (live < MR) memory.fill(to, 0, bytes(C, MR));
  for (let i = 0; i < live; i++) {
    const from = h + <usize>rowAt(rows, i) * ld, column = to + bytes(i, 1);
    for (let c = 0; c < C; c++) f32.store(column + bytes(c, MR), f32.load(from + bytes(c, 1)));
  }
}

/** Columns of panels begin..end of a chunk's logits, whole panels: what lies beyond V becomes 0. */
function logitsOf(
  packed: usize, logits: usize, first: i32, live: i32, N: i32, V: i32, C: i32, begin: i32, end: i32,
): void {
  const vP = panels(V, NR), hA = packed + part(bytes(vP * NR, C) >> 2) + bytes(first, C);
  multiply(
    hA, 24, bytes(MR, C), packed, bytes(NR, C), logits, bytes(rowLength(V), 1),
    live, vP * NR, C, 0, panels(live, MR), begin, end, FROM_ZERO, 0,
  );
}

/** One row of step 1: `row` of logits becomes dlogits, its padding 0, and nll[i] is written. Row i has a target. */
function gradientRow(targets: usize, dnll: usize, nll: usize, i: i32, row: usize, V: i32): void {
  const at = bytes(i, 1), target = i32.load(targets + at), d = f32.load(dnll + at);
  const x = f32.load(row + bytes(target, 1)), top = rowMax(row, V), total = expRow(true, row, row, V, top);
  f32.store(nll + at, negativeLog(top, total, x));
  if (d != 0) scaleRow(row, V, target, d, total);
  const from = d != 0 ? V : 0;
  memory.fill(row + bytes(from, 1), 0, bytes(rowLength(V) - from, 1));
}
