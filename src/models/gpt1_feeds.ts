// What is fed to GPT-1's plans, from plain token sequences: ids in pairs (a row of the table for the token, one for its
// position), targets, row weights that carry the averaging rule, live lengths.

import type { Feeds } from "../backends/backend.ts";
import { type Gpt1Config, SPECIALS, specialToken } from "./gpt1.ts";

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

/** A text prepared for classification: start, tokens, extract. */
export interface LabelledSequence {
  /** Token ids, start and extract included; no more than the context. */
  readonly ids: ArrayLike<number>;
  /** Class number, or -1 if unknown. */
  readonly label: number;
}

/** Puts start and extract around a text, cut so that the sequence fits the context. */
export function classificationSequence(config: Gpt1Config, tokens: readonly number[]): number[] {
  const [start, , extract] = SPECIALS.map((name) => specialToken(config, name));
  return [start, ...tokens.slice(0, config.context - 2), extract];
}

/**
 * Labelled sequences padded to (B,T). The language-model term averages over each sequence's own targets first, then over
 * sequences, times `lambda`; the classifier term is the mean over examples. Missing sequences of a partial batch weigh 0.
 */
export function classificationFeeds(
  config: Gpt1Config,
  sequences: readonly LabelledSequence[],
  { batch, length, lambda, examples }: { batch: number; length: number; lambda: number; examples: number },
): Feeds {
  const tokens = new Int32Array(batch * length), targets = new Int32Array(batch * length).fill(-1);
  const weights = new Float64Array(batch * length), labelWeights = new Float64Array(batch);
  const lengths = new Int32Array(batch),
    extract = new Int32Array(batch),
    labels = new Int32Array(batch).fill(-1);
  sequences.forEach(({ ids, label }, b) => {
    const n = ids.length, row = b * length;
    tokens.set(Array.from(ids), row);
    targets.set(Array.from(ids).slice(1), row);
    weights.fill(lambda / (n - 1) / examples, row, row + n - 1);
    lengths[b] = n;
    extract[b] = n - 1;
    labels[b] = label;
    labelWeights[b] = label < 0 ? 0 : 1 / examples;
  });
  return { ids: tokenIds(config, tokens, length), targets, weights, lengths, extract, labels, labelWeights };
}
