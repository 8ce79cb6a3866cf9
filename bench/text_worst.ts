// Texts that are hard on tokenizers: one word, or one run of marks, that is as long as the text, so that whatever is not
// linear in the length of a word shows.

import { Random } from "../src/core/random.ts";

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", EMOJI = "\u{1F600}";

const EMOJI_BYTES = 4; // in UTF-8; sizes are multiples of it

/**
 * Makes each text by what rows call it, `bytes` of UTF-8 long: a multiple of eight, so that half of it fits too. Where a
 * text is random another seed makes another, so that no cache of words helps. They are joined, not repeated: V8 would put
 * off the copying until they are first read.
 */
export const worstTexts: Readonly<Record<string, (bytes: number, seed: number) => string>> = {
  a: (bytes) => run("a", bytes),
  spaces: (bytes) => run(" ", bytes),
  base64: (bytes, seed) => {
    const random = new Random(seed, "base64");
    return Array.from({ length: bytes }, () => BASE64[random.below(BASE64.length)]).join("");
  },
  emoji: (bytes) => run(EMOJI, bytes / EMOJI_BYTES),
};

const run = (character: string, count: number): string =>
  Array.from({ length: count }, () => character).join("");
