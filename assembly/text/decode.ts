// From ids to bytes. `offsets` holds, for each id and one more, where its bytes begin behind `bytes`, u32.

/**
 * Bytes that the `count` ids (u32) stand for, or -1 - i if the i-th is not below `size`. Decode no more ids at
 * once than fit into 31 bits of bytes.
 */
export function measureIds(ids: usize, count: u32, offsets: usize, size: u32): i32 {
  let total: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const id = load<u32>(ids + (i << 2));
    if (id >= size) return -1 - i;
    const at = offsets + (<usize>id << 2);
    total += load<u32>(at, 4) - load<u32>(at);
  }
  return total;
}

/** Writes the bytes of ids that `measureIds` has passed to `out`; 16 bytes behind them may be overwritten too. */
export function decodeIds(ids: usize, count: u32, offsets: usize, bytes: usize, out: usize): void {
  for (const stop = ids + (<usize>count << 2); ids < stop; ids += 4) {
    const entry = offsets + (<usize>load<u32>(ids) << 2), from = load<u32>(entry), length = load<u32>(entry, 4) - from;
    const at = bytes + from;
    v128.store(out, v128.load(at));
    for (let i: u32 = 16; i < length; i += 16) v128.store(out + i, v128.load(at + i));
    out += length;
  }
}
