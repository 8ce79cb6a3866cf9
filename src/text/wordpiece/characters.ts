// What BERT's clean-up makes of a code point: white space, dropped, a word of its own, or part of a word. Follows
// `tokenization.py` of google-research/bert, with the Unicode version of the JavaScript engine. Letter case and
// accents are in fold.ts.

/** Separates words. */
export const SPACE = 1;
/** Removed as if it were not there. */
export const DROPPED = 2;
/** A Chinese, Japanese or Korean ideograph: a word of its own. */
export const IDEOGRAPH = 3;
/** A punctuation mark: a word of its own. */
export const PUNCTUATION = 4;
/** Everything else makes up words. */
export const LETTER = 5;

// Tab, line breaks and Zs become a space; the line and paragraph separators survive that step, but Python's `split`,
// which comes next, takes them for white space.
const SPACES = /[\t\n\r\p{Zs}\u2028\u2029]/u;
// A lone surrogate is no character: as UTF-8 it would be U+FFFD, which is dropped.
const DROPS = /[\p{Cc}\p{Cf}\p{Cs}\ufffd]/u;
const PUNCTUATIONS = /[!-/:-@[-`{-~\p{P}]/u;
// The blocks that the original lists. Hangul and Kana are not among them: their words are set apart by spaces or not
// at all.
const IDEOGRAPHS: readonly (readonly [number, number])[] = [
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xf900, 0xfaff],
  [0x20000, 0x2a6df],
  [0x2a700, 0x2b73f],
  [0x2b740, 0x2b81f],
  [0x2b820, 0x2ceaf],
  [0x2f800, 0x2fa1f],
];

const known = new Uint8Array(0x110000);

/** The class of a code point, one of the constants above. */
export function classOf(code: number): number {
  return known[code] || (known[code] = classify(code));
}

function classify(code: number): number {
  const character = String.fromCodePoint(code);
  if (SPACES.test(character)) return SPACE;
  if (DROPS.test(character)) return DROPPED;
  if (IDEOGRAPHS.some(([first, last]) => first <= code && code <= last)) return IDEOGRAPH;
  return PUNCTUATIONS.test(character) ? PUNCTUATION : LETTER;
}
