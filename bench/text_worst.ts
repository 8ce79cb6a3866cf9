// Texts that are hard on tokenizers: one word, or one run of marks, that is as long as the text, so that whatever is not
// linear in the length of a word shows.

import { Random } from "../src/core/random.ts";

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", EMOJI = "\u{1F600}";

/** Bytes of an emoji in UTF-8; sizes are multiples of it. */
const EMOJI_BYTES = 4;

/** Makes each text by what rows call it, `bytes` of UTF-8 long: a multiple of eight, so that half of it fits too. */
export const worstTexts: Readonly<Record<string, (bytes: number) => string>> = {
  a: (bytes) => "a".repeat(bytes),
  spaces: (bytes) => " ".repeat(bytes),
  base64: (bytes) => {
    const random = new Random(1, "base64");
    return Array.from({ length: bytes }, () => BASE64[random.below(BASE64.length)]).join("");
  },
  emoji: (bytes) => EMOJI.repeat(bytes / EMOJI_BYTES),
};
