// Scores and predictions as the command line shows and writes them: figures of a metric, several runs in short, the file
// that GLUE takes.

import type { Prediction } from "../tasks/predict.ts";
import type { MetricName, Score } from "../tasks/score.ts";
import type { Summary } from "../tasks/statistics.ts";
import type { Task } from "../tasks/task.ts";
import { disk } from "./io.ts";

/** What a metric is called in running text. */
export const titles: Readonly<Record<MetricName, string>> = {
  accuracy: "accuracy",
  f1: "F1",
  matthews: "Matthews",
  pearson: "Pearson",
  spearman: "Spearman",
};

/** One figure of a metric: shares in percent, correlations as they are. */
export const showMetric = (name: MetricName, value: number): string =>
  name === "accuracy" || name === "f1" ? `${(100 * value).toFixed(1)} %` : value.toFixed(3);

/** All figures of a score, in the task's order: `accuracy 81.0 %, F1 80.2 %`. */
export const showScore = ({ metrics }: Task, score: Score): string =>
  metrics.map((name) => `${titles[name]} ${showMetric(name, score[name]!)}`).join(", ");

/** Several runs in short: `accuracy median 81.0 %, mean 80.9 %, range 80.1 % to 81.5 %`. */
export function showSummary(name: MetricName, { median, mean, least, most }: Summary): string {
  const [a, b, c, d] = [median, mean, least, most].map((value) => showMetric(name, value));
  return `${titles[name]} median ${a}, mean ${b}, range ${c} to ${d}`;
}

/** What is predicted, in the terms of the data: a label, a score with three decimals, the number of an answer from 0. */
export function answerOf({ head }: Task, labels: readonly string[], { predicted }: Prediction): string {
  if (head === "classes") return labels[predicted];
  return head === "answers" ? `${predicted}` : (Number(labels[0]) + predicted).toFixed(3);
}

/** Writes predictions as GLUE takes them: a header, then the number of each example from 0, a tab, what is predicted. */
export async function writePredictions(path: string, answers: readonly string[]): Promise<void> {
  const lines = ["index\tprediction", ...answers.map((answer, i) => `${i}\t${answer}`)];
  await disk.write(path, [new TextEncoder().encode(`${lines.join("\n")}\n`)]);
}
