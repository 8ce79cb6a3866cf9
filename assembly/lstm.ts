// The recurrent part of an LSTM: lstm, lstmGrad, previousStates. A pass is a step, because a step needs all columns of the
// state before it. In every pass a thread owns the same blocks of 8 columns of the state, with the same columns of all four
// gates: it adds their products with the state before to what the inputs gave, makes gates, cell and state of them, and
// puts the new state where the next pass reads it, in panels of 6 batch rows as gemm.ts wants them, so that no pass is
// needed for packing. There are two sets of panels: one is read while the other is written. The weights are packed once.
// Gates stand in the order i, f, g, o. `live` is i32 (B, S): S = 1 the live steps of each row; S = 2 [offset, steps], and a
// row at offset 0 starts from zeros.

import { bytes, FROM_RESULT, FROM_ZERO, MR, multiply, NR, packColumns8, packRows8, panels } from "./gemm";
import { exp, hiddenZero, loadPartial, madd, storePartial } from "./simd";

/** Exponents beyond this would overflow in `exp`; a sigmoid is 6e-39 there. */
// @ts-ignore: decorator
@inline
const FAR: f32 = 88;

/** 1 / (1 + e^-x), with a relative error below 1e-6 for |x| < 10 and below 1e-5 beyond; 6e-39 at least. */
// @ts-ignore: decorator
@inline
function sigmoid(x: v128, zero: i32): v128 {
  const e = exp(f32x4.pmin(f32x4.neg(x), f32x4.splat(FAR)), zero), one = f32x4.splat(1);
  return f32x4.div(one, f32x4.add(one, e));
}

/** tanh x = 1 - 2 / (1 + e^2x), with an absolute error below 3e-7. */
// @ts-ignore: decorator
@inline
function tanh(x: v128, zero: i32): v128 {
  const e = exp(f32x4.pmin(f32x4.add(x, x), f32x4.splat(FAR)), zero), one = f32x4.splat(1);
  return f32x4.sub(one, f32x4.div(f32x4.splat(2), f32x4.add(one, e)));
}

/** Live steps of row b. */
// @ts-ignore: decorator
@inline
function steps(live: usize, b: i32, S: i32): i32 {
  return load<i32>(live + bytes(b, S) + bytes(S - 1, 1));
}

/** Whether row b starts from zeros. */
// @ts-ignore: decorator
@inline
function fresh(live: usize, b: i32, S: i32): bool {
  return S == 2 && load<i32>(live + bytes(b, 2)) == 0;
}

/** Where element k of row b lies in panels [6 rows][K][6]. */
// @ts-ignore: decorator
@inline
function inPanel(to: usize, b: i32, k: i32, K: i32): usize {
  return to + bytes(b / MR, MR * K) + bytes(k, MR) + bytes(b % MR, 1);
}

/** Four neighbouring k of a row, of which `live` exist, into panels. */
// @ts-ignore: decorator
@inline
function scatter(to: usize, v: v128, live: i32): void {
  v128.store32_lane(to, v, 0);
  if (live > 1) v128.store32_lane(to, v, 1, 24);
  if (live > 2) v128.store32_lane(to, v, 2, 48);
  if (live > 3) v128.store32_lane(to, v, 3, 72);
}

/** Zeros in columns first..last of panels of all rows, rows that do not exist included. */
function clearPanels(to: usize, rows: i32, K: i32, first: i32, last: i32): void {
  for (let p = 0; p < rows; p++) memory.fill(to + bytes(p * MR, K) + bytes(first, MR), 0, bytes(last - first, MR));
}

/**
 * An LSTM over T steps. w (C,4C), h0 and c0 (B,C), live (B,S) in; h (B,T,C), hn and cn (B,C), gates (B,T,4C), cells (B,T,C)
 * out, all `=` but for gates, which hold the projections of the inputs and are replaced by the activated gates; hn may be
 * h0 and cn may be c0. Steps that are not live give zeros. T + 1 passes of ceil(C/8) rows; row r owns columns 8r.. of the
 * state and of each gate: pass 0 packs weights and the first state, pass t + 1 is step t. With T = 1 nothing is packed:
 * pass 0 adds the products, pass 1 does the rest. scratch, for T > 1: (4 · 8 ceil(C/8) + 2 · 6 ceil(B/6)) C floats.
 */
