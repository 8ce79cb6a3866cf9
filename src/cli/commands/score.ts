// What a fine-tuned run says: `evaluate --data` scores it on labelled examples, `predict` answers for new ones; both for
// one run or for an ensemble, whose probabilities are averaged. `evaluate --corpus` and `generate` are in use.ts.

import type { LabelledExample } from "../../models/gpt1_feeds.ts";
import { type ClassifierHead, sequencesOfExample } from "../../models/gpt1_plans.ts";
import { bucketLength } from "../../tasks/examples.ts";
import { classify, ensemble, type Prediction } from "../../tasks/predict.ts";
import { confusion } from "../../tasks/metrics.ts";
import { intervalsOf, scoreOf } from "../../tasks/score.ts";
import type { Split } from "../../tasks/readers/datasets.ts";
import { type Example, headOf, type Task, taskNamed } from "../../tasks/task.ts";
import { documents } from "../../text/corpus.ts";
import { type CommonFlags, deviceOf, disk, interruptSignal, print, UsageError } from "../io.ts";
import { prepareFile } from "../prepare_file.ts";
import { findRun, openRun, plansOf, readRun, type RunConfig } from "../run_folder.ts";
import { type ColumnFlags, type DataConfig, dataOfRun, readData, readUnlabelled } from "../task_data.ts";
import { answerOf, showMetric, showScore, writePredictions } from "../task_results.ts";

/** Flags of both commands. */
export interface ScoringFlags extends CommonFlags, ColumnFlags {
  readonly model: string;
  readonly checkpoint?: string;
  readonly ensemble?: string[];
  readonly data?: string;
  readonly split: Split;
}

/** Flags of `evaluate` on labelled examples. */
export interface ScoreFlags extends ScoringFlags {
  readonly confusion?: boolean;
  readonly bootstrap?: number;
}

/** Flags of `predict`. */
export interface PredictFlags extends ScoringFlags {
  readonly text?: string;
  readonly textFile?: string;
  readonly out?: string;
}

interface Answers {
  readonly head: ClassifierHead;
  readonly examples: readonly LabelledExample[];
  readonly predictions: readonly Prediction[];
}

interface Classifier {
  readonly task: Task;
  readonly labels: readonly string[];
  readonly data: DataConfig;
}

/** `evaluate --data`: the task's metrics. */
export async function scoreExamples(flags: ScoreFlags): Promise<void> {
  const { task, labels, data } = await classifierOfRun(flags.model), path = flags.data!;
  const read = await readData(dataOfRun(task, data, flags), path, flags.split);
  const { examples, predictions } = await answersOf(flags, { task, labels, data }, path, read);
  const score = scoreOf(task, examples, predictions, labels.length),
    lines = [
      `${showScore(task, score)} of ${score.examples} examples`,
    ];
  const table = flags.confusion && task.head === "classes"
    ? confusion(
      examples.map(({ label }) => label),
      predictions.map(({ predicted }) => predicted),
      labels.length,
    )
    : null;
  if (table) lines.push(...showConfusion(labels, table));
  const intervals = flags.bootstrap === undefined
    ? null
    : intervalsOf(task, examples, predictions, labels.length, {
      seed: flags.seed,
      resamples: flags.bootstrap,
    });
  for (const name of intervals ? task.metrics : []) {
    const { low, high } = intervals![name]!;
    lines.push(`${name}: 95 % interval ${showMetric(name, low)} to ${showMetric(name, high)}`);
  }
  print(
    flags,
    { ...score, ...(table ? { confusion: table } : {}), ...(intervals ? { intervals } : {}) },
    lines.join("\n"),
  );
}

function showConfusion(labels: readonly string[], table: readonly (readonly number[])[]): string[] {
  const width = Math.max(...labels.map(({ length }) => length), ...table.flat().map((n) => `${n}`.length)) +
    2;
  const line = (cells: readonly (string | number)[]) =>
    cells.map((cell) => `${cell}`.padStart(width)).join("");
  return [
    "rows: the label, columns: the prediction",
    line(["", ...labels]),
    ...table.map((row, i) => line([labels[i], ...row])),
  ];
}

