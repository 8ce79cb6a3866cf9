// The loop that all merge-based vocabularies are learned by: again and again the most frequent pair of neighbouring
// symbols becomes one symbol, after Sennrich, Haddow and Birch, "Neural machine translation of rare words with subword
// units" (2016). Counts are updated only in the words that hold the merged pair, and the queue of pairs is corrected
// when a stale entry comes up, so a merge costs what it touches and nothing is ever counted twice. What the symbols
// are and which merges are allowed is the caller's: bpe_train.ts, wordpiece/train.ts.

import { Heap } from "./heap.ts";

/** A pair of neighbouring symbols. */
export interface SymbolPair {
  /** Id of the first symbol. */
  readonly left: number;
  /** Id of the second. */
  readonly right: number;
}

interface CountedPair extends SymbolPair {
  /** Occurrences now. */
  count: number;
  /** The count of its entry in the queue that is up to date; other entries are left-overs. Never less than `count`. */
  queued: number;
  /** Words (by index) that hold the pair, or once did. */
  readonly words: number[];
}

/** What is learned from, and how. */
export interface MergeLearning {
  /** Each different word as symbols. Changed: afterwards they hold the merged symbols. */
  readonly words: number[][];
  /** How often each word occurs. */
  readonly counts: readonly number[];
  /** Pairs seen less often than this are not merged. */
  readonly minFrequency: number;
  /** Whether, of two pairs seen equally often, `a` is merged first. */
  readonly before: (a: SymbolPair, b: SymbolPair) => boolean;
  /** The symbol that a pair becomes, new or known already; null passes the pair over for good. */
  readonly merge: (pair: SymbolPair) => number | null;
  /** Whether enough has been learned; asked before each merge. */
  readonly done: () => boolean;
  /** Called now and then. */
  readonly onProgress?: () => void;
  /** Stops the learning; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

const STRIDE = 2 ** 26; // a pair's key is left * STRIDE + right, which stays a safe integer

/** Merges the most frequent pair until `done`, or until no pair is frequent enough. */
export async function learnMerges(learning: MergeLearning): Promise<void> {
  const { words, counts, minFrequency, before, merge, done, onProgress, signal } = learning;
  const pairs = new Map<number, CountedPair>();

  /** Adds `sign` times a word's count to its pairs; lists those that can have become more frequent by `symbol`. */
  function tally(index: number, sign: 1 | -1, symbol: number | null, gained: CountedPair[]): void {
    const symbols = words[index], count = sign * counts[index];
    for (let i = 1; i < symbols.length; i++) {
      const left = symbols[i - 1], right = symbols[i], key = left * STRIDE + right;
      let pair = pairs.get(key);
      if (pair === undefined) {
        pair = { left, right, count: 0, queued: 0, words: [] };
        pairs.set(key, pair);
      }
      pair.count += count;
      if (sign < 0 || (symbol !== null && left !== symbol && right !== symbol)) continue;
      if (pair.words.at(-1) !== index) pair.words.push(index);
      gained.push(pair);
    }
  }

  const queue = new Heap<{ pair: CountedPair; count: number }>((a, b) =>
    a.count !== b.count ? a.count > b.count : before(a.pair, b.pair)
  );
  const enqueue = (pair: CountedPair): void => {
    pair.queued = pair.count;
    if (pair.count >= minFrequency) queue.push({ pair, count: pair.count });
  };
  const enqueueGained = (gained: readonly CountedPair[]): void => {
    for (const pair of gained) if (pair.count > pair.queued) enqueue(pair);
  };

  const initial: CountedPair[] = [];
  for (let index = 0; index < words.length; index++) tally(index, 1, null, initial);
  enqueueGained(initial);

  let rested = performance.now();
  while (!done()) {
    const entry = queue.pop();
    if (entry === undefined) break;
    const best = entry.pair;
    if (entry.count !== best.queued) continue;
    if (best.count < best.queued) {
      enqueue(best);
      continue;
    }
    const symbol = merge(best);
    if (symbol === null) continue;
    const gained: CountedPair[] = [];
    for (const index of best.words) {
      const joined = join(words[index], best.left, best.right, symbol);
      if (joined.length === words[index].length) continue;
      tally(index, -1, symbol, gained);
      words[index] = joined;
      tally(index, 1, symbol, gained);
    }
    best.queued = -1; // the pair is gone for good: what it could come from has been joined
    pairs.delete(best.left * STRIDE + best.right);
    enqueueGained(gained);
    if (performance.now() - rested > 50) { // let timers, Ctrl-C and the page have a turn
      onProgress?.();
      await new Promise((resolve) => setTimeout(resolve));
      signal?.throwIfAborted();
      rested = performance.now();
    }
  }
}

/** The symbols with each `left right`, taken from the left without overlap, replaced by `symbol`. */
function join(symbols: readonly number[], left: number, right: number, symbol: number): number[] {
  const joined: number[] = [];
  for (let i = 0; i < symbols.length; i++) {
    const match = symbols[i] === left && symbols[i + 1] === right;
    joined.push(match ? symbol : symbols[i]);
    if (match) i++;
  }
  return joined;
}
