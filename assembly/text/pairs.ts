// The pairs of symbols that merge: an open-addressing hash table of u64 entries, left << 42 | right << 21 | result,
// all ones where empty. It is at most half full and never changes once it is built. Results are in order of rank, so
// the result of a pair is also its priority.

import { Engine, NONE, SYMBOL_BITS } from "./engine";

const EMPTY: u64 = ~0;
const SYMBOL: u64 = (1 << SYMBOL_BITS) - 1;

// @ts-ignore: decorator
@inline
function slotOf(key: u64, bits: u32): usize {
  return <usize>((key * 0x9e3779b97f4a7c15) >> (64 - bits));
}

/** What two neighbours become, `NONE` if they stay apart. */
// @ts-ignore: decorator
@inline
export function findPair(pairs: usize, bits: u32, left: u32, right: u32): u32 {
  const key = (<u64>left << SYMBOL_BITS) | right, mask: usize = (1 << bits) - 1;
  let slot = slotOf(key, bits);
  while (true) {
    const entry = load<u64>(pairs + (slot << 3));
    if (entry >> SYMBOL_BITS == key) return <u32>(entry & SYMBOL);
    if (entry == EMPTY) return NONE;
    slot = (slot + 1) & mask;
  }
}

/**
 * Fills the table, whose bytes are all ones: `count` pairs of u32 at `from`, the first of which becomes the symbol
 * `first`, the next `first + 1`, and so on. Returns how many were added before one that was there already.
 */
export function addPairs(e: Engine, from: usize, count: u32, first: u32): u32 {
  const pairs = <usize>e.pairs, bits = e.pairBits, mask: usize = (1 << bits) - 1;
  for (let i: u32 = 0; i < count; i++) {
    const key = (<u64>load<u32>(from + (i << 3)) << SYMBOL_BITS) | load<u32>(from + (i << 3), 4);
    let slot = slotOf(key, bits);
    while (true) {
      const entry = load<u64>(pairs + (slot << 3));
      if (entry == EMPTY) break;
      if (entry >> SYMBOL_BITS == key) return i;
      slot = (slot + 1) & mask;
    }
    store<u64>(pairs + (slot << 3), (key << SYMBOL_BITS) | (first + i));
  }
  return count;
}
