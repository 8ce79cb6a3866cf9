// Scoring without training: the mean negative log-likelihood of held-out text, each token counted exactly once.

import type { Tokens } from "../text/batches.ts";

/** The quality of a language model on a text. */
export interface TextScore {
  /** Mean negative log-likelihood of a token, in nats. */
  readonly loss: number;
  readonly perplexity: number;
  /** Tokens that were predicted: all but the first. */
  readonly tokens: number;
  /** Bits for each byte of the source text, where its size is known. */
  readonly bitsPerByte: number | null;
}

/** Sums losses into a score. */
export function textScore(totalLoss: number, tokens: number, bytes: number | null = null): TextScore {
  const loss = totalLoss / tokens;
  return {
    loss,
    perplexity: Math.exp(loss),
    tokens,
    bitsPerByte: bytes ? totalLoss / Math.LN2 / bytes : null,
  };
}

/** The first tokens of a text, at most `limit`. */
export const head = <T extends Tokens>(tokens: T, limit: number): T => tokens.subarray(0, limit) as T;
