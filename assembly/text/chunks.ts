// From text to ids by chunks, the runs between blanks, for tokenizers whose chunks do not depend on each other. What a chunk
// becomes is the host's knowledge; here are the walk over a text and the memory of chunks that the host has solved before.
// The module imports memory only, so at a chunk that no cache holds the walk returns to the host, which has its ids
// remembered and calls again; such a call is cheap beside the solving. Blanks are ASCII's: a chunk with any other
// white space is one more chunk that the host knows how to take.

import { bucketOf, counting, hashOf, keyOf, LONG_BYTES, recallLong, rememberLong, rememberShort, SHORT_BYTES } from "./cache";
import { Engine, NONE } from "./engine";

const TAB: i8 = 9, LINE_BREAK: i8 = 10, RETURN: i8 = 13, SPACE: i8 = 32;

/** How far a walk has come. The host (src/text/wasm/chunk_coder.ts) writes and reads it in this order. */
// @ts-ignore: decorator
@unmanaged
export class Walk {
  /** The next entry of the list that `findChunks` has made. */
  next: u32;
  /** The end of the list. */
  stop: u32;
  /** Where the blanks before the next chunk begin. */
  gap: u32;
  /** Where the next ids go. */
  out: u32;
  /** What there was so far: 0 no chunk, 1 a chunk, 2 a chunk and then a line break. */
  state: u32;
  /** The id of a line break between two chunks, however many there are; `NONE` if it has none. */
  newline: u32;
}

// @ts-ignore: decorator
@inline
function blanksAt(at: usize): u32 {
  const v = v128.load(at);
  const spaces = v128.or(i8x16.eq(v, i8x16.splat(SPACE)), i8x16.eq(v, i8x16.splat(LINE_BREAK)));
  return i8x16.bitmask(v128.or(spaces, v128.or(i8x16.eq(v, i8x16.splat(TAB)), i8x16.eq(v, i8x16.splat(RETURN)))));
}

/**
 * Writes where each chunk of [at, end) begins and ends to `list`, u32, and returns the end of the list. Behind it comes one
 * more address, where the text begins that is left over: `end`, unless the text is not `final` and ends within a chunk, which
 * is then not listed. Reads up to 15 bytes behind `end`; `list` has room for an address for each byte, and two more.
 */
export function findChunks(at: usize, end: usize, final: bool, list: usize): usize {
  let to = list, before: u32 = 1;
  for (let p = at; p < end; p += 16) {
    const blanks = blanksAt(p);
    let changes = (blanks ^ ((blanks << 1) | before)) & (0xffff >> (16 - <u32>min<usize>(16, end - p)));
    for (; changes; changes &= changes - 1) {
      store<u32>(to, <u32>p + ctz(changes));
      to += 4;
    }
    before = (blanks >> 15) & 1;
  }
  let rest = <u32>end;
  if ((to - list) & 4) {
    if (final) {
      store<u32>(to, rest);
      to += 4;
    } else {
      to -= 4;
      rest = load<u32>(to);
    }
  }
  store<u32>(to, rest);
  return to;
}

function hasLineBreak(at: usize, end: usize): bool {
  for (; at < end; at++) if (<i8>load<u8>(at) == LINE_BREAK) return true;
  return false;
}

/**
 * Writes the ids of listed chunks, u16 or u32, until one comes that no cache holds. Returns whether the walk is at its end.
 * There is room for an id for each byte, and 16 bytes more.
 */
export function encodeChunks(e: Engine, walk: Walk): bool {
  const short = <usize>e.short, hashShift = <u64>(64 - e.shortBits), shift = e.idShift, counts = counting();
  const stop = <usize>walk.stop, newline = walk.newline;
  let next = <usize>walk.next, gap = <usize>walk.gap, out = <usize>walk.out, state = walk.state;
  for (; ; next += 8) {
    const at = <usize>load<u32>(next);
    if (state == 1 && newline != NONE && hasLineBreak(gap, at)) state = 2;
    gap = at;
    if (next >= stop) break;
    const end = <usize>load<u32>(next, 4), bytes = <u32>(end - at);
    let to = out;
    if (state == 2) {
      store<u32>(to, newline); // the upper half of a short one is overwritten
      to += <usize>1 << shift;
    }
    const key = keyOf(counts, at, bytes), bucket = bucketOf(short, hashShift, key);
    const notFirst = <u32>v128.any_true(v128.xor(v128.load(bucket), key));
    const notSecond = <u32>v128.any_true(v128.xor(v128.load(bucket, 32), key));
    if (<u32>(bytes > SHORT_BYTES) | (notFirst & notSecond)) {
      to = bytes > LONG_BYTES ? 0 : recallLong(e, at, bytes, hashOf(e, at, bytes), to);
      if (!to) {
        e.misses++;
        break;
      }
    } else {
      const ids = v128.load(bucket + (<usize>notFirst << 5), 16);
      v128.store(to, ids);
      to += <usize>i32x4.extract_lane(ids, 3) << shift;
    }
    out = to;
    state = 1;
    gap = end;
  }
  walk.next = <u32>next;
  walk.gap = <u32>gap;
  walk.out = <u32>out;
  walk.state = state;
  return next >= stop;
}

/** Keeps the `count` ids at `ids` for a chunk of up to `LONG_BYTES` that has no more ids than bytes. */
export function rememberChunk(e: Engine, at: usize, bytes: u32, ids: usize, count: u32): void {
  if (!rememberShort(e, at, bytes, ids, count)) rememberLong(e, at, bytes, hashOf(e, at, bytes), ids, count);
}
