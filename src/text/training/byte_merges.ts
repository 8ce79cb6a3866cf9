// Learns the merges of a byte-level BPE, GPT-2's kind: symbols are bytes, words what the tokenizer's own split gives, and
// special tokens are cut out of the text first. How OpenAI ordered pairs that occur equally often was never published;
// here the pair whose left bytes, then right bytes, come last is merged first, which is the rule of the common reference
// implementations in Python.

import { learnMerges, type MergeOptions, Speller } from "./merges.ts";

/** The merges, in order, as pairs of byte strings: one UTF-16 unit, 0 to 255, for each byte. */
export async function learnByteMerges(
  frequency: ReadonlyMap<string, number>,
  options: MergeOptions,
): Promise<[string, string][]> {
  const tokens = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
  const taken = new Set(tokens), speller = new Speller(), encoder = new TextEncoder();
  for (const [word, count] of frequency) {
    for (const byte of encoder.encode(word)) speller.push(byte);
    speller.end(count);
  }
  const merges: [string, string][] = [];
  await learnMerges(speller.words(), {
    before: (l, r, m, s) => l !== m ? tokens[l] > tokens[m] : tokens[r] > tokens[s],
    // A token that can be spelled in two ways would have two ids.
    merge: (l, r) => {
      const token = tokens[l] + tokens[r];
      if (taken.has(token)) return null;
      taken.add(token);
      merges.push([tokens[l], tokens[r]]);
      return tokens.push(token) - 1;
    },
    made: () => merges.length,
  }, options);
  return merges;
}
