// Tokenizers for tests of tasks: texts are token numbers, or words of a list, with spaces between them.

import type { Tokenizer } from "../src/text/tokenizer.ts";

/** The tokenizer of a vocabulary of `size` numbers. */
export const numberTokenizer = (size: number): Tokenizer =>
  wordTokenizer(Array.from({ length: size }, (_, id) => `${id}`));

/** The tokenizer of a list of words; a word that is not in it is written with hyphens between words that are. */
export function wordTokenizer(words: readonly string[]): Tokenizer {
  const encode = (text: string): number[] =>
    text.split(/[ -]/).filter(Boolean).map((word) => words.indexOf(word));
  return {
    encoder: () => ({ push: encode, end: () => [] }),
    tokens: words,
    unknown: null,
    size: words.length,
    fingerprint: "words",
    encode,
    encodeText: (text) => Uint16Array.from(encode(text)),
    decode: (ids) => [...ids].map((id) => words[id]).join(" "),
    decoder: () => ({ push: (id) => `${words[id]} `, end: () => "" }),
  };
}
