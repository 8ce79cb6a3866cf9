// The safetensors file format, written as a stream and read by position: 8 bytes little-endian header length, a JSON
// header (name -> dtype, shape, data_offsets; `__metadata__` -> strings), then the tensors without gaps, little-endian.
// Follows the format's own description (https://github.com/huggingface/safetensors). Which tensors a model has, and
// what their bytes mean to it, is not known here.

import type { Storage } from "../core/storage.ts";

/** Bytes per element of every dtype that is read and written here. */
export const SAFETENSORS_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
} as const;

/** A dtype by its name in the header. */
export type SafetensorsDtype = keyof typeof SAFETENSORS_BYTES;

/** Bytes at once or in pieces. */
export type ByteParts = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** A tensor to write. */
export interface TensorSource {
  /** Any text but `__metadata__`, once in a file. */
  readonly name: string;
  /** Type of its elements. */
  readonly dtype: SafetensorsDtype;
  /** Sizes, outermost first; `[]` for a scalar. */
  readonly shape: readonly number[];
  /** Its bytes, row-major and little-endian; called once, when its turn comes. */
  readonly data: () => ByteParts | Promise<ByteParts>;
}

/** Where a tensor lies: bytes `[start, end)` of the file. */
export interface TensorEntry {
  /** Type of its elements. */
  readonly dtype: SafetensorsDtype;
  /** Sizes, outermost first; `[]` for a scalar. */
  readonly shape: readonly number[];
  /** Position of its first byte in the file, not in the data as the header counts. */
  readonly start: number;
  /** Position after its last byte. */
  readonly end: number;
}

/** An open file: its header, checked, and a way to the data. */
export interface SafetensorsFile {
  /** The strings of `__metadata__`; empty if there are none. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Every tensor by name, in the order of the file. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** The bytes of one tensor, in a buffer of their own. Throws `RangeError` for a name that is not in `tensors`. */
  read(name: string): Promise<Uint8Array>;
}

const METADATA = "__metadata__";
const LARGEST_HEADER = 100_000_000;

/**
 * A safetensors file as a stream for `Storage.write`; no more than one piece of one tensor is in memory. Wider dtypes
 * come first, which keeps every tensor aligned to its element size; else the order given is kept. Throws `TypeError` or
 * `RangeError` at once for a bad name, dtype, shape or metadata, and while streaming if a tensor's data has another size
 * than its shape.
 *
 * @example
 * ```ts
 * import { memoryStorage, openSafetensors, safetensors } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const storage = memoryStorage(), data = () => new Uint8Array(new Float32Array([1, 2, 3, 4, 5, 6]).buffer);
 * await storage.write("x.safetensors", safetensors([{ name: "w", dtype: "F32", shape: [2, 3], data }], { note: "hi" }));
 * const file = await openSafetensors(storage, "x.safetensors");
 * assertEquals(file.tensors.get("w")?.shape, [2, 3]);
 * assertEquals(new Float32Array((await file.read("w")).buffer)[5], 6);
 * ```
 */
export function safetensors(
  tensors: readonly TensorSource[],
  metadata: Readonly<Record<string, string>> = {},
): AsyncIterable<Uint8Array> {
  const ordered = tensors.toSorted((a, b) => SAFETENSORS_BYTES[b.dtype] - SAFETENSORS_BYTES[a.dtype]);
  // Joined as text, not built as an object: names such as "7" or "__proto__" have their own ways in objects.
  const fields: string[] = [], seen = new Set([METADATA]);
  if (Object.keys(metadata).length > 0) {
    fields.push(`${JSON.stringify(METADATA)}:${JSON.stringify(metadata)}`);
  }
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== "string") {
      throw new TypeError(`Cannot write metadata ${shown(key)}: its value is no string`);
    }
    if (!key.isWellFormed() || !value.isWellFormed()) {
      throw new RangeError(`Cannot write metadata ${shown(key)}: it holds half a surrogate pair; remove it`);
    }
  }
  let at = 0;
  for (const { name, dtype, shape } of ordered) {
    const problem = seen.has(name)
      ? "the name is taken"
      : !name.isWellFormed()
      ? "it holds half a surrogate pair"
      : null;
    if (problem) throw new RangeError(`Cannot write tensor ${shown(name)}: ${problem}; choose another`);
    seen.add(name);
    const bytes = sizeOf(dtype, shape);
    if (typeof bytes === "string") throw new RangeError(`Cannot write tensor ${shown(name)}: ${bytes}`);
    fields.push(
      `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [at, at + bytes] })}`,
    );
    at += bytes;
  }
  const header = new TextEncoder().encode(`{${fields.join(",")}}`), padded = Math.ceil(header.length / 8) * 8;
  if (padded > LARGEST_HEADER) {
    throw new RangeError(
      `Cannot write ${tensors.length} tensors: their header takes ${padded} bytes of 100 MB allowed`,
    );
  }
  const start = new Uint8Array(8 + padded).fill(0x20);
  new DataView(start.buffer).setBigUint64(0, BigInt(padded), true);
  start.set(header, 8);
  return stream(start, ordered);
}

