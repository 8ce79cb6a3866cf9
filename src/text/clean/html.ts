// HTML character references in text that is not HTML, with ftfy 6.3.1's rules: more careful than a browser where the
// semicolon is missing, more lenient with names in capitals. The names themselves come from the `entities` package.
// When to look for references at all is decided in fix_text.ts.

import { decodeHTML, decodeHTMLStrict } from "entities/decode";
import { windows1252 } from "./codecs.ts";

const REFERENCE = /&#?[0-9A-Za-z]{1,24};/g;

/** Whether a text holds anything that {@link unescapeHtml} would look up. */
export function hasReferences(text: string): boolean {
  return text.includes("&") && text.search(REFERENCE) >= 0;
}

/**
 * Decodes character references that end in a semicolon: all of HTML5's names up to 24 letters long, names in capitals
 * that are no names of their own (`&EACUTE;`, which is then a capital `É`), decimal and hexadecimal numbers. Anything
 * else stays as it is.
 *
 * @example
 * ```ts
 * import { unescapeHtml } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * assertEquals(unescapeHtml("P&eacute;rez &amp P&EACUTE;REZ &#x2713;"), "Pérez &amp PÉREZ ✓");
 * ```
 */
export function unescapeHtml(text: string): string {
  return text.replace(REFERENCE, (reference) => reference[1] === "#" ? numeric(reference) : named(reference));
}

function named(reference: string): string {
  const character = decodeHTMLStrict(reference);
  if (character !== reference) return character;
  // Not in capitals, or beginning with a name that HTML knows without its semicolon (&LTDOT; begins with &LT).
  if (reference !== reference.toUpperCase() || decodeHTML(reference) !== reference) return reference;
  const lower = reference.toLowerCase(), small = decodeHTMLStrict(lower);
  return small === lower ? reference : small.toUpperCase();
}

function numeric(reference: string): string {
  const digits = /^&#(?:([0-9]+)|[xX]([0-9a-fA-F]+));$/.exec(reference);
  if (!digits) return reference;
  const code = digits[1] ? Number(digits[1]) : Number.parseInt(digits[2], 16);
  if (code === 0x3b) return reference; // ftfy takes a semicolon in the result for a reference half decoded
  if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return "\ufffd";
  if (code >= 0x80 && code <= 0x9f) return windows1252.decode(String.fromCharCode(code));
  return isInvalid(code) ? "" : String.fromCodePoint(code);
}

// Controls and non-characters, which HTML calls parse errors and Python removes.
function isInvalid(code: number): boolean {
  return code < 0x09 || code === 0x0b || (code > 0x0d && code < 0x20) || code === 0x7f ||
    (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) === 0xfffe;
}
