// The chunk coder on the text engine: WebAssembly walks a text from chunk to chunk and knows the ids of those it was told
// about; at any other it stops, the tokenizer's own rules say the ids, and it goes on. The walk and the caches are
// assembly/text/chunks.ts, what a chunk is and what this must agree with is ../chunk_coder.ts.

import type { Before, ChunkCoder, ChunkRules } from "../chunk_coder.ts";
import { decodeIds } from "./decode_ids.ts";
import { createEngine, type EngineOptions } from "./engine.ts";
import { IdBuffer } from "./id_buffer.ts";
import { textFeed } from "./text_feed.ts";

// `LONG_BYTES` of assembly/text/cache.ts: longer chunks are not remembered.
const LONGEST = 256;
const SLACK = 64, NONE = 2 ** 32 - 1;
// Where the fields of a walk are that are read here, and how many there are; assembly/text/chunks.ts has them all.
const NEXT = 0, OUT = 3, STATE = 4, WALK = 6;
// A chunk that has to be solved anew costs a hundred times what a known one does: room for 100,000 of them and more.
const SIZES: EngineOptions = { part: 2 ** 17, shortBits: 17, longBits: 16, recordBytes: 2 ** 22 };

/** A coder on an engine of its own. `options` are for tests. */
export function wasmChunkCoder(
  module: WebAssembly.Module,
  { idsOf, newline = NONE, bytes }: ChunkRules,
  options: EngineOptions = {},
): ChunkCoder {
  const none = { classes: new Uint8Array(), merges: new Uint32Array(), ids: new Uint32Array() };
  const engine = createEngine(module, { ...none, tokens: bytes }, { ...SIZES, ...options });
  const { memory, functions, record, width, size } = engine;
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  // The work area: a walk, the ids of one chunk, then what grows with the parts.
  const walk = memory.work, solved = walk + SLACK, text = solved + 4 * LONGEST + SLACK;
  let part = 0, list = 0, out = 0;

  function layOut(bytesOfText: number): void {
    part = bytesOfText;
    list = text + Math.ceil(part / SLACK) * SLACK + SLACK;
    out = list + 4 * (part + SLACK);
    memory.reserve(out + width * part + SLACK - walk);
  }

  const view = (address: number, count: number): Uint16Array | Uint32Array =>
    width === 2 ? memory.halves(address, count) : memory.words(address, count);

  // Adds the ids of the first `length` bytes of the text and returns how many bytes are left over. `done` is what part
  // of the whole text that ends at, 1 for the last.
  function encodePart(length: number, done: number, before: Before, ids: IdBuffer): number {
    const end = text + length, stop = functions.findChunks(text, end, Number(done === 1), list);
    const fields = memory.words(walk, WALK), borders = memory.words(list, (stop - list) / 4 + 1);
    const source = memory.bytes(text, length);
    fields.set([list, stop, text, out, before.state, newline]);
    const takeIds = (): void => {
      const count = (fields[OUT] - out) / width;
      ids.append(view(out, count), (ids.length + count) / done * 1.02);
      fields[OUT] = out;
    };
    while (functions.encodeChunks(record, walk) === 0) {
      const at = (fields[NEXT] - list) / 4, from = borders[at], to = borders[at + 1], bytes = to - from;
      const found = idsOf(decoder.decode(source.subarray(from - text, to - text)));
      if (bytes <= LONGEST && found.length <= bytes) {
        view(solved, found.length).set(found);
        functions.rememberChunk(record, from, bytes, solved, found.length);
        continue; // with the same chunk, which is known now
      }
      takeIds();
      if (fields[STATE] === 2) ids.append([newline]);
      ids.append(found);
      fields.set([fields[NEXT] + 8, stop, to, out, 1]);
    }
    takeIds();
    before.state = fields[STATE] as Before["state"];
    return end - borders[borders.length - 1];
  }

  function encode(whole: string, before: Before = { state: 0 }): ReturnType<ChunkCoder["encode"]> {
    const ids = new IdBuffer(size), { fill, progress } = textFeed(whole, memory);
    if (part === 0) layOut(engine.part);
    for (let rest = 0;;) {
      const length = rest + fill(text + rest, part - rest), done = progress();
      rest = encodePart(length, done, before, ids);
      if (done === 1) return ids.take();
      memory.bytes(text, length).copyWithin(0, length - rest);
      if (rest > part / 2) layOut(2 * part);
    }
  }

  return { encode, decodeBytes: (ids) => decodeIds(engine, ids) };
}
