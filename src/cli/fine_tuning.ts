// One fine-tuning of the command line: from flags and files to a run folder and the scores of its best epoch. Flags are
// declared in commands/finetune.ts; what fine-tuning means is src/tasks/fine_tune.ts.

import type { Device } from "../backends/backend.ts";
import type { Plan } from "../graph/plan.ts";
import { Random } from "../core/random.ts";
import { NotFound } from "../core/storage.ts";
import { type Gpt1Config, withDropout } from "../models/gpt1.ts";
import type { LabelledExample } from "../models/gpt1_feeds.ts";
import { gpt1Plans } from "../models/gpt1_plans.ts";
import { requireTuning, untuned } from "../models/gpt1_tuning.ts";
import {
  blocksOf,
  classifierConfig,
  classifierModel,
  fineTuneRun,
  type FineTuneSettings,
  fineTuneSource,
  type Problem,
  problemOf,
  restoreBest,
  scoringBatch,
} from "../tasks/fine_tune.ts";
import { classify } from "../tasks/predict.ts";
import type { Split } from "../tasks/readers/datasets.ts";
import { constantScore, majorityAccuracy, type MetricName, type Score, scoreOf } from "../tasks/score.ts";
import { type Example, labelsOf } from "../tasks/task.ts";
import type { AnyTokenizer } from "../text/open_tokenizer.ts";
import { parameterReader } from "../train/checkpoint.ts";
import type { ScheduleName } from "../train/schedule.ts";
import { disk, say, UsageError } from "./io.ts";
import { prepareFile } from "./prepare_file.ts";
import { baseValues, beginRun, readRun, resumePoint, runTokenizer } from "./run_folder.ts";
import { readData, readUnlabelled, type TaskData, taskData, type TaskFlags } from "./task_data.ts";
import { answerOf, writePredictions } from "./task_results.ts";
import { follow, requireMemory, stepPlans, type TrainingFlags } from "./training.ts";
import { type TuningFlags, tuningOf } from "./tuning.ts";

/** Flags of a fine-tuning. */
export interface FineTuneFlags extends TrainingFlags, TaskFlags, TuningFlags {
  readonly model: string;
  readonly checkpoint?: string;
  readonly data?: string;
  readonly train?: string;
  readonly dev?: string;
  /** `false` where the test examples of a data set are to be left alone. */
  readonly test?: string | false;
  readonly limit?: number;
  readonly devLimit?: number;
  readonly testLimit?: number;
  readonly scoreTrain?: boolean;
  readonly lr: number;
  readonly schedule: ScheduleName;
  readonly epochs: number;
  readonly batch: number;
  readonly microBatch?: number;
  readonly warmup: number;
  readonly lmCoef: number;
  readonly weightDecay: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly metric?: MetricName;
  readonly groupByLength?: boolean;
}

/** What is learnt, from which examples. */
export interface Material {
  readonly data: TaskData;
  readonly examples: Readonly<Record<"train" | "dev", Example[]>> & { readonly test: Example[] | null };
}

/** What it is learnt by. */
export interface BaseRun {
  /** Of the pre-trained run, with the dropout asked for and what is to be trained of it. */
  readonly config: Gpt1Config;
  readonly tokenizer: AnyTokenizer;
}

/** What every seed shares: the base and the examples. */
export interface Training extends Material, BaseRun {
  /** Examples that are sequences by now, so that none is tokenised again for the next learning rate or arm. */
  readonly sequences: Map<string, LabelledExample[]>;
}

/** What a fine-tuning came to. */
export interface Outcome {
  readonly out: string;
  readonly labels: readonly string[];
  /** Scores of the best epoch; `test` is null without labelled test examples, `train` there only if asked for. */
  readonly best: { readonly train?: Score; readonly dev: Score; readonly test: Score | null };
  /** What decided the best epoch. */
  readonly metric: MetricName;
  /** What always saying the same comes to in that metric, on test where it is labelled, else on dev. */
  readonly baseline: number;
  /** Accuracy of the most frequent label, where there are labels. */
  readonly majority: number | null;
  /** Training examples. */
  readonly trained: number;
  readonly steps: number;
  readonly tokensPerSecond: number;
}

/** Reads the base and all examples. Nothing is written yet. */
export async function prepareTraining(flags: FineTuneFlags): Promise<Training> {
  const data = taskData(flags), base = await readBase(flags);
  return { ...base, ...await readMaterial(flags, data), sequences: new Map() };
}

/** Reads the pre-trained run. */
export async function readBase(flags: FineTuneFlags): Promise<BaseRun> {
  const { model, dropout } = flags;
  const from = await readRun(model), tokenizer = await runTokenizer(model, from);
  if (from.task !== "language") {
    throw new UsageError(`${model} is a classifier already: give a pre-trained run`);
  }
  const config = { ...untuned(withDropout(from.model, dropout)), ...tuningOf(flags) };
  requireTuning(config);
  return { config, tokenizer };
}

