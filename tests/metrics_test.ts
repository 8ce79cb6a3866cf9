// Metrics of classification against values worked out by hand, and against their textbook definitions computed another way.

import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { Random } from "../src/core/random.ts";
import { accuracy, confusion, f1, macroF1, matthews } from "../src/tasks/metrics.ts";

// Eight ill, four well: 6 found, 2 missed, 1 false alarm, 3 rightly left alone.
const ill = [1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0], found = [1, 1, 1, 1, 1, 1, 0, 0, 1, 0, 0, 0];
// Three classes: rows of the confusion matrix are (2,0,1), (1,1,0), (0,1,2).
const truth = [0, 0, 0, 1, 1, 2, 2, 2], guess = [0, 0, 2, 0, 1, 1, 2, 2];

Deno.test("two classes, by hand", () => {
  assertEquals(confusion(ill, found, 2), [[3, 1], [2, 6]]);
  assertAlmostEquals(accuracy(ill, found), 9 / 12, 1e-15);
  assertAlmostEquals(f1(ill, found, 1), 12 / 15, 1e-15); // 2·6 / (2·6 + 1 + 2)
  assertAlmostEquals(f1(ill, found, 0), 6 / 9, 1e-15);
  assertAlmostEquals(macroF1(ill, found, 2), (0.8 + 2 / 3) / 2, 1e-15);
  assertAlmostEquals(matthews(ill, found, 2), (6 * 3 - 1 * 2) / Math.sqrt(7 * 8 * 4 * 5), 1e-15); // 0.478
  assertAlmostEquals(matthews([1, 1, 1, 0], [1, 0, 1, 1], 2), -1 / 3, 1e-15);
});

Deno.test("three classes, by hand", () => {
  assertEquals(confusion(truth, guess, 3), [[2, 0, 1], [1, 1, 0], [0, 1, 2]]);
  assertAlmostEquals(accuracy(truth, guess), 5 / 8, 1e-15);
  assertAlmostEquals(macroF1(truth, guess, 3), (4 / 6 + 2 / 4 + 4 / 6) / 3, 1e-15);
  // (5·8 - (3·3 + 2·2 + 3·3)) / sqrt((64 - 22)(64 - 22))
  assertAlmostEquals(matthews(truth, guess, 3), 18 / 42, 1e-15);
});

// Correlation of one-hot vectors, as R_K is defined.
function correlation(a: readonly number[], b: readonly number[], classes: number): number {
  const share = (x: readonly number[], c: number) => x.filter((value) => value === c).length / x.length;
  const covariance = (x: readonly number[], y: readonly number[]) =>
    Array.from({ length: classes }, (_, c) =>
      x.reduce((sum, _, i) => {
        return sum + (Number(x[i] === c) - share(x, c)) * (Number(y[i] === c) - share(y, c));
      }, 0)).reduce((p, q) => p + q);
  return covariance(a, b) / Math.sqrt(covariance(a, a) * covariance(b, b));
}

Deno.test("Matthews correlation is the correlation of one-hot vectors", () => {
  const random = new Random(1, "metrics");
  for (const classes of [2, 3, 5]) {
    const labels = Array.from({ length: 60 }, () => random.below(classes));
    const guesses = labels.map((label) => random.next() < 0.5 ? label : random.below(classes));
    assertAlmostEquals(matthews(labels, guesses, classes), correlation(labels, guesses, classes), 1e-12);
  }
});

Deno.test("perfect, reversed and constant predictions", () => {
  assertEquals([accuracy(truth, truth), macroF1(truth, truth, 3), matthews(truth, truth, 3)], [1, 1, 1]);
  assertEquals(matthews(ill, ill.map((label) => 1 - label), 2), -1);
  assertEquals([matthews(ill, ill.map(() => 1), 2), f1(ill, ill.map(() => 0), 1)], [0, 0]);
  assertEquals(f1([0, 0], [0, 0], 1), 0);
});

Deno.test("scores of nothing and of lists that differ are refused", () => {
  for (
    const score of [
      accuracy,
      (a: number[], b: number[]) => f1(a, b, 1),
      (a: number[], b: number[]) => matthews(a, b, 2),
    ]
  ) {
    assertThrows(() => score([], []), RangeError, "no examples");
    assertThrows(() => score([1, 0], [1]), RangeError, "2 labels with 1 predictions");
  }
});
