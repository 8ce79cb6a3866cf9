// Vector helpers that every kernel family shares: fused multiply-add, exp, horizontal sums, and loads and stores of fewer
// than four floats. Nothing here is exported from the module. All functions are inlined, so a scalar tail written with
// `exp1` or `madd1` gives the same bits as the lane of a vector it stands for.

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
 * e^x in every lane. x = n ln 2 + r with |r| <= ln 2 / 2, e^r = 1 + r + r² q(r), and n is added to the exponent bits.
 * Below -87.3365 (where the result would be subnormal) and for -inf the result is 0, above 88.7228 it is +inf, NaN stays
 * NaN. Largest error measured over normal results: 1.02 ulp in the relaxed build, 0.98 ulp in the plain one.
 */
// @ts-ignore: decorator
@inline
export function exp(x: v128): v128 {
  // Adding 1.5 * 2^23 rounds to an integer and leaves that integer in the low bits.
  const magic = f32x4.splat(12582912.0);
  const t = madd(x, f32x4.splat(1.44269504), magic);
  const n = f32x4.sub(t, magic);
  let r = madd(n, f32x4.splat(-0.693359375), x); // nine significant bits: n times it is exact
  r = madd(n, f32x4.splat(2.1219444e-4), r);
  // Minimax fit of (e^r - 1 - r) / r², weighted for the relative error of e^r (3.1e-9 before rounding).
  let q = madd(f32x4.splat(0.0013814467238262296), r, f32x4.splat(0.008368780836462975));
  q = madd(q, r, f32x4.splat(0.04166839271783829));
  q = madd(q, r, f32x4.splat(0.1666651964187622));
  q = madd(q, r, f32x4.splat(0.4999999403953552));
  const p = f32x4.add(madd(q, f32x4.mul(r, r), r), f32x4.splat(1.0));
  const y = i32x4.add(p, i32x4.shl(t, 23));
  const finite = v128.bitselect(f32x4.splat(Infinity), y, f32x4.gt(x, f32x4.splat(88.72283)));
  return v128.andnot(finite, f32x4.lt(x, f32x4.splat(-87.33654)));
}

/** `exp` of one number, bit for bit what a lane of the vector gives. */
// @ts-ignore: decorator
@inline
export function exp1(x: f32): f32 {
  return f32x4.extract_lane(exp(f32x4.splat(x)), 0);
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
