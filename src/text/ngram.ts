// The baseline a language model has to beat: a trigram model with linear interpolation, after Jelinek and Mercer,
// "Interpolated estimation of Markov source parameters from sparse data" (1980). Trigram, bigram, unigram and uniform
// estimates are mixed; how much a context is trusted depends on how often it was seen and how varied what followed
// was, and these weights are fitted by expectation-maximization on text that was held out of the counts. The counts
// are then taken again from all of the text.

import type { Tokens } from "./batches.ts";

/** A trained trigram model. Probabilities are natural logarithms. */
export interface TrigramModel {
  /** Ids are 0 to vocabSize - 1; the uniform estimate is 1 / vocabSize. */
  readonly vocabSize: number;
  /** ln p(token | the last two tokens of `context`), or the last one, or none, if `context` is that short. */
  logProbability(context: ArrayLike<number>, token: number): number;
  /** exp of the mean of -ln p over every token but the first, each given those before it. */
  perplexity(tokens: Tokens): number;
}

/** How to fit a trigram model. */
export interface TrigramOptions {
  /** Share of the tokens, taken from the end, on which the weights are fitted. Default 0.1. */
  readonly heldOut?: number;
}

/** What followed each context, in sorted arrays: followers of context i are at starts[i] to starts[i + 1]. */
interface Table {
  readonly contexts: Float64Array;
  readonly starts: Uint32Array;
  readonly followers: Uint32Array;
  readonly counts: Uint32Array;
  /** How often each context was followed by anything. */
  readonly totals: Float64Array;
}

interface Counts {
  readonly unigrams: Float64Array;
  readonly total: number;
  readonly bigrams: Table;
  readonly trigrams: Table;
}

/** Weight of an estimate against all lower ones, by bucket of its context. */
interface Weights {
  readonly trigram: Float64Array;
  readonly bigram: Float64Array;
  readonly unigram: Float64Array;
}

/** An estimate from one order: its relative frequency, and the bucket of its context (-1 if never seen). */
interface Estimate {
  readonly frequency: number;
  readonly bucket: number;
}

const COUNT_LEVELS = 16, VARIETY_LEVELS = 8, BUCKETS = COUNT_LEVELS * VARIETY_LEVELS;

/**
 * Fits a trigram model to tokens with ids 0 to vocabSize - 1. A million tokens take about a second and 40 MB. Throws
 * `RangeError` on fewer than 20 tokens or an id outside the vocabulary.
 *
 * @example
 * ```ts
 * import { trainTrigram } from "@foreword/foreword";
 * import { assert } from "@std/assert";
 * const counting = Uint16Array.from({ length: 1000 }, (_, i) => i % 10);
 * assert(trainTrigram(counting, 10).perplexity(counting) < 1.1);
 * ```
 */
export function trainTrigram(
  tokens: Tokens,
  vocabSize: number,
  { heldOut = 0.1 }: TrigramOptions = {},
): TrigramModel {
  const split = tokens.length - Math.floor(tokens.length * heldOut);
  if (tokens.length < 20 || !(heldOut > 0 && heldOut < 1) || split < 3 || split === tokens.length) {
    throw new RangeError(
      `Cannot fit a trigram model to ${tokens.length} tokens with ${heldOut} of them held out: it takes at least 20, ` +
        `some of them held out`,
    );
  }
  if (!Number.isSafeInteger(vocabSize ** 3)) {
    throw new RangeError(
      `Cannot fit a trigram model to ${vocabSize} ids: the vocabulary may have at most 208,063`,
    );
  }
  for (const id of tokens) {
    if (!(id >= 0 && id < vocabSize)) {
      throw new RangeError(
        `Cannot fit a trigram model: id ${id} is not below the vocabulary size ${vocabSize}`,
      );
    }
  }
  const weights = fitWeights(countTokens(tokens.subarray(0, split), vocabSize), tokens, split, vocabSize);
  const counts = countTokens(tokens, vocabSize);

  function logProbability(context: ArrayLike<number>, token: number): number {
    const n = context.length;
    return Math.log(probability(n > 1 ? context[n - 2] : -1, n > 0 ? context[n - 1] : -1, token));
  }

  function probability(before: number, last: number, token: number): number {
    // A token that is not there is -1, which makes a context that is in no table.
    const trigram = estimate(counts.trigrams, before * vocabSize + last, token);
    const bigram = estimate(counts.bigrams, last, token);
    const [w3, w2, w1] = weightsOf(weights, trigram, bigram);
    const unigram = counts.unigrams[token] / counts.total;
    const lower = w2 * bigram.frequency + (1 - w2) * (w1 * unigram + (1 - w1) / vocabSize);
    return w3 * trigram.frequency + (1 - w3) * lower;
  }

  function perplexity(text: Tokens): number {
    if (text.length < 2) {
      throw new RangeError(`Cannot take the perplexity of ${text.length} tokens: it takes two`);
    }
    let sum = 0;
    for (let i = 1; i < text.length; i++) {
      sum -= Math.log(probability(i > 1 ? text[i - 2] : -1, text[i - 1], text[i]));
    }
    return Math.exp(sum / (text.length - 1));
  }

  return { vocabSize, logProbability, perplexity };
}

const UNSEEN: Estimate = { frequency: 0, bucket: -1 };

function weightsOf(weights: Weights, trigram: Estimate, bigram: Estimate): [number, number, number] {
  const w3 = trigram.bucket < 0 ? 0 : weights.trigram[trigram.bucket];
  const w2 = bigram.bucket < 0 ? 0 : weights.bigram[bigram.bucket];
  return [w3, w2, weights.unigram[0]];
}

/**
 * Expectation-maximization: each held-out token is shared out among the four estimates by their part in its
 * probability, and a weight becomes the share its estimate won of what reached it.
 */
