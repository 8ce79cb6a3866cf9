// Fine-tuning a pre-trained GPT-1 to classify, or training the same model from scratch on the same labels: which
// parameters it starts from, which updates it makes, what is better. The run itself is src/train/run.ts.

import type { Device } from "../backends/backend.ts";
import type { Storage } from "../core/storage.ts";
import type { LabelledSequence } from "../models/gpt1_feeds.ts";
import { type Gpt1Config, SPECIALS } from "../models/gpt1.ts";
import { createGpt1, type Gpt1, type ParameterValues, withSpecials } from "../models/gpt1_model.ts";
import type { Gpt1Run } from "../models/gpt1_plans.ts";
import { initialise } from "../nn/parameters.ts";
import type { Recompute } from "../nn/recompute.ts";
import { parameterReader } from "../train/checkpoint.ts";
import { type Checkpoint, openCheckpoint } from "../train/checkpoint_folder.ts";
import type { Run } from "../train/run.ts";
import { gpt1Optimizer } from "../train/update.ts";
import {
  type ClassificationScore,
  classificationScore,
  classificationSource,
  classify,
  LAMBDA,
} from "./classification.ts";

const SCORING_BATCH = 32;

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
  /** Which score on dev decides the best checkpoint; accuracy unless given. */
  readonly metric?: "accuracy" | "f1" | "matthews";
  /** Whether batches hold texts of similar length, which saves padding; false unless given. */
  readonly groupByLength?: boolean;
  /** What the backward pass computes again to save memory; nothing unless given. No number depends on it. */
  readonly recompute?: Recompute;
  /** Seed of the order of examples and of dropout. */
  readonly seed: number;
}

/** The updates of fine-tuning. Its `largestRun` is what memory must hold. */
export function fineTuneSource(
  config: Gpt1Config,
  train: readonly LabelledSequence[],
  outputs: number,
  { batch = 32, microBatch = batch, lambda = LAMBDA, groupByLength = false, seed }: FineTuneSettings,
): ReturnType<typeof classificationSource> {
  return classificationSource(config, train, outputs, { batch, microBatch, lambda, seed, groupByLength });
}

/** A model to start from. */
export interface Base {
  /** Its sizes; `specials` is set anew for classification. */
  readonly config: Gpt1Config;
  /** Its parameters, or `null` to start from scratch. */
  readonly values: ParameterValues | null;
}

/** The configuration of a classifier on a base: three special tokens. */
export const classifierConfig = (config: Gpt1Config): Gpt1Config => ({
  ...config,
  specials: SPECIALS.length,
});

/** Creates the model to fine-tune: from the base's parameters, from scratch, or from a checkpoint to resume. */
export async function classifierModel(
  device: Device,
  { config, values }: Base,
  outputs: number,
  seed: number,
  resumed: ParameterValues | null = null,
): Promise<Gpt1> {
  const target = classifierConfig(config);
  const from = resumed ?? (values && withSpecials(values, config, target, seed));
  return await createGpt1(device, target, { seed, classifier: outputs, ...(from ? { values: from } : {}) });
}

/** The run that fine-tunes a model: validated on dev after every epoch, the best epoch kept. */
export function fineTuneRun(
  model: Gpt1,
  data: { readonly train: readonly LabelledSequence[]; readonly dev: readonly LabelledSequence[] },
  place: { readonly storage: Storage; readonly folder: string; readonly resumed?: Checkpoint | null },
  settings: FineTuneSettings,
  signal?: AbortSignal,
): Run<Gpt1Config, Gpt1Run> {
  const { learningRate = 6.25e-5, epochs = 3, warmup = 0.002, clip = 1, metric = "accuracy", seed } =
    settings;
  const source = fineTuneSource(model.config, data.train, model.classifier!, settings);
  const epoch = source.updatesPerEpoch;
  return {
    ...place,
    model,
    source,
    saveEvery: epoch,
    validateEvery: epoch,
    options: {
      schedule: { name: "warmup_linear", learningRate, warmup, steps: epochs * epoch },
      optimizer: { ...gpt1Optimizer, maxNorm: clip },
      recompute: settings.recompute ?? "none",
      seed,
      signal,
    },
    validate: async () => {
      const score = await scoreClassifier(model, data.dev, signal, scoringBatch(settings));
      const { accuracy, f1, matthews } = score;
      return { score: score[metric], metrics: { accuracy, f1, matthews } };
    },
  };
}

/** Accuracy, F1 and Matthews correlation of a model on labelled sequences. */
export async function scoreClassifier(
  model: Gpt1,
  sequences: readonly LabelledSequence[],
  signal?: AbortSignal,
  batch = SCORING_BATCH,
): Promise<ClassificationScore> {
  return classificationScore(
    sequences,
    await classify(model, sequences, { batch, signal }),
    model.classifier!,
  );
}

/** How many texts to score at a time: no more than memory was planned for. */
export const scoringBatch = ({ batch = SCORING_BATCH, microBatch = batch }: FineTuneSettings): number =>
  Math.min(SCORING_BATCH, microBatch);

/** Puts the parameters of a run's best checkpoint into its model. */
export async function restoreBest(storage: Storage, folder: string, model: Gpt1): Promise<void> {
  const values = await parameterReader(storage, await openCheckpoint(storage, folder, "best"));
  await initialise(model.store, model.layout, 0, values);
}

/** How often the most frequent label of the training set is right on other data. */
export function majorityAccuracy(
  train: readonly LabelledSequence[],
  test: readonly LabelledSequence[],
): number {
  const counts = new Map<number, number>();
  for (const { label } of train) counts.set(label, (counts.get(label) ?? 0) + 1);
  const [most] = [...counts].reduce((best, entry) => entry[1] > best[1] ? entry : best);
  return test.filter(({ label }) => label === most).length / test.length;
}
