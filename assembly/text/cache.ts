// The caches of pieces and their ids. Both have a fixed size and bounded search, so that no text can make them slow
// or large: at worst every piece is merged anew.
// Short: pieces of 1 to 15 bytes with few ids. A bucket is a cache line of two entries of 32 bytes: 16 bytes of key,
// the piece padded with 0xFF, which no UTF-8 text contains; 12 bytes of ids; their number as u32.
// Long: everything else up to 256 bytes, and short pieces whose bucket is full. An index entry is the hash (u32), the
// address of the record, the length and the number of ids; a record is the piece, padded to 16 bytes, and its ids.
// When the room for records is used up, both caches are emptied: then a corpus that has changed its language starts
// afresh.

import { Engine } from "./engine";

/** Longest piece, in bytes, that the short cache takes. */
export const SHORT_BYTES: u32 = 15;
/** Longest piece, in bytes, that any cache takes. */
export const LONG_BYTES: u32 = 256;
const BUCKET_SHIFT: u32 = 6, INLINE_BYTES: u32 = 12, ENTRY_SHIFT: u32 = 4;

// @ts-ignore: decorator
@inline
const K1: u64 = 0x9e3779b97f4a7c15;
// @ts-ignore: decorator
@inline
const K2: u64 = 0xc2b2ae3d27d4eb4f;

/** The bytes 0 to 15, in a way that compilers cannot spell out again at each use; see `keyOf`. */
// @ts-ignore: decorator
@inline
export function counting(): v128 {
  return i8x16.add(i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), i8x16.splat(<i8>(memory.size() >> 17)));
}

/** A piece of up to 16 bytes as a key: padded with 0xFF. Reads 16 bytes. `count` is `counting()`. */
// @ts-ignore: decorator
@inline
export function keyOf(count: v128, at: usize, bytes: u32): v128 {
  return v128.or(v128.load(at), i8x16.gt_s(count, i8x16.splat(<i8>(bytes - 1))));
}

/** The address of the bucket of a key; `shift` is 64 less the log2 of the number of buckets. */
// @ts-ignore: decorator
@inline
export function bucketOf(short: usize, shift: u64, key: v128): usize {
  const h = <u64>i64x2.extract_lane(key, 0) * K1 + <u64>i64x2.extract_lane(key, 1) * K2;
  return short + (<usize>(h >> shift) << BUCKET_SHIFT);
}

/** Keeps the `count` ids at `ids` for a short piece, if they are few and its bucket has room. Tells whether it did. */
export function rememberShort(e: Engine, at: usize, bytes: u32, ids: usize, count: u32): bool {
  if (bytes > SHORT_BYTES || count << e.idShift > INLINE_BYTES) return false;
  const key = keyOf(counting(), at, bytes);
  let slot = bucketOf(e.short, 64 - e.shortBits, key);
  if (load<u32>(slot, 28)) {
    slot += 32;
    if (load<u32>(slot, 28)) return false;
  }
  v128.store(slot, key);
  v128.store(slot, i32x4.replace_lane(v128.load(ids), 3, count), 16);
  return true;
}

/** The hash of a piece of any length. Reads up to 15 bytes behind it. */
export function hashOf(e: Engine, at: usize, bytes: u32): u64 {
  let h = <u64>bytes * K1;
  while (true) {
    const key = bytes < 16 ? keyOf(counting(), at, bytes) : v128.load(at);
    h = (h ^ <u64>i64x2.extract_lane(key, 0)) * K1;
    h = ((h ^ (h >> 32)) + <u64>i64x2.extract_lane(key, 1)) * K2;
    h ^= h >> 29;
    if (bytes <= 16) return h;
    at += 16;
    bytes -= 16;
  }
}

// @ts-ignore: decorator
@inline
function entryOf(e: Engine, hash: u64): usize {
  return <usize>e.long + (<usize>(hash >> (64 - e.longBits)) << ENTRY_SHIFT);
}

/** Copies the ids of a piece from the long cache to `out` and returns their end there; 0 if it does not hold them. */
export function recallLong(e: Engine, at: usize, bytes: u32, hash: u64, out: usize): usize {
  const entry = entryOf(e, hash), record = <usize>load<u32>(entry, 4);
  if (load<u32>(entry) != <u32>hash || load<u32>(entry, 8) != bytes || record == 0) return 0;
  let i: u32 = 0;
  for (; i + 16 <= bytes; i += 16) {
    if (v128.any_true(v128.xor(v128.load(at + i), v128.load(record + i)))) return 0;
  }
  if (i < bytes) {
    if (v128.any_true(v128.xor(keyOf(counting(), at + i, bytes - i), v128.load(record + i)))) return 0;
    i += 16;
  }
  const size = load<u32>(entry, 12) << e.idShift;
  for (let k: u32 = 0; k < size; k += 16) v128.store(out + k, v128.load(record + i + k));
  return out + size;
}

/** Keeps the `count` ids at `ids` for a piece of up to `LONG_BYTES`. */
export function rememberLong(e: Engine, at: usize, bytes: u32, hash: u64, ids: usize, count: u32): void {
  const padded = (bytes + 15) & ~15, size = count << e.idShift, needed = padded + ((size + 15) & ~15);
  if (<u32>(e.recordsEnd - e.recordsTop) < needed) {
    memory.fill(e.short, 0, (<usize>1 << e.shortBits) << BUCKET_SHIFT);
    memory.fill(e.long, 0, (<usize>1 << e.longBits) << ENTRY_SHIFT);
    e.recordsTop = e.records;
  }
  const record = <usize>e.recordsTop, entry = entryOf(e, hash);
  e.recordsTop += needed;
  store<u32>(entry, <u32>hash);
  store<u32>(entry, <u32>record, 4);
  store<u32>(entry, bytes, 8);
  store<u32>(entry, count, 12);
  let i: u32 = 0;
  for (; i + 16 <= bytes; i += 16) v128.store(record + i, v128.load(at + i));
  if (i < bytes) v128.store(record + i, keyOf(counting(), at + i, bytes - i));
  for (let k: u32 = 0; k < size; k += 16) v128.store(record + padded + k, v128.load(ids + k));
}
