// Embedding lookup: a position's vector is the sum of K table rows (GPT-1: token and position, in one table). The
// gradient is shared out by columns, so that a row used twice is added to by one thread, in the order of positions.

import { loadPartial, storePartial } from "./simd";

/** y[i] = sum over k of table[ids[i,k]]. table (V,C), ids (n,K) i32, y (n,C). Rows: n. */
export function embedding(
  table: usize, ids: usize, y: usize,
  n: i32, K: i32, C: i32,
  pass: i32, begin: i32, end: i32,
): void {
  const bytes = <usize>C << 2;
  for (let i = begin; i < end; i++) {
    const to = y + <usize>i * bytes, id = ids + <usize>i * (<usize>K << 2);
    const first = table + <usize>load<u32>(id) * bytes;
    if (K == 1) memory.copy(to, first, bytes);
    for (let k = 1; k < K; k++) { // the second row is added to the first, others to what is there
      addRows(k == 1 ? first : to, table + <usize>load<u32>(id + (<usize>k << 2)) * bytes, to, C);
    }
  }
}

/** y = a + b for n floats; y may be a. */
// @ts-ignore: decorator
@inline
function addRows(a: usize, b: usize, y: usize, n: i32): void {
  for (; n >= 8; n -= 8, a += 32, b += 32, y += 32) {
    v128.store(y, f32x4.add(v128.load(a), v128.load(b)));
    v128.store(y, f32x4.add(v128.load(a, 16), v128.load(b, 16)), 16);
  }
  for (; n > 0; n -= 4, a += 16, b += 16, y += 16) {
    storePartial(y, f32x4.add(loadPartial(a, n), loadPartial(b, n)), n);
  }
}

/** dTable[ids[i,k]] += d[i], for i, then k, in order. d (n,C), ids (n,K) i32, dTable (V,C). Rows: blocks of 16 columns. */
export function embeddingGradInto(
  d: usize, ids: usize, dTable: usize,
  n: i32, K: i32, C: i32,
  pass: i32, begin: i32, end: i32,
): void {
  const bytes = <usize>C << 2;
  const first = begin << 4, width = min(end << 4, C) - first;
  if (width <= 0) return;
  for (let i = 0; i < n; i++) {
    const from = d + <usize>i * bytes + (<usize>first << 2);
    for (let k = 0; k < K; k++) {
      const id = load<u32>(ids + ((<usize>i * <usize>K + <usize>k) << 2));
      const to = dTable + <usize>id * bytes + (<usize>first << 2);
      addRows(to, from, to, width);
    }
  }
}
