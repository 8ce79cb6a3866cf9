// Learns a byte-pair tokenizer of GPT-1's form (bpe.ts) from text: counts words, spells them in characters and merges
// pairs as learn_merges.ts does. What is special here is the layout of the vocabulary and which merges its files can
// express.

import { type BpeTokenizer, createBpe, END, UNKNOWN } from "./bpe.ts";
import { learnMerges } from "./learn_merges.ts";
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

  const merges: [string, string][] = [];
  await learnMerges({
    words,
    counts: spelled.map(([, count]) => count),
    minFrequency,
    before: (a, b) => a.left !== b.left ? tokens[a.left] < tokens[b.left] : tokens[a.right] < tokens[b.right],
    merge: (pair) => {
      const left = tokens[pair.left], right = tokens[pair.right], token = left + right;
      // A token may not be spelled in two ways, nor end in a `</w>` that is text: files could not tell them apart.
      if (taken.has(token) || token.endsWith(END) !== right.endsWith(END)) return null;
      taken.add(token);
      merges.push([left, right]);
      return tokens.push(token) - 1;
    },
    done: () => merges.length >= wanted,
    onProgress: () => onProgress?.({ merges: merges.length, of: wanted }),
    signal,
  });
  onProgress?.({ merges: merges.length, of: wanted });
  return merges;
}
