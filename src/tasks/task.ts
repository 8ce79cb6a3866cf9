// What a supervised task is: the fields of its examples, how they become sequences, what the head predicts, which metrics
// count. A new task is one more entry of `tasks`; batching, loss, fine-tuning, prediction and the command line read it from
// here. How the head computes is in src/models/gpt1_plans.ts, where examples come from in src/tasks/readers.

import type { Gpt1Config } from "../models/gpt1.ts";
import type { LabelledExample } from "../models/gpt1_feeds.ts";
import type { ClassifierHead } from "../models/gpt1_plans.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import {
  answerSequences,
  bothOrders,
  type Frame,
  frameOf,
  pairSequence,
  singleSequence,
  type TextTokens,
} from "./inputs.ts";
import { rememberingLast } from "./remembering.ts";
import type { MetricName } from "./score.ts";
import type { ZeroShotName } from "./zero_shot.ts";

/** One example as it was read; tokenizing and cutting come later. */
export interface Example {
  /** Texts by field: `text`, or `premise` and `hypothesis`. */
  readonly texts: Readonly<Record<string, string>>;
  /** The answers to choose from, for a task that has them. */
  readonly answers?: readonly string[];
  /** A class by name, the number of an answer from 0, or a score; `null` where it is to be predicted. */
  readonly label: string | null;
  /** File and line, for messages. */
  readonly where?: string;
}

/** An example's texts as tokens; a missing optional field is empty. */
export interface EncodedExample {
  /** The tokens of a field. */
  readonly texts: (field: string) => TextTokens;
  /** The tokens of each answer. */
  readonly answers: readonly TextTokens[];
}

/** All that the rest of the library knows of a task. */
export interface Task {
  /** Its name, in flags and in run folders. */
  readonly name: string;
  /** Text fields that every example has, in the order in which they are described. */
  readonly fields: readonly string[];
  /** Text fields that an example may have. */
  readonly optional?: readonly string[];
  /** The transformation. As many sequences as the head reads. */
  sequences(frame: Frame, example: EncodedExample): number[][];
  /**
   * What is predicted, and with it the loss. `classes`: softmax over the labels. `answers`: one score for each answer,
   * softmax over answers. `scale`: a distribution over whole points, its target shared by the two points next to the score;
   * the prediction is the expected value.
   */
  readonly head: "classes" | "answers" | "scale";
  /** How many sequences are read as one, their final hidden states added; 1 unless given. */
  readonly sum?: number;
  /** What is reported; the first decides which epoch is best. */
  readonly metrics: readonly MetricName[];
  /** How a language model answers without having learnt the task, where the form alone decides. */
  readonly zeroShot?: ZeroShotName;
}

const classMetrics = ["accuracy", "f1", "matthews"] as const;

const bothSentences: Task["sequences"] = (frame, { texts }) =>
  bothOrders(frame, texts("first"), texts("second"));

/** The name of a task. */
export type TaskName = "classification" | "entailment" | "similarity" | "similarity-score" | "choice";

/** The forms of the paper, by name. */
export const tasks: Readonly<Record<TaskName, Task>> = {
  classification: {
    name: "classification",
    fields: ["text"],
    sequences: (frame, { texts }) => [singleSequence(frame, texts("text"))],
    head: "classes",
    metrics: classMetrics,
  },
  entailment: {
    name: "entailment",
    fields: ["premise", "hypothesis"],
    sequences: (frame, { texts }) => [pairSequence(frame, texts("premise"), texts("hypothesis"))],
    head: "classes",
    metrics: classMetrics,
  },
  similarity: {
    name: "similarity",
    fields: ["first", "second"],
    sequences: bothSentences,
    head: "classes",
    sum: 2,
    metrics: classMetrics,
  },
  "similarity-score": {
    name: "similarity-score",
    fields: ["first", "second"],
    sequences: bothSentences,
    head: "scale",
    sum: 2,
    metrics: ["pearson", "spearman"],
  },
  choice: {
    name: "choice",
    fields: ["context"],
    optional: ["question"],
    sequences: (frame, { texts, answers }) =>
      answerSequences(frame, texts("context"), texts("question"), answers),
    head: "answers",
    metrics: ["accuracy"],
    zeroShot: "choice",
  },
};

/** The task of a name that a file or a flag gave. */
export function taskNamed(name: string): Task {
  const task: Task | undefined = Object.hasOwn(tasks, name) ? tasks[name as TaskName] : undefined;
  if (!task) {
    throw new RangeError(`There is no task "${name}"; the tasks are ${Object.keys(tasks).join(", ")}`);
  }
  return task;
}

/**
 * What the outputs of a head stand for: the distinct labels of a training set, sorted; the whole points of a scale that
 * holds all its scores, from `scale` where that is known; nothing for answers.
 */
export function labelsOf(
  task: Task,
  examples: readonly Example[],
  scale: readonly [least: number, most: number] | null = null,
): string[] {
  if (task.head === "answers") return [];
  const labels = new Set(examples.flatMap(({ label }) => label === null ? [] : [label]));
  if (task.head === "scale") return pointsOf(scale ?? rangeOf([...labels]));
  if (labels.size < 2) {
    throw new RangeError(`Cannot learn to classify with ${labels.size} label: two or more are needed`);
  }
  return [...labels].sort();
}

