// Correlation of two lists of numbers: Pearson of values, Spearman of ranks. Plain functions; metrics of classes are in
// metrics.ts, which of them a task reports is said in task.ts.

/**
 * Pearson's r in [-1, 1]; 0 where one list has no variance.
 *
 * @throws {RangeError} if the lists are empty or differ in length.
 *
 * @example
 * ```ts
 * import { pearson } from "@foreword/foreword";
 * import { assertAlmostEquals } from "@std/assert";
 * assertAlmostEquals(pearson([1, 2, 3], [2, 4, 6]), 1);
 * ```
 */
export function pearson(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length === 0 || a.length !== b.length) {
    throw new RangeError(
      `Cannot correlate ${a.length} numbers with ${b.length}: give as many, and at least one`,
    );
  }
  const meanA = mean(a), meanB = mean(b);
  let ab = 0, aa = 0, bb = 0;
  for (let i = 0; i < a.length; i++) {
    const x = a[i] - meanA, y = b[i] - meanB;
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa === 0 || bb === 0 ? 0 : Math.max(-1, Math.min(1, ab / Math.sqrt(aa * bb)));
}

/** Spearman's rho: Pearson's r of the ranks, ties sharing the mean of theirs. Errors as for `pearson`. */
export function spearman(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return pearson(ranks(a), ranks(b));
}

/** Ranks from 1; equal values share the mean of the ranks they take up. */
export function ranks(values: ArrayLike<number>): Float64Array {
  const order = Array.from(values, (_, i) => i).sort((i, j) => values[i] - values[j]);
  const result = new Float64Array(values.length);
  for (let from = 0, to = 0; from < order.length; from = to) {
    while (to < order.length && values[order[to]] === values[order[from]]) to++;
    for (let k = from; k < to; k++) result[order[k]] = (from + 1 + to) / 2;
  }
  return result;
}

function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum / values.length;
}
