// Merges of a long piece, in time linear in its symbols (and one pass over the bits of the ranks): a megabyte of one
// letter costs what a megabyte of anything costs. The places where a merge applies form a list, one list for each
// rank. Ranks are worked off upwards, since what a merge makes only takes part in merges of higher rank. Places of
// one rank overlap only if the two symbols are the same one, `aaa`; such a run is merged from its left end. Otherwise
// their order does not matter.

import { Engine, FIRST_MERGE, NONE } from "./engine";
import { findPair } from "./pairs";

/** A symbol of the piece, 32 bytes, so that a merge touches few cache lines. Null stands for no node. */
// @ts-ignore: decorator
@unmanaged
class Node {
  symbol: u32;
  /** What this symbol and the next become; NONE if they stay apart, and then the node is in no list. */
  made: u32;
  next: Node | null;
  previous: Node | null;
  /** Neighbours in the list of `made`. */
  after: Node | null;
  before: Node | null;
  unused: u64;
}

/** Where the list of a symbol that merges make begins. */
// @ts-ignore: decorator
@inline
function headOf(e: Engine, made: u32): usize {
  return <usize>e.heads + ((made - FIRST_MERGE) << 2);
}

function flip(e: Engine, made: u32): void {
  const rank = made - FIRST_MERGE, word = <usize>e.present + ((rank >> 6) << 3);
  store<u64>(word, load<u64>(word) ^ (<u64>1 << (rank & 63)));
}

/** Puts a node at the head of the list of what it and the next become. */
function link(e: Engine, node: Node): void {
  const next = node.next;
  node.made = next ? findPair(e.pairs, e.pairBits, node.symbol, next.symbol) : NONE;
  if (node.made == NONE) return;
  const head = headOf(e, node.made), first = changetype<Node | null>(<usize>load<u32>(head));
  node.after = first;
  node.before = null;
  store<u32>(head, <u32>changetype<usize>(node));
  if (first) first.before = node;
  else flip(e, node.made);
}

/** Takes a node out of the list it is in, if any. */
function unlink(e: Engine, node: Node): void {
  if (node.made == NONE) return;
  const before = node.before, after = node.after;
  if (after) after.before = before;
  if (before) before.after = after;
  else {
    store<u32>(headOf(e, node.made), <u32>changetype<usize>(after));
    if (!after) flip(e, node.made);
  }
  node.made = NONE;
}

/** Turns a node into what it and the next become; the next one is gone then. */
function mergeAt(e: Engine, node: Node, next: Node, made: u32): void {
  const beyond = next.next, previous = node.previous;
  unlink(e, node);
  unlink(e, next);
  node.symbol = made;
  node.next = beyond;
  if (beyond) beyond.previous = node;
  link(e, node);
  if (!previous) return;
  unlink(e, previous);
  link(e, previous);
}

/** The first node of the run of equal symbols that this one is in. */
function runOf(node: Node): Node {
  while (true) {
    const previous = node.previous;
    if (!previous || previous.symbol != node.symbol) return node;
    node = previous;
  }
}

function mergeEverywhere(e: Engine, made: u32): void {
  const head = headOf(e, made);
  while (true) {
    let node = changetype<Node | null>(<usize>load<u32>(head));
    if (!node) return;
    let next = node.next!;
    const symbol = node.symbol;
    if (symbol != next.symbol) {
      mergeAt(e, node, next, made);
      continue;
    }
    node = runOf(node);
    while (node && node.symbol == symbol) {
      const right = node.next;
      if (!right || right.symbol != symbol) break;
      mergeAt(e, node, right, made);
      node = node.next;
    }
  }
}

/** `mergeSymbols` for any number of symbols. */
export function mergeLong(e: Engine, n: u32): u32 {
  const symbols = <usize>e.symbols, size = offsetof<Node>(), first = <usize>e.scratch, last = first + (n - 1) * size;
  for (let i: u32 = 0; i < n; i++) {
    const at = first + i * size, node = changetype<Node>(at);
    node.symbol = load<u32>(symbols + (i << 2));
    node.next = at < last ? changetype<Node>(at + size) : null;
    node.previous = i > 0 ? changetype<Node>(at - size) : null;
  }
  for (let at = last; at >= first; at -= size) link(e, changetype<Node>(at)); // lists begin on the left
  for (let word = <usize>e.present; ;) {
    const bits = load<u64>(word);
    if (bits == 0) {
      word += 8;
      continue;
    }
    const made = <u32>((word - e.present) << 3) + <u32>ctz(bits) + FIRST_MERGE;
    if (load<u32>(headOf(e, made)) == 0) break; // the bit behind the last rank
    mergeEverywhere(e, made);
  }
  let count: u32 = 0;
  for (let node = changetype<Node | null>(first); node; node = node.next) {
    store<u32>(symbols + (count++ << 2), node.symbol);
  }
  return count;
}
