// The pre-tokenizers that a BPE tokenizer can be made with, by the name it stores, and the plain one among them: `words`
// goes from raw text to words, around `standardize` (see clean/standardize.ts). GPT-1's own, with ftfy and spaCy's English
// rules, is english/gpt1_words.ts. Splitting words into subwords is not here: see bpe.ts.

import { PYTHON_SPACE } from "./clean/spaces.ts";
import { standardize } from "./clean/standardize.ts";
import { gpt1Words } from "./english/gpt1_words.ts";
import { basicWords } from "./wordpiece/basic.ts";

const WORD = new RegExp(
  [
    "\\n",
    "[\\p{L}\\p{M}]+?(?=n't(?![\\p{L}\\p{M}]))", // the stem of isn't, don't
    "n't(?![\\p{L}\\p{M}])",
    "'(?:s|m|re|ve|ll|d)(?![\\p{L}\\p{M}])",
    "[\\p{L}\\p{M}]+",
    "\\p{Nd}+",
    `([^${PYTHON_SPACE}])\\1*`, // a run of one and the same mark
  ].join("|"),
  "gu",
);

/**
 * The words of a text: straight quotes, `standardize`, lower case, then runs of letters, runs of digits,
 * English contractions (`is` `n't`, `it` `'s`) and runs of one mark. A line break is the word `"\n"`; breaks at
 * either end of the text are dropped.
 *
 * Works through the text in slices that end at line breaks, so that memory stays small; `slice` (in UTF-16 units)
 * does not change the result.
 *
 * @example
 * ```ts
 * import { words } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * assertEquals([...words("It isn't\n3.5!")], ["it", "is", "n't", "\n", "3", ".", "5", "!"]);
 * ```
 */
export function* words(text: string, slice = 2 ** 20): Generator<string, void, undefined> {
  let started = false;
  for (let start = 0; start < text.length;) {
    const newline = text.indexOf("\n", start + slice);
    const end = newline < 0 ? text.length : newline;
    const clean = standardize(straighten(text.slice(start, end))).toLowerCase();
    start = end + 1;
    if (clean === "") continue;
    if (started) yield "\n";
    started = true;
    yield* clean.match(WORD) ?? [];
  }
}

/** What ftfy's defaults do to ordinary English: composed letters (NFC) and straight quotation marks. */
function straighten(text: string): string {
  return text.normalize("NFC").replace(/[\u2018-\u201b]/g, "'").replace(/[\u201c-\u201f]/g, '"');
}

/**
 * The name of a pre-tokenizer, as a tokenizer's config stores it: GPT-1's own, the plain {@link words}, or BERT's basic
 * words, which Hugging Face's fast tokenizer for GPT-1 uses.
 */
export type PretokenizerName = "gpt1" | "words" | "bert";

/** Every pre-tokenizer by name: from a text to its words, where `"\n"` is a line break and no word holds a space. */
export const pretokenizers: Readonly<Record<PretokenizerName, (text: string) => Iterable<string>>> = {
  gpt1: (text) => gpt1Words(text),
  words: (text) => words(text),
  bert: function* (text) {
    for (const { text: word } of basicWords(text, { lowerCase: true })) yield word;
  },
};
