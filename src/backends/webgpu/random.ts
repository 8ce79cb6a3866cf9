// Threefry in WGSL: the same bits as src/core/random.ts gives. Kernels with dropout put it before their code.

/**
 * WGSL: `threefry(key, counter)` is one Threefry-2x32-13 block; `keepScale(bits, limit)` is the factor of an element by
 * its 16 bits: 0 below the limit, else 65536 / (65536 - limit).
 */
export const THREEFRY = `fn turn(x: u32, n: u32) -> u32 { return (x << n) | (x >> (32u - n)); }
fn mix(v: vec2u, n: u32) -> vec2u { let x = v.x + v.y; return vec2u(x, turn(v.y, n) ^ x); }
fn threefry(key: vec2u, counter: vec2u) -> vec2u {
  let third = 0x1bd11bdau ^ key.x ^ key.y;
  var v = counter + key;
  v = mix(mix(mix(mix(v, 13u), 15u), 26u), 6u) + vec2u(key.y, third + 1u);
  v = mix(mix(mix(mix(v, 17u), 29u), 16u), 24u) + vec2u(third, key.x + 2u);
  v = mix(mix(mix(mix(v, 13u), 15u), 26u), 6u) + vec2u(key.x, key.y + 3u);
  return mix(v, 17u);
}
fn keepScale(bits: u32, limit: u32) -> f32 {
  return select(0.0, 65536.0 / f32(65536u - limit), bits >= limit);
}`;
