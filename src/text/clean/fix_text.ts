// Cleaning of text as `ftfy.fix_text` does it, exactly as release 6.3.1 with its default options: the first step of
// GPT-1's text pipeline. Here are the order of the steps, the cut into segments and the short way for text that needs
// next to nothing; the steps are the other files of this folder.

import { mayHoldMojibake } from "./badness.ts";
import {
  hasRareCharacters,
  normalizeWidth,
  removeControls,
  removeTerminalEscapes,
  replaceSurrogates,
  splitLigatures,
  straightenQuotes,
  unifyLineBreaks,
} from "./characters.ts";
import { fixC1Controls, fixEncoding } from "./fix_encoding.ts";
import { hasReferences, unescapeHtml } from "./html.ts";

/** The name of one step of {@link fixText}: all but HTML references, which come first, and the normal form, the last. */
export type CleaningStep =
  | "encoding"
  | "c1Controls"
  | "ligatures"
  | "width"
  | "quotes"
  | "lineBreaks"
  | "surrogates"
  | "terminalEscapes"
  | "controls";

// In the order in which they are taken.
const STEPS: Readonly<Record<CleaningStep, (text: string) => string>> = {
  encoding: fixEncoding,
  c1Controls: fixC1Controls,
  ligatures: splitLigatures,
  width: normalizeWidth,
  quotes: straightenQuotes,
  lineBreaks: unifyLineBreaks,
  surrogates: replaceSurrogates,
  terminalEscapes: removeTerminalEscapes,
  controls: removeControls,
};

/** What {@link fixText} leaves out or does otherwise. Without options it does what ftfy does. */
export interface FixTextOptions {
  /**
   * Whether HTML references are decoded. `"auto"`, the default, decodes them until a line holds `<`: that line and all
   * after it are taken for HTML.
   */
  readonly html?: boolean | "auto";
  /** Steps to leave out: `["quotes"]` keeps curly quotation marks. */
  readonly skip?: readonly CleaningStep[];
  /** Unicode's normal form of the result, `"NFC"` by default; `null` leaves it as it is. */
  readonly form?: "NFC" | "NFD" | "NFKC" | "NFKD" | null;
}

// ftfy cleans at most this many code points at a time.
const LONGEST_SEGMENT = 1_000_000;
// ASCII but for controls, dashes, quotation marks and the ellipsis: with these alone there is no mojibake. Most English
// text has no others.
const MORE_THAN_PLAIN = /[^\t\n\f\r -~\u2013-\u2015\u2018-\u201f\u2026]/;
// Lines are looked at together in slices of this many UTF-16 units, and one by one only where a slice needs more.
const SLICE = 2 ** 15;

/**
 * Cleans text as `ftfy.fix_text` 6.3.1 does: decodes HTML references, repairs mojibake, takes ligatures apart, straightens
 * quotation marks, makes widths and line breaks uniform, removes terminal escapes and control characters, and composes
 * letters (NFC). Works line by line, and on each until nothing changes. Takes any string, lone surrogates included.
 *
 * @example
 * ```ts
 * import { fixText } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * assertEquals(fixText("“Itâ€™s &eacute;pic”,\r\nshe ﬁnally said"), '"It\'s épic",\nshe finally said');
 * assertEquals(fixText("“so”", { skip: ["quotes"] }), "“so”");
 * ```
 */
export function fixText(text: string, options: FixTextOptions = {}): string {
  return textFixer(options)(text);
}

/**
 * Makes the function that does {@link fixText} to one text given in parts, one after the other, each but the last ending
 * at a line break. What HTML references become in one part depends on those before.
 */
export function textFixer(options: FixTextOptions = {}): (lines: string) => string {
  const { quick, thorough } = prepare(options), auto = (options.html ?? "auto") === "auto";
  let html = options.html !== false;
  return (text) => {
    let fixed = "";
    for (let start = 0; start < text.length;) {
      const slice = text.slice(start, endOfSlice(text, start)), quickly = quick(slice, html);
      start += slice.length;
      if (quickly !== null) fixed += quickly;
      else {
        for (const segment of slice.split(/(?<=\n)/)) {
          if (auto && segment.includes("<")) html = false;
          fixed += quick(segment, html) ?? thorough(segment, html);
        }
      }
      if (auto && slice.includes("<")) html = false;
    }
    return fixed;
  };
}

interface Cleaner {
  /** The clean text where only frequent and simple steps apply to these lines; `null` where that cannot be said. */
  quick(lines: string, html: boolean): string | null;
  /** The clean text of one segment. */
  thorough(segment: string, html: boolean): string;
}

function prepare({ skip = [], form = "NFC" }: FixTextOptions): Cleaner {
  const steps = (Object.keys(STEPS) as CleaningStep[]).filter((name) => !skip.includes(name));
  const normalize = (text: string): string => form === null ? text : text.normalize(form);
  const step = (name: CleaningStep, text: string): string => steps.includes(name) ? STEPS[name](text) : text;

  const quick = (lines: string, html: boolean): string | null => {
    if (html && hasReferences(lines)) return null;
    if (!/[^\t\n\f -~]/.test(lines)) return lines;
    if (MORE_THAN_PLAIN.test(lines) && (hasRareCharacters(lines) || mayHoldMojibake(lines))) return null;
    const simple = step("lineBreaks", step("quotes", lines));
    return normalize(simple) === simple ? simple : null; // what is composed anew may look like mojibake
  };
  const thorough = (segment: string, html: boolean): string => {
    for (;;) {
      const before = segment;
      if (html) segment = unescapeHtml(segment);
      segment = normalize(steps.reduce((text, name) => STEPS[name](text), segment));
      if (segment === before) return segment;
    }
  };
  return { quick, thorough };
}

// Whole lines, or one segment of a line that is longer than a slice.
function endOfSlice(text: string, start: number): number {
  const whole = text.slice(start, start + SLICE).lastIndexOf("\n") + 1;
  if (whole > 0) return start + whole;
  const newline = text.indexOf("\n", start);
  const end = newline < 0 ? text.length : newline + 1;
  return end - start > LONGEST_SEGMENT ? Math.min(end, skipCodePoints(text, start, LONGEST_SEGMENT)) : end;
}

function skipCodePoints(text: string, index: number, count: number): number {
  let end = Math.min(text.length, index + count);
  if (!/[\ud800-\udbff]/.test(text.slice(index, end))) return end;
  for (let at = index; at < end; at++) {
    if ((text.charCodeAt(at) & 0xfc00) !== 0xd800 || (text.charCodeAt(at + 1) & 0xfc00) !== 0xdc00) continue;
    at++;
    end = Math.min(text.length, end + 1);
  }
  return end;
}
