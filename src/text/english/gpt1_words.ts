// GPT-1's whole way from a text to the words that byte-pair encoding then splits: text fixing, text_standardize,
// spaCy's English tokens, lower case. All but the first look no further than from one white space to the next, so
// they run chunk by chunk and a chunk that was seen before costs a look-up. Splitting words is bpe.ts.

import { cached, NO_PROSE } from "../cached.ts";
import { fixText } from "../clean/fix_text.ts";
import { standardize } from "../clean/standardize.ts";
import { splitEnglish } from "./english_tokens.ts";
import { spanEnd } from "./spans.ts";

// Lower case comes last and token by token: exceptions depend on case, and a final sigma on where the token ends.
const lowered = (piece: string): string[] => splitEnglish(piece).map((token) => token.toLowerCase());
const knownLowered = cached(lowered);

/** The words of a run without white space; its text is clean already. */
export const gpt1ChunkWords = (chunk: string): readonly string[] =>
  standardize(chunk).split(" ").flatMap(chunk.length < NO_PROSE ? knownLowered : lowered);

const chunkWords = cached(gpt1ChunkWords);

/**
 * The words of a text as GPT-1's published pipeline makes them: `fixText`, `standardize`, `englishTokens`, lower case.
 * A line break is the word `"\n"` (spaCy has the token newline + space there, which the published code encodes as the
 * newline), and no other word holds white space; breaks at either end of the text are dropped.
 *
 * `fix` replaces the first step, or with `(text) => text` leaves it out. It is given the text as a whole, because
 * repairs may depend on what came before.
 *
 * @example
 * ```ts
 * import { gpt1Words } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const words = [...gpt1Words("Mr. Smith isn’t\nin--yet.")];
 * assertEquals(words, ["mr.", "smith", "is", "n't", "\n", "in", "--", "yet", "."]);
 * ```
 */
export function* gpt1Words(
  text: string,
  fix: (text: string) => string = fixText,
): Generator<string, void, undefined> {
  const fixed = fix(text);
  for (let start = 0; start < fixed.length;) {
    const from = spanEnd(fixed, start, true), end = spanEnd(fixed, from, false);
    if (start > 0 && end > from && hasNewline(fixed, start, from)) yield "\n";
    if (end > from) { for (const word of chunkWords(fixed.slice(from, end))) yield word; }
    start = end;
  }
}

function hasNewline(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (text.charCodeAt(at) === 0x0a) return true;
  return false;
}
