// Random bits on the GPU: the Threefry-2x32-13 of src/core/random.ts bit for bit, and the masks that src/ops/dropout.ts
// defines with it. Text that kernels put before their code; nothing here has a launch of its own.

/** WGSL: one Threefry block, `threefry(key, counter)`. */
export const THREEFRY = `fn mixed(v: vec2u, by: u32) -> vec2u {
  let x = v.x + v.y;
  return vec2u(x, ((v.y << by) | (v.y >> (32u - by))) ^ x);
}
fn threefry(key: vec2u, counter: vec2u) -> vec2u {
  let third = 0x1bd11bdau ^ key.x ^ key.y;
  var v = mixed(mixed(mixed(mixed(counter + key, 13u), 15u), 26u), 6u) + vec2u(key.y, third + 1u);
  v = mixed(mixed(mixed(mixed(v, 17u), 29u), 16u), 24u) + vec2u(third, key.x + 2u);
  v = mixed(mixed(mixed(mixed(v, 13u), 15u), 26u), 6u) + vec2u(key.x, key.y + 3u);
  return mixed(v, 17u);
}`;

/**
 * WGSL: `keepScale(rng, limit, stream, block, lane)`, the factor of one element: 0, or what a kept element is scaled by.
 * `keepScale4` gives those of all four elements of a block. Comes with `THREEFRY`, which must not be put before it again.
 */
export const KEEP_SCALE = `${THREEFRY}
fn keepScale4(rng: vec2u, limit: u32, stream: u32, block: u32) -> vec4f {
  let words = threefry(vec2u(rng.x, stream), vec2u(block, rng.y));
  let bits = vec4u(words.x & 0xffffu, words.x >> 16u, words.y & 0xffffu, words.y >> 16u);
  return select(vec4f(), vec4f(65536.0 / f32(65536u - limit)), bits >= vec4u(limit));
}
fn keepScale(rng: vec2u, limit: u32, stream: u32, block: u32, lane: u32) -> f32 {
  return keepScale4(rng, limit, stream, block)[lane];
}`;
