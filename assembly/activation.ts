// Activation functions over flat f32 arrays and their gradients. Row r is a block of 1024 elements; results are written
// with `=`. GELU here is the tanh form of the GPT papers, x * sigmoid(2u) with u = sqrt(2/pi) (x + 0.044715 x^3). With
// tail = |x| / (1 + e^|2u|) it is max(x, 0) - tail: one power of |x| does for both signs, and nothing cancels where the
// result is small or overflows.

import {
  EXP1, EXP2, EXP3, EXP4, EXP5, hiddenZero, loadPartial, madd, power, ROUND, spread, storePartial,
} from "./simd";
import { blockStart } from "./flat";

// |2u| = |x| (A + B x^2), with A = 2 sqrt(2/pi) and B = 0.044715 A.
// @ts-ignore: decorator
@inline
const A: f64 = 1.5957691216057308;
// @ts-ignore: decorator
@inline
const B: f64 = 0.07135481627260025;
// @ts-ignore: decorator
@inline
const LOG2E: f64 = 1.4426950408889634;
// Where |x| is cut off: e^|2u| is just finite there, and GELU less than 1e-37 from 0 or x.
// @ts-ignore: decorator
@inline
const FAR: f32 = 10.03;

/**
 * y = gelu(x), or y = d * gelu'(x) if `grad` (a constant): with r = 1 / (1 + e^|2u|) and h = r (1 - |2u|' |x| (1 - r)),
 * the slope is h for negative x and 1 - h for others. Constants are made outside the loop, where they stay in registers.
 */
// @ts-ignore: decorator
@inline
function sweep(grad: bool, x: usize, d: usize, y: usize, n: i32, begin: i32, end: i32): void {
  const zero = hiddenZero(), none = f32x4.splat(0), one = spread(1, zero), far = spread(FAR, zero);
  const unsigned = i32x4.splat(0x7fffffff + zero), half = spread(0.5, zero);
  const linear = spread(<f32>(A * LOG2E), zero), cubic = spread(<f32>(B * LOG2E), zero);
  const steep = spread(<f32>A, zero), bend = spread(<f32>(3 * B), zero);
  const round = spread(ROUND, zero), c1 = spread(EXP1, zero), c2 = spread(EXP2, zero), c3 = spread(EXP3, zero);
  const c4 = spread(EXP4, zero), c5 = spread(EXP5, zero);
  const stop = blockStart(end, n);
  for (let i = blockStart(begin, n); i < stop; i += 8) { // two vectors a turn, each in the other's latency
    const at = <usize>i << 2, whole = i + 8 <= stop, n0 = stop - i, n1 = n0 - 4;
    let x0: v128, x1: v128;
    if (whole) x0 = v128.load(x + at), x1 = v128.load(x + at, 16);
    else x0 = loadPartial(x + at, n0), x1 = loadPartial(x + at + 16, n1);
    const a0 = f32x4.pmin(v128.and(x0, unsigned), far), a1 = f32x4.pmin(v128.and(x1, unsigned), far);
    const s0 = f32x4.mul(a0, a0), s1 = f32x4.mul(a1, a1);
    const q0 = madd(s0, cubic, linear), q1 = madd(s1, cubic, linear);
    const t0 = madd(a0, q0, round), t1 = madd(a1, q1, round);
    const f0 = madd(a0, q0, f32x4.sub(round, t0)), f1 = madd(a1, q1, f32x4.sub(round, t1));
    const p0 = power(f0, one, c1, c2, c3, c4, c5), p1 = power(f1, one, c1, c2, c3, c4, c5);
    const e0 = f32x4.add(one, i32x4.add(p0, i32x4.shl(t0, 23))), e1 = f32x4.add(one, i32x4.add(p1, i32x4.shl(t1, 23)));
    let y0: v128, y1: v128;
    if (grad) {
      const r0 = f32x4.div(one, e0), r1 = f32x4.div(one, e1);
      const w0 = f32x4.mul(a0, madd(s0, bend, steep)), w1 = f32x4.mul(a1, madd(s1, bend, steep));
      const k0 = f32x4.sub(f32x4.mul(w0, f32x4.sub(one, r0)), one);
      const k1 = f32x4.sub(f32x4.mul(w1, f32x4.sub(one, r1)), one);
      const g0 = f32x4.add(half, v128.xor(madd(r0, k0, half), v128.andnot(x0, unsigned)));
      const g1 = f32x4.add(half, v128.xor(madd(r1, k1, half), v128.andnot(x1, unsigned)));
      if (whole) y0 = f32x4.mul(g0, v128.load(d + at)), y1 = f32x4.mul(g1, v128.load(d + at, 16));
      else y0 = f32x4.mul(g0, loadPartial(d + at, n0)), y1 = f32x4.mul(g1, loadPartial(d + at + 16, n1));
    } else {
      y0 = f32x4.sub(f32x4.pmax(x0, none), f32x4.div(a0, e0));
      y1 = f32x4.sub(f32x4.pmax(x1, none), f32x4.div(a1, e1));
    }
    if (whole) v128.store(y + at, y0), v128.store(y + at, y1, 16);
    else storePartial(y + at, y0, n0), storePartial(y + at + 16, y1, n1);
  }
}

/**
 * y = gelu(x). Relative error below 3e-7 for x >= -1 and 2e-5 for x > -9; absolute error below 1e-7 max(1, |x|). +inf
 * gives +inf, -inf less than 1e-36, NaN gives NaN. Rows: blocks of 1024; y may be x.
 */
export function gelu(x: usize, y: usize, n: i32, pass: i32, begin: i32, end: i32): void {
  sweep(false, x, 0, y, n, begin, end);
}

/** dx = d * gelu'(x). Absolute error of gelu' below 2e-7. Rows: blocks of 1024; dx may be x or d. */
export function geluGrad(x: usize, d: usize, dx: usize, n: i32, pass: i32, begin: i32, end: i32): void {
  sweep(true, x, d, dx, n, begin, end);
}
