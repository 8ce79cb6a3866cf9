// Fine-tuning a pre-trained GPT-1 on a task, or training the same model from scratch on the same labels: which
// parameters it starts from, which updates it makes, what is better. The run itself is src/train/run.ts.

import type { Device } from "../backends/backend.ts";
import type { Storage } from "../core/storage.ts";
import type { LabelledExample } from "../models/gpt1_feeds.ts";
import { type Gpt1Config, SPECIALS } from "../models/gpt1.ts";
import { createGpt1, type Gpt1, type ParameterValues, withSpecials } from "../models/gpt1_model.ts";
import type { ClassifierHead, Gpt1Run } from "../models/gpt1_plans.ts";
import { blockOf } from "../models/gpt1_tuning.ts";
import { initialise } from "../nn/parameters.ts";
import type { Recompute } from "../nn/recompute.ts";
import { parameterReader } from "../train/checkpoint.ts";
import { type Checkpoint, openCheckpoint } from "../train/checkpoint_folder.ts";
import type { Run } from "../train/run.ts";
import type { ScheduleName } from "../train/schedule.ts";
import { gpt1Optimizer, type OptimizerSettings } from "../train/update.ts";
import { type ExampleSource, exampleSource, LAMBDA } from "./examples.ts";
import { classify } from "./predict.ts";
import { type MetricName, type Score, scoreOf } from "./score.ts";
import { headOf, type Task } from "./task.ts";

const SCORING_BATCH = 32;

/** A task with what was settled from its training set. */
export interface Problem {
  /** What is to be learnt. */
  readonly task: Task;
  /** What the head's outputs stand for; none for answers. */
  readonly labels: readonly string[];
  /** How the classifier reads an example. */
  readonly head: ClassifierHead;
}

/** The problem that prepared examples pose. */
export function problemOf(
  task: Task,
  labels: readonly string[],
  examples: readonly LabelledExample[],
): Problem {
  return { task, labels, head: headOf(task, labels, examples) };
}

/** Settings of fine-tuning; the defaults are the paper's. */
export interface FineTuneSettings {
  /** 6.25e-5 unless given. */
  readonly learningRate?: number;
  /** Passes over the training set; 3 unless given. */
  readonly epochs?: number;
  /** Examples in an update; 32 unless given. */
  readonly batch?: number;
  /** Examples in a micro-batch; all of the update's unless given. */
  readonly microBatch?: number;
  /** Share of the updates spent warming up; 0.002 unless given. */
  readonly warmup?: number;
  /** Weight of the auxiliary language-model loss; 0.5 unless given. */
  readonly lambda?: number;
  /** Gradient norm above which gradients are scaled down; 1 unless given. */
  readonly clip?: number;
  /** Shape of the learning rate; linear unless given. */
  readonly schedule?: ScheduleName;
  /** The l2 coefficient of decoupled decay on matrices; 0.01 unless given. */
  readonly decay?: number;
  /** Adam's constants; 0.9, 0.999 and 1e-8 unless given. */
  readonly adam?: Partial<Pick<OptimizerSettings, "beta1" | "beta2" | "epsilon">>;
  /** Which score on dev decides the best checkpoint, the first to reach it; the task's first metric unless given. */
  readonly metric?: MetricName;
  /** Whether batches hold examples of similar length, which saves padding; false unless given. */
  readonly groupByLength?: boolean;
  /** What the backward pass computes again to save memory; nothing unless given. No number depends on it. */
  readonly recompute?: Recompute;
  /** Seed of the order of examples and of dropout. */
  readonly seed: number;
}

/** The updates of fine-tuning. Its `largestRun` is what memory must hold. */
export function fineTuneSource(
  config: Gpt1Config,
  train: readonly LabelledExample[],
  head: ClassifierHead,
  { batch = 32, microBatch = batch, lambda = LAMBDA, groupByLength = false, seed }: FineTuneSettings,
): ExampleSource {
  return exampleSource(config, train, head, { batch, microBatch, lambda, seed, groupByLength });
}

/** A model to start from. */
export interface Base {
  /** Its sizes; `specials` is set anew for classification. `lora` or `frozenLayers` here say what will be trained. */
  readonly config: Gpt1Config;
  /** Its parameters, or `null` to start from scratch. */
  readonly values: ParameterValues | null;
  /** How many of its blocks are taken over, the lowest first; 0 for the embeddings alone, all unless given. */
  readonly transferLayers?: number;
}