export function lstm(
  w: usize, h0: usize, c0: usize, live: usize, h: usize, hn: usize, cn: usize, gates: usize, cells: usize,
  scratch: usize, B: i32, T: i32, C: i32, S: i32, pass: i32, begin: i32, end: i32,
): void {
  const first = begin * NR, last = min(end * NR, C);
  if (T == 1) {
    if (pass == 0) return stream(w, h0, live, gates, B, C, S, first, last);
    start(h0, c0, live, hn, cn, 0, B, C, S, first, last);
    return step(live, h, hn, cn, gates, cells, 0, 0, B, T, C, S, first, last);
  }
  const blocks = panels(C, NR), mP = panels(B, MR), bPanel = bytes(NR, C), aPanel = bytes(MR, C);
  const even = scratch + <usize>(4 * blocks) * bPanel, odd = even + <usize>mP * aPanel;
  if (pass == 0) {
    for (let q = 0; q < 4; q++) {
      for (let j = begin; j < end; j++) {
        const from = w + bytes(q, C) + bytes(j, NR), to = scratch + <usize>(q * blocks + j) * bPanel;
        packColumns8(from, bytes(4, C), to, min(NR, C - j * NR), C);
      }
    }
    clearPanels(even, mP, C, first, last);
    clearPanels(odd, mP, C, first, last);
    return start(h0, c0, live, hn, cn, even, B, C, S, first, last);
  }
  const t = pass - 1, before = t & 1 ? odd : even, after = t & 1 ? even : odd, row = bytes(4, C);
  for (let q = 0; q < 4; q++) {
    const to = gates + <usize>t * row + bytes(q, C), weights = scratch + <usize>(q * blocks) * bPanel;
    multiply(before, 24, aPanel, weights, bPanel, to, <usize>T * row, B, C, C, 0, mP, begin, end, FROM_RESULT, 0);
  }
  step(live, h, hn, cn, gates, cells, after, t, B, T, C, S, first, last);
}

/** gates += h0 · w for columns first..last of each gate, rows of w in order; rows that start from zeros are left out. */
function stream(w: usize, h0: usize, live: usize, gates: usize, B: i32, C: i32, S: i32, first: i32, last: i32): void {
  const ld = bytes(4, C);
  for (let k = 0; k < C; k += 4, w += 4 * ld) {
    const depth = min(4, C - k);
    for (let b = 0; b < B; b++) {
      if (fresh(live, b, S)) continue;
      const a = h0 + bytes(b, C) + bytes(k, 1);
      for (let q = 0; q < 4; q++) {
        const column = bytes(q, C);
        addRows(a, w + column, ld, gates + <usize>b * ld + column, first, last, depth);
      }
    }
  }
}

/** y[n] += a[0] b[0, n] + ... + a[depth - 1] b[depth - 1, n] for columns first..last, `ld` bytes between rows of b. */
function addRows(a: usize, b: usize, ld: usize, y: usize, first: i32, last: i32, depth: i32): void {
  b += bytes(first, 1), y += bytes(first, 1);
  let live = last - first;
  if (depth == 4) {
    const s0 = v128.load32_splat(a), s1 = v128.load32_splat(a, 4);
    const s2 = v128.load32_splat(a, 8), s3 = v128.load32_splat(a, 12);
    for (; live >= 4; live -= 4, b += 16, y += 16) {
      const sum = madd(s1, v128.load(b + ld), madd(s0, v128.load(b), v128.load(y)));
      v128.store(y, madd(s3, v128.load(b + 3 * ld), madd(s2, v128.load(b + 2 * ld), sum)));
    }
  }
  for (; live > 0; live -= 4, b += 16, y += 16) {
    let sum = loadPartial(y, live);
    for (let k: usize = 0; k < <usize>depth; k++) {
      sum = madd(v128.load32_splat(a + (k << 2)), loadPartial(b + k * ld, live), sum);
    }
    storePartial(y, sum, live);
  }
}

