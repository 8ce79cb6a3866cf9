// The steps of ftfy's cleaning that look at characters alone: each is a table or a pattern, works on any piece of text
// and does nothing to text without the characters it is about. Guessing encodings is in fix_encoding.ts, entities are in
// html.ts; the order of the steps is in fix_text.ts.

/**
 * Removes the "ANSI" sequences that colour text in a terminal: ESC `[`, digits and semicolons, one letter.
 *
 * @example
 * ```ts
 * import { removeTerminalEscapes } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * assertEquals(removeTerminalEscapes("\x1b[1;31mred\x1b[0m"), "red");
 * ```
 */
export function removeTerminalEscapes(text: string): string {
  return text.replace(TERMINAL_ESCAPE, "");
}

// The digits of any script, as in Python.
// deno-lint-ignore no-control-regex
const TERMINAL_ESCAPE = /\x1b\[[\p{Nd};]*[a-zA-Z]/gu;

/** Takes apart letters that are two letters in one character: typographic (`ﬁ`) and of old code pages (`ǆ`, `ŉ`). */
export function splitLigatures(text: string): string {
  // The compatibility form has the letters, but for the long s in U+FB05, which it makes an ordinary one.
  return text.replace(LIGATURE, (ligature) => ligature === "\ufb05" ? "ſt" : ligature.normalize("NFKC"));
}

const LIGATURE = /[ĲĳŉǄ-ǌǱ-ǳ\ufb00-\ufb06]/g;

/** Full-width Latin, half-width katakana and hangul, and the ideographic space, in their usual widths. */
export function normalizeWidth(text: string): string {
  return text.replace(WIDE, (wide) => wide === "\u3000" ? " " : wide.normalize("NFKC"));
}

const WIDE = /[\u3000\uff01-\uffef]/g;

/** Curly quotation marks, low ones (`‚„`) too, and the apostrophe that is a letter (U+02BC), as `'` and `"`. */
export function straightenQuotes(text: string): string {
  return text.replace(/[\u201c-\u201f]/g, '"').replace(/[\u02bc\u2018-\u201b]/g, "'");
}

/** Every kind of line break as `\n`: CRLF, CR, NEL (U+0085) and the two separators U+2028 and U+2029. */
export function unifyLineBreaks(text: string): string {
  return text.replace(/\r\n?|[\x85\u2028\u2029]/g, "\n");
}

/** Each lone surrogate as U+FFFD. Pairs are one character in a JavaScript string and stay. */
export function replaceSurrogates(text: string): string {
  return text.replace(/\p{Cs}/gu, "\ufffd");
}

/**
 * Removes characters that show nothing: ASCII controls but for tab, line breaks and form feed, deprecated Arabic
 * controls (U+206A-206F), U+FEFF wherever it is, annotation marks and the object placeholder (U+FFF9-FFFC). Joiners,
 * direction marks, tags and C1 controls stay: the first three are seen in what they do, the last are a trace of
 * mojibake.
 */
export function removeControls(text: string): string {
  return text.replace(CONTROL, "");
}

// deno-lint-ignore no-control-regex
const CONTROL = /[\0-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]/g;

/**
 * Whether a text holds characters that any step but quotes, line breaks, encoding and Unicode's normal form is about,
 * lone surrogates and C1 controls among them.
 */
export function hasRareCharacters(text: string): boolean {
  return RARE.test(text);
}

const RARE = new RegExp(
  [LIGATURE, WIDE, CONTROL, /[\x80-\x9f]/, /\p{Cs}/u].map(({ source }) => source).join("|"),
  "u",
);
