// From raw text to words, the first half of GPT-1's tokenizer. `standardize` is the released code's text_standardize,
// in the variant of the original repository (a run of backslashes is not set apart; a later copy elsewhere does so).
// `words` is a plain pre-tokenizer around it. The paper used ftfy and spaCy's English rules; whoever adds those adds
// a name to `pretokenizers`, because a tokenizer stores the name it was made with. Splitting words into subwords is
// not here: see bpe.ts.

import { basicWords } from "./wordpiece/basic.ts";

// What Python's `\s` matches in a str. JavaScript's `\s` has U+FEFF in addition and lacks U+001C-001F and U+0085.
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const SPACES = new RegExp(`[${SPACE}]+`, "g");
const RUNS = /([-~!";?+,)(/*[\]}{|_])\1*/g;

/**
 * GPT-1's clean-up of spacing and punctuation: dashes, ellipses and acute accents become ASCII, runs of one
 * punctuation mark are set apart by spaces, and white space is one space or, where it holds a line break, a newline
 * between two spaces. Case is kept.
 *
 * @example
 * ```ts
 * import { standardize } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * assertEquals(standardize("well--known, isn´t it?!"), "well -- known , isn't it ? !");
 * ```
 */
export function standardize(text: string): string {
  return text
    .replace(/[\u2013-\u2015]/g, "-")
    .replace(/\u2026/g, "...")
    .replace(/\u00b4/g, "'")
    .replace(RUNS, " $& ")
    // The original makes two passes (around newlines, then the rest). Whole runs in one pass give the same text and
    // stay linear where `\s*\n\s*` is quadratic on long blanks.
    .replace(SPACES, (run) => run.includes("\n") ? " \n " : " ")
    .replace(/^[ \n]+|[ \n]+$/g, "");
}

const WORD = new RegExp(
  [
    "\\n",
    "[\\p{L}\\p{M}]+?(?=n't(?![\\p{L}\\p{M}]))", // the stem of isn't, don't
    "n't(?![\\p{L}\\p{M}])",
    "'(?:s|m|re|ve|ll|d)(?![\\p{L}\\p{M}])",
    "[\\p{L}\\p{M}]+",
    "\\p{Nd}+",
    `([^${SPACE}])\\1*`, // a run of one and the same mark
  ].join("|"),
  "gu",
);

/**
 * The words of a text: straight quotes, {@link standardize}, lower case, then runs of letters, runs of digits,
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

/** The name of a pre-tokenizer, as a tokenizer's config stores it. */
export type PretokenizerName = "words" | "bert";

/** Every pre-tokenizer by name: from a text to its words, where `"\n"` is a line break and no word holds a space. */
export const pretokenizers: Readonly<Record<PretokenizerName, (text: string) => Iterable<string>>> = {
  words: (text) => words(text),
  bert: function* (text) {
    for (const { text: word } of basicWords(text, { lowerCase: true })) yield word;
  },
};