/** `predict`: what the run says of one text, of a file of texts, or of examples. */
export async function predict(flags: PredictFlags): Promise<void> {
  if ([flags.text, flags.textFile, flags.data].filter((given) => given !== undefined).length !== 1) {
    throw new UsageError("Give either --text or --text-file, or --data with a file of examples");
  }
  const run = await classifierOfRun(flags.model), { task, labels } = run;
  const { head, predictions, texts } = await predictionsOf(flags, run);
  const names = task.head === "answers" ? Array.from({ length: head.choices }, (_, i) => `${i}`) : labels;
  const results = predictions.map((prediction, i) => ({
    ...(texts ? { text: texts[i] } : {}),
    label: answerOf(task, labels, prediction),
    probabilities: Object.fromEntries(names.map((name, k) => [name, prediction.probabilities[k]])),
  }));
  if (flags.out !== undefined) await writePredictions(flags.out, results.map(({ label }) => label));
  const line = ({ text = "", label, probabilities }: typeof results[number] & { text?: string }): string =>
    [label, probabilities[label]?.toFixed(4), text].filter(Boolean).join("\t");
  print(
    flags,
    flags.text === undefined ? { predictions: results } : results[0],
    flags.out === undefined ? results.map(line).join("\n") : `${flags.out}: ${results.length} predictions`,
  );
}

async function predictionsOf(
  flags: PredictFlags,
  run: Classifier,
): Promise<Answers & { texts: string[] | null }> {
  if (flags.data !== undefined) {
    const examples = await readUnlabelled(dataOfRun(run.task, run.data, flags), flags.data, flags.split);
    const unlabelled = examples.map((example) => ({ ...example, label: null }));
    return { ...await answersOf(flags, run, flags.data, unlabelled), texts: null };
  }
  if (run.task.name !== "classification") {
    throw new UsageError(`${flags.model} is for ${run.task.name}: give --data with a file of its examples`);
  }
  const texts = flags.text === undefined ? await lines(flags.textFile!) : [flags.text];
  const examples = texts.map((text) => ({ texts: { text }, label: null }));
  return { ...await answersOf(flags, run, flags.textFile ?? "--text", examples), texts };
}

const BATCH = 32; // examples at a time

// Opens the runs one after another, so that memory holds one.
async function answersOf(
  flags: ScoringFlags,
  { task, labels }: Classifier,
  path: string,
  read: readonly Example[],
): Promise<Answers> {
  const prepared = async (name: string) => {
    const run = await findRun(name, flags.checkpoint), { config: { model: config }, tokenizer } = run;
    const examples = prepareFile(path, { task, config, tokenizer, labels }, read);
    return { ...run, name, examples, head: headOf(task, labels, examples) };
  };
  const others = flags.ensemble ?? [];
  for (const name of others) {
    const other = await classifierOfRun(name);
    if (other.task.name !== task.name || `${other.labels}` !== `${labels}`) {
      throw new UsageError(
        `${name} was not trained for the task and labels of ${flags.model}: an ensemble shares them`,
      );
    }
  }
  const signal = interruptSignal(), all: Prediction[][] = [];
  let last = await prepared(flags.model);
  using device = await deviceOf(flags, () => {
    const { config, examples, head } = last, length = bucketLength(config.model, examples);
    const batch = BATCH * sequencesOfExample(head);
    return [plansOf(config).scores({ batch, length, language: false, classifier: head })];
  });
  for (const name of [flags.model, ...others]) {
    if (name !== last.name) last = await prepared(name);
    using model = (await openRun(device, last)).model;
    all.push(await classify(model, last.examples, last.head, { batch: BATCH, signal }));
  }
  const { head, examples } = last;
  return { head, examples, predictions: ensemble(all, head) };
}

async function classifierOfRun(name: string): Promise<Classifier> {
  const config: RunConfig = await readRun(name);
  if (config.task === "language") {
    throw new UsageError(`${name} is a language model without a classifier: fine-tune it first`);
  }
  return { task: taskNamed(config.task), labels: config.labels ?? [], data: config.data ?? {} };
}

async function lines(path: string): Promise<string[]> {
  const all: string[] = [];
  for await (const { text } of documents(disk, path, { extensions: [""] })) all.push(...text.split("\n"));
  return all.map((line) => line.trim()).filter((line) => line !== "");
}
