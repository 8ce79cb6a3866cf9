// The repair of mojibake: text whose UTF-8 bytes were read in another encoding is encoded back and decoded as what it
// was. Follows ftfy 6.3.1 step by step. Whether a text needs it is badness.ts; the encodings are codecs.ts and utf8.ts.

import { looksLikeMojibake } from "./badness.ts";
import { SINGLE_BYTE_CODECS, windows1252 } from "./codecs.ts";
import { decodeUtf8Variants, replaceLossySequences, restoreByteA0 } from "./utf8.ts";

/**
 * Repairs mojibake as often as there are layers of it, by ftfy 6.3.1's `fix_encoding`. The whole text is taken for one
 * misreading where that works; otherwise the sequences that are beyond doubt are repaired by themselves. ASCII, and
 * text that does not look like mojibake, comes back as it is.
 *
 * @example
 * ```ts
 * import { fixEncoding } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * assertEquals(fixEncoding("doesnâ€™t"), "doesn’t");
 * assertEquals(fixEncoding("dÃƒÂ©jÃƒÂ  vu"), "déjà vu");
 * ```
 */
export function fixEncoding(text: string): string {
  for (;;) {
    const fixed = fixOneLayer(text);
    if (fixed === text) return text;
    text = fixed;
  }
}

function fixOneLayer(text: string): string {
  if (!looksLikeMojibake(text)) return text;
  for (const codec of SINGLE_BYTE_CODECS) {
    let bytes = codec.encode(text);
    if (bytes === null) continue;
    // In MacRoman, a dash and a space would be taken for a letter.
    if (codec.name !== "macroman") bytes = restoreByteA0(bytes);
    if (codec.sloppy) bytes = replaceLossySequences(bytes);
    const fixed = decodeUtf8Variants(bytes);
    if (fixed !== null) return fixed;
  }
  const fixed = decodeInconsistentUtf8(text);
  return fixed === text ? fixC1Controls(text) : fixed;
}

/**
 * Repairs each sequence of characters that looks like misread UTF-8 by itself, where the text around it is not of the
 * same misreading.
 *
 * @example
 * ```ts
 * import { decodeInconsistentUtf8 } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * assertEquals(decodeInconsistentUtf8("π is not â€œthreeâ€\x9d"), "π is not “three”");
 * ```
 */
export function decodeInconsistentUtf8(text: string): string {
  return text.replace(UTF8, (sequence) =>
    // A sequence that is all there is has been tried already.
    sequence.length < text.length && looksLikeMojibake(sequence) ? fixEncoding(sequence) : sequence);
}

// What the bytes of UTF-8 look like in any of the encodings: the first byte of two, three and four, and the bytes after
// it. Those that are also common characters are not enough to say that a sequence begins inside of a longer garble.
const FIRST_OF_2 = "[Â-ßĀĂĆČĎĐĒĖĘĚĞĢĪİĶĹĻŁŃŅŇŌŐŘŚŞŠŢŪŮŰŲŹŻŽΒ-ΡΣ-ίВ-Я]";
const FIRST_OF_3 = "[à-ïāăąćčďēėęěģīįķĺļŕźΰ-οа-п]";
const FIRST_OF_4 = "[ðóđğšπσру]";
const LATER = "\\x80-¿ÆØæøĄąĽľŁłŒœŖŗŚśŞ-šŤťŸ-žƒˆˇ˘˛-˝΄-ΆΈ-ΊΌΎΏЁ-ЌЎЏё-ќўџҐґ†‡‰‹›€№™";
const LATER_OR_COMMON = `[ ${LATER}–-―‘-‚“-„•…]`;
const UTF8 = new RegExp(
  `(?<![${LATER}])(?:${FIRST_OF_2}${LATER_OR_COMMON}|${FIRST_OF_3}${LATER_OR_COMMON}{2}|` +
    `${FIRST_OF_4}${LATER_OR_COMMON}{3})+`,
  "g",
);

/** Reads C1 controls (U+0080-009F), which nobody means, as Windows-1252, as browsers do: U+0085 is `…`. */
export function fixC1Controls(text: string): string {
  return text.replace(/[\x80-\x9f]/g, (control) => windows1252.decode(control));
}