/** Reads all examples. */
export async function readMaterial(flags: FineTuneFlags, data = taskData(flags)): Promise<Material> {
  if (flags.metric && !data.task.metrics.includes(flags.metric)) {
    throw new UsageError(
      `The task ${data.task.name} is not scored by ${flags.metric}: its metrics are ${
        data.task.metrics.join(", ")
      }`,
    );
  }
  // One after another, so that of several mistakes it is always the same one that is told.
  const train = await readPart(data, flags, "train"), dev = await readPart(data, flags, "dev");
  const test = await readPart(data, flags, "test");
  return {
    data,
    examples: { train: train!, dev: some(dev!, flags.devLimit), test: test && some(test, flags.testLimit) },
  };
}

// The same ones for every seed, so that scores compare.
const some = (examples: Example[], limit?: number): Example[] => chosenFrom(examples, limit, 0);

const chosenFrom = (examples: Example[], limit: number | undefined, seed: number): Example[] =>
  limit === undefined ? examples : new Random(seed, "limit").shuffle([...examples]).slice(0, limit);

async function readPart(data: TaskData, flags: FineTuneFlags, split: Split): Promise<Example[] | null> {
  const path = pathOf(data, flags, split);
  if (path === null) return null;
  if (data.dataset && split === "test") {
    try {
      return await readData(data, path, split);
    } catch (error) {
      if (!(error instanceof NotFound)) throw error;
      say(`note: ${path} holds no test examples of ${flags.task}; the scores are those on dev`);
      return null;
    }
  }
  const examples = split === "test" && data.config.layout && !data.config.layout.columns.label
    ? await readUnlabelled(data, path, split)
    : await readData(data, path, split);
  const missing = split === "test" ? undefined : examples.find(({ label }) => label === null);
  if (missing) {
    throw new UsageError(`${missing.where ?? path}: there is no label; ${split} examples need one`);
  }
  return examples;
}

// Where a split is: the folder of a data set, or a file. Only the test split may be absent.
function pathOf({ dataset }: TaskData, flags: FineTuneFlags, split: Split): string | null {
  const file = flags[split];
  if (file === false) return null;
  if (dataset) {
    if (file !== undefined || flags.columns !== undefined) {
      throw new UsageError(
        `--task ${flags.task} brings its own files and columns: give --data with their folder only`,
      );
    }
    if (flags.data === undefined) throw new UsageError(`Give --data with the folder of ${flags.task}`);
    return flags.data;
  }
  if (flags.data !== undefined) {
    throw new UsageError(
      `--data is for a published data set: give --train and --dev for --task ${flags.task}`,
    );
  }
  if (file === undefined && split !== "test") throw new UsageError(`Give --${split} with a file of examples`);
  return file ?? null;
}

// The examples of a training's splits as sequences, each made when first asked for.
function sequencesOf({ data, config, tokenizer, examples, sequences }: Training, flags: FineTuneFlags) {
  const { task } = data, { seed, limit } = flags;
  const chosen = chosenFrom(examples.train, limit, seed);
  const labels = labelsOf(task, task.head === "scale" ? examples.train : chosen, data.scale);
  const target = classifierConfig(config), preparation = { task, config: target, tokenizer, labels };
  const prepared = (split: Split, list: Example[]): LabelledExample[] => {
    const key = JSON.stringify([split, labels, split === "train" && limit !== undefined && [limit, seed]]);
    const known = sequences.get(key) ??
      prepareFile(flags[split] || `${flags.data} (${split})`, preparation, list);
    sequences.set(key, known);
    return known;
  };
  return {
    target,
    labels,
    train: () => prepared("train", chosen),
    dev: () => prepared("dev", examples.dev),
    test: () => examples.test && prepared("test", examples.test),
  };
}

/** The plans of an update on a training's longest examples. */
export function plansOfTraining(training: Training, flags: FineTuneFlags): Plan[] {
  const { target, labels, train } = sequencesOf(training, flags), examples = train();
  const { head } = problemOf(training.data.task, labels, examples),
    settings = settingsOf(flags, training.data);
  const plans = gpt1Plans(target, { classifier: head.outputs });
  return stepPlans(plans, fineTuneSource(target, examples, head, settings).largestRun, flags);
}

