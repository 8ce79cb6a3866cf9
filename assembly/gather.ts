// One row of each sequence: what a classifier head reads from a transformer; and neighbouring rows of a matrix put in or
// taken out. Token embeddings are in embedding.ts.

import { loadPartial, storePartial } from "./simd";

/** y[e] = sum of x[b, index[b]] over the `sum` sequences b of group e. x (B,T,C), index (B) i32, y (B/sum,C). Rows: B/sum. */
export function selectRows(
  x: usize, index: usize, y: usize,
  B: i32, T: i32, C: i32, sum: i32,
  pass: i32, begin: i32, end: i32,
): void {
  const bytes = <usize>C << 2;
  for (let e = begin; e < end; e++) {
    const to = y + <usize>e * bytes;
    for (let b = e * sum; b < (e + 1) * sum; b++) {
      const row = <usize>b * <usize>T + <usize>load<i32>(index + (<usize>b << 2)), from = x + row * bytes;
      if (b == e * sum) memory.copy(to, from, bytes);
      else addRow(from, to, C);
    }
  }
}

/** to += from over C numbers. */
function addRow(from: usize, to: usize, C: i32): void {
  for (let c = 0; c < C; c += 4) {
    const at = <usize>c << 2, rest = C - c;
    storePartial(to + at, f32x4.add(loadPartial(to + at, rest), loadPartial(from + at, rest)), rest);
  }
}

/** dx[b, index[b]] += d[b / sum]. d (B/sum,C), index (B) i32, dx (B,T,C). Rows: B. */
export function selectRowsGradInto(
  d: usize, index: usize, dx: usize,
  B: i32, T: i32, C: i32, sum: i32,
  pass: i32, begin: i32, end: i32,
): void {
  const bytes = <usize>C << 2;
  for (let b = begin; b < end; b++) {
    const row = <usize>b * <usize>T + <usize>load<i32>(index + (<usize>b << 2));
    addRow(d + <usize>(b / sum) * bytes, dx + row * bytes, C);
  }
}

/** y = x with `count` rows from `first` on replaced by `rows`. x, y (R,C), rows (count,C); y may be x. Rows: R. */
export function placeRows(
  x: usize, rows: usize, y: usize,
  R: i32, C: i32, first: i32, count: i32,
  pass: i32, begin: i32, end: i32,
): void {
  const from = min(max(first, begin), end), to = min(max(first + count, begin), end);
  if (x != y) {
    copyRows(x, y, begin, from, C);
    copyRows(x, y, to, end, C);
  }
  copyRows(rows - <usize>first * (<usize>C << 2), y, from, to, C);
}

/** y = `count` rows of x from `first` on. y (count,C). Rows: count. */
export function takeRows(
  x: usize, y: usize,
  count: i32, C: i32, first: i32,
  pass: i32, begin: i32, end: i32,
): void {
  copyRows(x + <usize>first * (<usize>C << 2), y, begin, end, C);
}

/** Rows [begin, end) of y are those of x, both (…,C). */
function copyRows(x: usize, y: usize, begin: i32, end: i32, C: i32): void {
  const at = <usize>begin * <usize>C << 2;
  if (begin < end) memory.copy(y + at, x + at, <usize>(end - begin) * <usize>C << 2);
}