function fitWeights(counts: Counts, tokens: Tokens, split: number, vocabSize: number): Weights {
  const held = Array.from({ length: tokens.length - split }, (_, i) => {
    const [before, last, token] = tokens.subarray(split + i - 2, split + i + 1);
    return {
      trigram: estimate(counts.trigrams, before * vocabSize + last, token),
      bigram: estimate(counts.bigrams, last, token),
      unigram: counts.unigrams[token] / counts.total,
    };
  });
  const half = (length: number): Float64Array => new Float64Array(length).fill(0.5);
  let weights: Weights = { trigram: half(BUCKETS), bigram: half(BUCKETS), unigram: half(1) };
  for (let round = 0, before = -Infinity; round < 100; round++) {
    // One observation each way: no weight reaches 0 or 1, and a bucket without held-out text stays at one half.
    const ones = (length: number): Float64Array => new Float64Array(length).fill(1);
    const won: Weights = { trigram: ones(BUCKETS), bigram: ones(BUCKETS), unigram: ones(1) };
    const lost: Weights = { trigram: ones(BUCKETS), bigram: ones(BUCKETS), unigram: ones(1) };
    let likelihood = 0;
    for (const { trigram, bigram, unigram } of held) {
      const [w3, w2, w1] = weightsOf(weights, trigram, bigram);
      const p3 = w3 * trigram.frequency, p2 = (1 - w3) * w2 * bigram.frequency;
      const p1 = (1 - w3) * (1 - w2) * w1 * unigram, p0 = (1 - w3) * (1 - w2) * (1 - w1) / vocabSize;
      const p = p3 + p2 + p1 + p0;
      likelihood += Math.log(p);
      if (trigram.bucket >= 0) {
        won.trigram[trigram.bucket] += p3 / p;
        lost.trigram[trigram.bucket] += (p2 + p1 + p0) / p;
      }
      if (bigram.bucket >= 0) {
        won.bigram[bigram.bucket] += p2 / p;
        lost.bigram[bigram.bucket] += (p1 + p0) / p;
      }
      won.unigram[0] += p1 / p;
      lost.unigram[0] += p0 / p;
    }
    const share = (a: Float64Array, b: Float64Array): Float64Array =>
      a.map((value, i) => value / (value + b[i]));
    weights = {
      trigram: share(won.trigram, lost.trigram),
      bigram: share(won.bigram, lost.bigram),
      unigram: share(won.unigram, lost.unigram),
    };
    if (likelihood - before < 1e-6 * held.length) break;
    before = likelihood;
  }
  return weights;
}

function estimate(table: Table, context: number, token: number): Estimate {
  const at = search(table.contexts, context, 0, table.contexts.length);
  if (at < 0) return UNSEEN;
  const start = table.starts[at], end = table.starts[at + 1], total = table.totals[at];
  const follower = search(table.followers, token, start, end);
  return {
    frequency: follower < 0 ? 0 : table.counts[follower] / total,
    bucket: bucketOf(total, end - start),
  };
}

/** A context is trusted the more, the more often it was seen and the fewer different tokens followed it. */
function bucketOf(total: number, distinct: number): number {
  const count = Math.min(COUNT_LEVELS - 1, Math.floor(Math.log2(total)));
  const variety = Math.min(VARIETY_LEVELS - 1, Math.floor(VARIETY_LEVELS * distinct / total));
  return count * VARIETY_LEVELS + variety;
}

/** Where `value` is in the sorted `array` between start and end, or -1. */
function search(array: Float64Array | Uint32Array, value: number, start: number, end: number): number {
  let low = start, high = end;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (array[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low < end && array[low] === value ? low : -1;
}

function countTokens(tokens: Tokens, vocabSize: number): Counts {
  const unigrams = new Float64Array(vocabSize);
  for (const id of tokens) unigrams[id]++;
  const v = vocabSize;
  return {
    unigrams,
    total: tokens.length,
    bigrams: tableOf(
      Float64Array.from({ length: tokens.length - 1 }, (_, i) => tokens[i] * v + tokens[i + 1]),
      v,
    ),
    trigrams: tableOf(
      Float64Array.from(
        { length: tokens.length - 2 },
        (_, i) => (tokens[i] * v + tokens[i + 1]) * v + tokens[i + 2],
      ),
      v,
    ),
  };
}

/** Counts n-grams, each given as context * vocabSize + last token; sorts `keys` in place. */
function tableOf(keys: Float64Array, vocabSize: number): Table {
  keys.sort();
  const contextOf = (key: number): number => Math.floor(key / vocabSize);
  let distinct = 0, contexts = 0;
  for (let i = 0; i < keys.length; i++) {
    if (i > 0 && keys[i] === keys[i - 1]) continue;
    distinct++;
    if (i === 0 || contextOf(keys[i]) !== contextOf(keys[i - 1])) contexts++;
  }
  const table: Table = {
    contexts: new Float64Array(contexts),
    starts: new Uint32Array(contexts + 1),
    followers: new Uint32Array(distinct),
    counts: new Uint32Array(distinct),
    totals: new Float64Array(contexts),
  };
  let follower = -1, context = -1;
  for (let i = 0; i < keys.length; i++) {
    if (i === 0 || keys[i] !== keys[i - 1]) {
      table.followers[++follower] = keys[i] % vocabSize;
      if (i === 0 || contextOf(keys[i]) !== contextOf(keys[i - 1])) {
        table.contexts[++context] = contextOf(keys[i]);
        table.starts[context] = follower;
      }
    }
    table.counts[follower]++;
    table.totals[context]++;
  }
  table.starts[contexts] = distinct;
  return table;
}
