// Loading the text module: compiled once per program, instantiated once per tokenizer on a memory of its own. What its
// functions do is said in assembly/text/. Addresses are plain numbers; the module trusts what it is given.

import type { TextFunction } from "./generated/functions.ts";

/** The functions of the text module. Addresses are in bytes; see the file of each in `assembly/text/`. */
export interface TextFunctions extends Record<TextFunction, unknown> {
  /** Fields of an engine record (`engine.ts`). */
  countFields(): number;
  /** Fills the table of pairs that merge (`pairs.ts`); returns how many were added. */
  addPairs(engine: number, from: number, count: number, first: number): number;
  /** Splits as GPT-2 does (`split_gpt2.ts`); returns the number of pieces. */
  splitGpt2(at: number, end: number, final: number, classes: number, starts: number): number;
  /** Ids of pieces (`encode.ts`); returns their end. */
  encodePieces(engine: number, starts: number, count: number, out: number): number;
  /** Lists the chunks of a text (`chunks.ts`); returns the end of the list. */
  findChunks(at: number, end: number, final: number, list: number): number;
  /** Ids of chunks up to one that is not known (`chunks.ts`); returns 1 if none came. */
  encodeChunks(engine: number, walk: number): number;
  /** Keeps the ids of a chunk (`chunks.ts`). */
  rememberChunk(engine: number, at: number, bytes: number, ids: number, count: number): void;
  /** Merges the first `count` of the engine's symbols (`merge.ts`); returns how many are left. */
  mergeSymbols(engine: number, count: number): number;
  /** Where UTF-8 stops being valid (`utf8.ts`). */
  firstInvalid(at: number, end: number): number;
  /** Bytes of ids, or -1 - i for the i-th that does not exist (`decode.ts`). */
  measureIds(ids: number, count: number, offsets: number, size: number): number;
  /** Writes the bytes of ids (`decode.ts`). */
  decodeIds(ids: number, count: number, offsets: number, bytes: number, out: number): void;
}

let compiled: Promise<WebAssembly.Module | null> | undefined;

/**
 * The text module, compiled; `null` where the engine has no WebAssembly SIMD or does not let a program compile
 * (some edge platforms), and the TypeScript path must do.
 */
export function compileText(): Promise<WebAssembly.Module | null> {
  compiled ??= import("./generated/engine.ts").then(async ({ default: base64 }) => {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    try {
      return await WebAssembly.compile(bytes);
    } catch {
      return null;
    }
  });
  return compiled;
}

/** An instance of the text module that works on `memory`. */
export function instantiateText(module: WebAssembly.Module, memory: WebAssembly.Memory): TextFunctions {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as TextFunctions;
}