async function* stream(start: Uint8Array, tensors: readonly TensorSource[]): AsyncGenerator<Uint8Array> {
  yield start;
  for (const { name, dtype, shape, data } of tensors) {
    const wanted = sizeOf(dtype, shape), parts = await data();
    let bytes = 0;
    for await (const part of parts instanceof Uint8Array ? [parts] : parts) {
      bytes += part.length;
      yield part;
    }
    if (bytes !== wanted) {
      throw new RangeError(
        `Cannot write tensor ${
          shown(name)
        }: ${dtype} (${shape}) takes ${wanted} bytes, its data has ${bytes}`,
      );
    }
  }
}

/**
 * Opens a safetensors file and checks all of its header against the file. Throws `SyntaxError` that names the file,
 * what is wrong with it and what to do; `NotFound` if there is no file.
 */
export async function openSafetensors(storage: Storage, path: string): Promise<SafetensorsFile> {
  const fail: Fail = (what, remedy, cause) => {
    throw new SyntaxError(`Cannot read ${storage.describe(path)} as safetensors: ${what}; ${remedy}`, {
      cause,
    });
  };
  const size = (await storage.stat(path))?.bytes ?? 0;
  if (size < 8) {
    await storage.readRange(path, 0, 0); // Rejects with its own error if there is no file, or a folder.
    fail(`it holds ${size} bytes, too few for a header`, COPY);
  }
  const first = await storage.readRange(path, 0, 8);
  const length = new DataView(first.buffer, first.byteOffset).getBigUint64(0, true);
  if (length > LARGEST_HEADER) {
    fail(
      `its first bytes claim a header of ${length} bytes, over the 100 MB allowed`,
      "check that it is this format",
    );
  }
  const dataStart = 8 + Number(length);
  if (dataStart > size) fail(`its header claims ${length} bytes but the file ends after ${size}`, COPY);
  const header = parseHeader(await storage.readRange(path, 8, dataStart), fail);
  const metadata = parseMetadata(header, fail), tensors = parseTensors(header, dataStart, size, fail);

  const read = async (name: string): Promise<Uint8Array> => {
    const entry = tensors.get(name);
    if (entry) return await storage.readRange(path, entry.start, entry.end);
    const some = [...tensors.keys()].slice(0, 8).map(shown).join(", ") + (tensors.size > 8 ? ", …" : "");
    throw new RangeError(
      `Cannot read tensor ${shown(name)} from ${
        storage.describe(path)
      }: its ${tensors.size} tensors are ${some}`,
    );
  };
  return { metadata, tensors, read };
}

/** Throws the error of a bad file. */
type Fail = (what: string, remedy: string, cause?: unknown) => never;

const COPY = "copy or download it again";
const REWRITE = "write the file again with a tool that keeps to the format";

function parseHeader(bytes: Uint8Array, fail: Fail): Record<string, unknown> {
  let text: string, header: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (error) {
    return fail("its header is not JSON in UTF-8, so it is damaged or in another format", COPY, error);
  }
  if (!isRecord(header)) return fail("its header is JSON but not an object", REWRITE);
  const twice = duplicateKey(text);
  if (twice !== null) fail(`its header has ${shown(twice)} twice`, REWRITE);
  return header;
}

