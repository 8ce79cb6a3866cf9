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
    for (let c = 0; c < C; c += 4) {
      const at = <usize>c << 2, rest = C - c;
      let s = f32x4.splat(0);
      for (let k = 0; k < K; k++) {
        s = f32x4.add(s, loadPartial(table + <usize>load<u32>(id + (<usize>k << 2)) * bytes + at, rest));
      }
      storePartial(to + at, s, rest);
    }
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
      let c = 0;
      for (; c + 4 <= width; c += 4) {
        const at = <usize>c << 2;
        v128.store(to + at, f32x4.add(v128.load(to + at), v128.load(from + at)));
      }
      if (c < width) {
        const at = <usize>c << 2, rest = width - c;
        storePartial(to + at, f32x4.add(loadPartial(to + at, rest), loadPartial(from + at, rest)), rest);
      }
    }
  }
}