/** Trains once on a device, and leaves a run folder with its best epoch and, for test examples, what it predicts of them. */
export async function fineTuneOnce(
  device: Device,
  training: Training,
  flags: FineTuneFlags,
  signal: AbortSignal,
): Promise<Outcome> {
  const { data, config, tokenizer } = training, { task } = data, { out } = flags;
  const { target, labels, train, dev, test } = sequencesOf(training, flags);
  const ready = { train: train(), dev: dev(), test: test() };
  const settings = settingsOf(flags, data);
  const begun = await beginRun(
    out,
    {
      format: "foreword-run-1",
      task: task.name,
      model: target,
      labels,
      data: data.config,
      tokenizer: tokenizer.fingerprint,
      settings,
    },
    tokenizer,
    flags.resume !== undefined,
  );
  try {
    const problem = problemOf(task, labels, ready.train);
    return await trainAndScore(device, problem, config, ready, flags, settings, signal);
  } catch (error) {
    await begun.undo();
    throw error;
  }
}

type Prepared = Readonly<Record<"train" | "dev", LabelledExample[]>> & {
  readonly test: LabelledExample[] | null;
};

async function trainAndScore(
  device: Device,
  problem: Problem,
  config: Gpt1Config,
  data: Prepared,
  flags: FineTuneFlags,
  settings: Settings,
  signal: AbortSignal,
): Promise<Outcome> {
  const { out, seed } = flags, { task, labels, head } = problem;
  const resumed = await resumePoint(out, flags.resume ?? false);
  const values = resumed || flags.fromScratch ? null : await baseValues(flags.model, flags.checkpoint);
  const what = labels.length ? `labels ${labels.join(", ")}` : `${head.choices} answers each`;
  say(`${device.description}; ${data.train.length} examples, ${what}`);
  const target = classifierConfig(config);
  requireMemory(
    device,
    gpt1Plans(target, { classifier: head.outputs }),
    fineTuneSource(target, data.train, head, settings).largestRun,
    flags,
    (batch) => `--micro-batch ${batch}`,
  );
  const { transferLayers = blocksOf(config) } = flags;
  using model = await classifierModel(
    device,
    { config, values, transferLayers },
    head.outputs,
    seed,
    resumed && await parameterReader(disk, resumed),
  );
  const run = fineTuneRun(
    model,
    problem,
    data,
    { storage: disk, folder: out, resumed },
    { ...settings, recompute: flags.recompute },
    signal,
  );
  const outcome = await follow("finetune", signal, run);
  await restoreBest(disk, out, model);
  const predict = (examples: LabelledExample[]) =>
    classify(model, examples, head, { batch: scoringBatch(settings), signal });
  const score = async (examples: LabelledExample[]) =>
    scoreOf(task, examples, await predict(examples), labels.length);
  // As many as on dev tell how far a model has gone beyond what carries over.
  const train = flags.scoreTrain && { train: await score(data.train.slice(0, data.dev.length)) };
  const dev = await score(data.dev);
  let test: Score | null = null;
  if (data.test) {
    const predictions = await predict(data.test);
    if (data.test.every(({ label }) => label >= 0)) {
      test = scoreOf(task, data.test, predictions, labels.length);
    }
    await writePredictions(`${out}/predictions.tsv`, predictions.map((one) => answerOf(task, labels, one)));
  }
  const { steps, tokensPerSecond } = outcome, scored = test ? data.test! : data.dev;
  const majority = task.head === "scale" ? null : majorityAccuracy(data.train, scored);
  const { metric } = settings, classes = head.choices > 1 ? head.choices : labels.length;
  return {
    out,
    labels,
    best: { ...train, dev, test },
    metric,
    baseline: constantScore(metric, data.train, scored, classes),
    majority,
    trained: data.train.length,
    steps,
    tokensPerSecond,
  };
}

/** Everything that decides what is computed. */
export type Settings = FineTuneSettings & { readonly metric: MetricName } & Readonly<Record<string, unknown>>;

/** What the flags set, as it is kept in config.json, so that resuming with other settings can be refused. */
export function settingsOf(flags: FineTuneFlags, { task, dataset, scale }: TaskData): Settings {
  const { model, train, dev, epochs, batch, warmup, dropout, clip, schedule, seed } = flags;
  const { devLimit, testLimit } = flags;
  return {
    base: model,
    fromScratch: flags.fromScratch ?? false,
    transferLayers: flags.transferLayers ?? null,
    ...tuningOf(flags),
    task: flags.task,
    scale,
    data: flags.data ?? null,
    train: train ?? null,
    dev: dev ?? null,
    columns: flags.columns ?? null,
    limit: flags.limit ?? null,
    ...(devLimit === undefined ? {} : { devLimit }),
    ...(testLimit === undefined ? {} : { testLimit }),
    learningRate: flags.lr,
    schedule,
    epochs,
    batch,
    microBatch: flags.microBatch ?? batch,
    warmup,
    lambda: flags.lmCoef,
    decay: flags.weightDecay,
    adam: { beta1: flags.beta1, beta2: flags.beta2, epsilon: flags.epsilon },
    dropout,
    clip,
    metric: flags.metric ?? dataset?.metric ?? task.metrics[0],
    groupByLength: flags.groupByLength ?? false,
    seed,
  };
}
