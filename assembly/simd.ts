// Helpers that every kernel family shares: fused multiply-add, exp and logarithm, horizontal sums, and loads and stores of
// fewer than four floats. Nothing here is exported from the module. Vector functions are inlined, so a scalar tail written
// with `madd1` gives the same bits as the lane of a vector it stands for.

/** a * b + c, rounded once in the relaxed build and twice in the plain one. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** One lane of `madd`, for tails. */
// @ts-ignore: decorator
@inline
export function madd1(a: f32, b: f32, c: f32): f32 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    return f32x4.extract_lane(f32x4.relaxed_madd(f32x4.splat(a), f32x4.splat(b), f32x4.splat(c)), 0);
  }
  return a * b + c;
}

/**
 * 0, though no compiler can tell: a memory never has 2^17 pages. Engines spell out a known vector constant in full wherever
 * it is used, which costs more than a step of a polynomial; what `spread` makes of a number and this stays in a register.
 */
// @ts-ignore: decorator
@inline
export function hiddenZero(): i32 {
  return memory.size() >> 17;
}

/** `value` in every lane; `zero` comes from `hiddenZero`. To be called outside of loops. */
// @ts-ignore: decorator
@inline
export function spread(value: f32, zero: i32): v128 {
  return i32x4.splat(reinterpret<i32>(value) + zero);
}

// Adding 1.5 * 2^23 rounds a number of less than 2^22 to an integer and leaves that in the low bits.
// @ts-ignore: decorator
@inline
export const ROUND: f32 = 12582912;
// @ts-ignore: decorator
@inline
const LOG2E: f32 = 1.4426950408889634;
// Below this (for -inf too) e^x is given as 0: less than 8.3e-39, which is not a normal number.
// @ts-ignore: decorator
@inline
const LOW: f32 = -88;
// 2^f for |f| <= 1/2 is 1 + EXP1 f + ... + EXP5 f^5 but for 9.2e-8 of it: a minimax fit.
// @ts-ignore: decorator
@inline
export const EXP1: f32 = 0.6931469775991645;
// @ts-ignore: decorator
@inline
export const EXP2: f32 = 0.2402224208537507;
// @ts-ignore: decorator
@inline
export const EXP3: f32 = 0.0555073374325159;
// @ts-ignore: decorator
@inline
export const EXP4: f32 = 0.009671512639650298;
// @ts-ignore: decorator
@inline
export const EXP5: f32 = 0.0013264727197344027;

/** 2^f for |f| <= 1/2. */
// @ts-ignore: decorator
@inline
export function power(f: v128, one: v128, c1: v128, c2: v128, c3: v128, c4: v128, c5: v128): v128 {
  return madd(madd(madd(madd(madd(c5, f, c4), f, c3), f, c2), f, c1), f, one);
}

/** e^x with its constants: x log2(e) = n + f, 2^f times 2^n; `round` is ROUND + 127, n's bias as an exponent. */
// @ts-ignore: decorator
@inline
function exponential(
  x: v128, low: v128, log2e: v128, round: v128, one: v128, c1: v128, c2: v128, c3: v128, c4: v128, c5: v128,
): v128 {
  x = f32x4.pmax(x, low);
  const t = madd(x, log2e, round), f = madd(x, log2e, f32x4.sub(round, t));
  return f32x4.mul(power(f, one, c1, c2, c3, c4, c5), i32x4.shl(t, 23));
}

/**
 * e^x in every lane, for x <= 88; 0 below -87.7, NaN stays NaN. Relative error at most 2e-7 + 1.4e-8 |x| in the relaxed
 * build, 2e-7 + 7e-8 |x| in the plain one: a softmax's x is a rounded difference, which is no more exact. For single
 * vectors; `expPairs` is for many.
 */
// @ts-ignore: decorator
@inline
export function exp(x: v128, zero: i32): v128 {
  return exponential(
    x, spread(LOW, zero), spread(LOG2E, zero), spread(ROUND + 127, zero), spread(1, zero),
    spread(EXP1, zero), spread(EXP2, zero), spread(EXP3, zero), spread(EXP4, zero), spread(EXP5, zero),
  );
}

