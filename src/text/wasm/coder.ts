// Takes texts through an engine, part by part. A part ends wherever the buffer is full: the scanner says up to where
// its pieces are certain whatever follows, and the rest is scanned again together with what follows. So results do
// not depend on parts, and memory is bounded by the longest piece, not by the text.

import type { Engine, WorkArea } from "./engine.ts";
import { invalidAt, unknownId } from "../coding_errors.ts";
import { type IdArray, IdBuffer } from "./id_buffer.ts";

/** Text to ids and ids to bytes, without special tokens. */
export interface Coder {
  /** Ids of a text. Lone surrogates count as U+FFFD. */
  encodeText(text: string): IdArray;
  /** Ids of UTF-8 text. Throws `SyntaxError` with the offset of the first byte that is not. */
  encodeBytes(utf8: Uint8Array): IdArray;
  /** Bytes of ids. Throws `RangeError` on an id that does not exist. */
  decodeBytes(ids: ArrayLike<number>): Uint8Array<ArrayBuffer>;
}

const DECODED_AT_ONCE = 2 ** 14;

/** A coder on an engine. */
export function createCoder(engine: Engine): Coder {
  const { memory, functions, record, classes, offsets, bytes, size, width } = engine;
  const encoder = new TextEncoder();
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

  // `fill` writes the next text into so much room and returns its bytes; `progress` is what part of all it has written.
  function encode(fill: (room: number, address: number) => number, progress: () => number): IdArray {
    const ids = new IdBuffer(size);
    let rest = 0;
    for (;;) {
      const length = rest + fill(area.part - rest, area.text + rest), done = progress();
      const part = encodePart(area, length, done === 1);
      const found = width === 2 ? memory.halves(area.out, part.count) : memory.words(area.out, part.count);
      ids.append(found, (ids.length + part.count) / done * 1.02);
      if (done === 1) return ids.take();
      rest = part.rest;
      memory.bytes(area.text, length).copyWithin(0, length - rest);
      if (rest > area.part / 2) area = engine.layOut(2 * area.part);
    }
  }

  function encodeText(text: string): IdArray {
    let at = 0;
    return encode((room, address) => {
      let end = Math.min(text.length, at + Math.floor(room / 3)); // a UTF-16 unit takes at most three bytes
      if (end < text.length && isHigh(text.charCodeAt(end - 1))) end--;
      const part = at === 0 && end === text.length ? text : text.slice(at, end);
      at = end;
      return encoder.encodeInto(part, memory.bytes(address, room)).written;
    }, () => at === text.length ? 1 : at / text.length);
  }

  function encodeBytes(utf8: Uint8Array): IdArray {
    let at = 0;
    return encode((room, address) => {
      let end = Math.min(utf8.length, at + room);
      for (let back = 0; back < 3 && end < utf8.length && (utf8[end] & 0xc0) === 0x80; back++) end--;
      memory.bytes(address, end - at).set(utf8.subarray(at, end));
      const bad = functions.firstInvalid(address, address + end - at) - address;
      if (bad < end - at) throw invalidAt(at + bad, utf8[at + bad]);
      const written = end - at;
      at = end;
      return written;
    }, () => at === utf8.length ? 1 : at / utf8.length);
  }

  function decodeBytes(ids: ArrayLike<number>): Uint8Array<ArrayBuffer> {
    const parts: Uint8Array[] = [], typed = ids instanceof Uint16Array || ids instanceof Uint32Array;
    for (let from = 0; from < ids.length; from += DECODED_AT_ONCE) {
      const count = Math.min(DECODED_AT_ONCE, ids.length - from), to = memory.work + 4 * DECODED_AT_ONCE;
      const part = typed ? ids.subarray(from, from + count) : checkedIds(ids, from, count, size);
      memory.words(memory.work, count).set(part); // it fits: an area for encoding is larger
      const length = functions.measureIds(memory.work, count, offsets, size);
      if (length < 0) throw unknownId(part[-1 - length], size);
      memory.reserve(4 * DECODED_AT_ONCE + length + 64);
      functions.decodeIds(memory.work, count, offsets, bytes, to);
      parts.push(memory.bytes(to, length).slice());
    }
    return parts.length === 1 ? parts[0] as Uint8Array<ArrayBuffer> : concatenate(parts);
  }

  return { encodeText, encodeBytes, decodeBytes };
}

/** Part of some ids as 32-bit numbers, which would hide that -1 or 1.5 are none. */
function checkedIds(ids: ArrayLike<number>, from: number, count: number, size: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => {
    const id = ids[from + i];
    if (id >>> 0 !== id) throw unknownId(id, size);
    return id;
  });
}

/** Some bytes, one after the other. */
export function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const isHigh = (unit: number): boolean => (unit & 0xfc00) === 0xd800;
