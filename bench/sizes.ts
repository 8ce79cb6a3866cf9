// The two models that benchmarks use, and text for them. S fits the caches of most machines, M does not. Words are drawn
// so that frequent ones are as frequent as in real text; the values do not matter to speed.

import { configure, type Gpt1Config } from "../src/models/gpt1.ts";
import { Random } from "../src/core/random.ts";

/** A model to measure. */
export interface Size {
  readonly name: string;
  readonly config: Gpt1Config;
  /** Sequences in a training step, B. */
  readonly batch: number;
}

/** The models. */
export const sizes: readonly Size[] = [
  { name: "S", config: configure({ context: 128, channels: 128, heads: 4, layers: 4 }, 2048), batch: 16 },
  { name: "M", config: configure({ context: 256, channels: 384, heads: 6, layers: 6 }, 8192), batch: 8 },
];

/** Tokens in place of text. */
export function tokensFor({ vocabSize }: Gpt1Config, count: number): Uint16Array {
  const random = new Random(1, "bench");
  return Uint16Array.from({ length: count }, () => Math.floor(vocabSize * random.next() ** 3));
}

/**
 * Floating-point operations of a training step, the usual estimate: 6 for each weight and token, and attention's products
 * over all T x T pairs. A forward pass is a third of it.
 */
export function trainingFlops({ config, batch: B }: Size): number {
  const { layers: L, channels: C, vocabSize: V, context: T } = config;
  return 6 * (12 * L * C * C + V * C) * B * T + 12 * L * C * T * B * T;
}
