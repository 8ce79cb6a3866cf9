// What is fed to GPT-1's plans, from plain token sequences: ids in pairs (a row of the table for the token, one for its
// position), targets, row weights that carry the averaging rule, live lengths.

import type { Feeds } from "../backends/backend.ts";
import type { Gpt1Config } from "./gpt1.ts";
import { type ClassifierHead, sequencesOfExample } from "./gpt1_plans.ts";

/** (B,T,2) table rows of tokens (B,T) and of their positions, which start at `offsets[b]` or 0. */
export function tokenIds(
  { vocabSize, specials, context }: Gpt1Config,
  tokens: ArrayLike<number>,
  length: number,
  offsets?: ArrayLike<number>,
): Int32Array {
  const ids = new Int32Array(2 * tokens.length), first = vocabSize + specials;
  for (let i = 0; i < tokens.length; i++) {
    const position = i % length + (offsets?.[Math.floor(i / length)] ?? 0);
    ids[2 * i] = Math.max(0, tokens[i]);
    ids[2 * i + 1] = first + Math.min(position, context - 1); // only dead positions lie beyond the context
  }
  return ids;
}

/** Full windows of text (B,T) with the next token of each as its target; the mean over all `sequences` of an update. */
export function windowFeeds(
  config: Gpt1Config,
  { tokens, targets }: { tokens: ArrayLike<number>; targets: Int32Array },
  { length, sequences }: { length: number; sequences: number },
): Feeds {
  return {
    ids: tokenIds(config, tokens, length),
    targets,
    weights: new Float64Array(tokens.length).fill(1 / length / sequences),
    lengths: new Int32Array(tokens.length / length).fill(length),
  };
}

/** An example prepared for a classifier. */
export interface LabelledExample {
  /**
   * Token ids, start and extract included, no more than the context: one sequence, both orders of a pair, or one for each
   * answer.
   */
  readonly sequences: readonly ArrayLike<number>[];
  /** Number of the class or answer; for a score its place on the scale, 0 to outputs - 1; -1 if unknown. */
  readonly label: number;
}

/** How many rows and tokens the plan takes, and how its losses are averaged. */
export interface ExampleShape {
  /** Sequences of the plan, B. */
  readonly batch: number;
  /** Tokens of each, T. */
  readonly length: number;
  /** Weight of the language-model term. */
  readonly lambda: number;
  /** Examples of the whole update, over which the losses are averaged. */
  readonly examples: number;
  /** The head; one sequence and one label an example unless given. */
  readonly head?: Pick<ClassifierHead, "choices" | "sum" | "between">;
}

/**
 * Examples padded to (B,T). The language-model term averages over each sequence's own targets first, then over all
 * sequences, times `lambda`; the classifier term is the mean over examples. Missing examples of a partial batch weigh 0.
 */
export function exampleFeeds(
  config: Gpt1Config,
  examples: readonly LabelledExample[],
  { batch, length, lambda, examples: count, head = { choices: 1 } }: ExampleShape,
): Feeds {
  const per = sequencesOfExample({ outputs: 1, ...head }), size = batch / per;
  const tokens = new Int32Array(batch * length), targets = new Int32Array(batch * length).fill(-1);
  const weights = new Float64Array(batch * length), lengths = new Int32Array(batch);
  const extract = new Int32Array(batch);
  examples.flatMap(({ sequences }) => sequences).forEach((sequence, b) => {
    const ids = Array.from(sequence), n = ids.length, row = b * length;
    tokens.set(ids, row);
    targets.set(ids.slice(1), row);
    weights.fill(lambda / (n - 1) / (count * per), row, row + n - 1);
    lengths[b] = n;
    extract[b] = n - 1;
  });
  const labels = new Int32Array(size).fill(-1), labelWeights = new Float64Array(size);
  const upperLabels = new Int32Array(size).fill(-1), upperWeights = new Float64Array(size);
  examples.forEach(({ label }, e) => {
    if (label < 0) return;
    const lower = Math.floor(label), share = label - lower;
    labels[e] = lower;
    labelWeights[e] = (1 - share) / count;
    if (share > 0) [upperLabels[e], upperWeights[e]] = [lower + 1, share / count];
  });
  return {
    ids: tokenIds(config, tokens, length),
    targets,
    weights,
    lengths,
    extract,
    labels,
    labelWeights,
    ...(head.between ? { upperLabels, upperWeights } : {}),
  };
}
