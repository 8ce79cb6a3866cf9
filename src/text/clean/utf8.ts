// Damaged UTF-8, as bytes in a string of characters 0-255 (see codecs.ts): putting back what a program on the way has
// replaced, and decoding the two popular misspellings of UTF-8. Which text is to be seen as such bytes is decided in
// fix_encoding.ts.

/**
 * Decodes UTF-8, together with surrogates that were encoded one by one (CESU-8) and Java's two-byte NUL (C0 80).
 *
 * @returns The text, or `null` where the bytes are anything else.
 */
export function decodeUtf8Variants(bytes: string): string | null {
  let text = "", start = 0;
  try {
    for (const { 0: variant, index } of bytes.matchAll(VARIANT)) {
      text += decodeUtf8(bytes.slice(start, index)) + (variant.length > 2 ? pair(variant) : "\0");
      start = index + variant.length;
    }
    return text + decodeUtf8(bytes.slice(start));
  } catch {
    return null;
  }
}

// ftfy marks the end of the bytes with `$`, which in Python is also true before a last newline. So there the newline is
// taken for the missing last byte, and this is needed to agree with it.
const VARIANT = /\xc0(?:\x80|\n$)|\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf](?:[\x80-\xbf]|\n$)/g;
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const decodeUtf8 = (bytes: string): string =>
  strict.decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));

// Bytes 1110 1101, 10 and six bits, 10 and six bits: 16 bits, of which the upper six say which half of a pair it is.
function pair(bytes: string): string {
  const bits = (at: number, mask: number): number => bytes.charCodeAt(at) & mask;
  return String.fromCharCode(
    0xd800 | bits(1, 0x0f) << 6 | bits(2, 0x3f),
    0xdc00 | bits(4, 0x0f) << 6 | bits(5, 0x3f),
  );
}

/**
 * Puts back the bytes A0 that some program has turned into spaces, where they belong to the UTF-8 of a likely
 * character. A lone C3 and a space are `à`; the space is kept, because a word `à` is the likeliest reading, but for the
 * Portuguese words that begin with it.
 */
export function restoreByteA0(bytes: string): string {
  return bytes.replace(A_GRAVE, "\xc3\xa0 ").replace(ALTERED, (sequence) => sequence.replaceAll(" ", "\xa0"));
}

// àquele, àquela, àquilo (and plurals) and às.
const A_GRAVE = /\xc3 (?! |quele|quela|quilo|s )/g;
const TAIL = "[\\x80-\\xbf]";
// In three bytes, neither an ellipsis (85) nor A0 beside the space.
const SAFE_TAIL = "[\\x80-\\x84\\x86-\\x9f\\xa1-\\xbf]";
const ALTERED = new RegExp(
  [
    "[\\xc2\\xc3\\xc5\\xce\\xd0\\xd9] ",
    `[\\xe2\\xe3] ${SAFE_TAIL}`,
    `[\\xe0-\\xe3]${SAFE_TAIL} `,
    `\\xf0 ${TAIL}${TAIL}`,
    `\\xf0${TAIL} ${TAIL}`,
    `\\xf0${TAIL}${TAIL} `,
  ].join("|"),
  "g",
);

/**
 * Writes the UTF-8 of U+FFFD over each sequence that has lost bytes: a byte 1A, or one `?`, in the place of a byte of
 * what would otherwise be UTF-8 or CESU-8, and every other byte 1A.
 */
export function replaceLossySequences(bytes: string): string {
  return bytes.replace(LOSSY, "\xef\xbf\xbd");
}

const LOST = "[\\x1a?]", MAYBE_LOST = "[\\x1a\\x80-\\xbf]";
const LOSSY = new RegExp(
  [
    "[\\xc2-\\xdf]\\x1a",
    "[\\xc2\\xc3]\\?",
    `\\xed[\\xa0-\\xaf]${LOST}\\xed[\\xb0-\\xbf][\\x1a?\\x80-\\xbf]`,
    `\\xed[\\xa0-\\xaf][\\x1a?\\x80-\\xbf]\\xed[\\xb0-\\xbf]${LOST}`,
    `[\\xe0-\\xef]${LOST}${MAYBE_LOST}`,
    `[\\xe0-\\xef]${MAYBE_LOST}${LOST}`,
    `[\\xf0-\\xf4]${LOST}${MAYBE_LOST}${MAYBE_LOST}`,
    `[\\xf0-\\xf4]${MAYBE_LOST}${LOST}${MAYBE_LOST}`,
    `[\\xf0-\\xf4]${MAYBE_LOST}${MAYBE_LOST}${LOST}`,
    "\\x1a",
  ].join("|"),
  "g",
);
