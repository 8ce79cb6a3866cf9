// The addresses and sizes that a text engine works with, as one record in linear memory. The host
// (src/text/wasm/engine.ts) writes it in this order; everything else is handed its address. Fields hold addresses
// unless they say otherwise.

/** Symbols and ids are below 2^21, so that a pair and what it becomes fit into 64 bits. */
export const SYMBOL_BITS: i32 = 21;
/** No symbol. */
export const NONE: u32 = 0xffffffff;
/** Symbols below this are the bytes themselves; symbol FIRST_MERGE + r is what the merge of rank r makes. */
export const FIRST_MERGE: u32 = 256;

/** What belongs to one tokenizer. */
// @ts-ignore: decorator
@unmanaged
export class Engine {
  /** Symbol -> id, u32. */
  ids: u32;
  /** log2 of the bytes of an id in the output: 1 or 2. */
  idShift: u32;
  /** Pairs that merge: u64 entries, see pairs.ts. */
  pairs: u32;
  /** log2 of the number of entries of `pairs`. */
  pairBits: u32;
  /** The cache of short pieces: buckets of 64 bytes, see cache.ts. */
  short: u32;
  /** log2 of the number of buckets of `short`. */
  shortBits: u32;
  /** The index of the cache of longer pieces: entries of 16 bytes, see cache.ts. */
  long: u32;
  /** log2 of the number of entries of `long`. */
  longBits: u32;
  /** Where the records of longer pieces begin. */
  records: u32;
  /** Where the next record goes. */
  recordsTop: u32;
  /** Where the room for records ends. */
  recordsEnd: u32;
  /** Merges: for each rank and one more the first node of its list, u32, all 0 between pieces. See merge_long.ts. */
  heads: u32;
  /** Merges: one bit for each rank whose list is not empty; all 0 between pieces, and a 1 behind the last rank. */
  present: u32;
  /** The symbols of the piece that is being merged, u32, room for the longest piece and 64 bytes more. */
  symbols: u32;
  /** Room for a node of 32 bytes for each of them. */
  scratch: u32;
  /** Counts pieces that no cache held. */
  misses: u32;
}

/** Number of fields of `Engine`, for the host to compare with its own list. */
export function countFields(): u32 {
  return offsetof<Engine>() >> 2;
}
