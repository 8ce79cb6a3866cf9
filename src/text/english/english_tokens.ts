// Text to tokens as spaCy 2.0.11's English tokenizer gives them, white space included: one plain space behind a token
// is a flag of that token, any other white space is a token. The rules are in english_rules.ts, the engine in
// rule_tokenizer.ts; GPT-1's use of it is in gpt1_words.ts.

import { cached } from "../cached.ts";
import { ENGLISH_RULES } from "./english_rules.ts";
import { chunkSplitter } from "./rule_tokenizer.ts";
import { spanEnd } from "./spans.ts";

/** One token of a text. */
export interface EnglishToken {
  /** The token as it stands in the text. */
  readonly text: string;
  /** Where it begins, in UTF-16 units. */
  readonly start: number;
  /** Whether one plain space follows that belongs to no token. */
  readonly space: boolean;
}

/** Splits text without white space into its tokens, uncached. */
export const splitEnglish: (chunk: string) => readonly string[] = chunkSplitter(ENGLISH_RULES);
const split = cached(splitEnglish);

/**
 * The tokens of a text by the rules of spaCy 2.0.11's English tokenizer, the one GPT-1 was trained with: contractions,
 * abbreviations, emoticons, units, URLs. Texts and the plain spaces behind tokens, joined, are the text.
 *
 * @example
 * ```ts
 * import { englishTokens } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const texts = Array.from(englishTokens("Mr. Smith can't (yet)  run 10km."), (token) => token.text);
 * assertEquals(texts, ["Mr.", "Smith", "ca", "n't", "(", "yet", ")", " ", "run", "10", "km", "."]);
 * ```
 */
export function* englishTokens(text: string): Generator<EnglishToken, void, undefined> {
  for (let start = 0; start < text.length;) {
    const blanks = spanEnd(text, start, true);
    if (blanks > start) {
      yield { text: text.slice(start, blanks), start, space: false };
      start = blanks;
    }
    const end = spanEnd(text, start, false), followed = text.charCodeAt(end) === 0x20;
    if (end === start) return;
    for (const part of split(text.slice(start, end))) {
      const next = start + part.length;
      yield { text: part, start, space: followed && next === end };
      start = next;
    }
    if (followed) start++;
  }
}
