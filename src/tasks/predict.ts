// What a fine-tuned model says of examples, alone or together with others: probabilities, averaged over the models of an
// ensemble, and the class, answer or score they amount to.

import type { Gpt1 } from "../models/gpt1_model.ts";
import { exampleFeeds, type LabelledExample } from "../models/gpt1_feeds.ts";
import { type ClassifierHead, sequencesOfExample } from "../models/gpt1_plans.ts";
import { bucketLength, slices } from "./examples.ts";

/** What a classifier says of one example. */
export interface Prediction {
  /** The most probable class or answer, by number; on a scale the expected place, 0 to outputs - 1. */
  readonly predicted: number;
  /** One for each class, answer or point, in order; they sum to 1. */
  readonly probabilities: readonly number[];
}

/** Options of `classify`. */
export interface ClassifyOptions {
  /** Examples at a time; 32 unless given. */
  readonly batch?: number;
  /** Stops between two batches by rejecting with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Predictions for every example, in order.
 *
 * @throws {TypeError} if the model has no classifier.
 * @throws {RangeError} if its scores are not finite.
 */
export async function classify(
  model: Gpt1,
  examples: readonly LabelledExample[],
  head: ClassifierHead,
  { batch = 32, signal }: ClassifyOptions = {},
): Promise<Prediction[]> {
  if (model.classifier === null) throw new TypeError("The model has no classifier: fine-tune it first");
  const sequences = batch * sequencesOfExample(head), scores = head.outputs * head.choices;
  const results = new Array<Prediction>(examples.length), longest = examples.map(longestOf);
  // Examples of similar length share a batch.
  const order = examples.map((_, i) => i).sort((a, b) => longest[a] - longest[b]);
  for (const part of slices(order, batch)) {
    signal?.throwIfAborted();
    const chosen = part.map((i) => examples[i]), length = bucketLength(model.config, chosen);
    const program = model.scores({ batch: sequences, length, language: false, classifier: head });
    const { targets: _, weights: __, ...feeds } = exampleFeeds(model.config, chosen, {
      batch: sequences,
      length,
      lambda: 0,
      examples: batch,
      head,
    });
    const { logits } = await program.run(feeds);
    part.forEach((i, e) => {
      results[i] = decide(softmax(Array.from(logits.subarray(e * scores, (e + 1) * scores))), head);
    });
  }
  return results;
}

/**
 * The predictions of an ensemble: the probabilities of its models averaged, model by model the same examples in the same
 * order.
 *
 * @throws {RangeError} without a model, or if the models differ in what they predicted for.
 */
export function ensemble(models: readonly (readonly Prediction[])[], head: ClassifierHead): Prediction[] {
  const [first, ...others] = models;
  if (!first) throw new RangeError("Cannot average the predictions of no model: give at least one");
  return first.map(({ probabilities }, i) => {
    const all = [probabilities, ...others.map((list) => list[i]?.probabilities ?? [])];
    if (
      all.some((list) => list.length !== probabilities.length) ||
      others.some((list) => list.length !== first.length)
    ) {
      throw new RangeError(
        `Cannot average predictions: the models differ in their classes or in how many examples they saw`,
      );
    }
    return decide(
      probabilities.map((_, k) => all.reduce((sum, list) => sum + list[k], 0) / all.length),
      head,
    );
  });
}

function decide(probabilities: readonly number[], { between = false }: ClassifierHead): Prediction {
  const predicted = between
    ? probabilities.reduce((sum, p, point) => sum + p * point, 0)
    : probabilities.indexOf(probabilities.reduce((a, b) => Math.max(a, b)));
  return { predicted, probabilities };
}

function softmax(logits: readonly number[]): number[] {
  if (!logits.every(Number.isFinite)) {
    throw new RangeError(
      "Cannot classify: the model's scores are not finite; its parameters are spoilt, use another checkpoint",
    );
  }
  const top = Math.max(...logits), exps = logits.map((logit) => Math.exp(logit - top));
  const sum = exps.reduce((a, b) => a + b, 0);
  return exps.map((value) => value / sum);
}

const longestOf = ({ sequences }: LabelledExample): number => Math.max(...sequences.map((ids) => ids.length));