/**
 * `exp` of pairs of vectors, `gap` bytes from the first to the second and `step` from pair to pair: y = e^(x - shift0) for
 * the first of a pair, e^(x - shift1) for the second. Written only if `keep` (a constant); y may be x. Returns the sum of
 * both kinds lane by lane; where `sums` is not 0 (a constant) they are also left there, each by itself.
 */
// @ts-ignore: decorator
@inline
export function expPairs(
  keep: bool, x: usize, y: usize, gap: usize, step: usize, pairs: i32, shift0: v128, shift1: v128, sums: usize,
): v128 {
  const zero = hiddenZero(), low = spread(LOW, zero), log2e = spread(LOG2E, zero), round = spread(ROUND + 127, zero);
  const one = spread(1, zero), c1 = spread(EXP1, zero), c2 = spread(EXP2, zero), c3 = spread(EXP3, zero);
  const c4 = spread(EXP4, zero), c5 = spread(EXP5, zero);
  let s0 = f32x4.splat(0), s1 = s0;
  for (let i = 0; i < pairs; i++) {
    const x0 = f32x4.sub(v128.load(x), shift0), x1 = f32x4.sub(v128.load(x + gap), shift1);
    const e0 = exponential(x0, low, log2e, round, one, c1, c2, c3, c4, c5);
    const e1 = exponential(x1, low, log2e, round, one, c1, c2, c3, c4, c5);
    if (keep) v128.store(y, e0), v128.store(y + gap, e1);
    s0 = f32x4.add(s0, e0), s1 = f32x4.add(s1, e1);
    x += step, y += step;
  }
  if (sums) v128.store(sums, s0), v128.store(sums, s1, 16);
  return f32x4.add(s0, s1);
}

/**
 * Natural logarithm of a normal f32 > 0, +inf or NaN, to 1e-12, in f64: x = 2^e m with m in [sqrt(1/2), sqrt(2)),
 * ln m = 2 artanh((m - 1) / (m + 1)).
 */
export function ln(x: f32): f64 {
  if (!(x < Infinity)) return <f64>x;
  const bits = reinterpret<i32>(x), e = (bits - 0x3f3504f3) >> 23;
  const m = <f64>reinterpret<f32>(bits - (e << 23)), s = (m - 1) / (m + 1), q = s * s;
  const series = 1 + q * (1 / 3.0 + q * (1 / 5.0 + q * (1 / 7.0 + q * (1 / 9.0 + q * (1 / 11.0 + q * (1 / 13.0))))));
  return <f64>e * 0.6931471805599453 + 2 * s * series;
}

/** (v0 + v2) + (v1 + v3). */
// @ts-ignore: decorator
@inline
export function sum(v: v128): f32 {
  const pair = f32x4.add(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(pair, 0) + f32x4.extract_lane(pair, 1);
}

/** The largest lane. NaN lanes may be passed over; callers see them in what they compute from the lanes themselves. */
// @ts-ignore: decorator
@inline
export function max(v: v128): f32 {
  const pair = f32x4.pmax(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.pmax(pair, v128.shuffle<f32>(pair, pair, 1, 0, 3, 2)), 0);
}

/** The first `n` (0 to 4) floats at `p`; the other lanes are 0. Reads nothing past them. */
// @ts-ignore: decorator
@inline
export function loadPartial(p: usize, n: i32): v128 {
  if (n >= 4) return v128.load(p);
  if (n == 3) return v128.load32_lane(p, v128.load64_zero(p), 2, 8);
  if (n == 2) return v128.load64_zero(p);
  if (n == 1) return v128.load32_zero(p);
  return f32x4.splat(0);
}

/** Writes the first `n` (0 to 4) lanes of `v` to `p` and nothing past them. */
// @ts-ignore: decorator
@inline
export function storePartial(p: usize, v: v128, n: i32): void {
  if (n >= 4) {
    v128.store(p, v);
    return;
  }
  if (n >= 2) v128.store64_lane(p, v, 0);
  if (n == 3) v128.store32_lane(p, v, 2, 8);
  if (n == 1) v128.store32_lane(p, v, 0);
}
