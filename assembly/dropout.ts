// Dropout: y = x * mask, the mask recomputed from (seed, stream, draw, element) whenever it is needed, never stored. The
// gradient of dropout is dropout of the gradient. Threefry itself is in random.ts; attention drops its probabilities
// with its own element numbers.

import { loadPartial, storePartial } from "./simd";
import { blockStart } from "./flat";
import { keep16, keepA, keepB, keepC, keepD, keepScale, thirdKey } from "./random";

/**
 * y = kept ? x * 65536 / (65536 - threshold) : 0, = x where threshold is 0. rng (2) i32 = [seed, draw]. Element e is
 * kept if 16 bits of Threefry block e >> 2 are >= threshold. Rows: blocks of 1024; y may be x.
 */
export function dropout(
  x: usize, rng: usize, y: usize,
  n: i32, threshold: i32, stream: i32,
  pass: i32, begin: i32, end: i32,
): void {
  const seed = load<i32>(rng);
  const key0 = i32x4.splat(seed), key1 = i32x4.splat(stream), key2 = i32x4.splat(thirdKey(seed, stream));
  const draw = i32x4.splat(load<i32>(rng, 4)), limit = i16x8.splat(<i16>threshold);
  const scale = f32x4.splat(keepScale(threshold)), lanes = i32x4(0, 1, 2, 3);
  const stop = blockStart(end, n);
  let i = blockStart(begin, n);
  for (; i + 16 <= stop; i += 16) {
    const keep = keep16(key0, key1, key2, i32x4.add(i32x4.splat(i >> 2), lanes), draw, limit);
    const from = x + (<usize>i << 2), to = y + (<usize>i << 2);
    v128.store(to, v128.and(f32x4.mul(v128.load(from), scale), keepA(keep)));
    v128.store(to, v128.and(f32x4.mul(v128.load(from, 16), scale), keepB(keep)), 16);
    v128.store(to, v128.and(f32x4.mul(v128.load(from, 32), scale), keepC(keep)), 32);
    v128.store(to, v128.and(f32x4.mul(v128.load(from, 48), scale), keepD(keep)), 48);
  }
  if (i < stop) {
    let keep = keep16(key0, key1, key2, i32x4.add(i32x4.splat(i >> 2), lanes), draw, limit);
    for (; i < stop; i += 4) {
      const at = <usize>i << 2, rest = min(4, stop - i);
      storePartial(y + at, v128.and(f32x4.mul(loadPartial(x + at, rest), scale), keepA(keep)), rest);
      keep = v128.shuffle<i32>(keep, keep, 1, 2, 3, 0);
    }
  }
}

/**
 * The same with one mask for `shared` neighbouring rows of x (N,C): row r has the elements floor(r / shared) C + c of it.
 * Rows: groups of rows; y may be x. A group need not start at a block, so the four lanes of a mask are walked one by one.
 */
export function sharedDropout(
  x: usize, rng: usize, y: usize,
  N: i32, C: i32, shared: i32, threshold: i32, stream: i32,
  pass: i32, begin: i32, end: i32,
): void {
  const seed = load<i32>(rng), scale = keepScale(threshold);
  const key0 = i32x4.splat(seed), key1 = i32x4.splat(stream), key2 = i32x4.splat(thirdKey(seed, stream));
  const draw = i32x4.splat(load<i32>(rng, 4)), limit = i16x8.splat(<i16>threshold), lanes = i32x4(0, 1, 2, 3);
  for (let group = begin; group < end; group++) {
    const first = group * C;
    for (let start = first & ~15; start < first + C; start += 16) {
      const kept = i8x16.bitmask(keep16(key0, key1, key2, i32x4.add(i32x4.splat(start >> 2), lanes), draw, limit));
      for (let element = max(start, first); element < min(start + 16, first + C); element++) {
        const factor: f32 = (kept >> (element - start)) & 1 ? scale : 0;
        for (let row = group * shared; row < (group + 1) * shared; row++) {
          const at = (<usize>row * <usize>C + <usize>(element - first)) << 2;
          f32.store(y + at, f32.load(x + at) * factor);
        }
      }
    }
  }
}
