// Tables that give each code point a class, for scanners. assembly/text/classes.ts reads them: for each 128 code
// points the number of a block as u16, then the blocks, one byte for each code point, equal ones stored once. Which
// classes there are is the business of the scanner; code points that no range names have class 0.

const BLOCK = 128, BLOCKS = 0x110000 / BLOCK;

/** Ranges of code points of one class: first and last, alternating, ascending. */
export type Ranges = readonly number[];

/** The bytes of a table in which the code points of `classes[i]` have class i + 1. */
export function classTable(classes: readonly Ranges[]): Uint8Array<ArrayBuffer> {
  const flat = new Uint8Array(0x110000);
  for (const [i, ranges] of classes.entries()) {
    for (let at = 0; at < ranges.length; at += 2) flat.fill(i + 1, ranges[at], ranges[at + 1] + 1);
  }
  const index = new Uint16Array(BLOCKS), blocks: Uint8Array[] = [], known = new Map<string, number>();
  for (let i = 0; i < BLOCKS; i++) {
    const block = flat.subarray(i * BLOCK, (i + 1) * BLOCK), last = blocks[index[Math.max(0, i - 1)]];
    if (i > 0 && block.every((kind, at) => kind === last[at])) { // most are like the one before
      index[i] = index[i - 1];
      continue;
    }
    const key = block.join(""), number = known.get(key) ?? blocks.push(block) - 1;
    known.set(key, number);
    index[i] = number;
  }
  const table = new Uint8Array(index.byteLength + blocks.length * BLOCK);
  table.set(new Uint8Array(index.buffer));
  for (const [i, block] of blocks.entries()) table.set(block, index.byteLength + i * BLOCK);
  return table;
}
