// From text to ids for tokenizers that look no further than from one blank to the next: what such a chunk becomes depends
// on the chunk alone, and most of a text's chunks have been there before. Here are what a tokenizer tells the coder and
// the coder in plain TypeScript, which runs where WebAssembly is missing and which the other one is tested against;
// that one is wasm/chunk_coder.ts. Cleaning comes before all this.

import { cached } from "./cached.ts";
import { unknownId } from "./coding_errors.ts";
import type { Encoder } from "./tokenizer.ts";
import { wasmChunkCoder } from "./wasm/chunk_coder.ts";
import { concatenate } from "./wasm/decode_ids.ts";
import { type IdArray, IdBuffer } from "./wasm/id_buffer.ts";
import { compileText } from "./wasm/module.ts";

/** What a tokenizer tells the coder. */
export interface ChunkRules {
  /**
   * The ids of a chunk: text without tab, line break, carriage return and space. Other white space may be in it. With
   * `newline` every chunk has an id, so white space that is not one of these four must have been replaced before.
   */
  idsOf(chunk: string): ArrayLike<number>;
  /** The id that stands between two chunks with a line break between them. None unless given. */
  readonly newline?: number;
  /** For each id the bytes it is decoded to. */
  readonly bytes: readonly Uint8Array[];
}

/** What there was of a text before: no chunk, a chunk, or a chunk and then a line break. */
export interface Before {
  state: 0 | 1 | 2;
}

/** Chunks to ids, and ids to bytes. */
export interface ChunkCoder {
  /** The ids of a text without lone surrogates, or of part of one that neither begins nor ends within a chunk. */
  encode(text: string, before?: Before): IdArray;
  /** The bytes of some ids, one after the other. Throws `RangeError` on an id that does not exist. */
  decodeBytes(ids: ArrayLike<number>): Uint8Array<ArrayBuffer>;
}

/** A coder, on WebAssembly unless that is missing or `wasm` is false. */
export async function createChunkCoder(rules: ChunkRules, wasm: boolean): Promise<ChunkCoder> {
  const module = wasm ? await compileText() : null;
  return module === null ? referenceChunkCoder(rules) : wasmChunkCoder(module, rules);
}

/** A coder without WebAssembly. */
export function referenceChunkCoder({ idsOf, newline, bytes }: ChunkRules): ChunkCoder {
  const known = cached(idsOf), size = bytes.length;
  return {
    encode(text, before = { state: 0 }) {
      const ids = new IdBuffer(size);
      for (const [chunk] of text.matchAll(/[^\t\n\r ]+|\n/g)) {
        if (chunk === "\n") {
          if (before.state === 1 && newline !== undefined) before.state = 2;
          continue;
        }
        if (before.state === 2) ids.append([newline!]);
        ids.append(known(chunk));
        before.state = 1;
      }
      return ids.take();
    },
    decodeBytes: (ids) =>
      concatenate(Array.from(ids, (id) => {
        if (bytes[id] === undefined) throw unknownId(id, size);
        return bytes[id];
      })),
  };
}

/**
 * An encoder of texts that arrive in pieces. `cleaner` makes the function that cleans one text, given in parts that end
 * at line breaks.
 */
export function chunkEncoder(coder: ChunkCoder, cleaner: () => (lines: string) => string): Encoder {
  let line = "", chunk = "", clean = cleaner(), before: Before = { state: 0 };
  return {
    push(text) {
      const end = text.lastIndexOf("\n") + 1;
      if (end === 0) {
        line += text;
        return [];
      }
      // Cleaning may take a line break away, and then the last chunk goes on in the next line.
      const cleaned = chunk + clean(line + text.slice(0, end)), whole = endOfLastBlank(cleaned);
      line = text.slice(end);
      chunk = cleaned.slice(whole);
      return coder.encode(cleaned.slice(0, whole), before);
    },
    end() {
      const ids = coder.encode(chunk + clean(line), before);
      [line, chunk, clean, before] = ["", "", cleaner(), { state: 0 }];
      return ids;
    },
  };
}

function endOfLastBlank(text: string): number {
  return Math.max(...["\t", "\n", "\r", " "].map((blank) => text.lastIndexOf(blank))) + 1;
}
