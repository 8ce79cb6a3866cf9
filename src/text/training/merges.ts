// Learning merges, the part that all trainers of subwords share, after Sennrich, Haddow and Birch, "Neural machine
// translation of rare words with subword units" (2016): again and again join the pair of neighbouring symbols that
// occurs most often. Words are a linked list over one array of symbols, and each pair knows where it stands, so a merge
// costs the places it touches, whatever the length of a word. What a symbol is, which of two equally frequent pairs goes
// first and which pairs may not be joined differ by kind of tokenizer: see `MergeRules`.

import { Heap } from "../heap.ts";
import { type Pair, PairTable } from "./pair_table.ts";

/** Words as symbols, with how often each occurs. */
export interface SpelledWords {
  /** The symbols of all words, one word after another. */
  readonly symbols: Int32Array;
  /** Where each word starts in `symbols`, and at last where the last one ends. */
  readonly starts: Int32Array;
  /** Occurrences of each word. */
  readonly counts: Float64Array;
}

/** What differs between kinds of tokenizers. Symbols are numbers; new ones continue the alphabet. */
export interface MergeRules {
  /** Number of symbols before the first merge. */
  readonly alphabet: number;
  /** Whether the pair (l, r) is merged before (m, s) that occurs as often. */
  readonly before: (l: number, r: number, m: number, s: number) => boolean;
  /** Told of the best pair; returns false to pass it over for good. If true, the pair is the next symbol from now on. */
  readonly accept: (left: number, right: number) => boolean;
}

/** When to stop, and who is told. */
export interface MergeOptions {
  /** Merges to make. */
  readonly wanted: number;
  /** Pairs seen less often than this are not merged. */
  readonly minFrequency: number;
  /** Called now and then with the merges made and wanted. */
  readonly onProgress?: ((progress: { readonly merges: number; readonly of: number }) => void) | undefined;
  /** Stops learning; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

const REST_MS = 50;

/** The merges, in order: fewer than wanted if the words have no more pairs that are frequent enough. Changes `symbols`. */
export async function learnMerges(
  { symbols, starts, counts }: SpelledWords,
  { alphabet, before, accept }: MergeRules,
  { wanted, minFrequency, onProgress, signal }: MergeOptions,
): Promise<[number, number][]> {
  const { next, previous, wordOf } = linked(starts);
  const pairs = new PairTable();
  const queue = new Heap<Pair>((a, b) =>
    a.queued !== b.queued ? a.queued > b.queued : before(a.left, a.right, b.left, b.right)
  );
  const enqueue = (pair: Pair): void => {
    pair.queued = pair.count;
    if (pair.count >= minFrequency) queue.push(pair);
  };

  let created: Pair[] = [];
  function gain(left: number, right: number, at: number): void {
    const pair = pairs.at(left, right);
    if (pair.places.length === 0) created.push(pair);
    pair.count += counts[wordOf[at]];
    pair.places.push(at);
  }
  for (let at = 0; at < symbols.length; at++) {
    if (next[at] >= 0) gain(symbols[at], symbols[next[at]], at);
  }
  created.forEach(enqueue);

  // Only pairs with the new symbol gain, and none of them was there before: places are in order, and queued counts are
  // never too low.
  function replace({ left, right, places }: Pair, joined: number): void {
    for (const at of places) {
      const second = next[at];
      if (symbols[at] !== left || second < 0 || symbols[second] !== right) continue;
      const first = previous[at], third = next[second], count = counts[wordOf[at]];
      symbols[at] = joined;
      symbols[second] = -1;
      next[at] = third;
      if (first >= 0) {
        pairs.at(symbols[first], left).count -= count;
        gain(symbols[first], joined, first);
      }
      if (third >= 0) {
        previous[third] = at;
        pairs.at(right, symbols[third]).count -= count;
        gain(joined, symbols[third], at);
      }
    }
  }

  const merges: [number, number][] = [];
  let rested = performance.now();
  while (merges.length < wanted) {
    const best = queue.pop();
    if (best === undefined) break;
    if (best.count < best.queued) {
      enqueue(best);
      continue;
    }
    if (!accept(best.left, best.right)) continue;
    created = [];
    replace(best, alphabet + merges.length);
    best.places.length = 0;
    created.forEach(enqueue);
    merges.push([best.left, best.right]);
    if (performance.now() - rested > REST_MS) { // let timers, Ctrl-C and the page have a turn
      onProgress?.({ merges: merges.length, of: wanted });
      await new Promise((resolve) => setTimeout(resolve));
      signal?.throwIfAborted();
      rested = performance.now();
    }
  }
  onProgress?.({ merges: merges.length, of: wanted });
  return merges;
}

/** Each place's neighbours in its word, -1 where there is none, and its word. */
function linked(starts: Int32Array): { next: Int32Array; previous: Int32Array; wordOf: Int32Array } {
  const size = starts[starts.length - 1];
  const next = new Int32Array(size), previous = new Int32Array(size), wordOf = new Int32Array(size);
  for (let word = 0; word + 1 < starts.length; word++) {
    const start = starts[word], end = starts[word + 1];
    for (let at = start; at < end; at++) {
      wordOf[at] = word;
      previous[at] = at > start ? at - 1 : -1;
      next[at] = at + 1 < end ? at + 1 : -1;
    }
  }
  return { next, previous, wordOf };
}

/** Gathers words spelled one at a time. */
export class Speller {
  #symbols = new Int32Array(1024);
  #length = 0;
  readonly #starts: number[] = [0];
  readonly #counts: number[] = [];

  /** Adds a symbol to the word that is being spelled. */
  push(symbol: number): void {
    if (this.#length === this.#symbols.length) {
      const larger = new Int32Array(2 * this.#length);
      larger.set(this.#symbols);
      this.#symbols = larger;
    }
    this.#symbols[this.#length++] = symbol;
  }

  /** Ends the word, which occurs this often. */
  end(count: number): void {
    this.#starts.push(this.#length);
    this.#counts.push(count);
  }

  /** All words so far. */
  words(): SpelledWords {
    return {
      symbols: this.#symbols.slice(0, this.#length),
      starts: Int32Array.from(this.#starts),
      counts: Float64Array.from(this.#counts),
    };
  }
}
