// Learns byte-pair merges from text, after Sennrich, Haddow and Birch, "Neural machine translation of rare words with
// subword units" (2016): count words, then again and again merge the pair of symbols that is most frequent. Counts are
// updated only in the words that hold the merged pair, and the queue of pairs is corrected when a stale entry comes
// up, so a merge costs what it touches and nothing is ever counted twice.

import { type BpeTokenizer, createBpe, END, UNKNOWN } from "./bpe.ts";
import { Heap } from "./heap.ts";
import { type PretokenizerName, pretokenizers } from "./standardize.ts";

/** How to train a tokenizer. */
export interface BpeTraining {
  /** Number of ids in the result: `<unk>`, each character twice, the merges, the newline. */
  readonly vocabSize: number;
  /** Pairs seen less often than this are not merged. Default 2. */
  readonly minFrequency?: number;
  /** How text is split into words. Default `"words"`. */
  readonly pretokenizer?: PretokenizerName;
  /** Called now and then with the merges made and wanted. */
  readonly onProgress?: (progress: { readonly merges: number; readonly of: number }) => void;
  /** Stops training; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

interface Pair {
  readonly left: number;
  readonly right: number;
  /** Occurrences now. */
  count: number;
  /** Occurrences when it last entered the queue; never less than `count`, since only new pairs gain. */
  queued: number;
  /** Words (by index) that hold the pair, or once did. */
  readonly words: number[];
}

/**
 * Trains a byte-pair tokenizer. The same documents give the same tokenizer, in whatever order they come: the pair
 * with the highest count is merged first and, among equals, the one whose left token, then right token, comes first
 * in order of UTF-16 units. A pair that would spell a token that exists already is passed over.
 *
 * Rejects with `RangeError` if the documents hold no words, too many characters for `vocabSize`, or too little text
 * to make that many merges; the message names the size that would be possible.
 *
 * @example
 * ```ts
 * import { trainBpe } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const tokenizer = await trainBpe(["low lower lowest", "slow slower"], { vocabSize: 20 });
 * assertEquals(tokenizer.decode(tokenizer.encode("slow low")), "slow low");
 * ```
 */
export async function trainBpe(
  documents: Iterable<string> | AsyncIterable<string>,
  { vocabSize, minFrequency = 2, pretokenizer = "words", onProgress, signal }: BpeTraining,
): Promise<BpeTokenizer> {
  for (const [name, value] of Object.entries({ vocabSize, minFrequency })) {
    if (Number.isSafeInteger(value) && value >= 1) continue;
    throw new RangeError(
      `Cannot train a tokenizer with ${name} ${value}: it must be a positive whole number`,
    );
  }
  const frequency = new Map<string, number>();
  for await (const text of documents) {
    signal?.throwIfAborted();
    for (const word of pretokenizers[pretokenizer](text)) frequency.set(word, (frequency.get(word) ?? 0) + 1);
  }
  frequency.delete("\n");
  if (frequency.size === 0) throw new RangeError("Cannot train a tokenizer: the documents hold no words");

  const characters = charactersByFrequency(frequency), smallest = 2 + 2 * characters.length;
  if (vocabSize < smallest) {
    throw new RangeError(
      `Cannot train a vocabulary of ${vocabSize} tokens: this text has ${characters.length} different characters, ` +
        `which alone take ${smallest}; ask for more, or clean the text`,
    );
  }
  const merges = await learn(
    [...frequency],
    characters,
    vocabSize - smallest,
    minFrequency,
    onProgress,
    signal,
  );
  if (merges.length < vocabSize - smallest) {
    throw new RangeError(
      `Cannot train a vocabulary of ${vocabSize} tokens: this text yields at most ${
        smallest + merges.length
      } ` +
        `(${characters.length} characters, ${merges.length} pairs seen at least ${minFrequency} times); ` +
        `ask for at most that, or add text`,
    );
  }
  return await createBpe({ characters, merges, pretokenizer });
}

