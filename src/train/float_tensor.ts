// Tensors of numbers in files, read as float32 a range at a time, so that converting weights takes the memory of a piece
// and not of a model. Half-precision files are widened, which is exact. What the tensors are called and what they are
// for is said in published.ts and by the models.

import { sizeOf } from "../core/shape.ts";
import type { Storage } from "../core/storage.ts";
import { openSafetensors, SAFETENSORS_BYTES } from "./safetensors.ts";

/** Numbers that are somewhere else. */
export interface FloatTensor {
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** Elements `[begin, end)` in row-major order. */
  read(begin: number, end: number): Promise<Float32Array<ArrayBuffer>>;
}

/** Element types that are read as float32. */
export type FloatDtype = "F32" | "F16" | "BF16";

/** Elements that are in memory at a time: 4 MiB. */
const PIECE = 2 ** 20;

/** A tensor whose elements begin at byte `start` of a file. */
export function floatTensor(
  storage: Storage,
  path: string,
  { dtype, shape, start }: { dtype: FloatDtype; shape: readonly number[]; start: number },
): FloatTensor {
  const size = SAFETENSORS_BYTES[dtype];
  return {
    shape,
    async read(begin, end) {
      const bytes = await storage.readRange(path, start + begin * size, start + end * size);
      const { buffer, byteOffset } = bytes as Uint8Array<ArrayBuffer>;
      if (dtype === "F32") return new Float32Array(buffer, byteOffset, end - begin);
      return widen(new Uint16Array(buffer, byteOffset, end - begin), dtype);
    },
  };
}

/**
 * All tensors of a safetensors file by name. Rejects with `SyntaxError` for a bad file and for a tensor of another type
 * than float32, float16 or bfloat16; `skip` names tensors that are left out.
 */
export async function safetensorFloats(
  storage: Storage,
  path: string,
  skip: (name: string) => boolean = () => false,
): Promise<Map<string, FloatTensor>> {
  const { tensors } = await openSafetensors(storage, path), found = new Map<string, FloatTensor>();
  for (const [name, { dtype, shape, start }] of tensors) {
    if (skip(name)) continue;
    if (dtype !== "F32" && dtype !== "F16" && dtype !== "BF16") {
      throw new SyntaxError(
        `Cannot use tensor ${JSON.stringify(name.slice(0, 60))} of ${
          storage.describe(path)
        }: it is ${dtype}, ` +
          "not F32, F16 or BF16; convert the file to float32",
      );
    }
    found.set(name, floatTensor(storage, path, { dtype, shape, start }));
  }
  return found;
}

/** The elements of several tensors behind each other, as one flat tensor. */
export function concatenated(parts: readonly FloatTensor[]): FloatTensor {
  const sizes = parts.map(({ shape }) => sizeOf(shape));
  return {
    shape: [sizes.reduce((sum, n) => sum + n, 0)],
    async read(begin, end) {
      const out = new Float32Array(end - begin);
      let first = 0;
      for (const [i, part] of parts.entries()) {
        const from = Math.max(begin, first), to = Math.min(end, first + sizes[i]);
        if (from < to) out.set(await part.read(from - first, to - first), from - begin);
        first += sizes[i];
      }
      return out;
    },
  };
}

/** Part of a flat tensor, from element `first` on, under a shape of its own. */
export const viewOf = (tensor: FloatTensor, first: number, shape: readonly number[]): FloatTensor => ({
  shape,
  read: (begin, end) => tensor.read(first + begin, first + end),
});

/** Elements `[begin, end)` as little-endian float32 bytes, 4 MiB at a time. */
export async function* floatBytes(
  tensor: FloatTensor,
  begin = 0,
  end: number = sizeOf(tensor.shape),
): AsyncGenerator<Uint8Array> {
  for (let at = begin; at < end; at += PIECE) {
    const { buffer, byteOffset, byteLength } = await tensor.read(at, Math.min(end, at + PIECE));
    yield new Uint8Array(buffer, byteOffset, byteLength);
  }
}

/** Whether two tensors hold the same bits. */
export async function sameFloats(a: FloatTensor, b: FloatTensor): Promise<boolean> {
  const size = sizeOf(a.shape);
  if (a.shape.join() !== b.shape.join()) return false;
  for (let at = 0; at < size; at += PIECE) {
    const end = Math.min(size, at + PIECE);
    const [x, y] = (await Promise.all([a.read(at, end), b.read(at, end)])).map((values) =>
      new Int32Array(values.buffer, values.byteOffset, values.length)
    );
    if (x.some((bits, i) => bits !== y[i])) return false;
  }
  return true;
}

/** Float16 or bfloat16, as bits, to float32; every number, infinity and NaN has its own. */
export function widen(halves: Uint16Array, dtype: "F16" | "BF16"): Float32Array<ArrayBuffer> {
  if (dtype === "BF16") return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
  return Float32Array.from(halves, (half) => {
    const sign = half >> 15 ? -1 : 1, exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}
