// Single-text classification as GPT-1 does it: start, text, extract; a linear classifier on the extract token's hidden
// state; the language-model loss as an auxiliary objective. Sequences are padded to a length bucket, so a few plans serve
// all batches, and padding weighs nothing.

import { Random } from "../core/random.ts";
import { classificationFeeds, classificationSequence, type LabelledSequence } from "../models/gpt1_feeds.ts";
import type { Gpt1 } from "../models/gpt1_model.ts";
import type { Gpt1Config } from "../models/gpt1.ts";
import type { Gpt1Run } from "../models/gpt1_plans.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { TrainingSource } from "../train/trainer.ts";
import { accuracy, f1, macroF1, matthews } from "./metrics.ts";

/** A text with its label; `label` is `null` where it is to be predicted. */
export interface LabelledText {
  /** As it was read; tokenizing and cutting come later. */
  readonly text: string;
  /** By name, as `labelsOf` lists them. */
  readonly label: string | null;
}

/** Weight of the auxiliary language-model loss in the paper. */
export const LAMBDA = 0.5;

/** Lengths that plans are made for, besides the context itself. */
const BUCKET = 16;

/** The distinct labels of a training set, sorted. */
export function labelsOf(examples: readonly LabelledText[]): string[] {
  const labels = new Set(examples.flatMap(({ label }) => label === null ? [] : [label]));
  if (labels.size < 2) {
    throw new RangeError(`Cannot learn to classify with ${labels.size} label: two or more are needed`);
  }
  return [...labels].sort();
}

/** Turns texts into sequences for the model. Throws `RangeError` for a label that is not among `labels`. */
export function prepare(
  config: Gpt1Config,
  tokenizer: Tokenizer,
  examples: readonly LabelledText[],
  labels: readonly string[],
): LabelledSequence[] {
  const numbers = new Map(labels.map((label, i) => [label, i]));
  return examples.map(({ text, label }, i) => {
    const number = label === null ? -1 : numbers.get(label);
    if (number === undefined) {
      throw new RangeError(
        `Example ${i + 1} has the label "${label}", which training never saw: the labels are ${
          labels.join(", ")
        }`,
      );
    }
    return { ids: classificationSequence(config, tokenizer.encode(text)), label: number };
  });
}

/** How training batches are made. */
export interface ClassificationOptions {
  /** Examples in an update. */
  readonly batch: number;
  /** Examples in a micro-batch; all of the update's unless given. */
  readonly microBatch?: number;
  /** Weight of the language-model loss; 0 leaves it out. */
  readonly lambda?: number;
  /** Decides the order. */
  readonly seed: number;
  /**
   * Whether batches are cut from runs of similar length, which saves padding: examples are shuffled, sorted by length
   * within pools of 16 batches, and the batches shuffled again. The original shuffles only.
   */
  readonly groupByLength?: boolean;
}

/** Updates from labelled sequences: a new order every epoch, the last partial batch dropped, as in the released code. */
export function classificationSource(
  config: Gpt1Config,
  sequences: readonly LabelledSequence[],
  outputs: number,
  { batch, microBatch = batch, lambda = LAMBDA, seed, groupByLength = false }: ClassificationOptions,
): TrainingSource<Gpt1Run> & { readonly updatesPerEpoch: number; readonly largestRun: Gpt1Run } {
  const updatesPerEpoch = Math.floor(sequences.length / batch);
  if (updatesPerEpoch === 0) {
    throw new RangeError(
      `Cannot train on ${sequences.length} examples in batches of ${batch}: use a smaller batch`,
    );
  }
  const runOf = (length: number): Gpt1Run => ({
    batch: microBatch,
    length,
    language: lambda > 0,
    classifier: { outputs, choices: 1 },
  });
  let epoch = 0, index = 0, batches: LabelledSequence[][] = [], drawn = -1;
  const draw = (): void => {
    if (drawn === epoch) return;
    batches = epochBatches(
      sequences,
      batch,
      new Random(seed, `classification/epoch ${epoch}`),
      groupByLength,
    );
    drawn = epoch;
  };
  return {
    updatesPerEpoch,
    largestRun: runOf(bucketLength(config, sequences)),
    get cursor() {
      return { epoch, index };
    },
    seek(cursor) {
      const to = cursor as { epoch: number; index: number };
      if (!(to.epoch >= 0 && to.index >= 0 && to.index < updatesPerEpoch)) {
        throw new RangeError(
          `Cannot go to update ${to.index} of epoch ${to.epoch}: an epoch of these examples has updates 0 to ` +
            `${updatesPerEpoch - 1}; resume with the data and batch of the run that was stopped`,
        );
      }
      ({ epoch, index } = to);
    },
    next() {
      draw();
      const chosen = batches[index++];
      if (index === updatesPerEpoch) [epoch, index] = [epoch + 1, 0];
      const micro = slices(chosen, microBatch).map((part) => {
        const length = bucketLength(config, part);
        return {
          run: runOf(length),
          feeds: classificationFeeds(config, part, { batch: microBatch, length, lambda, examples: batch }),
        };
      });
      return { micro, tokens: chosen.reduce((sum, { ids }) => sum + ids.length, 0) };
    },
  };
}

