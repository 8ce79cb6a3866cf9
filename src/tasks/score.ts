// From predictions to the figures a task reports, and the baseline they have to beat. The metrics themselves, on plain
// numbers, are metrics.ts and correlation.ts.

import type { LabelledExample } from "../models/gpt1_feeds.ts";
import { pearson, spearman } from "./correlation.ts";
import { accuracy, f1, macroF1, matthews } from "./metrics.ts";
import type { Prediction } from "./predict.ts";
import { bootstrap, type Interval } from "./statistics.ts";
import type { Task } from "./task.ts";

/** A figure from labels, predictions and the number of classes. */
export type Metric = (truth: ArrayLike<number>, predicted: ArrayLike<number>, classes: number) => number;

/** The name of a metric. */
export type MetricName = "accuracy" | "f1" | "matthews" | "pearson" | "spearman";

/**
 * The metrics by name, from labels, predictions and the number of classes. F1 is that of the second label for two classes
 * (the usual positive one), else the mean over classes.
 */
export const metrics: Readonly<Record<MetricName, Metric>> = {
  accuracy,
  f1: (truth, predicted, classes) =>
    classes === 2 ? f1(truth, predicted, 1) : macroF1(truth, predicted, classes),
  matthews,
  pearson,
  spearman,
};

/** How many examples were scored, and each metric of the task. */
export type Score = { readonly examples: number } & Readonly<Partial<Record<MetricName, number>>>;

/** The scores of predictions; `classes` is how many labels there are. Throws `RangeError` for an unlabelled example. */
export function scoreOf(
  task: Task,
  examples: readonly LabelledExample[],
  predictions: readonly Prediction[],
  classes: number,
): Score {
  const truth = truthOf(examples), guess = predictions.map(({ predicted }) => predicted);
  const values = task.metrics.map((name) => [name, metrics[name](truth, guess, classes)]);
  return { examples: truth.length, ...Object.fromEntries(values) };
}

/** Where each metric would lie on other examples of the same kind, with 95 % confidence, by resampling these. */
export function intervalsOf(
  task: Task,
  examples: readonly LabelledExample[],
  predictions: readonly Prediction[],
  classes: number,
  options: { readonly seed: number; readonly resamples?: number; readonly confidence?: number },
): Partial<Record<MetricName, Interval>> {
  const truth = truthOf(examples), guess = predictions.map(({ predicted }) => predicted);
  return Object.fromEntries(task.metrics.map((name) => [
    name,
    bootstrap(truth.length, (chosen) => {
      return metrics[name](Array.from(chosen, (i) => truth[i]), Array.from(chosen, (i) => guess[i]), classes);
    }, options),
  ]));
}

/** How often the most frequent label of the training set is right on other data. */
export function majorityAccuracy(
  train: readonly LabelledExample[],
  test: readonly LabelledExample[],
): number {
  const counts = new Map<number, number>();
  for (const { label } of train) counts.set(label, (counts.get(label) ?? 0) + 1);
  const [most] = [...counts].reduce((best, entry) => entry[1] > best[1] ? entry : best);
  return test.filter(({ label }) => label === most).length / test.length;
}

/**
 * What always saying the same comes to on other data: the answer that does best on the training set. 0 for correlations,
 * the share of the most frequent label for accuracy.
 *
 * @param classes How many classes or answers there are; on a scale the points.
 */
export function constantScore(
  metric: MetricName,
  train: readonly LabelledExample[],
  test: readonly LabelledExample[],
  classes: number,
): number {
  const score = (examples: readonly LabelledExample[], answer: number) =>
    metrics[metric](truthOf(examples), new Array<number>(examples.length).fill(answer), classes);
  if (metric !== "accuracy" && metric !== "f1") return 0;
  const tried = Array.from({ length: classes }, (_, answer) => score(train, answer));
  return score(test, tried.indexOf(tried.reduce((a, b) => Math.max(a, b))));
}

function truthOf(examples: readonly LabelledExample[]): number[] {
  return examples.map(({ label }, i) => {
    if (label < 0) {
      throw new RangeError(`Cannot score predictions: example ${i + 1} has no label to compare with`);
    }
    return label;
  });
}
