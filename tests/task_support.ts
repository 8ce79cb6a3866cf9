// A tokenizer for tests of tasks: texts are token numbers with spaces between them.

import type { Tokenizer } from "../src/text/tokenizer.ts";

/** The tokenizer of a vocabulary of `size` numbers. */
export function numberTokenizer(size: number): Tokenizer {
  const encode = (text: string) => text.split(" ").filter(Boolean).map(Number);
  return {
    encoder: () => ({ push: encode, end: () => [] }),
    tokens: Array.from({ length: size }, (_, id) => `${id}`),
    unknown: null,
    size,
    fingerprint: "numbers",
    encode,
    encodeText: (text) => Uint16Array.from(encode(text)),
    decode: (ids) => [...ids].join(" "),
    decoder: () => ({ push: (id) => `${id} `, end: () => "" }),
  };
}
