// The .npy file format, of which GPT-1's weights were published: a magic string, a version, the length of a header, the
// header as a Python dict (`descr`, `fortran_order`, `shape`), then the numbers in row-major order. Follows NumPy's
// description of the format (numpy.lib.format). Float arrays only; what they mean is not known here.

import type { Storage } from "../core/storage.ts";
import type { ByteParts } from "./safetensors.ts";

/** Where the numbers of an .npy file lie: bytes `[start, end)`. */
export interface NpyEntry {
  /** Type of its elements, as safetensors calls it. */
  readonly dtype: "F32" | "F16";
  /** Sizes, outermost first; `[]` for a scalar. */
  readonly shape: readonly number[];
  /** Position of the first number in the file. */
  readonly start: number;
  /** Position after the last one; the end of the file. */
  readonly end: number;
}

const MAGIC = [0x93, ...new TextEncoder().encode("NUMPY")];
const DTYPES = { "<f4": "F32", "<f2": "F16" } as const, BYTES = { F32: 4, F16: 2 } as const;
/** NumPy itself reads no longer ones unless told to; a header of numbers has about a hundred bytes. */
const LARGEST_HEADER = 10_000;
const COPY = "copy or download it again", FLOATS = "save it as float32 in C order";

/**
 * A float32 array as a file, for `Storage.write`. `data` are its bytes in row-major order, little-endian.
 *
 * @throws {RangeError} for a shape that is no list of sizes, and while streaming if the data has another size.
 *
 * @example
 * ```ts
 * import { memoryStorage, npy, openNpy } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const storage = memoryStorage();
 * await storage.write("x.npy", npy([2, 3], new Uint8Array(new Float32Array(6).buffer)));
 * assertEquals(await openNpy(storage, "x.npy"), { dtype: "F32", shape: [2, 3], start: 128, end: 152 });
 * ```
 */
export async function* npy(shape: readonly number[], data: ByteParts): AsyncGenerator<Uint8Array> {
  const wanted = bytesOf("F32", shape);
  if (wanted === null) {
    throw new RangeError(`Cannot write an array of shape (${shape}): it is no list of sizes`);
  }
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${tuple}), }`;
  const length = Math.ceil((header.length + 11) / 64) * 64 - 10; // so that the numbers are aligned
  yield Uint8Array.of(...MAGIC, 1, 0, length & 255, length >> 8);
  yield new TextEncoder().encode(`${header.padEnd(length - 1)}\n`);
  let bytes = 0;
  for await (const part of data instanceof Uint8Array ? [data] : data) {
    bytes += part.length;
    yield part;
  }
  if (bytes !== wanted) {
    throw new RangeError(`Cannot write an array of shape (${shape}): it takes ${wanted} bytes, not ${bytes}`);
  }
}

/**
 * Reads the header of an .npy file and checks it against the file's size. Rejects with `SyntaxError` that names the
 * file, what is wrong with it and what to do, `NotFound` if there is no file.
 */
export async function openNpy(storage: Storage, path: string): Promise<NpyEntry> {
  const fail = (what: string, remedy: string): never => {
    throw new SyntaxError(`Cannot read ${storage.describe(path)} as .npy: ${what}; ${remedy}`);
  };
  const size = (await storage.stat(path))?.bytes ?? 0;
  const head = await storage.readRange(path, 0, Math.min(size, 12)); // Rejects if there is no file, or a folder.
  if (head.length < 10 || MAGIC.some((byte, i) => head[i] !== byte)) {
    fail("it does not begin as such a file does", "check that it is this format");
  }
  const [major, minor] = head.subarray(6), wide = major > 1, first = wide ? 12 : 10;
  if (![1, 2, 3].includes(major) || minor !== 0 || head.length < first) {
    fail(`its format version is ${major}.${minor}, not 1.0 to 3.0`, COPY);
  }
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true), start = first + length;
  if (length > LARGEST_HEADER) fail(`it claims a header of ${length} bytes`, COPY);
  if (start > size) fail(`it claims a header of ${length} bytes but ends after ${size}`, COPY);
  const header = parseHeader(new TextDecoder().decode(await storage.readRange(path, first, start)));
  if (header === null) return fail("its header is not a dict of descr, fortran_order and shape", COPY);
  const { descr, fortran, shape } = header;
  if (!Object.hasOwn(DTYPES, descr)) return fail(`its dtype is ${descr}, not ${Object.keys(DTYPES)}`, FLOATS);
  const dtype = DTYPES[descr as keyof typeof DTYPES], bytes = bytesOf(dtype, shape);
  if (fortran && shape.length > 1) fail("it is in Fortran order", FLOATS);
  if (bytes === null) return fail(`its shape (${shape}) is larger than any file`, COPY);
  if (start + bytes !== size) {
    fail(`its shape (${shape}) takes ${bytes} bytes, but ${size - start} follow the header`, COPY);
  }
  return { dtype, shape, start, end: size };
}

interface Header {
  readonly descr: string;
  readonly fortran: boolean;
  readonly shape: readonly number[];
}

const FIELD =
  /\s*'(descr|fortran_order|shape)'\s*:\s*(?:'([^'\\]{1,16})'|(True|False)|\(([\d\s,L]*)\))\s*(,|$)/y;
/** (), (3,), (3, 4) or (3, 4,); Python 2 wrote long integers as 3L. */
const SIZES = /^\s*(?:\d{1,16}L?\s*,\s*(?:\d{1,16}L?\s*(?:,\s*\d{1,16}L?\s*)*,?\s*)?)?$/;

// What numpy.save writes, as a pattern: nothing is evaluated.
function parseHeader(text: string): Header | null {
  const body = /^\{([^{}]*)\}[\s\0]*$/.exec(text)?.[1].trimEnd();
  if (body === undefined) return null;
  const fields = new Map<string, string | boolean | number[]>();
  for (FIELD.lastIndex = 0; FIELD.lastIndex < body.length;) {
    const match = FIELD.exec(body);
    if (!match || fields.has(match[1])) return null;
    const [, name, quoted, truth, sizes] = match;
    if (sizes !== undefined && !SIZES.test(sizes)) return null;
    const value = quoted ?? (truth ? truth === "True" : (sizes.match(/\d+/g) ?? []).map(Number));
    fields.set(name, value);
  }
  const descr = fields.get("descr"), fortran = fields.get("fortran_order"), shape = fields.get("shape");
  if (typeof descr !== "string" || typeof fortran !== "boolean" || !Array.isArray(shape)) return null;
  return { descr, fortran, shape };
}

function bytesOf(dtype: keyof typeof BYTES, shape: readonly number[]): number | null {
  if (!shape.every((n) => Number.isSafeInteger(n) && n >= 0)) return null;
  const bytes = shape.includes(0) ? 0 : shape.reduce((product, n) => product * n, BYTES[dtype]);
  return Number.isSafeInteger(bytes) ? bytes : null;
}
