// What the kernels over flat arrays share: where a block of 1024 elements starts, and a dot product with one fixed order
// of summation. Nothing here is exported from the module.

/** The first element of a block of 1024, or n if the block would start later: the end of the block before it. */
// @ts-ignore: decorator
@inline
export function blockStart(row: i32, n: i32): i32 {
  return <i32>min<u32>(<u32>row << 10, <u32>n);
}

/** The sum of a[i] * b[i] over n elements in f64: four pairs of lanes, added in a fixed order. */
// @ts-ignore: decorator
@inline
export function dot64(a: usize, b: usize, n: i32): f64 {
  let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0, i = 0;
  for (; i + 8 <= n; i += 8) {
    s0 = f64x2.add(s0, f64x2.mul(promote(v128.load64_zero(a)), promote(v128.load64_zero(b))));
    s1 = f64x2.add(s1, f64x2.mul(promote(v128.load64_zero(a, 8)), promote(v128.load64_zero(b, 8))));
    s2 = f64x2.add(s2, f64x2.mul(promote(v128.load64_zero(a, 16)), promote(v128.load64_zero(b, 16))));
    s3 = f64x2.add(s3, f64x2.mul(promote(v128.load64_zero(a, 24)), promote(v128.load64_zero(b, 24))));
    a += 32, b += 32;
  }
  const s = f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3));
  let total = f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1);
  for (; i < n; i++) {
    total += <f64>load<f32>(a) * <f64>load<f32>(b);
    a += 4, b += 4;
  }
  return total;
}

// @ts-ignore: decorator
@inline
function promote(pair: v128): v128 {
  return f64x2.promote_low_f32x4(pair);
}
