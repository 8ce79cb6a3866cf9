// From ids to the bytes that an engine has for them, some thousands at a time: the engine's memory does not grow with
// the text.

import { unknownId } from "../coding_errors.ts";
import type { Engine } from "./engine.ts";

const DECODED_AT_ONCE = 2 ** 14;

/** The bytes of some ids, one after the other. Throws `RangeError` on an id that does not exist. */
export function decodeIds(engine: Engine, ids: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const { memory, functions, offsets, bytes, size } = engine;
  const parts: Uint8Array[] = [], typed = ids instanceof Uint16Array || ids instanceof Uint32Array;
  for (let from = 0; from < ids.length; from += DECODED_AT_ONCE) {
    const count = Math.min(DECODED_AT_ONCE, ids.length - from), to = memory.work + 4 * DECODED_AT_ONCE;
    const part = typed ? ids.subarray(from, from + count) : checkedIds(ids, from, count, size);
    memory.reserve(4 * DECODED_AT_ONCE);
    memory.words(memory.work, count).set(part);
    const length = functions.measureIds(memory.work, count, offsets, size);
    if (length < 0) throw unknownId(part[-1 - length], size);
    memory.reserve(4 * DECODED_AT_ONCE + length + 64);
    functions.decodeIds(memory.work, count, offsets, bytes, to);
    parts.push(memory.bytes(to, length).slice());
  }
  return parts.length === 1 ? parts[0] as Uint8Array<ArrayBuffer> : concatenate(parts);
}

/** Part of some ids as 32-bit numbers, which would hide that -1 or 1.5 are none. */
function checkedIds(ids: ArrayLike<number>, from: number, count: number, size: number): Uint32Array {
  const checked = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const id = ids[from + i];
    if (id >>> 0 !== id) throw unknownId(id, size);
    checked[i] = id;
  }
  return checked;
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

/** Some ids as a list, without a copy where they are one. */
export const asList = (ids: Iterable<number>): ArrayLike<number> =>
  Array.isArray(ids) || isTyped(ids) ? ids : [...ids];

const isTyped = (ids: Iterable<number>): ids is Iterable<number> & ArrayLike<number> =>
  ArrayBuffer.isView(ids);
