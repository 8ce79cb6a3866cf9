// Helpers that every kernel family shares: fused multiply-add, exp and logarithm, horizontal sums, and loads and stores of
// fewer than four floats. Nothing here is exported from the module. Vector functions are inlined, so a scalar tail written
// with `exp1` or `madd1` gives the same bits as the lane of a vector it stands for.

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
 * it is used, which costs `exp` a third of its time; a number plus this (`spread`) fills the lanes in two instructions.
 */
// @ts-ignore: decorator
@inline
export function hiddenZero(): i32 {
  return memory.size() >> 17;
}

/** `value` in every lane, in a way that is cheap inside loops; `zero` comes from `hiddenZero`, called outside. */
// @ts-ignore: decorator
@inline
export function spread(value: f32, zero: i32): v128 {
  return i32x4.splat(reinterpret<i32>(value) + zero);
}

/**
 * e^x in every lane. x = n ln 2 + r with |r| <= ln 2 / 2, e^r = 1 + r + r² q(r), and twice that times 2^(n-1). Below
 * -86.989 (where the result would be less than 1.67e-38) and for -inf the result is 0, above 88.7228 it is +inf, NaN stays
 * NaN. Largest error measured over other results: 1.02 ulp in the relaxed build, 0.98 ulp in the plain one. Vectors side
 * by side share the constants: two or more in a loop are a third faster than one.
 */
// @ts-ignore: decorator
@inline
export function exp(x: v128, zero: i32): v128 {
  // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits; 126 more make it the exponent of 2^(n-1).
  const magic = spread(12583038.0, zero), one = spread(1.0, zero);
  x = f32x4.pmax(f32x4.pmin(x, spread(89.0, zero)), spread(-87.5, zero)); // -126 <= n <= 128
  const t = madd(x, spread(1.44269504, zero), magic), n = f32x4.sub(t, magic);
  let r = madd(n, spread(-0.693359375, zero), x); // nine significant bits: n times it is exact
  r = madd(n, spread(2.1219444e-4, zero), r);
  // Minimax fit of (e^r - 1 - r) / r², weighted for the relative error of e^r (3.1e-9 before rounding).
  let q = madd(spread(0.0013814467238262296, zero), r, spread(0.008368780836462975, zero));
  q = madd(q, r, spread(0.04166839271783829, zero));
  q = madd(q, r, spread(0.1666651964187622, zero));
  q = madd(q, r, spread(0.4999999403953552, zero));
  const p = f32x4.add(madd(q, f32x4.mul(r, r), r), one);
  return f32x4.mul(f32x4.add(p, p), i32x4.shl(t, 23));
}

/** `exp` of one number, bit for bit what a lane of the vector gives. */
// @ts-ignore: decorator
@inline
export function exp1(x: f32, zero: i32): f32 {
  return f32x4.extract_lane(exp(f32x4.splat(x), zero), 0);
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