function parseMetadata(header: Record<string, unknown>, fail: Fail): Record<string, string> {
  if (!Object.hasOwn(header, METADATA)) return {};
  const found = header[METADATA], strings: [string, string][] = [];
  if (!isRecord(found)) return fail(`its ${METADATA} is not an object`, REWRITE);
  for (const [key, value] of Object.entries(found)) {
    if (typeof value !== "string") return fail(`its metadata ${shown(key)} is not a string`, REWRITE);
    strings.push([key, value]);
  }
  return Object.fromEntries(strings);
}

/** The tensors in the order of their data, which must fill the file from `dataStart` to `size` exactly. */
function parseTensors(
  header: Record<string, unknown>,
  dataStart: number,
  size: number,
  fail: Fail,
): Map<string, TensorEntry> {
  const entries: [string, TensorEntry][] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === METADATA) continue;
    const entry = parseEntry(value);
    if (typeof entry === "string") return fail(`tensor ${shown(name)}: ${entry}`, REWRITE);
    entries.push([name, { ...entry, start: dataStart + entry.start, end: dataStart + entry.end }]);
  }
  entries.sort(([, a], [, b]) => a.start - b.start || a.end - b.end);
  let at = dataStart;
  for (const [name, { start, end }] of entries) {
    const what = start < at
      ? "overlaps the tensor before it"
      : `leaves a gap of ${start - at} bytes before it`;
    if (start !== at) fail(`tensor ${shown(name)} ${what}`, REWRITE);
    at = end;
  }
  if (at > size) fail(`its tensors end at byte ${at} but the file, cut short, after ${size}`, COPY);
  if (at < size) fail(`${size - at} bytes follow its last tensor`, COPY);
  return new Map(entries);
}

/** One value of the header, with offsets as they stand there; or what is wrong with it. */
function parseEntry(value: unknown): TensorEntry | string {
  if (!isRecord(value)) return "its entry is no object";
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string" || !Object.hasOwn(SAFETENSORS_BYTES, dtype)) {
    return `its dtype is ${shown(dtype)}, not one of ${Object.keys(SAFETENSORS_BYTES).join(", ")}`;
  }
  if (!isSizes(shape)) return "its shape is no list of sizes";
  if (!isSizes(offsets) || offsets.length !== 2) return "its data_offsets are no pair of positions";
  const bytes = sizeOf(dtype as SafetensorsDtype, shape), [start, end] = offsets;
  if (typeof bytes === "string") return bytes;
  if (end - start !== bytes) return `its shape takes ${bytes} bytes, its data_offsets ${end - start}`;
  return { dtype: dtype as SafetensorsDtype, shape, start, end };
}

/** Bytes of a tensor, or why there is no such tensor. */
function sizeOf(dtype: SafetensorsDtype, shape: readonly number[]): number | string {
  if (!Object.hasOwn(SAFETENSORS_BYTES, dtype)) return `dtype ${shown(dtype)} is unknown`;
  if (!isSizes(shape)) return `its shape (${shape}) is no list of sizes`;
  const bytes = shape.includes(0) ? 0 : shape.reduce((product, n) => product * n, SAFETENSORS_BYTES[dtype]);
  return Number.isSafeInteger(bytes) ? bytes : "its shape is larger than any file";
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);

/** A value for a message: short, whatever a hostile header holds. */
function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? value.slice(0, 60) + "…" : value);
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

/**
 * The first key that stands twice in one object of `json`, which must be valid: `JSON.parse` keeps the last of them
 * without a word, so that two readers could see two different files.
 */
function duplicateKey(json: string): string | null {
  const open: Set<string>[] = [];
  for (let at = 0; at < json.length; at++) {
    const char = json[at];
    if (char === "{") open.push(new Set());
    else if (char === "}") open.pop();
    else if (char === '"') {
      const start = at++;
      while (json[at] !== '"') at += json[at] === "\\" ? 2 : 1;
      let next = at + 1;
      while (" \t\r\n".includes(json[next] ?? "end")) next++;
      if (json[next] !== ":") continue;
      const key: string = JSON.parse(json.slice(start, at + 1)), keys = open.at(-1)!;
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return null;
}