/** The state before the first step, into hn, cn and, unless that is 0, panels. */
function start(
  h0: usize, c0: usize, live: usize, hn: usize, cn: usize, packed: usize,
  B: i32, C: i32, S: i32, first: i32, last: i32,
): void {
  for (let b = 0; b < B; b++) {
    const row = bytes(b, C), none = fresh(live, b, S);
    for (let n = first; n < last; n += 4) {
      const at = row + bytes(n, 1), some = last - n;
      const state = none ? f32x4.splat(0) : loadPartial(h0 + at, some);
      storePartial(cn + at, none ? f32x4.splat(0) : loadPartial(c0 + at, some), some);
      storePartial(hn + at, state, some);
      if (packed) scatter(inPanel(packed, b, n, C), state, some);
    }
  }
}

/** Step t of columns first..last once the gates' sums are complete: gates, cells and states, in `packed` too unless it is 0. */
function step(
  live: usize, h: usize, hn: usize, cn: usize, gates: usize, cells: usize, packed: usize,
  t: i32, B: i32, T: i32, C: i32, S: i32, first: i32, last: i32,
): void {
  const zero = hiddenZero(), gap = bytes(C, 1);
  for (let b = 0; b < B; b++) {
    const row = b * T + t, alive = t < steps(live, b, S);
    for (let n = first; n < last; n += 4) {
      const some = last - n, column = bytes(n, 1), state = bytes(b, C) + column, at = bytes(row, C) + column;
      const p0 = gates + bytes(row, 4 * C) + column, p1 = p0 + gap, p2 = p1 + gap, p3 = p2 + gap;
      let i = f32x4.splat(0), f = i, g = i, o = i, c = i, s = i;
      if (alive) {
        i = sigmoid(loadPartial(p0, some), zero), f = sigmoid(loadPartial(p1, some), zero);
        g = tanh(loadPartial(p2, some), zero), o = sigmoid(loadPartial(p3, some), zero);
        c = madd(f, loadPartial(cn + state, some), f32x4.mul(i, g));
        s = f32x4.mul(o, tanh(c, zero));
        storePartial(cn + state, c, some), storePartial(hn + state, s, some);
        if (packed) scatter(inPanel(packed, b, n, C), s, some);
      }
      storePartial(p0, i, some), storePartial(p1, f, some), storePartial(p2, g, some), storePartial(p3, o, some);
      storePartial(cells + at, c, some), storePartial(h + at, s, some);
    }
  }
}

/**
 * The gradient of lstm. w (C,4C), gates (B,T,4C), cells (B,T,C), c0 (B,C), live (B,S), dh (B,T,C), dhn and dcn (B,C) in;
 * dx (B,T,4C), dh0 and dc0 (B,C) out, all `=`; dx may be gates. T + 1 passes of ceil(C/8) rows, row r owns columns 8r.. of
 * the state and of each gate: pass p is step T - 1 - p, which starts from what dx of the step after it, in panels, says
 * through the weights; pass 0 packs the weights as well, and the last pass gives dh0. dh0 and dc0 hold what goes from
 * step to step. scratch: (8 ceil(C/8) + 2 · 6 ceil(B/6)) 4C floats.
 */
export function lstmGrad(
  w: usize, gates: usize, cells: usize, c0: usize, live: usize, dh: usize, dhn: usize, dcn: usize,
  dx: usize, dh0: usize, dc0: usize, scratch: usize, B: i32, T: i32, C: i32, S: i32, pass: i32, begin: i32, end: i32,
): void {
  const first = begin * NR, last = min(end * NR, C), K = 4 * C, mP = panels(B, MR);
  const bPanel = bytes(NR, K), aPanel = bytes(MR, K), t = T - 1 - pass;
  const even = scratch + <usize>panels(C, NR) * bPanel, odd = even + <usize>mP * aPanel;
  const now = t & 1 ? odd : even, later = t & 1 ? even : odd;
  if (pass == 0) {
    for (let j = begin; j < end; j++) {
      packRows8(w + bytes(j * NR, K), bytes(K, 1), scratch + <usize>j * bPanel, min(NR, C - j * NR), K);
    }
    for (let q = 0; q < 4; q++) {
      clearPanels(even, mP, K, q * C + first, q * C + last);
      clearPanels(odd, mP, K, q * C + first, q * C + last);
    }
  } else {
    multiply(later, 24, aPanel, scratch, bPanel, dh0, bytes(C, 1), B, C, K, 0, mP, begin, end, FROM_ZERO, 0);
  }
  if (pass < T) stepBack(gates, cells, c0, live, dh, dhn, dcn, dx, dh0, dc0, now, t, B, T, C, S, first, last);
  else finish(live, dhn, dcn, dh0, dc0, B, C, S, first, last);
}

