// Softmax cross-entropy, alone (crossEntropy, crossEntropyGrad) and together with the output projection
// (linearCrossEntropy, linearCrossEntropyTrain), which works through chunks of 96 rows so that N x V logits are never
// stored. The matrix products are gemm.ts's. Targets are i32; -1 marks a row without a loss. The row maximum is subtracted
// before exponentials; sums have a fixed order, and the logarithm is taken in f64.

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

// Scratch of the linear forms, in this order, each part rounded up to 64 floats, with R = min(N, 96), vP = ceil(V/8),
// cP = ceil(C/8), chunks = ceil(N/R) and row length ld = 32 ceil((V + 7)/32) + 16 floats (room for whole panels, and an odd
// multiple of 64 bytes so that the same column of neighbouring rows falls into different cache sets):
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
 * ceil(rows of the chunk / 6), row r owning six rows of it. A chunk without any target costs nothing but the barriers.
 */
export function linearCrossEntropy(
  h: usize, w: usize, targets: usize, nll: usize, scratch: usize,
  N: i32, V: i32, C: i32, pass: i32, begin: i32, end: i32,
): void {
  const logits = scratch + part(bytes(panels(V, NR) * NR, C) >> 2) + part(bytes(panels(N, MR) * MR, C) >> 2);
  if (pass == 0) {
    packOperands(h, w, scratch, 0, 0, N, V, C, begin, end);
    return;
  }
  const first = ((pass - 1) >> 1) * RC, live = min(RC, N - first);
  if (((pass - 1) & 1) == 0) {
    if (anyTarget(targets, 0, first, live)) logitsOf(scratch, logits, first, live, N, V, C, begin, end);
  } else {
    const some = anyTarget(targets, 0, first, live);
    for (let r = begin * MR; r < min(end * MR, live); r++) {
      const at = bytes(first + r, 1), target = i32.load(targets + at), row = logits + bytes(r, rowLength(V));
      let loss: f32 = 0;
      if (some && target >= 0) {
        const top = rowMax(row, V);
        loss = negativeLog(top, expRow(false, row, row, V, top), f32.load(row + bytes(target, 1)));
      }
      f32.store(nll + at, loss);
    }
  }
}

/**
 * The same with its gradient: nll =, dh (N, C) = dlogits w, dw (V, C) += dlogitsᵀ h, where dlogits = (softmax - onehot)
 * dnll. Passes: 1 + 4 chunks. Pass 0 as above. Then for every chunk of rows: vP, row r owning 8 columns of logits;
 * ceil(rows of the chunk / 8), row r turning eight rows of logits into nll and dlogits; ceil(C/6), row r owning 6 columns
 * of the chunk's dh; ceil(V/6), row r owning six rows of dw. Chunks without a target, or without a nonzero dnll, skip what they do
 * not need.
 */
export function linearCrossEntropyTrain(
  h: usize, w: usize, targets: usize, dnll: usize, nll: usize, dh: usize, dw: usize, scratch: usize,
  N: i32, V: i32, C: i32, pass: i32, begin: i32, end: i32,
): void {
  const R = min(N, RC), cP = panels(C, NR), rP = panels(R, NR), chunk = (pass - 1) >> 2;
  const logits = scratch + part(bytes(panels(V, NR) * NR, C) >> 2) + part(bytes(panels(N, MR) * MR, C) >> 2);
  const hPacked = logits + part(bytes(R, rowLength(V)) >> 2);
  const gPacked = hPacked + part(bytes(panels(N, R) * R, cP * NR) >> 2);
  const turned = gPacked + part(bytes(rP * NR, V) >> 2), wLast = turned + part(bytes(rP * NR, C) >> 2);
  if (pass == 0) {
    packOperands(h, w, scratch, wLast, hPacked, N, V, C, begin, end);
    return;
  }
  const first = chunk * RC, live = min(RC, N - first), step = (pass - 1) & 3;
  if (step == 0) {
    if (anyTarget(targets, 0, first, live)) logitsOf(scratch, logits, first, live, N, V, C, begin, end);
  } else if (step == 1) {
    const some = anyTarget(targets, 0, first, live), grad = anyTarget(targets, dnll, first, live);
    for (let i = begin; i < end; i++) {
      const r0 = i * NR, r1 = min(r0 + NR, live);
      for (let r = r0; r < r1; r++) gradientRow(some, targets, dnll, nll, first + r, logits + bytes(r, rowLength(V)), V);
      if (grad) {
        packRows8(logits + bytes(r0, rowLength(V)), bytes(rowLength(V), 1), gPacked + bytes(r0, V), r1 - r0, V);
      }
    }
  } else if (step == 2) {
    const to = dh + bytes(first, C);
    if (anyTarget(targets, dnll, first, live)) {
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
        const from = turned + <usize>c * ld, column = to + bytes(c, 1);
        for (let r = 0; r < live; r++) f32.store(column + bytes(r, C), f32.load(from + bytes(r, 1)));
      }
    } else {
      const c0 = begin * MR, c1 = min(end * MR, C);
      for (let r = 0; r < live && c0 < c1; r++) memory.fill(to + bytes(r, C) + bytes(c0, 1), 0, bytes(c1 - c0, 1));
    }
  } else if (anyTarget(targets, dnll, first, live)) {
    // dlogits lies as (rows, V): six neighbouring columns of it are a step of the transposed operand as they are.
    multiply(
      logits, bytes(rowLength(V), 1), 24, hPacked + bytes(chunk * cP * NR, R), bytes(NR, R), dw, bytes(C, 1),
      V, C, live, begin, end, 0, cP, FROM_RESULT, 0,
    );
  }
}

