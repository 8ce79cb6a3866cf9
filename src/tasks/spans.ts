// How probable a language model finds parts of texts: the mean log-probability of the tokens of a span, given those before
// it. Sequences share padded batches of similar length. Which spans say something about a task is zero_shot.ts. As for
// perplexity the softmax runs over every row of the table, positions included, for so the model was trained.

import { tokenIds } from "../models/gpt1_feeds.ts";
import type { Gpt1 } from "../models/gpt1_model.ts";
import { bucketLength } from "./examples.ts";

/** Tokens of which some are scored. */
export interface Span {
  /** Token ids; at most one more than the context, since the last one is only predicted, never read. */
  readonly tokens: readonly number[];
  /** Where the scored ones begin, 1 or more: there must be something to predict from. They go on to the end. */
  readonly from: number;
}

/** Tokens of a batch at most, padding included; fixed, so that the same spans give the same bits wherever they are scored. */
const BATCH_TOKENS = 1024;

/**
 * What is scored, after what is given, within a context. The scored tokens keep their first n_ctx, the given ones the last
 * for which there is room, which are the nearest; one at least.
 *
 * @example
 * ```ts
 * import { spanOf } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * assertEquals(spanOf([1, 2, 3], [4, 5], 3), { tokens: [2, 3, 4, 5], from: 2 });
 * ```
 *
 * @throws {RangeError} if nothing is given.
 */
export function spanOf(given: readonly number[], scored: readonly number[], context: number): Span {
  if (given.length === 0) throw new RangeError("Cannot score tokens after nothing: give one or more");
  const kept = scored.slice(0, context), room = context + 1 - kept.length;
  const before = given.slice(-Math.max(1, room));
  return { tokens: [...before, ...kept], from: before.length };
}

/**
 * The mean log-probability of each span's scored tokens, in nats. A span without any counts as drawn at random from the
 * vocabulary, -log V.
 *
 * @throws {RangeError} if the model's losses are not finite.
 */
export async function spanScores(
  model: Gpt1,
  spans: readonly Span[],
  { batchTokens = BATCH_TOKENS, signal }: {
    /** Tokens of a batch, padding included; 1,024 unless given. */
    readonly batchTokens?: number;
    /** Stops between two batches by rejecting with its reason. */
    readonly signal?: AbortSignal | undefined;
  } = {},
): Promise<Float64Array> {
  const { config } = model, means = new Float64Array(spans.length).fill(-Math.log(config.vocabSize));
  const read = (i: number): number => spans[i].tokens.length - 1; // tokens that the model reads
  const order = spans.map((_, i) => i).filter((i) => spans[i].from < spans[i].tokens.length)
    .sort((a, b) => read(b) - read(a)); // the longest first, so that only the last batch is not full
  for (let at = 0; at < order.length;) {
    signal?.throwIfAborted();
    const length = bucketLength(config, [{ sequences: [spans[order[at]].tokens.slice(1)] }]);
    const batch = Math.max(1, Math.floor(batchTokens / length)), part = order.slice(at, at += batch);
    const { languageRows } = await model.scores({ batch, length, language: true })
      .run(spanFeeds(model, part.map((i) => spans[i]), batch, length));
    part.forEach((i, b) => {
      const { from } = spans[i], rows = languageRows.subarray(b * length + from - 1, b * length + read(i));
      let total = 0;
      for (const loss of rows) total += loss;
      means[i] = -total / rows.length;
    });
  }
  if (means.every(Number.isFinite)) return means;
  throw new RangeError(
    "Cannot score texts: the model's losses are not finite; its parameters are spoilt, use another checkpoint",
  );
}

function spanFeeds({ config }: Gpt1, spans: readonly Span[], batch: number, length: number) {
  const tokens = new Int32Array(batch * length), targets = new Int32Array(batch * length).fill(-1);
  const lengths = new Int32Array(batch); // 0 for rows that no span fills
  spans.forEach(({ tokens: all, from }, b) => {
    tokens.set(all.slice(0, -1), b * length);
    targets.set(all.slice(from), b * length + from - 1);
    lengths[b] = all.length - 1;
  });
  return {
    ids: tokenIds(config, tokens, length),
    targets,
    weights: new Float32Array(batch * length),
    lengths,
  };
}
