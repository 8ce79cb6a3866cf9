// Trains GPT-1's kind of tokenizer: words as code points, the last one marked as the end. Counting words is in
// training/word_counts.ts, learning merges in training/merges.ts; here are the alphabet, the order among equals and the
// pairs that may not be merged.

import { type BpeTokenizer, createBpe, END, UNKNOWN } from "./bpe.ts";
import { type PretokenizerName, wordSplitter } from "./pretokenizers.ts";
import { learnMerges, type MergeOptions, Speller } from "./training/merges.ts";
import { checkTraining, countWords, type TrainingOptions } from "./training/word_counts.ts";

/** How to train a tokenizer. */
export interface BpeTraining extends TrainingOptions {
  /** Number of ids in the result: `<unk>`, each character twice, the merges, the newline. */
  readonly vocabSize: number;
  /** How text is split into words. Default `"words"`. */
  readonly pretokenizer?: PretokenizerName;
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
  { vocabSize, minFrequency = 2, pretokenizer = "words", spill, onProgress, signal }: BpeTraining,
): Promise<BpeTokenizer> {
  checkTraining({ vocabSize, minFrequency });
  const split = wordSplitter(pretokenizer);
  const { words: frequency } = await countWords(documents, split, { spill, signal });
  frequency.delete("\n");
  if (frequency.size === 0) throw new RangeError("Cannot train a tokenizer: the documents hold no words");

  const characters = charactersByFrequency(frequency), smallest = 2 + 2 * characters.length;
  if (vocabSize < smallest) {
    throw new RangeError(
      `Cannot train a vocabulary of ${vocabSize} tokens: this text has ${characters.length} different characters, ` +
        `which alone take ${smallest}; ask for more, or clean the text`,
    );
  }
  const wanted = vocabSize - smallest;
  const merges = await learn(frequency, characters, { wanted, minFrequency, onProgress, signal });
  if (merges.length < wanted) {
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
  frequency: ReadonlyMap<string, number>,
  characters: readonly string[],
  options: MergeOptions,
): Promise<[string, string][]> {
  const tokens = [UNKNOWN, ...characters, ...characters.map((character) => character + END)];
  const taken = new Set([...tokens, "\n" + END]), speller = new Speller();
  const ids = new Map(characters.map((character, i) => [character, i + 1]));
  for (const [word, count] of frequency) {
    const symbols = Array.from(word, (character) => ids.get(character)!);
    symbols[symbols.length - 1] += characters.length;
    symbols.forEach((symbol) => speller.push(symbol));
    speller.end(count);
  }
  const merges: [string, string][] = [];
  await learnMerges(speller.words(), {
    before: (l, r, m, s) => l !== m ? tokens[l] < tokens[m] : tokens[r] < tokens[s],
    // A token may not be spelled in two ways, nor end in a `</w>` that is text: files could not tell them apart.
    merge: (l, r) => {
      const left = tokens[l], right = tokens[r], token = left + right;
      if (taken.has(token) || token.endsWith(END) !== right.endsWith(END)) return null;
      taken.add(token);
      merges.push([left, right]);
      return tokens.push(token) - 1;
    },
    made: () => merges.length,
  }, options);
  return merges;
}
