// What is said about scores: the median, mean and range of several runs, the average over tasks, and how far a score on so
// many examples may be off. The scores themselves are metrics.ts and correlation.ts.

import { Random } from "../core/random.ts";

/** Several scores in short. */
export interface Summary {
  /** The middle one, or the mean of the two in the middle. */
  readonly median: number;
  /** Their average. */
  readonly mean: number;
  /** The smallest. */
  readonly least: number;
  /** The largest. */
  readonly most: number;
}

/**
 * Median, mean and range.
 *
 * @throws {RangeError} without a score.
 */
export function summary(scores: readonly number[]): Summary {
  const sorted = scores.toSorted((a, b) => a - b), n = sorted.length;
  if (n === 0) throw new RangeError("Cannot summarise no scores: give at least one");
  return {
    median: (sorted[(n - 1) >> 1] + sorted[n >> 1]) / 2,
    mean: sorted.reduce((a, b) => a + b) / n,
    least: sorted[0],
    most: sorted[n - 1],
  };
}

/**
 * The average over tasks as GLUE takes it: a task with several metrics counts once, with their mean.
 *
 * @throws {RangeError} without a task, or for a task without a score.
 *
 * @example
 * ```ts
 * import { macroAverage } from "@foreword/foreword";
 * import { assertAlmostEquals } from "@std/assert";
 * assertAlmostEquals(macroAverage([[0.5], [0.8, 0.6]]), 0.6);
 * ```
 */
export function macroAverage(tasks: readonly (readonly number[])[]): number {
  return summary(tasks.map((scores) => summary(scores).mean)).mean;
}

/** A range in which a score would lie again with the given confidence. */
export interface Interval {
  /** Its lower end. */
  readonly low: number;
  /** Its upper end. */
  readonly high: number;
}

/**
 * A percentile bootstrap interval of a score on examples 0 to n-1: the score of `resamples` draws of n examples with
 * replacement.
 *
 * @param score The score of the examples with these numbers, some of them more than once.
 * @throws {RangeError} without examples or resamples, or for a confidence outside of (0, 1).
 */
export function bootstrap(
  n: number,
  score: (examples: Int32Array) => number,
  { resamples = 1000, confidence = 0.95, seed }: { resamples?: number; confidence?: number; seed: number },
): Interval {
  if (!(n >= 1 && resamples >= 1 && confidence > 0 && confidence < 1)) {
    throw new RangeError(
      `Cannot resample ${n} examples ${resamples} times for a confidence of ${confidence}: both counts must be at ` +
        `least 1, the confidence between 0 and 1`,
    );
  }
  const random = new Random(seed, "bootstrap");
  const scores = Float64Array.from(
    { length: resamples },
    () => score(Int32Array.from({ length: n }, () => random.below(n))),
  ).sort();
  const at = (share: number) =>
    scores[Math.min(resamples - 1, Math.max(0, Math.round(share * (resamples - 1))))];
  return { low: at((1 - confidence) / 2), high: at((1 + confidence) / 2) };
}
