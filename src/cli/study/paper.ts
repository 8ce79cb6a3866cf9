// What the paper reports of its own experiments, to lay measured figures beside: table 5 (ablations), figure 2 (layers
// transferred and zero-shot, read off the plot) and the best results of others that it names in tables 2 to 4. Source:
// Radford, Narasimhan, Salimans, Sutskever, "Improving Language Understanding by Generative Pre-Training" (2018).

import type { ArmName } from "./arms.ts";

/** The tasks of table 5, in its order; CoLA is Matthews correlation, MRPC and QQP are F1, STSB is Pearson correlation. */
export const paperTasks = ["CoLA", "SST2", "MRPC", "STSB", "QQP", "MNLI", "QNLI", "RTE"] as const;

/** A column of table 5. */
export type PaperTask = (typeof paperTasks)[number];

const row = (...scores: readonly number[]): Record<PaperTask, number> =>
  Object.fromEntries(paperTasks.map((task, i) => [task, scores[i]])) as Record<PaperTask, number>;

/** Table 5, in points; its averages are 74.7, 59.9, 75.0 and 69.1. */
export const table5: Readonly<Record<ArmName, Readonly<Record<PaperTask, number>>>> = {
  "full": row(45.4, 91.3, 82.3, 82.0, 70.3, 81.8, 88.1, 56.0),
  "no-pretraining": row(18.9, 84.0, 79.4, 30.9, 65.5, 75.7, 71.2, 53.8),
  "no-aux": row(47.9, 92.0, 84.9, 83.2, 69.8, 81.1, 86.9, 54.4),
  "lstm": row(30.3, 90.5, 83.2, 71.8, 68.1, 73.7, 81.1, 54.6),
};

/** Figure 2, left: accuracy on dev with the embeddings alone and with all 12 blocks, in points, to about one. */
export const figure2Left = { MultiNLI: { none: 72, all: 82 }, RACE: { none: 40, all: 60 } } as const;

/** Figure 2, right: where the Transformer's curves end, between random guess (0) and the best then (1), to about 0.05. */
export const figure2Right: Readonly<Record<string, number>> = {
  "sentiment analysis": 0.68,
  "Winograd schema resolution": 0.55,
  "linguistic acceptability": 0.43,
  "question answering": 0.25,
};

/** The best earlier result that the paper names for a data set, in the metric it is scored by; shares and correlations. */
export const stateOfTheArt: Readonly<Record<string, number>> = {
  "glue/cola": 0.35,
  "glue/sst-2": 0.932,
  "glue/mrpc": 0.86,
  "glue/sts-b": 0.81,
  "glue/qqp": 0.661,
  "glue/mnli": 0.806,
  "glue/mnli-mm": 0.801,
  "glue/qnli": 0.823,
  "glue/rte": 0.617,
  "snli": 0.893,
  "scitail": 0.833,
  "race": 0.533,
  "race/middle": 0.602,
  "race/high": 0.503,
  "story-cloze": 0.776,
};

const plain = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, "");

/** The column of table 5 that a data set or a name means: `glue/sst-2`, `SST-2` or `sst2`; `null` if none. */
export function paperTaskOf(name: string): PaperTask | null {
  const asked = plain(name.replace(/^glue\//i, ""));
  return paperTasks.find((task) => plain(task) === asked) ?? null;
}
