// Language modelling as a task: windows of a token file as training updates, and the perplexity of held-out text. The
// softmax runs over every row of the table, special tokens and positions included, as in the original.

import type { Gpt1 } from "../models/gpt1_model.ts";
import type { Gpt1Config } from "../models/gpt1.ts";
import { tokenIds, windowFeeds } from "../models/gpt1_feeds.ts";
import type { Gpt1Run } from "../models/gpt1_plans.ts";
import { type Cursor, sequentialWindows, type Tokens, windows } from "../text/batches.ts";
import type { TrainingSource } from "../train/trainer.ts";

/** Shape of the updates of `pretrainingSource`. */
export interface PretrainingOptions {
  /** Sequences in a micro-batch. */
  readonly batch: number;
  /** Tokens in each; the context unless given. */
  readonly length?: number;
  /** Micro-batches in an update. */
  readonly accumulate?: number;
  /** Decides the order of the windows. */
  readonly seed: number;
}

/** Updates from random windows of contiguous text. */
export function pretrainingSource(
  config: Gpt1Config,
  tokens: Tokens,
  { batch, length = config.context, accumulate = 1, seed }: PretrainingOptions,
): TrainingSource<Gpt1Run> & { readonly updatesPerEpoch: number; readonly largestRun: Gpt1Run } {
  const source = windows(tokens, { batch, length, seed }), run = { batch, length, language: true };
  const shape = { length, sequences: batch * accumulate };
  return {
    get cursor() {
      return source.cursor;
    },
    largestRun: run,
    updatesPerEpoch: Math.max(1, Math.floor(source.batchesPerEpoch / accumulate)),
    seek: (cursor) => source.seek(cursor as Cursor),
    next: () => ({
      micro: Array.from(
        { length: accumulate },
        () => ({ run, feeds: windowFeeds(config, source.next(), shape) }),
      ),
      tokens: batch * length * accumulate,
    }),
  };
}

/** The quality of a language model on a text. */
export interface TextScore {
  /** Mean negative log-likelihood of a token, in nats. */
  readonly loss: number;
  /** exp(`loss`), per token. */
  readonly perplexity: number;
  /** Tokens that were predicted: all but the first. */
  readonly tokens: number;
  /** Bits for each byte of the source text, where its size is known. */
  readonly bitsPerByte: number | null;
}

/** Loss, perplexity and bits per byte of text in order, windows of the context's length, no overlap. */
export async function scoreText(
  model: Gpt1,
  tokens: Tokens,
  { batch = 8, length = model.config.context, bytes = null, signal }: {
    batch?: number;
    length?: number;
    /** UTF-8 bytes of the source text. */
    bytes?: number | null;
    signal?: AbortSignal | undefined;
  } = {},
): Promise<TextScore> {
  const { config } = model, program = model.scores({ batch, length, language: true });
  let total = 0, count = 0;
  for (const { tokens: ids, targets, live } of sequentialWindows(tokens, { batch, length })) {
    signal?.throwIfAborted();
    const counted = targets.map((target, i) => i % length < live[Math.floor(i / length)] ? target : -1);
    const { languageRows } = await program.run({
      ids: tokenIds(config, ids, length),
      targets: counted,
      weights: new Float32Array(ids.length),
      lengths: live,
    });
    for (const loss of languageRows) total += loss;
    count += live.reduce((sum, n) => sum + n, 0);
  }
  const loss = total / count;
  return {
    loss,
    perplexity: Math.exp(loss),
    tokens: count,
    bitsPerByte: bytes ? total / Math.LN2 / bytes : null,
  };
}
