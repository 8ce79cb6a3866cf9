// From pieces to ids. Almost every piece of a text has been seen before, so the loop is built around the short cache:
// no branch depends on the length of a piece below 16 bytes or on how many ids it has. What the cache does not hold
// goes to `encodeOther`: the long cache, then the merges.

import { bucketOf, counting, hashOf, keyOf, LONG_BYTES, SHORT_BYTES } from "./cache";
import { recallLong, rememberLong, rememberShort } from "./cache";
import { Engine } from "./engine";
import { mergeSymbols } from "./merge";

/** Ids of a piece by merging: its bytes are the symbols at first. Returns the end of the ids. */
function mergeBytes(e: Engine, at: usize, bytes: u32, out: usize): usize {
  const symbols = <usize>e.symbols, ids = <usize>e.ids, shift = e.idShift;
  for (let i: u32 = 0; i < bytes; i++) store<u32>(symbols + (i << 2), load<u8>(at + i));
  const count = mergeSymbols(e, bytes);
  for (let i: u32 = 0; i < count; i++) {
    const id = load<u32>(ids + (load<u32>(symbols + (i << 2)) << 2));
    if (shift == 1) store<u16>(out, <u16>id);
    else store<u32>(out, id);
    out += 1 << shift;
  }
  return out;
}

function encodeOther(e: Engine, at: usize, bytes: u32, out: usize): usize {
  const cached = bytes <= LONG_BYTES, hash = cached ? hashOf(e, at, bytes) : 0;
  if (cached) {
    const end = recallLong(e, at, bytes, hash, out);
    if (end) return end;
  }
  e.misses++;
  const end = mergeBytes(e, at, bytes, out), count = <u32>(end - out) >> e.idShift;
  if (cached && !rememberShort(e, at, bytes, out, count)) rememberLong(e, at, bytes, hash, out, count);
  return end;
}

/**
 * Ids of the `count` pieces whose beginnings, and the end of the last, are at `starts`, as `splitGpt2` leaves them.
 * Writes u16 or u32 ids to `out` and returns their end; there is room for an id for each byte, and 16 bytes more.
 */
export function encodePieces(e: Engine, starts: usize, count: u32, out: usize): usize {
  const short = <usize>e.short, hashShift = <u64>(64 - e.shortBits), shift = e.idShift, counts = counting();
  const stop = starts + (<usize>count << 2);
  let at = <usize>load<u32>(starts);
  while (starts < stop) {
    const end = <usize>load<u32>(starts, 4), bytes = <u32>(end - at);
    // Of a longer piece this is no key, and what is found is not used.
    const key = keyOf(counts, at, bytes), bucket = bucketOf(short, hashShift, key);
    const notFirst = <u32>v128.any_true(v128.xor(v128.load(bucket), key));
    const notSecond = <u32>v128.any_true(v128.xor(v128.load(bucket, 32), key));
    if (<u32>(bytes > SHORT_BYTES) | (notFirst & notSecond)) out = encodeOther(e, at, bytes, out);
    else {
      const ids = v128.load(bucket + (<usize>notFirst << 5), 16);
      v128.store(out, ids);
      out += <usize>i32x4.extract_lane(ids, 3) << shift;
    }
    at = end;
    starts += 4;
  }
  return out;
}
