// GPT-2's split of a text into pieces, as the published expression says it. The classes are those of
// `unicode_classes.ts`, spelt out, since \s in JavaScript is not White_Space and \p{L} is that of the engine's own
// Unicode release. What the text engine does instead is in assembly/text/split_gpt2.ts.

import type { Ranges } from "../wasm/classes.ts";
import { LETTERS, NUMBERS, SPACES } from "./unicode_classes.ts";

function spell(ranges: Ranges): string {
  const code = (codePoint: number): string => `\\u{${codePoint.toString(16)}}`;
  let text = "";
  for (let i = 0; i < ranges.length; i += 2) text += `${code(ranges[i])}-${code(ranges[i + 1])}`;
  return text;
}

let compiled: RegExp | undefined;

function expression(): RegExp {
  if (compiled) return compiled;
  const letter = spell(LETTERS), number = spell(NUMBERS), space = spell(SPACES);
  const alternatives = [
    "'s|'t|'re|'ve|'m|'ll|'d",
    ` ?[${letter}]+`,
    ` ?[${number}]+`,
    ` ?[^${space}${letter}${number}]+`,
    `[${space}]+(?![^${space}])`,
    `[${space}]+`,
  ];
  return compiled = new RegExp(alternatives.join("|"), "gu");
}

/**
 * The pieces of a text, in order; joined they are the text. Merges never cross from one into the next.
 *
 * @example
 * ```ts
 * import { splitGpt2 } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * assertEquals(splitGpt2("it's  2 o'clock"), ["it", "'s", " ", " 2", " o", "'", "clock"]);
 * ```
 */
export function splitGpt2(text: string): string[] {
  return text.match(expression()) ?? [];
}
