// The pre-tokenizers that a BPE tokenizer can be made with, by the name it stores, and the plain one among them: `words`
// goes from raw text to words, around `standardize` (see clean/standardize.ts). GPT-1's own, with ftfy and spaCy's
// English rules, is english/gpt1_words.ts. Splitting words into subwords is not here: see bpe.ts.

import { cached } from "./cached.ts";
import { textFixer } from "./clean/fix_text.ts";
import { PYTHON_SPACE } from "./clean/spaces.ts";
import { standardize } from "./clean/standardize.ts";
import { gpt1ChunkWords } from "./english/gpt1_words.ts";
import { basicWords, easyWords } from "./wordpiece/basic.ts";

/** How a text becomes words: cleaned first, then each chunk, a run between blanks (tab, `\\n`, `\\r`, space), alone. */
export interface Pretokenizer {
  /**
   * Makes the function that cleans one text, given in parts that each but the last end at a line break: what one part
   * becomes may depend on those before. The result holds no lone surrogates.
   */
  cleaner(): (lines: string) => string;
  /** The words of a chunk, none of which holds white space. */
  words(chunk: string): readonly string[];
  /**
   * Whether a line break between two chunks is a word. Then every chunk has words, so cleaning has made other white
   * space plain spaces.
   */
  readonly newlines: boolean;
}

/**
 * The name of a pre-tokenizer, as a tokenizer's config stores it: GPT-1's own, the plain {@link words}, or BERT's basic
 * words, which Hugging Face's fast tokenizer for GPT-1 uses.
 */
export type PretokenizerName = "gpt1" | "words" | "bert";

const OTHER_SPACE = new RegExp(`[[${PYTHON_SPACE}]--[\\t\\n\\r ]]`, "gv");
const plainSpaces = (text: string): string => text.replace(OTHER_SPACE, " ");

const WORD = new RegExp(
  [
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
  yield* splitPlainly(text, slice);
}

/** Every pre-tokenizer by name. */
export const pretokenizers: Readonly<Record<PretokenizerName, Pretokenizer>> = {
  gpt1: {
    cleaner() {
      const fix = textFixer();
      return (lines) => plainSpaces(fix(lines));
    },
    words: gpt1ChunkWords,
    newlines: true,
  },
  words: {
    cleaner: () => (lines) => plainSpaces(straighten(lines.toWellFormed())),
    words: (chunk) => standardize(chunk).toLowerCase().match(WORD) ?? [],
    newlines: true,
  },
  bert: {
    cleaner: () => (lines) => lines.toWellFormed(),
    words: (chunk) => easyWords(chunk, { lowerCase: true }) ?? tracedWords(chunk),
    newlines: false,
  },
};

function tracedWords(text: string): string[] {
  return Array.from(basicWords(text, { lowerCase: true }), (word) => word.text);
}

/** What ftfy's defaults do to ordinary English: composed letters (NFC) and straight quotation marks. */
function straighten(text: string): string {
  return text.normalize("NFC").replace(/[\u2018-\u201b]/g, "'").replace(/[\u201c-\u201f]/g, '"');
}

/**
 * Makes the function from a text to its words, where `"\n"` is a line break; breaks at either end of a text are dropped.
 * It remembers chunks from one text to the next, and takes a text in slices that end at line breaks.
 */
export function wordSplitter(
  name: PretokenizerName,
): (text: string, slice?: number) => Generator<string, void, undefined> {
  const { cleaner, words, newlines } = pretokenizers[name], wordsOf = cached(words);
  return function* (text, slice = 2 ** 20) {
    const clean = cleaner();
    let started = false, broken = false, open = ""; // a chunk whose line break cleaning took away goes on
    for (let start = 0; start < text.length;) {
      const newline = text.indexOf("\n", start + slice), end = newline < 0 ? text.length : newline + 1;
      const cleaned = open + clean(text.slice(start, end)), found = cleaned.match(/[^\t\n\r ]+|\n/g) ?? [];
      start = end;
      const last = found.at(-1) ?? "\n";
      open = start < text.length && last !== "\n" && cleaned.endsWith(last) ? found.pop()! : "";
      for (const chunk of found) {
        if (chunk === "\n") broken = started && newlines;
        else {
          if (broken) yield "\n";
          yield* wordsOf(chunk);
          [started, broken] = [true, false];
        }
      }
    }
  };
}

const splitPlainly = wordSplitter("words");
