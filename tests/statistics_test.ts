// Correlations, summaries and intervals against figures worked out by hand.

import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { Random } from "../src/core/random.ts";
import { pearson, ranks, spearman } from "../src/tasks/correlation.ts";
import { bootstrap, macroAverage, summary } from "../src/tasks/statistics.ts";

Deno.test("Pearson by hand", () => {
  // Deviations (-2 0 2) and (-1 2 -1): they do not go together. (1 2 4) has deviations (-4 -1 5)/3.
  assertEquals(pearson([1, 3, 5], [1, 4, 1]), 0);
  assertAlmostEquals(pearson([1, 2, 3], [1, 2, 4]), (4 / 3 + 5 / 3) / Math.sqrt(2 * 42 / 9), 1e-15);
  assertAlmostEquals(pearson([1, 2, 3], [-2, -4, -6]), -1, 1e-15);
  assertEquals([pearson([1, 1], [1, 2]), pearson([1, 2], [7, 7])], [0, 0], "no variance");
  // Large offsets do not spoil it.
  assertAlmostEquals(pearson([1e8 + 1, 1e8 + 2, 1e8 + 3], [1, 2, 4]), pearson([1, 2, 3], [1, 2, 4]), 1e-12);
});

Deno.test("ranks of equal values are the mean of theirs", () => {
  assertEquals([...ranks([10, 30, 20, 30, 30])], [1, 4, 2, 4, 4]);
  assertEquals([...ranks([5, 5])], [1.5, 1.5]);
  assertEquals([...ranks([-1, -3, 2])], [2, 1, 3]);
});

Deno.test("Spearman by hand, with and without ties", () => {
  // Without ties 1 - 6 Σd²/(n(n²-1)): ranks (1 2 3 4 5) and (2 1 4 3 5), Σd² = 4.
  assertAlmostEquals(spearman([1, 2, 3, 4, 5], [20, 10, 40, 30, 1000]), 1 - 6 * 4 / (5 * 24), 1e-15);
  // Ranks (1 2.5 2.5 4) and (1 2 3 4): covariance 4.5, variances 4.5 and 5.
  assertAlmostEquals(spearman([1, 2, 2, 3], [1, 2, 3, 4]), 4.5 / Math.sqrt(4.5 * 5), 1e-15);
  assertAlmostEquals(spearman([1, 2, 3, 4], [1, 8, 27, 64]), 1, 1e-15);
});

Deno.test("correlations of nothing and of lists that differ are refused", () => {
  for (const f of [pearson, spearman]) {
    assertThrows(() => f([], []), RangeError, "at least one");
    assertThrows(() => f([1, 2], [1]), RangeError, "2 numbers with 1");
  }
});

Deno.test("median, mean and range; an average over tasks", () => {
  assertEquals(summary([3, 1, 8]), { median: 3, mean: 4, least: 1, most: 8 });
  assertEquals(summary([4, 1, 2, 9]), { median: 3, mean: 4, least: 1, most: 9 });
  assertThrows(() => summary([]), RangeError, "no scores");
  // The paper's row without auxiliary language modelling: 47.9 92.0 84.9 83.2 69.8 81.1 86.9 54.4.
  const row = [47.9, 92.0, 84.9, 83.2, 69.8, 81.1, 86.9, 54.4].map((score) => [score]);
  assertAlmostEquals(macroAverage(row), 75.025, 1e-12);
  assertAlmostEquals(macroAverage([[1], [0.2, 0.6]]), 0.7, 1e-15);
  assertThrows(() => macroAverage([[1], []]), RangeError, "no scores");
});

Deno.test("a bootstrap interval covers what it should", () => {
  const random = new Random(1, "data"),
    right = Array.from({ length: 400 }, () => Number(random.next() < 0.8));
  const mean = (chosen: Int32Array) => chosen.reduce((sum, i) => sum + right[i], 0) / chosen.length;
  const all = mean(Int32Array.from(right, (_, i) => i));
  const { low, high } = bootstrap(400, mean, { seed: 1, resamples: 2000 });
  // The normal approximation: 1.96 standard errors on both sides.
  const error = 1.96 * Math.sqrt(all * (1 - all) / 400);
  assertAlmostEquals(low, all - error, 0.008);
  assertAlmostEquals(high, all + error, 0.008);
  assertEquals(
    bootstrap(400, mean, { seed: 1, resamples: 50 }),
    bootstrap(400, mean, { seed: 1, resamples: 50 }),
  );
  const narrow = bootstrap(400, mean, { seed: 1, resamples: 2000, confidence: 0.5 });
  assert(narrow.low > low && narrow.high < high);
  assertEquals(bootstrap(3, () => 0.5, { seed: 1 }), { low: 0.5, high: 0.5 });
  assertThrows(() => bootstrap(0, mean, { seed: 1 }), RangeError, "0 examples");
});