function rangeOf(labels: readonly string[]): [least: number, most: number] {
  const scores = labels.map(Number).filter(Number.isFinite);
  if (scores.length === 0) {
    throw new RangeError("Cannot learn to score without a score: give labelled examples");
  }
  const least = scores.reduce((a, b) => Math.min(a, b)), most = scores.reduce((a, b) => Math.max(a, b));
  return [Math.floor(least), Math.max(Math.ceil(most), Math.floor(least) + 1)];
}

function pointsOf([least, most]: readonly [number, number]): string[] {
  if (!(Number.isInteger(least) && Number.isInteger(most) && most > least && most - least <= 100)) {
    throw new RangeError(`Cannot use the scale from ${least} to ${most}: it needs 2 to 101 whole points`);
  }
  return Array.from({ length: most - least + 1 }, (_, i) => `${least + i}`);
}

/** Scores that a task's classifier has for each sequence: its columns of parameters. */
export const outputsOf = (task: Task, labels: readonly string[]): number =>
  task.head === "answers" ? 1 : labels.length;

/** The head for prepared examples. */
export function headOf(
  task: Task,
  labels: readonly string[],
  [example]: readonly LabelledExample[],
): ClassifierHead {
  const choices = task.head === "answers" ? example.sequences.length : 1;
  return {
    outputs: outputsOf(task, labels),
    choices,
    ...(task.sum ? { sum: task.sum } : {}),
    ...(task.head === "scale" ? { between: true } : {}),
  };
}

/**
 * Turns examples into sequences for a model.
 *
 * @example
 * ```ts
 * import { configure, prepare, tasks, trainBpe } from "@foreword/foreword";
 * const tokenizer = await trainBpe(["a cat sat on a mat and a dog sat too"], { vocabSize: 22 });
 * const config = configure("nano", tokenizer.size, { specials: 3 });
 * const example = { texts: { premise: "a cat sat", hypothesis: "a dog sat" }, label: "no" };
 * const [{ sequences, label }] = prepare(tasks.entailment, config, tokenizer, [example], ["no", "yes"]);
 * console.log(sequences[0], label); // start, premise, delimiter, hypothesis, extract; 0
 * ```
 *
 * @param cut Called for each example that does not fit the context whole.
 * @throws {RangeError} naming the example, for a label that is not among `labels` or not on the scale, and for examples
 * that differ in how many answers they have.
 */
export function prepare(
  task: Task,
  config: Gpt1Config,
  tokenizer: Tokenizer,
  examples: readonly Example[],
  labels: readonly string[],
  cut: (example: Example) => void = () => {},
): LabelledExample[] {
  const encode = rememberingLast(tokenizer),
    frame = frameOf(config),
    numbers = new Map(labels.map((label, i) => [label, i]));
  return examples.map((example, i) => {
    const where = example.where ?? `Example ${i + 1}`;
    const label = example.label === null ? -1 : labelNumber(task, numbers, example.label, example, where);
    const texts = new Map(Object.entries(example.texts).map(([field, text]) => [field, encode(text)]));
    const encoded = {
      texts: (field: string) => texts.get(field) ?? [],
      answers: (example.answers ?? []).map((answer) => tokenizer.encode(answer)),
    };
    requireAnswers(task, encoded.answers.length, examples[0].answers?.length ?? 0, where);
    const sequences = task.sequences(frame, encoded),
      sizes = (list: number[][]) => list.map((ids) => ids.length);
    const whole = task.sequences({ ...frame, context: Infinity }, encoded);
    if (`${sizes(sequences)}` !== `${sizes(whole)}`) cut(example);
    return { sequences, label };
  });
}

function labelNumber(
  { head }: Task,
  numbers: ReadonlyMap<string, number>,
  label: string,
  { answers = [] }: Example,
  where: string,
): number {
  if (head === "classes") {
    const number = numbers.get(label);
    if (number !== undefined) return number;
    throw new RangeError(
      `${where}: the label "${label}" was never seen in training, where the labels are ${
        [...numbers.keys()].join(", ")
      }; correct the label or remove the example`,
    );
  }
  const [least, count] = head === "scale"
    ? [Number([...numbers.keys()][0]), numbers.size]
    : [0, answers.length];
  const value = label.trim() === "" ? NaN : Number(label) - least;
  if (value >= 0 && value <= count - 1 && (head === "scale" || Number.isInteger(value))) return value;
  throw new RangeError(
    head === "scale"
      ? `${where}: the score "${label}" is not a number from ${least} to ${
        least + count - 1
      }; correct it, or give ` +
        `the scale`
      : `${where}: the label "${label}" is not the number of one of the ${count} answers, counted from 0`,
  );
}

function requireAnswers({ head }: Task, count: number, first: number, where: string): void {
  if (head !== "answers") return;
  if (count < 2) throw new RangeError(`${where}: there are ${count} answers; a choice needs two or more`);
  if (count !== first) {
    throw new RangeError(
      `${where}: there are ${count} answers where the first example has ${first}; every example needs as many`,
    );
  }
}
