// An encoder for tokenizers that look no further than a place where a text can be cut: what comes before such a place is
// encoded, the rest waits for what follows.

import type { Encoder } from "./tokenizer.ts";

/** `lastCut` gives the last place where encoding both parts alone gives the ids of the whole; 0 if there is none. */
export function encoderAtCuts(
  encode: (text: string) => ArrayLike<number>,
  lastCut: (text: string) => number,
): Encoder {
  let rest = "";
  return {
    push(text) {
      rest += text;
      const cut = lastCut(rest);
      if (cut === 0) return [];
      const ready = rest.slice(0, cut);
      rest = rest.slice(cut);
      return encode(ready);
    },
    end() {
      const ids = encode(rest);
      rest = "";
      return ids;
    },
  };
}

const BLANK = /\s|[^\x20-\x84\x86-\u{10ffff}]/u; // white space by any definition, and controls

/** The last place before a blank and behind something else. No piece of any split reaches over it. */
export function beforeLastBlank(text: string): number {
  for (let at = text.length - 1; at > 0; at--) {
    const unit = text.charCodeAt(at);
    if ((unit === 0x20 || unit === 0x0a) && !BLANK.test(text[at - 1])) return at;
  }
  return 0;
}
