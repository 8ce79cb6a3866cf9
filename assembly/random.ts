// Threefry-2x32-13 in vector lanes, inlined into the kernels that drop elements. Four blocks at once give the keep mask
// of sixteen elements. Follows src/core/random.ts bit for bit; the rule for element, block and bits is the op family
// `dropout`'s. Nothing here is exported from the module.

// @ts-ignore: decorator
@inline
const PARITY: i32 = 0x1bd11bda;

// @ts-ignore: decorator
@inline
function rotate(v: v128, bits: i32): v128 {
  return v128.or(i32x4.shl(v, bits), i32x4.shr_u(v, 32 - bits));
}

/** The third key word that Threefry derives from the two given ones. Computed once, outside the loop over elements. */
// @ts-ignore: decorator
@inline
export function thirdKey(key0: i32, key1: i32): i32 {
  return PARITY ^ key0 ^ key1;
}

/**
 * Which of sixteen elements are kept: byte i is 0xff if its 16 random bits are >= `threshold`, else 0. Lane n of
 * `block` is the block number of elements 4n to 4n+3; `key0`, `key1`, `key2` (of `thirdKey`) and `draw` are splats of
 * i32, `threshold` is a splat of i16.
 */
// @ts-ignore: decorator
@inline
export function keep16(key0: v128, key1: v128, key2: v128, block: v128, draw: v128, threshold: v128): v128 {
  let x = i32x4.add(block, key0), y = i32x4.add(draw, key1);
  x = i32x4.add(x, y), y = v128.xor(rotate(y, 13), x);
  x = i32x4.add(x, y), y = v128.xor(rotate(y, 15), x);
  x = i32x4.add(x, y), y = v128.xor(rotate(y, 26), x);
  x = i32x4.add(x, y), y = v128.xor(rotate(y, 6), x);
  x = i32x4.add(x, key1), y = i32x4.add(y, i32x4.add(key2, i32x4.splat(1)));
  x = i32x4.add(x, y), y = v128.xor(rotate(y, 17), x);
  x = i32x4.add(x, y), y = v128.xor(rotate(y, 29), x);
  x = i32x4.add(x, y), y = v128.xor(rotate(y, 16), x);
  x = i32x4.add(x, y), y = v128.xor(rotate(y, 24), x);
  x = i32x4.add(x, key2), y = i32x4.add(y, i32x4.add(key0, i32x4.splat(2)));
  x = i32x4.add(x, y), y = v128.xor(rotate(y, 13), x);
  x = i32x4.add(x, y), y = v128.xor(rotate(y, 15), x);
  x = i32x4.add(x, y), y = v128.xor(rotate(y, 26), x);
  x = i32x4.add(x, y), y = v128.xor(rotate(y, 6), x);
  x = i32x4.add(x, key0), y = i32x4.add(y, i32x4.add(key1, i32x4.splat(3)));
  x = i32x4.add(x, y), y = v128.xor(rotate(y, 17), x);
  // The halves of x are elements 0 and 1 of each block, those of y elements 2 and 3.
  const low = i16x8.ge_u(v128.shuffle<i32>(x, y, 0, 4, 1, 5), threshold);
  const high = i16x8.ge_u(v128.shuffle<i32>(x, y, 2, 6, 3, 7), threshold);
  return i8x16.narrow_i16x8_s(low, high);
}

/** Bytes 0-3 of a `keep16` mask widened to four lanes of all ones or all zeros; `keepB` to `keepD` are bytes 4-15. */
// @ts-ignore: decorator
@inline
export function keepA(mask: v128): v128 {
  return i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(mask));
}

// @ts-ignore: decorator
@inline
export function keepB(mask: v128): v128 {
  return i32x4.extend_high_i16x8_s(i16x8.extend_low_i8x16_s(mask));
}

// @ts-ignore: decorator
@inline
export function keepC(mask: v128): v128 {
  return i32x4.extend_low_i16x8_s(i16x8.extend_high_i8x16_s(mask));
}

// @ts-ignore: decorator
@inline
export function keepD(mask: v128): v128 {
  return i32x4.extend_high_i16x8_s(i16x8.extend_high_i8x16_s(mask));
}

/** What a kept element is multiplied by: 1 / (share of elements kept). */
// @ts-ignore: decorator
@inline
export function keepScale(threshold: i32): f32 {
  const kept: i32 = 65536 - threshold;
  return <f32>65536 / <f32>kept;
}
