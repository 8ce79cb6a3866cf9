// Merges by rank on the text engine, for tokenizers whose symbols are not bytes. A word of a million symbols takes time in
// proportion; merge.ts does the same in plain TypeScript.

import { createEngine } from "./engine.ts";

// The engine has numbers below this for bytes; with few characters, merged symbols move up there.
const BYTES = 256;

/**
 * A merger on a memory of its own. `pairs` holds left and right symbol of each merge, by rank; merge r makes the symbol
 * `first` + r.
 */
export function wasmMerger(
  module: WebAssembly.Module,
  pairs: Uint32Array,
  first: number,
): (symbols: readonly number[]) => number[] {
  const shift = Math.max(0, BYTES - first), end = first + shift;
  const merges = pairs.map((symbol) => symbol < first ? symbol : symbol + shift);
  const parts = { classes: new Uint8Array(), merges, first: end, ids: new Uint32Array(), tokens: [] };
  const engine = createEngine(module, parts, { part: 2 ** 10, shortBits: 0, longBits: 0, recordBytes: 0 });
  const { memory, functions, record } = engine;
  let { part, symbols: at } = engine.layOut(engine.part), view = memory.words(at, part); // lost when the memory grows
  return (symbols) => {
    const count = symbols.length, merged: number[] = [];
    if (count < 2) return [...symbols];
    if (count > part) {
      ({ part, symbols: at } = engine.layOut(2 * count));
      view = memory.words(at, part);
    }
    for (let i = 0; i < count; i++) view[i] = symbols[i];
    const left = functions.mergeSymbols(record, count);
    for (let i = 0; i < left; i++) merged.push(view[i] < end ? view[i] : view[i] - shift);
    return merged;
  };
}
