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

/** What differs between kinds of tokenizers. */
export interface MergeRules {
  /** Whether the pair (l, r) is merged before (m, s) that occurs as often. */
  readonly before: (l: number, r: number, m: number, s: number) => boolean;
  /** The symbol that the best pair becomes, a new one or one known already; null to pass the pair over. */
  readonly merge: (left: number, right: number) => number | null;
  /** How many merges are made, or tokens known, by the same measure as `wanted`. */
  readonly made: () => number;
}

/** When to stop, and who is told. */
export interface MergeOptions {
  /** Merges to make, or tokens to know. */
  readonly wanted: number;
  /** Pairs seen less often than this are not merged. */
  readonly minFrequency: number;
  /** Called now and then with what is made and wanted. */
  readonly onProgress?: ((progress: { readonly made: number; readonly of: number }) => void) | undefined;
  /** Stops learning; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

const REST_MS = 50;

/** Merges until enough is made or no pair is frequent enough. Changes `symbols`. */
export async function learnMerges(
  { symbols, starts, counts }: SpelledWords,
  { before, merge, made }: MergeRules,
  { wanted, minFrequency, onProgress, signal }: MergeOptions,
): Promise<void> {
  const { next, previous, wordOf } = linked(starts);
  const pairs = new PairTable();
  const queue = new Heap<{ readonly pair: Pair; readonly count: number }>((a, b) =>
    a.count !== b.count ? a.count > b.count : before(a.pair.left, a.pair.right, b.pair.left, b.pair.right)
  );
  const enqueue = (pair: Pair): void => {
    pair.queued = pair.count;
    if (pair.count >= minFrequency) queue.push({ pair, count: pair.count });
  };

  let gained: Pair[] = [];
  const enqueueGained = (): void => {
    for (const pair of gained) if (pair.count > pair.queued) enqueue(pair);
    gained = [];
  };
  function gain(left: number, right: number, at: number): void {
    const pair = pairs.at(left, right);
    pair.count += counts[wordOf[at]];
    pair.places.push(at);
    gained.push(pair);
  }
  for (let at = 0; at < symbols.length; at++) {
    if (next[at] >= 0) gain(symbols[at], symbols[next[at]], at);
  }
  enqueueGained();

  function replace({ left, right, places }: Pair, joined: number): void {
    // Runs of one symbol are joined from the left. Places are only out of order where `joined` was known before.
    if (left === right) places.sort((a, b) => a - b);
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

  const report = (): void => onProgress?.({ made: made(), of: wanted });
  let rested = performance.now();
  while (made() < wanted) {
    const entry = queue.pop();
    if (entry === undefined) break;
    const { pair, count } = entry;
    if (count !== pair.queued) continue; // the pair has entered again since
    if (pair.count < count) {
      enqueue(pair);
      continue;
    }
    const joined = merge(pair.left, pair.right);
    if (joined === null) continue;
    replace(pair, joined);
    pair.places.length = pair.count = pair.queued = 0;
    enqueueGained();
    if (performance.now() - rested > REST_MS) { // let timers, Ctrl-C and the page have a turn
      report();
      await new Promise((resolve) => setTimeout(resolve));
      signal?.throwIfAborted();
      rested = performance.now();
    }
  }
  report();
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