/** What a classifier says of one text. */
export interface Prediction {
  /** The most probable class. */
  readonly predicted: number;
  /** One for each class, in order; they sum to 1. */
  readonly probabilities: readonly number[];
}

/** Class probabilities of every sequence, in order. */
export async function classify(
  model: Gpt1,
  sequences: readonly LabelledSequence[],
  { batch = 32, signal }: { batch?: number; signal?: AbortSignal | undefined } = {},
): Promise<Prediction[]> {
  if (model.classifier === null) throw new TypeError("The model has no classifier: fine-tune it first");
  const outputs = model.classifier, results = new Array<Prediction>(sequences.length);
  // Texts of similar length share a batch.
  const order = sequences.map((_, i) => i).sort((a, b) => sequences[a].ids.length - sequences[b].ids.length);
  for (const part of slices(order, batch)) {
    signal?.throwIfAborted();
    const chosen = part.map((i) => sequences[i]), length = bucketLength(model.config, chosen);
    const program = model.scores({ batch, length, language: false, classifier: { outputs, choices: 1 } });
    const { targets: _, weights: __, ...feeds } = classificationFeeds(model.config, chosen, {
      batch,
      length,
      lambda: 0,
      examples: batch,
    });
    const { logits } = await program.run(feeds);
    part.forEach((i, b) => results[i] = predict(Array.from(logits.subarray(b * outputs, (b + 1) * outputs))));
  }
  return results;
}

/** Scores of a classifier on labelled examples. */
export interface ClassificationScore {
  /** How many were scored. */
  readonly examples: number;
  /** Share of correct predictions, in [0, 1]. */
  readonly accuracy: number;
  /** F1 of the second label for two classes (the usual positive one), else the mean over classes. */
  readonly f1: number;
  /** Correlation in [-1, 1]; 0 where truth or predictions have one class only. */
  readonly matthews: number;
}

/** Accuracy, F1 and Matthews correlation of predictions. */
export function classificationScore(
  sequences: readonly LabelledSequence[],
  predictions: readonly Prediction[],
  classes: number,
): ClassificationScore {
  const truth = sequences.map(({ label }) => label), guess = predictions.map(({ predicted }) => predicted);
  return {
    examples: truth.length,
    accuracy: accuracy(truth, guess),
    f1: classes === 2 ? f1(truth, guess, 1) : macroF1(truth, guess, classes),
    matthews: matthews(truth, guess, classes),
  };
}

function predict(logits: readonly number[]): Prediction {
  if (!logits.every(Number.isFinite)) {
    throw new RangeError(
      "Cannot classify: the model's scores are not finite; its parameters are spoilt, use another checkpoint",
    );
  }
  const top = Math.max(...logits), exps = logits.map((logit) => Math.exp(logit - top));
  const sum = exps.reduce((a, b) => a + b, 0);
  return { predicted: logits.indexOf(top), probabilities: exps.map((value) => value / sum) };
}

function epochBatches(
  sequences: readonly LabelledSequence[],
  batch: number,
  random: Random,
  groupByLength: boolean,
): LabelledSequence[][] {
  const shuffled = random.shuffle([...sequences]);
  // What fills no batch is left out before sorting, or it would always be the longest texts.
  const kept = shuffled.slice(0, shuffled.length - shuffled.length % batch);
  if (!groupByLength) return slices(kept, batch);
  const pools = slices(kept, 16 * batch).map((pool) => pool.toSorted((a, b) => a.ids.length - b.ids.length));
  return random.shuffle(pools.flatMap((pool) => slices(pool, batch)));
}

const bucketLength = ({ context }: Gpt1Config, sequences: readonly LabelledSequence[]): number => {
  const longest = Math.max(...sequences.map(({ ids }) => ids.length));
  return Math.min(context, Math.ceil(longest / BUCKET) * BUCKET);
};

const slices = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
