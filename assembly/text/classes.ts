// Classes of code points: a table in two levels that the host builds from ranges (src/text/wasm/classes.ts). First, for
// each 128 code points, the number of their block as u16; then the blocks, a byte for each code point. The first block
// is that of ASCII.

import { codePointAt } from "./utf8";

const BLOCKS: usize = 2 * (0x110000 >> 7);

/** The class of a code point. */
// @ts-ignore: decorator
@inline
export function classOf(classes: usize, codePoint: u32): u32 {
  const block = <usize>load<u16>(classes + ((codePoint >> 7) << 1));
  return load<u8>(classes + (block << 7) + (codePoint & 127), BLOCKS);
}

/** The class of the code point at an address. */
// @ts-ignore: decorator
@inline
export function classAt(classes: usize, at: usize): u32 {
  const first = <u32>load<u8>(at);
  return first < 0x80 ? <u32>load<u8>(classes + first, BLOCKS) : classOf(classes, codePointAt(at));
}
