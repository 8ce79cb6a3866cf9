// The affixes of spaCy 2.0.11's English tokenizer, as rules for rule_tokenizer.ts. Its lists of pieces are written as
// character classes, in the order that keeps the meaning: a prefix takes the first piece of the list that fits, a
// suffix the longest. Letters and symbols are those of Unicode 9, which that release's regular expressions knew, so
// that a later emoji stays glued to its word as it did then. Exceptions are in english_exceptions.ts.

import { ENGLISH_EXCEPTIONS } from "./english_exceptions.ts";
import type { TokenizerRules } from "./rule_tokenizer.ts";
import { urlMatcher } from "./url.ts";

const escaped = (characters: string): string =>
  Array.from(characters, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`).join("");
/** A character class of everything in the string. */
const anyOf = (characters: string): string => `[${escaped(characters)}]`;
/** The inside of a character class from hexadecimal ranges such as `31e4-31ef`. */
const ranges = (list: string): string => list.replace(/\w+/g, "\\u{$&}").replaceAll(" ", "");

const NEWER_LETTERS = ranges("5ef 870-88e 8b5 8be-8c9 9fc a7af a7b8-a7f6 ab66-ab68 10ec2-1df2a");
const NEWER_SYMBOLS = ranges(
  "166d 23ff 2427-2429 2b97 2bba-2bbc 2bc9 2bd2-2beb 2bf0-2bff 2e50-2e51 2ffc-2fff 31e4-31ef 32ff fd40-fdcf " +
    "fdfe-fdff 1019c 11fd5-11ff1 1cc00-1cfc3 1d1e9-1d1ea 1e14f-1ed2e 1f10d-1f10f 1f12f 1f16c-1f16f 1f1ad " +
    "1f260-1f265 1f6d3-1f6df 1f6f7-1f6fc 1f774-1f77f 1f7d5-1f7f0 1f8b0-1f90f 1f91f 1f928-1f92f 1f931-1f932 " +
    "1f93f 1f94c-1f94f 1f95f-1f97f 1f992-1f9bf 1f9c1-1fbef",
);

// Letters of scripts without case count as upper and as lower. Greek and most other scripts are no letters here.
const letters = (cased: string): string =>
  `[[${cased}${uncased.map((script) => `[\\p{L}&&\\p{Script=${script}}]`).join("")}]--[${NEWER_LETTERS}]]`;
const uncased = ["Bengali", "Hebrew", "Arabic"];
const LOWER = letters("[\\p{Ll}&&\\p{Script=Latin}]ёа-я");
const UPPER = letters("[\\p{Lu}&&\\p{Script=Latin}]ЁА-Я");
const LETTER = `[${LOWER}${UPPER}]`;
const SYMBOL = `[\\p{So}--[${NEWER_SYMBOLS}]]`;

const PUNCTUATION = "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،؛٪";
const QUOTES = `'"”“\`‘´‚,„»«「」『』（）〔〕【】《》〈〉`; // ’ only in pairs
const CURRENCY = "(?:US|C|A)?\\$|[£€¥฿₽﷼]";
const UNITS = [
  "[kdcm]?m[²³]?|[µn]m|ha|yd|in|ft|[km]?g|µg|t|lb|oz|m/s|km/?h|mph|h?Pa|mbar|[mkgt]b|[MKGT]B|[TGMK%]",
  "[кдсм]?м[²³]?|нм|[км]?г|м/с|км/ч|к?Па|мбар|[КкМмГгТт]б|[КМГТ]Б",
].join("|");

const PREFIX = [
  "\\.{2,}",
  "``?",
  "’’",
  CURRENCY,
  anyOf("§%=+" + PUNCTUATION + QUOTES),
  SYMBOL,
].join("|");
const SUFFIX = [
  "\\.{2,}",
  "……|''|``|‘‘|’’",
  "['’][sS]",
  anyOf(PUNCTUATION + QUOTES),
  SYMBOL,
  `(?<=[0-9])(?:\\+|${CURRENCY}|${UNITS})`,
  // The pattern of the original has the quotes as "(?:'|''|…)" inside a class, which adds ( ? : | ) to it.
  `(?<=°[FfCcKk]|[0-9${escaped("%²-)]+(?:|" + QUOTES + "’")}${LOWER}]|${UPPER}{2})\\.`,
].join("|");
const INFIX = [
  "\\.{2,}",
  "…",
  SYMBOL,
  "(?<=[0-9])[+\\-*\\^](?=[0-9\\-])",
  `(?<=${LOWER})\\.(?=${UPPER})`,
  `(?<=${LETTER}),(?=${LETTER})`,
  `(?<=${LETTER})[?";:=,.]*(?:-{1,3}|–|—{1,2}|~)(?=${LETTER})`,
  `(?<=[${LETTER}"])[:<>=\\/](?=${LETTER})`,
].join("|");

const prefix = new RegExp(PREFIX, "vy");
// A look-behind from the end: it reads backwards, so a long chunk costs no more than a short one.
const suffix = new RegExp(`(?<=(${SUFFIX}))$`, "vy");

/** The English tokenizer of spaCy 2.0.11. */
export const ENGLISH_RULES: TokenizerRules = {
  exceptions: ENGLISH_EXCEPTIONS,
  prefixLength(text) {
    prefix.lastIndex = 0;
    return prefix.test(text) ? prefix.lastIndex : 0;
  },
  suffixLength(text) {
    suffix.lastIndex = text.length;
    return suffix.exec(text)?.[1].length ?? 0;
  },
  infix: new RegExp(INFIX, "vg"),
  whole: urlMatcher,
};
