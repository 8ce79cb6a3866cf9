// Byte-pair merging of one word, in plain TypeScript, for every tokenizer that has symbols and ranks. What the text
// engine does instead is in assembly/text/merge.ts and merge_long.ts.

import { Heap } from "./heap.ts";

/**
 * Applies merges to a word's symbols, which are numbered by rank: lowest first, all its occurrences from left to
 * right. The queue takes one occurrence at a time, which gives the same result as one merge at a time, since what a
 * merge creates only takes part in merges of higher rank; and a "word" of a million letters stays n log n.
 */
export function merge(
  symbols: number[],
  merged: (left: number, right: number) => number | undefined,
): number[] {
  const count = symbols.length, next = symbols.map((_, i) => i + 1), previous = symbols.map((_, i) => i - 1);
  const queue = new Heap<number>((a, b) => a < b); // id * 2^30 + position: ordered by id, then from the left
  const offer = (at: number): void => {
    const id = at >= 0 && next[at] < count ? merged(symbols[at], symbols[next[at]]) : undefined;
    if (id !== undefined) queue.push(id * 2 ** 30 + at);
  };
  for (let at = 0; at < count - 1; at++) offer(at);
  for (let key = queue.pop(); key !== undefined; key = queue.pop()) {
    const at = key % 2 ** 30, id = (key - at) / 2 ** 30, right = next[at];
    // An entry is out of date when its left symbol is gone (-1 below) or one of the two has since changed.
    if (right >= count || merged(symbols[at], symbols[right]) !== id) continue;
    symbols[at] = id;
    symbols[right] = -1;
    next[at] = next[right];
    if (next[at] < count) previous[next[at]] = at;
    offer(previous[at]);
    offer(at);
  }
  return symbols.filter((id) => id >= 0);
}
