// An encoder for tokenizers whose pieces begin anew at a blank that follows something else: what comes before the last
// such place is encoded, the rest waits for what follows.

import type { Encoder } from "./tokenizer.ts";

/** For an `encode` whose pieces never reach over a blank from what stands before it. */
export function encoderAtBlanks(encode: (text: string) => ArrayLike<number>): Encoder {
  let rest = "";
  return {
    push(text) {
      rest += text;
      const cut = beforeLastBlank(rest);
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

/** The last place before a blank and behind something else; 0 if there is none. */
function beforeLastBlank(text: string): number {
  for (let at = text.length - 1; at > 0; at--) {
    const unit = text.charCodeAt(at);
    if ((unit === 0x20 || unit === 0x0a) && !BLANK.test(text[at - 1])) return at;
  }
  return 0;
}