/** Step t of the gradient for columns first..last; dh0 and dc0 hold what the step after it gives unless that is not live. */
function stepBack(
  gates: usize, cells: usize, c0: usize, live: usize, dh: usize, dhn: usize, dcn: usize, dx: usize, dh0: usize, dc0: usize,
  packed: usize, t: i32, B: i32, T: i32, C: i32, S: i32, first: i32, last: i32,
): void {
  const zero = hiddenZero(), gap = bytes(C, 1), one = f32x4.splat(1), K = 4 * C;
  for (let b = 0; b < B; b++) {
    const row = b * T + t, count = steps(live, b, S), none = fresh(live, b, S);
    for (let n = first; n < last; n += 4) {
      const some = last - n, column = bytes(n, 1), state = bytes(b, C) + column, at = bytes(row, C) + column;
      const wide = bytes(row, K) + column, p = gates + wide, d0 = dx + wide, d1 = d0 + gap, d2 = d1 + gap, d3 = d2 + gap;
      let di = f32x4.splat(0), df = di, dg = di, dO = di;
      if (t < count) {
        const i = loadPartial(p, some), f = loadPartial(p + gap, some);
        const g = loadPartial(p + 2 * gap, some), o = loadPartial(p + 3 * gap, some);
        let before = f32x4.splat(0);
        if (t > 0) before = loadPartial(cells + at - gap, some);
        else if (!none) before = loadPartial(c0 + state, some);
        const final = t == count - 1, th = tanh(loadPartial(cells + at, some), zero);
        const ds = f32x4.add(loadPartial(dh + at, some), loadPartial((final ? dhn : dh0) + state, some));
        const slope = f32x4.sub(one, f32x4.mul(th, th));
        const dc = madd(f32x4.mul(ds, o), slope, loadPartial((final ? dcn : dc0) + state, some));
        di = f32x4.mul(f32x4.mul(dc, g), f32x4.mul(i, f32x4.sub(one, i)));
        df = f32x4.mul(f32x4.mul(dc, before), f32x4.mul(f, f32x4.sub(one, f)));
        dg = f32x4.mul(f32x4.mul(dc, i), f32x4.sub(one, f32x4.mul(g, g)));
        dO = f32x4.mul(f32x4.mul(ds, th), f32x4.mul(o, f32x4.sub(one, o)));
        storePartial(dc0 + state, f32x4.mul(dc, f), some);
        const to = inPanel(packed, b, n, K), next = bytes(C, MR);
        scatter(to, di, some), scatter(to + next, df, some);
        scatter(to + 2 * next, dg, some), scatter(to + 3 * next, dO, some);
      }
      storePartial(d0, di, some), storePartial(d1, df, some), storePartial(d2, dg, some), storePartial(d3, dO, some);
    }
  }
}

/** The state's gradient of rows that the steps did not settle: those without a live step, and those that start from zeros. */
function finish(
  live: usize, dhn: usize, dcn: usize, dh0: usize, dc0: usize, B: i32, C: i32, S: i32, first: i32, last: i32,
): void {
  const size = bytes(last - first, 1);
  for (let b = 0; b < B; b++) {
    const at = bytes(b, C) + bytes(first, 1);
    if (fresh(live, b, S)) {
      memory.fill(dh0 + at, 0, size);
      memory.fill(dc0 + at, 0, size);
    } else if (steps(live, b, S) == 0) {
      memory.copy(dh0 + at, dhn + at, size);
      memory.copy(dc0 + at, dcn + at, size);
    }
  }
}

/** y (B,T,C) = h (B,T,C) one step later, its first row h0 (B,C), or zeros where live (B,S) says so. Row b is batch row b. */
export function previousStates(
  h: usize, h0: usize, live: usize, y: usize, B: i32, T: i32, C: i32, S: i32, pass: i32, begin: i32, end: i32,
): void {
  const row = bytes(C, 1);
  for (let b = begin; b < end; b++) {
    const to = y + bytes(b * T, C);
    if (fresh(live, b, S)) memory.fill(to, 0, row);
    else memory.copy(to, h0 + <usize>b * row, row);
    memory.copy(to + row, h + bytes(b * T, C), bytes(T - 1, C));
  }
}
