// Merges of a long piece, in time linear in its symbols (and one pass over the bits of the ranks): a megabyte of one letter
// costs what a megabyte of anything costs. The places where a merge applies form a list, one list for each rank. Ranks are
// worked off upwards, since what a merge makes only takes part in merges of higher rank. Places of one rank overlap only if
// the two symbols are the same one, `aaa`; such a run is merged from its left end. Otherwise their order does not matter.

import { Engine, FIRST_MERGE, NONE } from "./engine";
import { findPair } from "./pairs";

// The arrays of `scratch`, by position: neighbours in the piece, neighbours in the list, and what the pair becomes.
// @ts-ignore: decorator
@inline
function next(e: Engine, i: u32): usize { return <usize>e.scratch + (i << 2); }
// @ts-ignore: decorator
@inline
function previous(e: Engine, i: u32): usize { return <usize>e.scratch + e.scratchBytes + (i << 2); }
// @ts-ignore: decorator
@inline
function listed(e: Engine, i: u32): usize { return <usize>e.scratch + 2 * e.scratchBytes + (i << 2); }
// @ts-ignore: decorator
@inline
function before(e: Engine, i: u32): usize { return <usize>e.scratch + 3 * e.scratchBytes + (i << 2); }
// @ts-ignore: decorator
@inline
function result(e: Engine, i: u32): usize { return <usize>e.scratch + 4 * e.scratchBytes + (i << 2); }
// @ts-ignore: decorator
@inline
function symbol(e: Engine, i: u32): usize { return <usize>e.symbols + (i << 2); }

function setPresent(e: Engine, rank: u32, value: u64): void {
  const word = <usize>e.present + ((rank >> 6) << 3), bit = <u64>1 << (rank & 63);
  store<u64>(word, (load<u64>(word) & ~bit) | (bit * value));
}

/** Puts position `i` at the head of the list of what it and its right neighbour become. */
function link(e: Engine, i: u32): void {
  const right = load<u32>(next(e, i));
  const made = right == NONE ? NONE : findPair(e.pairs, e.pairBits, load<u32>(symbol(e, i)), load<u32>(symbol(e, right)));
  store<u32>(result(e, i), made);
  if (made == NONE) return;
  const head = <usize>e.heads + ((made - FIRST_MERGE) << 2), first = load<u32>(head);
  store<u32>(listed(e, i), first);
  store<u32>(before(e, i), NONE);
  store<u32>(head, i);
  if (first == NONE) setPresent(e, made - FIRST_MERGE, 1);
  else store<u32>(before(e, first), i);
}

/** Takes position `i` out of the list it is in, if any. */
function unlink(e: Engine, i: u32): void {
  const made = load<u32>(result(e, i));
  if (made == NONE) return;
  const a = load<u32>(before(e, i)), b = load<u32>(listed(e, i));
  if (b != NONE) store<u32>(before(e, b), a);
  if (a != NONE) store<u32>(listed(e, a), b);
  else {
    store<u32>(<usize>e.heads + ((made - FIRST_MERGE) << 2), b);
    if (b == NONE) setPresent(e, made - FIRST_MERGE, 0);
  }
  store<u32>(result(e, i), NONE);
}

/** Replaces the symbols at `i` and at its right neighbour by `made`, at `i`. */
function mergeAt(e: Engine, i: u32, made: u32): void {
  const right = load<u32>(next(e, i)), left = load<u32>(previous(e, i)), beyond = load<u32>(next(e, right));
  unlink(e, i);
  unlink(e, right);
  store<u32>(symbol(e, i), made);
  store<u32>(next(e, i), beyond);
  if (beyond != NONE) store<u32>(previous(e, beyond), i);
  link(e, i);
  if (left == NONE) return;
  unlink(e, left);
  link(e, left);
}

function mergeEverywhere(e: Engine, made: u32): void {
  const head = <usize>e.heads + ((made - FIRST_MERGE) << 2);
  for (let i = load<u32>(head); i != NONE; i = load<u32>(head)) {
    const left = load<u32>(symbol(e, i));
    if (left != load<u32>(symbol(e, load<u32>(next(e, i))))) {
      mergeAt(e, i, made);
      continue;
    }
    for (let j = load<u32>(previous(e, i)); j != NONE && load<u32>(symbol(e, j)) == left; j = load<u32>(previous(e, j))) i = j;
    while (true) {
      const right = load<u32>(next(e, i));
      if (right == NONE || load<u32>(symbol(e, right)) != left) break;
      mergeAt(e, i, made);
      i = load<u32>(next(e, i));
      if (i == NONE || load<u32>(symbol(e, i)) != left) break;
    }
  }
}

/** `mergeSymbols` for any number of symbols. */
export function mergeLong(e: Engine, n: u32): u32 {
  for (let i: u32 = 0; i < n; i++) {
    store<u32>(next(e, i), i + 1 < n ? i + 1 : NONE);
    store<u32>(previous(e, i), i - 1); // NONE for the first
  }
  for (let i: u32 = 0; i < n; i++) link(e, i);
  let word: u32 = 0;
  while (true) {
    const bits = load<u64>(<usize>e.present + (word << 3));
    if (bits == 0) {
      word++;
      continue;
    }
    const rank = (word << 6) + <u32>ctz(bits), head = <usize>e.heads + (rank << 2);
    if (load<u32>(head) == NONE) break; // the bit behind the last rank
    mergeEverywhere(e, rank + FIRST_MERGE);
  }
  let count: u32 = 0;
  for (let i: u32 = 0; i != NONE; i = load<u32>(next(e, i))) store<u32>(symbol(e, count++), load<u32>(symbol(e, i)));
  return count;
}
