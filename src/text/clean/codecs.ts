// The ten single-byte encodings that UTF-8 is most often misread in, in the order in which ftfy tries them. Bytes are
// held in a string with one character (0-255) for each, so that regular expressions work on them. Own tables, because
// not every runtime's TextDecoder knows these encodings and none encodes; UTF-8 itself is in utf8.ts.

/** One single-byte encoding. */
export interface SingleByteCodec {
  /** Its usual name, `windows-1252`. */
  readonly name: string;
  /** Whether U+FFFD stands for a byte that was lost: it is encoded as 1A. Such a codec has no U+001A. */
  readonly sloppy: boolean;
  /** The text's bytes, one character each, or `null` where a character is not in the encoding. */
  encode(text: string): string | null;
  /** The text of some bytes. */
  decode(bytes: string): string;
}

// Where an encoding differs from Latin-1: what stands at a byte and those that follow it. Bytes that a code page leaves
// open keep their Latin-1 character, as in browsers.
type Patches = Readonly<Record<number, string>>;

const WINDOWS_1252: Patches = {
  0x80: "€",
  0x82: "‚ƒ„…†‡ˆ‰Š‹Œ",
  0x8e: "Ž",
  0x91: "‘’“”•–—˜™š›œ",
  0x9e: "žŸ",
};
const WINDOWS_1251: Patches = {
  0x80: "ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—",
  0x99: "™љ›њќћџ\xa0ЎўЈ¤Ґ¦§Ё©Є",
  0xaf: "Ї°±Ііґµ¶·ё№є»јЅѕїАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдежзийклмнопрстуфхцчшщъыьэюя",
};
// The right half of both Central European encodings.
const LATIN_2_LETTERS = "ŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢßŕáâăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙";
const WINDOWS_1250: Patches = {
  0x80: "€",
  0x82: "‚",
  0x84: "„…†‡",
  0x89: "‰Š‹ŚŤŽŹ",
  0x91: "‘’“”•–—",
  0x99: "™š›śťžź\xa0ˇ˘Ł¤Ą",
  0xaa: "Ş",
  0xaf: "Ż°±˛ł",
  0xb9: "ąş»Ľ˝ľż" + LATIN_2_LETTERS,
};
const WINDOWS_1253: Patches = {
  0x80: "€",
  0x82: "‚ƒ„…†‡",
  0x89: "‰",
  0x8b: "‹",
  0x91: "‘’“”•–—",
  0x99: "™",
  0x9b: "›",
  0xa1: "΅Ά",
  0xaf: "―",
  0xb4: "΄",
  0xb8: "ΈΉΊ»Ό½ΎΏΐΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡÒΣΤΥΦΧΨΩΪΫάέήίΰαβγδεζηθικλμνξοπρςστυφχψωϊϋόύώ",
};
const WINDOWS_1254: Patches = {
  ...WINDOWS_1252,
  0x8e: "\x8e",
  0x9e: "\x9eŸ",
  0xd0: "Ğ",
  0xdd: "İŞ",
  0xf0: "ğ",
  0xfd: "ış",
};
const WINDOWS_1257: Patches = {
  0x80: "€",
  0x82: "‚",
  0x84: "„…†‡",
  0x89: "‰",
  0x8b: "‹",
  0x8d: "¨ˇ¸",
  0x91: "‘’“”•–—",
  0x99: "™",
  0x9b: "›",
  0x9d: "¯˛",
  0xa8: "Ø©Ŗ",
  0xaf: "Æ",
  0xb8: "ø¹ŗ",
  0xbf: "æĄĮĀĆÄÅĘĒČÉŹĖĢĶĪĻŠŃŅÓŌÕÖ×ŲŁŚŪÜŻŽßąįāćäåęēčéźėģķīļšńņóōõö÷ųłśūüżž˙",
};
const ISO_8859_2: Patches = { 0xa1: "Ą˘Ł¤ĽŚ§¨ŠŞŤŹ", 0xae: "ŽŻ°ą˛ł´ľśˇ¸šşťź˝žż" + LATIN_2_LETTERS };
const MACROMAN: Patches = {
  0x80: "ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü†°¢£§•¶ß®©™´¨≠ÆØ∞±≤≥¥µ∂∑∏π∫ªºΩæø¿¡¬√ƒ≈∆«»…\xa0ÀÃÕŒœ–—“”‘’÷◊ÿŸ⁄€‹›",
  0xde: "\ufb01\ufb02‡·‚„‰ÂÊÁËÈÍÎÏÌÓÔ\uf8ffÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ",
};
const CP437: Patches = {
  0x80: "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐",
  0xc0: "└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\xa0",
};

function codec(name: string, patches: Patches, sloppy: boolean): SingleByteCodec {
  const characters = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
  if (sloppy) characters[0x1a] = "\ufffd";
  for (const [start, run] of Object.entries(patches)) characters.splice(Number(start), run.length, ...run);
  const bytes = new Map(characters.map((character, byte) => [character.charCodeAt(0), byte]));
  const encode = (text: string): string | null => {
    let encoded = "";
    for (let i = 0; i < text.length; i++) {
      const byte = bytes.get(text.charCodeAt(i));
      if (byte === undefined) return null;
      encoded += String.fromCharCode(byte);
    }
    return encoded;
  };
  const decode = (encoded: string): string =>
    encoded.replace(/[^]/g, (byte) => characters[byte.charCodeAt(0)] ?? "\ufffd");
  return { name, sloppy, encode, decode };
}

/** Windows-1252, the encoding that Western text is misread in most. */
export const windows1252: SingleByteCodec = codec("windows-1252", WINDOWS_1252, true);

/** The encodings in which a misreading is looked for, the likely ones first. */
export const SINGLE_BYTE_CODECS: readonly SingleByteCodec[] = [
  codec("latin-1", {}, false),
  windows1252,
  codec("windows-1251", WINDOWS_1251, true),
  codec("windows-1250", WINDOWS_1250, true),
  codec("windows-1253", WINDOWS_1253, true),
  codec("windows-1254", WINDOWS_1254, true),
  codec("windows-1257", WINDOWS_1257, true),
  codec("iso-8859-2", ISO_8859_2, false),
  codec("macroman", MACROMAN, false),
  codec("cp437", CP437, false),
];
