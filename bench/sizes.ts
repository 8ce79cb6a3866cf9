// The models that benchmarks use, and text for them. S fits the caches of most machines, M does not, GPT-1 is the paper's.
// Words are drawn so that frequent ones are as frequent as in real text; the values do not matter to speed. Dropout is
// off unless a benchmark turns it on.

import { Random } from "../src/core/random.ts";
import { configure, type Gpt1Config } from "../src/models/gpt1.ts";

/** A model to measure. */
export interface Size {
  /** As in the names of rows. */
  readonly name: string;
  readonly config: Gpt1Config;
  /** Sequences in a training step, B. */
  readonly batch: number;
}

const size = (
  name: string,
  shape: Parameters<typeof configure>[0],
  vocabSize: number,
  batch: number,
): Size => ({
  name,
  config: configure(shape, vocabSize, { rate: 0 }),
  batch,
});

const S = size("s", { context: 128, channels: 128, heads: 4, layers: 4 }, 2048, 16);
const M = size("m", { context: 256, channels: 384, heads: 6, layers: 6 }, 8192, 8);
const GPT1 = size("gpt1", "gpt1", 40478, 2);
const TINY = size("tiny", { context: 32, channels: 32, heads: 2, layers: 2 }, 256, 2);

/** S and M; in a quick run, which is for trying the benchmarks out, a model that says nothing about speed. */
export const sizes = (quick: boolean): readonly Size[] => quick ? [TINY] : [S, M];

/** Those and the paper's, which takes a while. */
export const allSizes = (quick: boolean): readonly Size[] => quick ? [TINY] : [S, M, GPT1];

/** Tokens in place of text. */
export function tokensFor({ vocabSize }: Gpt1Config, count: number): Uint16Array {
  const random = new Random(1, "bench");
  return Uint16Array.from({ length: count }, () => Math.floor(vocabSize * random.next() ** 3));
}

/**
 * Floating-point operations of a training step, the usual estimate: 6 for each weight and token, and attention's products
 * over all T x T pairs. A forward pass is a third of it.
 */
export function trainingFlops({ config, batch: B }: Pick<Size, "config" | "batch">): number {
  const { layers: L, channels: C, vocabSize: V, context: T } = config;
  return 6 * (12 * L * C * C + V * C) * B * T + 12 * L * C * T * B * T;
}
