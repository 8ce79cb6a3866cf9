// What tests of tokenizers share: properties over seeds, and random texts and merges that reach the corners of
// byte-level BPE.

import type { Random } from "../src/core/random.ts";
import { Random as Generator } from "../src/core/random.ts";
import { toPrintable } from "../src/text/bytes/printable.ts";

/** Runs `check` on several seeds; a failure names its seed. */
export async function property(check: (random: Random) => void | Promise<void>, seeds = 20): Promise<void> {
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      await check(new Generator(seed, "test/text"));
    } catch (error) {
      throw new Error(`with seed ${seed}`, { cause: error });
    }
  }
}

const ATOMS = [
  ..."aaaabbcdest  \n\t'''.,!?0019",
  ...["'s", "'ll", "'re", "'t", "  ", "   ", " '", "the", " the", "aaaaaaaa", "\r\n", "\0", "\x1c", "\x7f"],
  ...[
    "\u0085",
    "\u00a0",
    "\u2003",
    "\u3000",
    "\ufeff",
    "\u200b",
    "é",
    "ß",
    "½",
    "٣",
    "Я",
    "ת",
    "中",
    "文",
    "ก",
    "ั",
  ],
  ...["👍🏽", "👨‍👩‍👧", "🇩🇪", "𝒳", "𐍈", "e\u0301", "\ufffd"],
];

/** A text of `length` parts: letters, contractions, white space of all kinds, other scripts, emoji sequences. */
export function randomText(random: Random, length: number): string {
  const few = Array.from({ length: 1 + random.below(ATOMS.length) }, () => ATOMS[random.below(ATOMS.length)]);
  return Array.from({ length }, () => few[random.below(few.length)]).join("");
}

/** Merges that build on each other, over the bytes of the texts above. */
export function randomMerges(random: Random, count: number): [string, string][] {
  const bytes = [...new Set(new TextEncoder().encode(ATOMS.join("")))];
  const tokens = bytes.map((byte) => toPrintable(Uint8Array.of(byte))), known = new Set(tokens);
  const merges: [string, string][] = [], first = toPrintable(new TextEncoder().encode("a"));
  while (merges.length < count) {
    const pick = () => random.below(4) === 0 ? first : tokens[random.below(tokens.length)];
    const left = random.below(3) === 0 && tokens.length > bytes.length ? tokens.at(-1)! : pick(),
      right = pick();
    if (known.has(left + right)) continue;
    known.add(left + right);
    tokens.push(left + right);
    merges.push([left, right]);
  }
  return merges;
}
