// Activation functions over flat f32 arrays and their gradients. Row r is a block of 1024 elements; results are written
// with `=`. GELU here is the tanh form of the GPT papers, written as x * sigmoid(2u) with
// u = sqrt(2/pi) (x + 0.044715 x^3), because 1 + tanh(u) would cancel for negative x.

import { exp, hiddenZero, loadPartial, madd, spread, storePartial } from "./simd";
import { blockStart } from "./flat";

// -2 sqrt(2/pi) and -2 sqrt(2/pi) 0.044715, so that -2u = x (A + B x²).
// @ts-ignore: decorator
@inline
const A: f32 = -1.5957691216057308;
// @ts-ignore: decorator
@inline
const B: f32 = -0.07135481627260025;

/** e^(-2u), for sigmoid(2u) = 1 / (1 + e^(-2u)). */
// @ts-ignore: decorator
@inline
function decay(x: v128, zero: i32): v128 {
  return exp(f32x4.mul(x, madd(f32x4.mul(x, x), spread(B, zero), spread(A, zero))), zero);
}

// Below -100 the sigmoid is exactly 0; the clamp keeps -inf * 0 out. NaN passes.
// @ts-ignore: decorator
@inline
function gelu4(x: v128, zero: i32): v128 {
  return f32x4.div(f32x4.pmax(x, spread(-100, zero)), f32x4.add(spread(1, zero), decay(x, zero)));
}

// With s = sigmoid(2u): d gelu / dx = s (1 + (1 - s) x 2u'), where 1 - s = s e^(-2u) does not cancel. At the clamp of
// -10 that power is still finite and the slope below 1e-35, at 100 everything is exact.
// @ts-ignore: decorator
@inline
function slope4(x: v128, zero: i32): v128 {
  const one = spread(1, zero), c = f32x4.pmin(f32x4.pmax(x, spread(-10, zero)), spread(100, zero));
  const e = decay(c, zero), s = f32x4.div(one, f32x4.add(one, e));
  const xu = f32x4.mul(c, madd(f32x4.mul(c, c), spread(-3 * B, zero), spread(-A, zero)));
  return f32x4.mul(s, madd(f32x4.mul(s, e), xu, one));
}

/**
 * y = gelu(x). Relative error below 3e-7 for x >= -1 and 2e-5 for all normal results; absolute error below 2e-7
 * max(1, |x|). +inf gives +inf, -inf gives -0, NaN gives NaN. Rows: blocks of 1024; y may be x.
 */
export function gelu(x: usize, y: usize, n: i32, pass: i32, begin: i32, end: i32): void {
  const stop = blockStart(end, n), zero = hiddenZero();
  let i = blockStart(begin, n);
  for (; i + 8 <= stop; i += 8) { // `exp` shares its constants between the two
    const at = <usize>i << 2;
    const y0 = gelu4(v128.load(x + at), zero), y1 = gelu4(v128.load(x + at, 16), zero);
    v128.store(y + at, y0), v128.store(y + at, y1, 16);
  }
  for (; i + 4 <= stop; i += 4) {
    const at = <usize>i << 2;
    v128.store(y + at, gelu4(v128.load(x + at), zero));
  }
  if (i < stop) {
    const at = <usize>i << 2;
    storePartial(y + at, gelu4(loadPartial(x + at, stop - i), zero), stop - i);
  }
}

/** dx = d * gelu'(x). Absolute error of gelu' below 4e-7. Rows: blocks of 1024; dx may be x or d. */
export function geluGrad(x: usize, d: usize, dx: usize, n: i32, pass: i32, begin: i32, end: i32): void {
  const stop = blockStart(end, n), zero = hiddenZero();
  let i = blockStart(begin, n);
  for (; i + 8 <= stop; i += 8) {
    const at = <usize>i << 2;
    const s0 = slope4(v128.load(x + at), zero), s1 = slope4(v128.load(x + at, 16), zero);
    const d0 = f32x4.mul(v128.load(d + at), s0), d1 = f32x4.mul(v128.load(d + at, 16), s1);
    v128.store(dx + at, d0), v128.store(dx + at, d1, 16);
  }
  for (; i + 4 <= stop; i += 4) {
    const at = <usize>i << 2;
    v128.store(dx + at, f32x4.mul(v128.load(d + at), slope4(v128.load(x + at), zero)));
  }
  if (i < stop) {
    const at = <usize>i << 2, rest = stop - i;
    storePartial(dx + at, f32x4.mul(loadPartial(d + at, rest), slope4(loadPartial(x + at, rest), zero)), rest);
  }
}
