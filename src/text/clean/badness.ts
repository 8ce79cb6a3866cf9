// The heuristic that says whether a text looks like mojibake: pairs and triples of characters that are rare in any
// language but common where UTF-8 was read in one of the encodings of codecs.ts. The kinds of characters and the
// sequences are those of ftfy 6.3.1. What is then done about it is in fix_encoding.ts.

import { PYTHON_SPACE } from "./spaces.ts";

// Kinds of characters, as insides of classes. A character may be of no kind; few are of two.
const common = "\\xa0\\xad´·–-―’…"; // also common in good text
const c1 = "\\x80-\\x9f";
const bad = "¤¦¨ª¬¯¸ºƒˆˇ˘˛˜†‡‰⌐◊\\ufffd"; // rare but in mojibake
const law = "§¶";
const currency = "¢£¥₧€";
const opening = "¡©«¿΄΅‘‚“„•‹\\uf8ff"; // before a word
const closing = "®»˝”›™"; // after a word
const numeric = "±-³µ¹¼-¾×÷⁄№∂∆∏∑√∞∩∫≈≠≡≤≥";
const faces = "°Ò-ÖÙ-Üò-öø-üŌŐŪŲ"; // drawn with in emoticons
const upperAccented = "À-ÑØÜÝĀĂĄĆČĎĐĒĖĘĚĞĢĪİĶĹĻĽŁŃŅŇŒŘŚŞŠŢŤŮŰŸŹŻŽҐ";
const lowerAccented = "ß-ñüāăąćčďđēėęěğģīįķĺļľłœŕśşšťźżžґ\\ufb01\\ufb02";
const upperCommon = "ÞΆΈ-ΊΌΎΏΑ-ΫЁ-Я"; // other scripts, and what often ends a word
const lowerCommon = "ά-ωа-џ";
const box = "│┌┐┘├┤┬┼═-╬▀▄█▌▐-▓";

const accented = lowerAccented + upperAccented;
const nearBad = accented + box + opening + closing + currency + numeric + law;
const arabic = `[ØÙ][${common}${currency}${bad}${numeric}${opening}ŸŠ®°µ»]`;

// Each begins with a character outside ASCII; what must stand before that is in a lookbehind. So a scan of plain text
// fails at once at every position.
const SEQUENCES = [
  `[${c1}]`,
  `[${bad}${nearBad}][${bad}]`,
  `(?<=[a-zA-Z])[${lowerCommon}${upperCommon}][${bad}]`,
  `[${bad}][${nearBad}]`,
  `[${lowerAccented}${lowerCommon}${box}${closing}${currency}${numeric}][${upperAccented}]`,
  `[${box}${closing}${currency}${numeric}][${lowerAccented}]`,
  `[${lowerAccented}${box}${closing}][${currency}]`,
  `(?<=[${PYTHON_SPACE}])[${upperAccented}][${currency}]`,
  `[${upperAccented}${box}][${numeric}${law}]`,
  `[${accented}${box}${currency}${closing}][${opening}][${numeric}]`,
  `[${accented}${currency}${numeric}${box}${law}][${closing}][${opening}]`,
  `[${currency}${numeric}${box}][${opening}]`,
  `(?<=[a-z])[${upperAccented}][${opening}${currency}]`,
  `[${box}][${faces}${closing}]`,
  `[${accented}${currency}${numeric}${opening}${closing}${law}][${box}]`,
  `[${accented}][${opening}${closing}][\\p{L}\\p{N}_]`,
  "[Œœ][^A-Za-z]",
  `[${upperAccented}]°`,
  "×[²³]",
  // Windows-1252
  `[ÂÃÎÐ][€œŠš¢£Ÿž\\xa0\\xad®©°·»${opening}${closing}–—´]`,
  arabic + arabic,
  "à[²µ¹¼½¾]", // South Asian scripts
  "Ã[\\xa0¡]",
  `(?<=[a-z][${PYTHON_SPACE}]?|^)[ÃÂ] `,
  `(?<=[a-z.,?!${closing}])Â[ ${opening}${closing}]`,
  // MacRoman
  "√[±∂†≠®™´≤≥¥µø]",
  "≈[°¢]",
  "‚Ä[ìîïòôúùû†°¢π]",
  "‚[âó][àä°ê]",
  // Windows-1251: punctuation, Latin-1 and Cyrillic, and twice misread punctuation beside Latin
  "вЂ",
  `[ВГРС][${c1}${bad}${opening}${closing}${currency}°µ][ВГРС]`,
  "ГўВЂВ[^\\n][A-Za-z ]",
  // Windows-1253, Windows-1257: the same
  "β€[™\\xa0Ά\\xad®°]",
  `[ΒΓΞΟ][${c1}${bad}${opening}${closing}${currency}°][ΒΓΞΟ]`,
  "ā€",
];
const MOJIBAKE = `(?=[^\\0-\\x7f])(?:${SEQUENCES.join("|")})`;
const IN_TEXT = new RegExp(MOJIBAKE, "u"), IN_LINES = new RegExp(MOJIBAKE, "um");

/**
 * Whether some sequence of characters in a text is likely to be mojibake, by ftfy 6.3.1's heuristic.
 *
 * @example
 * ```ts
 * import { looksLikeMojibake } from "@foreword/foreword";
 * import { assert } from "@std/assert";
 * assert(looksLikeMojibake("cafÃ© au lait"));
 * assert(!looksLikeMojibake("café au lait"));
 * ```
 */
export function looksLikeMojibake(text: string): boolean {
  return IN_TEXT.test(text);
}

/** Whether {@link looksLikeMojibake} could be true of any line of these; may also be true where two lines meet. */
export function mayHoldMojibake(lines: string): boolean {
  return IN_LINES.test(lines);
}
