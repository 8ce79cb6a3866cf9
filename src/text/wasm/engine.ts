// The engine of one tokenizer: a memory, filled with what the text module works on. Pairs that merge, ids, the tables
// of the scanner and of the decoder, and two caches of fixed size; behind them the work area for the part of a text
// that is being encoded. Taking texts through it is in coder.ts; what the fields mean is said in
// assembly/text/engine.ts.

import { TextMemory } from "./memory.ts";
import { instantiateText, type TextFunctions } from "./module.ts";

/** What an engine is made of. */
export interface EngineParts {
  /** The class table of the scanner, from {@link classTable}. */
  readonly classes: Uint8Array;
  /** Left and right symbol of each merge, by rank. Merge r makes the symbol `first` + r. */
  readonly merges: Uint32Array;
  /** The first symbol that a merge makes, at least 256. Default 256: those below are the bytes. */
  readonly first?: number;
  /** The id of each symbol. */
  readonly ids: Uint32Array;
  /** The bytes of each id, those without a symbol included. */
  readonly tokens: readonly Uint8Array[];
}

/** Sizes, for measurements and tests; the defaults suit texts of any size. */
export interface EngineOptions {
  /** Bytes of text in a part, at first; a longer piece makes parts grow. */
  readonly part?: number;
  /** log2 of the number of buckets (two pieces each) of the cache of short pieces. */
  readonly shortBits?: number;
  /** log2 of the number of places of the cache of longer pieces. */
  readonly longBits?: number;
  /** Bytes for the longer pieces and their ids. */
  readonly recordBytes?: number;
}

/** An engine, ready to run. Addresses are in `memory`. */
export interface Engine {
  readonly memory: TextMemory;
  readonly functions: TextFunctions;
  /** The record that functions take. */
  readonly record: number;
  /** The class table. */
  readonly classes: number;
  /** For each id and one more, where its bytes begin behind `bytes`. */
  readonly offsets: number;
  /** The bytes of all ids. */
  readonly bytes: number;
  /** Number of ids. */
  readonly size: number;
  /** Bytes of an id in the output: 2 or 4. */
  readonly width: 2 | 4;
  /** Bytes of text in a part, at first. */
  readonly part: number;
  /** Lays out the work area for parts of so many bytes. What the area holds at its beginning stays. */
  layOut(part: number): WorkArea;
}

/** The work area, by address. */
export interface WorkArea {
  /** The text; room for `part` bytes. It begins where the area begins. */
  readonly text: number;
  /** Room for the beginnings of pieces. */
  readonly starts: number;
  /** Room for ids. */
  readonly out: number;
  /** Room for the symbols that merge. */
  readonly symbols: number;
  /** Bytes of text in a part. */
  readonly part: number;
}

// Fields of the record in assembly/text/engine.ts, in its order.
const FIELDS = [
  ...["ids", "idShift", "pairs", "pairBits", "short", "shortBits", "long", "longBits"] as const,
  ...["records", "recordsTop", "recordsEnd", "heads", "present", "symbols", "scratch", "misses"] as const,
];
const SLACK = 64; // vector loads and stores reach so far behind what they are for
const BYTES = 256, MAX_SYMBOLS = 2 ** 21;

/** Makes an engine. Throws `RangeError` if there are too many merges. */
export function createEngine(
  module: WebAssembly.Module,
  { classes, merges, first = BYTES, ids, tokens }: EngineParts,
  { part = 3 * 2 ** 16, shortBits = 16, longBits = 14, recordBytes = 2 ** 21 }: EngineOptions = {},
): Engine {
  const count = merges.length / 2, ranks = count + first - BYTES; // the module counts ranks from the symbol 256
  if (BYTES + ranks > MAX_SYMBOLS) {
    throw new RangeError(`Cannot use ${count} merges: at most ${MAX_SYMBOLS - first} are possible`);
  }
  const memory = new TextMemory(), functions = instantiateText(module, memory.wasm);
  if (functions.countFields() !== FIELDS.length) throw new Error("The text module is not of this version");

  const record = memory.allocate(FIELDS.length * 4);
  const set = (values: Readonly<Partial<Record<typeof FIELDS[number], number>>>): void => {
    const fields = memory.words(record, FIELDS.length);
    for (const [i, name] of FIELDS.entries()) fields[i] = values[name] ?? fields[i];
  };
  const place = (data: Uint8Array | Uint32Array): number => {
    const address = memory.allocate(data.byteLength + SLACK);
    memory.bytes(address, data.byteLength).set(
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    );
    return address;
  };
  const width = tokens.length <= 2 ** 16 ? 2 : 4;
  const pairBits = Math.max(4, Math.ceil(Math.log2(2 * count + 1)));
  const records = memory.allocate(recordBytes + SLACK),
    present = memory.allocate(8 * Math.ceil((ranks + 1) / 64));
  memory.bytes(present + (ranks >> 3), 1)[0] = 1 << (ranks & 7);
  set({
    ids: place(ids),
    idShift: width / 2,
    pairs: place(new Uint8Array(8 << pairBits).fill(255)),
    pairBits,
    short: memory.allocate(64 << shortBits),
    shortBits,
    long: memory.allocate(16 << longBits),
    longBits,
    records,
    recordsTop: records,
    recordsEnd: records + recordBytes,
    heads: memory.allocate(4 * (ranks + 1)),
    present,
  });
  const fixed = { record, classes: place(classes), ...placeTokens(tokens, place) };

  function layOut(part: number): WorkArea {
    const text = memory.work, round = (bytes: number) => Math.ceil((bytes + SLACK) / SLACK) * SLACK;
    const starts = text + round(part + SLACK),
      out = starts + round(4 * part),
      symbols = out + round(width * part);
    const scratch = symbols + round(4 * part);
    memory.reserve(scratch + round(32 * part) - text);
    set({ symbols, scratch });
    return { text, starts, out, symbols, part };
  }

  const { work } = memory; // merges are handed over where texts will be
  memory.reserve(merges.byteLength);
  memory.words(work, merges.length).set(merges);
  const added = functions.addPairs(record, work, count, first);
  if (added < count) throw new SyntaxError(`Merge ${added} is there a second time`);
  return { memory, functions, ...fixed, size: tokens.length, width, part, layOut };
}

function placeTokens(
  tokens: readonly Uint8Array[],
  place: (data: Uint8Array | Uint32Array) => number,
): { offsets: number; bytes: number } {
  const offsets = new Uint32Array(tokens.length + 1);
  for (const [id, token] of tokens.entries()) offsets[id + 1] = offsets[id] + token.length;
  const bytes = new Uint8Array(offsets[tokens.length]);
  for (const [id, token] of tokens.entries()) bytes.set(token, offsets[id]);
  return { offsets: place(offsets), bytes: place(bytes) };
}
