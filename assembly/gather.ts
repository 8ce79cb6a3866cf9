// One row of each sequence: what a classifier head reads from a transformer. Token embeddings are in embedding.ts.

import { loadPartial, storePartial } from "./simd";

/** y[b] = x[b, index[b]]. x (B,T,C), index (B) i32, y (B,C). Rows: B. */
export function selectRows(
  x: usize, index: usize, y: usize,
  B: i32, T: i32, C: i32,
  pass: i32, begin: i32, end: i32,
): void {
  const bytes = <usize>C << 2;
  for (let b = begin; b < end; b++) {
    const row = <usize>b * <usize>T + <usize>load<i32>(index + (<usize>b << 2));
    memory.copy(y + <usize>b * bytes, x + row * bytes, bytes);
  }
}

/** dx[b, index[b]] += d[b]. d (B,C), index (B) i32, dx (B,T,C). Rows: B. */
export function selectRowsGradInto(
  d: usize, index: usize, dx: usize,
  B: i32, T: i32, C: i32,
  pass: i32, begin: i32, end: i32,
): void {
  const bytes = <usize>C << 2;
  for (let b = begin; b < end; b++) {
    const row = <usize>b * <usize>T + <usize>load<i32>(index + (<usize>b << 2));
    const from = d + <usize>b * bytes, to = dx + row * bytes;
    for (let c = 0; c < C; c += 4) {
      const at = <usize>c << 2, rest = C - c;
      storePartial(to + at, f32x4.add(loadPartial(to + at, rest), loadPartial(from + at, rest)), rest);
    }
  }
}