/** All code points of the words, most frequent first, equals in code point order. */
function charactersByFrequency(frequency: ReadonlyMap<string, number>): string[] {
  const counts = new Map<string, number>();
  for (const [word, count] of frequency) {
    for (const character of word) counts.set(character, (counts.get(character) ?? 0) + count);
  }
  return [...counts].sort(([a, m], [b, n]) => n - m || a.codePointAt(0)! - b.codePointAt(0)!).map(([c]) => c);
}

async function learn(
  spelled: readonly (readonly [string, number])[],
  characters: readonly string[],
  wanted: number,
  minFrequency: number,
  onProgress: BpeTraining["onProgress"],
  signal: AbortSignal | undefined,
): Promise<[string, string][]> {
  const tokens = [UNKNOWN, ...characters, ...characters.map((character) => character + END)];
  const taken = new Set([...tokens, "\n" + END]);
  const ids = new Map(characters.map((character, i) => [character, i + 1]));
  const words = spelled.map(([word]) => {
    const symbols = Array.from(word, (character) => ids.get(character)!);
    symbols[symbols.length - 1] += characters.length;
    return symbols;
  });

  const pairs = new Map<number, Pair>(), stride = tokens.length + wanted;
  /** Adds `sign` times a word's frequency to all its pairs, and gives those it had to create. */
  function tally(index: number, sign: 1 | -1, created: Pair[]): void {
    const symbols = words[index], count = sign * spelled[index][1];
    for (let i = 1; i < symbols.length; i++) {
      const left = symbols[i - 1], right = symbols[i], key = left * stride + right;
      let pair = pairs.get(key);
      if (pair === undefined) {
        pair = { left, right, count: 0, queued: 0, words: [] };
        pairs.set(key, pair);
        created.push(pair);
      }
      pair.count += count;
      // Only a pair that is new in this round can be new to the word; it is not in the queue yet.
      if (pair.queued === 0 && pair.words.at(-1) !== index) pair.words.push(index);
    }
  }

  const queue = new Heap<Pair>((a, b) =>
    a.queued !== b.queued
      ? a.queued > b.queued
      : a.left !== b.left
      ? tokens[a.left] < tokens[b.left]
      : tokens[a.right] < tokens[b.right]
  );
  const enqueue = (pair: Pair): void => {
    pair.queued = pair.count;
    if (pair.count >= minFrequency) queue.push(pair);
  };

  const initial: Pair[] = [];
  for (let index = 0; index < words.length; index++) tally(index, 1, initial);
  initial.forEach(enqueue);

  const merges: [string, string][] = [];
  let rested = performance.now();
  while (merges.length < wanted) {
    const best = queue.pop();
    if (best === undefined) break;
    if (best.count < best.queued) {
      enqueue(best);
      continue;
    }
    const left = tokens[best.left], right = tokens[best.right], token = left + right;
    // A token may not be spelled in two ways, nor end in a `</w>` that is text: files could not tell them apart.
    if (taken.has(token) || token.endsWith(END) !== right.endsWith(END)) continue;
    taken.add(token);
    const id = tokens.push(token) - 1, created: Pair[] = [];
    for (const index of best.words) {
      const joined = join(words[index], best.left, best.right, id);
      if (joined.length === words[index].length) continue;
      tally(index, -1, created);
      words[index] = joined;
      tally(index, 1, created);
    }
    pairs.delete(best.left * stride + best.right);
    created.forEach(enqueue);
    merges.push([left, right]);
    if (performance.now() - rested > 50) { // let timers, Ctrl-C and the page have a turn
      onProgress?.({ merges: merges.length, of: wanted });
      await new Promise((resolve) => setTimeout(resolve));
      signal?.throwIfAborted();
      rested = performance.now();
    }
  }
  onProgress?.({ merges: merges.length, of: wanted });
  return merges;
}

/** The symbols with each `left right`, taken from the left without overlap, replaced by `id`. */
function join(symbols: readonly number[], left: number, right: number, id: number): number[] {
  const joined: number[] = [];
  for (let i = 0; i < symbols.length; i++) {
    const match = symbols[i] === left && symbols[i + 1] === right;
    joined.push(match ? id : symbols[i]);
    if (match) i++;
  }
  return joined;
}
