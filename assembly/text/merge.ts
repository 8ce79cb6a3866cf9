// Byte-pair merges of one piece: the pair of lowest rank first, the leftmost if there are several, until none merges.
// What the symbols are at first is the caller's business. Pieces up to 64 symbols are kept dense, and the best pair
// is found by comparing four at a time; for longer ones see merge_long.ts.

import { Engine, NONE } from "./engine";
import { mergeLong } from "./merge_long";
import { findPair } from "./pairs";

const SHORT: u32 = 64;

/** Merges the first `n` of `e.symbols` in place and returns how many are left. */
export function mergeSymbols(e: Engine, n: u32): u32 {
  if (n > SHORT) return mergeLong(e, n);
  const symbols = <usize>e.symbols, results = <usize>e.scratch, pairs = <usize>e.pairs, bits = e.pairBits;
  const none = i32x4.splat(NONE);
  let last = n - 1; // pairs; results[i] is what symbols i and i + 1 become
  for (let i: u32 = 0; i < last; i++) {
    const at = symbols + (i << 2);
    store<u32>(results + (i << 2), findPair(pairs, bits, load<u32>(at), load<u32>(at, 4)));
  }
  v128.store(results + (last << 2), none);
  while (true) {
    let low = v128.load(results);
    for (let j: u32 = 4; j < last; j += 4) low = i32x4.min_u(low, v128.load(results + (j << 2)));
    low = i32x4.min_u(low, i8x16.shuffle(low, low, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
    low = i32x4.min_u(low, i8x16.shuffle(low, low, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
    const best = <u32>i32x4.extract_lane(low, 0);
    if (best == NONE) return last + 1;
    let i: u32 = 0, found = i32x4.bitmask(i32x4.eq(v128.load(results), low));
    while (!found) {
      i += 4;
      found = i32x4.bitmask(i32x4.eq(v128.load(results + (i << 2)), low));
    }
    i += ctz(found);
    // Take out symbol i + 1 and pair i + 1; what is moved behind the end is the padding.
    for (let at: usize = (i + 1) << 2; at <= <usize>last << 2; at += 16) {
      v128.store(symbols + at, v128.load(symbols + at, 4));
      v128.store(results + at, v128.load(results + at, 4));
    }
    last--;
    v128.store(results + (last << 2), none);
    const at = symbols + (i << 2);
    store<u32>(at, best);
    if (i < last) store<u32>(results + (i << 2), findPair(pairs, bits, best, load<u32>(at, 4)));
    if (i > 0) store<u32>(results + (i << 2) - 4, findPair(pairs, bits, load<u32>(at - 4), best));
  }
}
