// A text on its way into linear memory: handed out in parts, as UTF-8, no part longer than the room there is. What
// becomes of the parts is the business of coder.ts and chunk_coder.ts.

import type { TextMemory } from "./memory.ts";

/** What fills the parts of a text area. */
export interface Feed {
  /** Writes what comes next to an address and returns how many bytes that were; whole code points only. */
  fill(address: number, room: number): number;
  /** What part of all has been written: 1 at the end, and only there. */
  progress(): number;
}

const encoder = new TextEncoder();

/** Feeds a string. Lone surrogates become U+FFFD. */
export function textFeed(text: string, memory: TextMemory): Feed {
  let at = 0;
  return {
    fill(address, room) {
      let end = Math.min(text.length, at + Math.floor(room / 3)); // a UTF-16 unit takes at most three bytes
      if (end < text.length && isHigh(text.charCodeAt(end - 1))) end--;
      const part = at === 0 && end === text.length ? text : text.slice(at, end);
      at = end;
      return encoder.encodeInto(part, memory.bytes(address, room)).written;
    },
    progress: () => at === text.length ? 1 : at / text.length,
  };
}

const isHigh = (unit: number): boolean => (unit & 0xfc00) === 0xd800;
