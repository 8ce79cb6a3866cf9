// How byte-level vocabularies are written: every byte stands as a printable character, so that files hold neither
// spaces nor control characters. Bytes that print in Latin-1 stand for themselves; the other 68 follow from U+0100
// on, in order.

const printed = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) =>
  (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
);
const hidden = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => !printed.includes(byte));

/** The bytes in the order of GPT-2's first 256 ids. */
export const BYTE_ORDER: readonly number[] = [...printed, ...hidden];

const characters: readonly string[] = Array.from(
  { length: 256 },
  (_, byte) => String.fromCharCode(printed.includes(byte) ? byte : 256 + hidden.indexOf(byte)),
);
const bytes: ReadonlyMap<string, number> = new Map(characters.map((character, byte) => [character, byte]));

/** Bytes as vocabulary files write them: `Ġthe` for a space and `the`. */
export function toPrintable(data: Uint8Array): string {
  return Array.from(data, (byte) => characters[byte]).join("");
}

/** The bytes of a token as vocabulary files write it; `null` if a character stands for no byte. */
export function fromPrintable(token: string): Uint8Array<ArrayBuffer> | null {
  const data = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = bytes.get(token[i]);
    if (byte === undefined) return null;
    data[i] = byte;
  }
  return data;
}