/**
 * The parameters of a base as far as they are transferred: its table and its lowest `count` blocks.
 *
 * @throws {RangeError} if the model has fewer blocks.
 */
export function transferred(values: ParameterValues, config: Gpt1Config, count: number): ParameterValues {
  const blocks = blocksOf(config);
  if (!(Number.isInteger(count) && count >= 0 && count <= blocks)) {
    throw new RangeError(
      `Cannot transfer ${count} blocks of a model that has ${blocks}: give 0 to ${blocks}`,
    );
  }
  return (spec) => (blockOf(spec.name) ?? -1) >= count ? null : values(spec);
}

/** How many blocks stand between table and head; an LSTM counts as one. */
export function blocksOf({ layers, lstm }: Gpt1Config): number {
  return lstm ? 1 : layers;
}

/** What the optimizer does in fine-tuning. */
export const fineTuneOptimizer = (
  { clip = 1, decay, adam = {} }: Pick<FineTuneSettings, "clip" | "decay" | "adam">,
): OptimizerSettings => {
  const [matrices, ...others] = gpt1Optimizer.groups;
  return {
    ...gpt1Optimizer,
    ...adam,
    maxNorm: clip,
    groups: [{ ...matrices, decay: decay ?? matrices.decay }, ...others],
  };
};

/** The configuration of a classifier on a base: three special tokens. */
export const classifierConfig = (config: Gpt1Config): Gpt1Config => ({
  ...config,
  specials: SPECIALS.length,
});

/** Creates the model to fine-tune: from the base's parameters, from scratch, or from a checkpoint to resume. */
export async function classifierModel(
  device: Device,
  { config, values, transferLayers = blocksOf(config) }: Base,
  outputs: number,
  seed: number,
  resumed: ParameterValues | null = null,
): Promise<Gpt1> {
  const target = classifierConfig(config);
  const base = values && transferred(values, config, transferLayers);
  const from = resumed ?? (base && withSpecials(base, config, target, seed));
  return await createGpt1(device, target, { seed, classifier: outputs, ...(from ? { values: from } : {}) });
}

/** The run that fine-tunes a model: validated on dev after every epoch, the best epoch kept. */
export function fineTuneRun(
  model: Gpt1,
  problem: Problem,
  data: { readonly train: readonly LabelledExample[]; readonly dev: readonly LabelledExample[] },
  place: { readonly storage: Storage; readonly folder: string; readonly resumed?: Checkpoint | null },
  settings: FineTuneSettings,
  signal?: AbortSignal,
): Run<Gpt1Config, Gpt1Run> {
  const { learningRate = 6.25e-5, epochs = 3, warmup = 0.002, schedule = "warmup_linear", seed } = settings;
  const metric = settings.metric ?? problem.task.metrics[0];
  const source = fineTuneSource(model.config, data.train, problem.head, settings);
  const epoch = source.updatesPerEpoch;
  return {
    ...place,
    model,
    source,
    saveEvery: epoch,
    validateEvery: epoch,
    options: {
      schedule: { name: schedule, learningRate, warmup, steps: epochs * epoch },
      optimizer: fineTuneOptimizer(settings),
      recompute: settings.recompute ?? "none",
      seed,
      signal,
    },
    validate: async () => {
      const { examples: _, ...metrics } = await scoreClassifier(
        model,
        problem,
        data.dev,
        signal,
        scoringBatch(settings),
      );
      const score = metrics[metric];
      if (score === undefined) {
        throw new RangeError(
          `The task ${problem.task.name} is not scored by ${metric}: choose one of its metrics`,
        );
      }
      return { score, metrics };
    },
  };
}

/** The task's metrics of a model on labelled examples. */
export async function scoreClassifier(
  model: Gpt1,
  { task, labels, head }: Problem,
  examples: readonly LabelledExample[],
  signal?: AbortSignal,
  batch = SCORING_BATCH,
): Promise<Score> {
  return scoreOf(task, examples, await classify(model, examples, head, { batch, signal }), labels.length);
}

/** How many examples to score at a time: no more than memory was planned for. */
export const scoringBatch = ({ batch = SCORING_BATCH, microBatch = batch }: FineTuneSettings): number =>
  Math.min(SCORING_BATCH, microBatch);

/** Puts the parameters of a run's best checkpoint into its model. */
export async function restoreBest(storage: Storage, folder: string, model: Gpt1): Promise<void> {
  const values = await parameterReader(storage, await openCheckpoint(storage, folder, "best"));
  await initialise(model.store, model.layout, 0, values);
}