/** Whether a row of the chunk has a target, and a nonzero dnll where dnll is given. */
function anyTarget(targets: usize, dnll: usize, first: i32, live: i32): bool {
  for (let i = first; i < first + live; i++) {
    const at = bytes(i, 1);
    if (i32.load(targets + at) >= 0 && (dnll == 0 || f32.load(dnll + at) != 0)) return true;
  }
  return false;
}

/**
 * Pass 0: rows are panels of eight rows of w, then panels of six rows of h. For training (hPacked is not 0) h is packed for
 * both its uses, and the last columns of w that make no panel of six.
 */
function packOperands(
  h: usize, w: usize, scratch: usize, wLast: usize, hPacked: usize, N: i32, V: i32, C: i32, begin: i32, end: i32,
): void {
  const vP = panels(V, NR), cP = panels(C, NR), R = min(N, RC), ld = bytes(C, 1);
  const hA = scratch + part(bytes(vP * NR, C) >> 2);
  for (let r = begin; r < end; r++) {
    if (r < vP) {
      const v = r * NR, live = min(NR, V - v), from = w + bytes(v, C);
      packRows8(from, ld, scratch + bytes(v, C), live, C);
      const last = C - C % MR;
      if (hPacked != 0 && last < C) packColumns6(from + bytes(last, 1), ld, wLast + bytes(v, MR), C - last, live);
    } else {
      const n = (r - vP) * MR, live = min(MR, N - n), from = h + bytes(n, C);
      packRows6(from, ld, hA + bytes(n, C), live, C);
      if (hPacked == 0) continue;
      const chunk = n / RC, panel = hPacked + bytes(chunk * cP * NR, R) + bytes(n - chunk * RC, NR);
      for (let j = 0; j < cP; j++) {
        packColumns8(from + bytes(j * NR, 1), ld, panel + bytes(j * NR, R), min(NR, C - j * NR), live);
      }
    }
  }
}

/** Columns of panels begin..end of a chunk's logits, whole panels: what lies beyond V becomes 0. */
function logitsOf(
  scratch: usize, logits: usize, first: i32, live: i32, N: i32, V: i32, C: i32, begin: i32, end: i32,
): void {
  const vP = panels(V, NR), hA = scratch + part(bytes(vP * NR, C) >> 2) + bytes(first, C);
  multiply(
    hA, 24, bytes(MR, C), scratch, bytes(NR, C), logits, bytes(rowLength(V), 1),
    live, vP * NR, C, 0, panels(live, MR), begin, end, FROM_ZERO, 0,
  );
}

/** One row of step 1: `row` of logits becomes dlogits, its padding 0, and nll[i] is written. */
function gradientRow(some: bool, targets: usize, dnll: usize, nll: usize, i: i32, row: usize, V: i32): void {
  const at = bytes(i, 1), target = i32.load(targets + at), d = f32.load(dnll + at);
  let loss: f32 = 0;
  if (some && target >= 0) {
    const x = f32.load(row + bytes(target, 1)), top = rowMax(row, V), total = expRow(true, row, row, V, top);
    loss = negativeLog(top, total, x);
    if (d != 0) scaleRow(row, V, target, d, total);
  }
  f32.store(nll + at, loss);
  const alive = target >= 0 && d != 0, from = alive ? V : 0;
  memory.fill(row + bytes(from, 1), 0, bytes(rowLength(V) - from, 1));
}
