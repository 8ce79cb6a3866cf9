// Encoding texts that come again soon, once: questions about a document follow each other, and it is long; a word that a rule
// appends follows every text.

import type { Tokenizer } from "../text/tokenizer.ts";
import type { TextTokens } from "./inputs.ts";

const REMEMBERED = 8;

/** The tokens of texts, with a memory for the last few. */
export function rememberingLast(tokenizer: Tokenizer): (text: string) => TextTokens {
  let recent = new Map<string, TextTokens>();
  return (text) => {
    const ids = recent.get(text) ?? tokenizer.encode(text);
    if (recent.size >= REMEMBERED) recent = new Map();
    recent.set(text, ids);
    return ids;
  };
}
