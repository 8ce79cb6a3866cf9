// Elementwise kernels over flat f32 arrays: add, copy, fill, scale, and a dot product. Row r is the block of elements
// [1024 r, min(n, 1024 r + 1024)), owned by one thread; every result is written with `=`. Products of matrices are in
// matmul.ts, activation functions in activation.ts.

import { blockStart, dot64 } from "./flat";
import { loadPartial, storePartial } from "./simd";

/** y = a + b. Rows: blocks of 1024; y may be a or b. */
export function add(a: usize, b: usize, y: usize, n: i32, pass: i32, begin: i32, end: i32): void {
  const stop = blockStart(end, n);
  let i = blockStart(begin, n);
  for (; i + 4 <= stop; i += 4) {
    const at = <usize>i << 2;
    v128.store(y + at, f32x4.add(v128.load(a + at), v128.load(b + at)));
  }
  if (i < stop) {
    const at = <usize>i << 2, rest = stop - i;
    storePartial(y + at, f32x4.add(loadPartial(a + at, rest), loadPartial(b + at, rest)), rest);
  }
}

/** y = x, as 4-byte words of any type. Rows: blocks of 1024. */
export function copy(x: usize, y: usize, n: i32, pass: i32, begin: i32, end: i32): void {
  const from = <usize>blockStart(begin, n) << 2, to = <usize>blockStart(end, n) << 2;
  if (from < to) memory.copy(y + from, x + from, to - from);
}

/** y = the 4-byte word `value`, everywhere. Rows: blocks of 1024. */
export function fill(y: usize, n: i32, value: i32, pass: i32, begin: i32, end: i32): void {
  const stop = blockStart(end, n), word = i32x4.splat(value);
  let i = blockStart(begin, n);
  for (; i + 4 <= stop; i += 4) v128.store(y + (<usize>i << 2), word);
  if (i < stop) storePartial(y + (<usize>i << 2), word, stop - i);
}

/** y = x * s[0]. Rows: blocks of 1024; y may be x. */
export function scaleBy(x: usize, s: usize, y: usize, n: i32, pass: i32, begin: i32, end: i32): void {
  const stop = blockStart(end, n), factor = v128.load32_splat(s);
  let i = blockStart(begin, n);
  for (; i + 4 <= stop; i += 4) {
    const at = <usize>i << 2;
    v128.store(y + at, f32x4.mul(v128.load(x + at), factor));
  }
  if (i < stop) {
    const at = <usize>i << 2;
    storePartial(y + at, f32x4.mul(loadPartial(x + at, stop - i), factor), stop - i);
  }
}

/** y[0] = sum of a[i] * b[i], accumulated in f64 in a fixed order. Rows: 1. */
export function dot(a: usize, b: usize, y: usize, n: i32, pass: i32, begin: i32, end: i32): void {
  if (begin < end) store<f32>(y, <f32>dot64(a, b, n));
}
