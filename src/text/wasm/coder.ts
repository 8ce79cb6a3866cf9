// Takes texts through an engine, part by part. A part ends wherever the buffer is full: the scanner says up to where
// its pieces are certain whatever follows, and the rest is scanned again together with what follows. So results do
// not depend on parts, and memory is bounded by the longest piece, not by the text.

import type { Engine, WorkArea } from "./engine.ts";
import { invalidAt } from "../coding_errors.ts";
import { decodeIds } from "./decode_ids.ts";
import { type IdArray, IdBuffer } from "./id_buffer.ts";
import { type Feed, textFeed } from "./text_feed.ts";

/** Text to ids and ids to bytes, without special tokens. */
export interface Coder {
  /** Ids of a text. Lone surrogates count as U+FFFD. */
  encodeText(text: string): IdArray;
  /** Ids of UTF-8 text. Throws `SyntaxError` with the offset of the first byte that is not. */
  encodeBytes(utf8: Uint8Array): IdArray;
  /** Bytes of ids. Throws `RangeError` on an id that does not exist. */
  decodeBytes(ids: ArrayLike<number>): Uint8Array<ArrayBuffer>;
}

/** A coder on an engine. */
export function createCoder(engine: Engine): Coder {
  const { memory, functions, record, classes, size, width } = engine;
  let area = engine.layOut(engine.part);

  // Ids of the first `length` bytes of the area's text: their number, and how many bytes are left over.
  function encodePart(
    { text, starts, out }: WorkArea,
    length: number,
    final: boolean,
  ): { count: number; rest: number } {
    const pieces = functions.splitGpt2(text, text + length, Number(final), classes, starts);
    const end = functions.encodePieces(record, starts, pieces, out);
    return { count: (end - out) / width, rest: text + length - memory.words(starts + 4 * pieces, 1)[0] };
  }

  function encode({ fill, progress }: Feed): IdArray {
    const ids = new IdBuffer(size);
    let rest = 0;
    for (;;) {
      const length = rest + fill(area.text + rest, area.part - rest), done = progress();
      const part = encodePart(area, length, done === 1);
      const found = width === 2 ? memory.halves(area.out, part.count) : memory.words(area.out, part.count);
      ids.append(found, (ids.length + part.count) / done * 1.02);
      if (done === 1) return ids.take();
      rest = part.rest;
      memory.bytes(area.text, length).copyWithin(0, length - rest);
      if (rest > area.part / 2) area = engine.layOut(2 * area.part);
    }
  }

  function encodeBytes(utf8: Uint8Array): IdArray {
    let at = 0;
    const fill = (address: number, room: number): number => {
      let end = Math.min(utf8.length, at + room);
      for (let back = 0; back < 3 && end < utf8.length && (utf8[end] & 0xc0) === 0x80; back++) end--;
      memory.bytes(address, end - at).set(utf8.subarray(at, end));
      const bad = functions.firstInvalid(address, address + end - at) - address;
      if (bad < end - at) throw invalidAt(at + bad, utf8[at + bad]);
      const written = end - at;
      at = end;
      return written;
    };
    return encode({ fill, progress: () => at === utf8.length ? 1 : at / utf8.length });
  }

  return {
    encodeText: (text) => encode(textFeed(text, memory)),
    encodeBytes,
    decodeBytes: (ids) => decodeIds(engine, ids),
  };
}
