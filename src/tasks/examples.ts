// Labelled examples as training updates: a new order every epoch, the last partial batch dropped. Sequences are padded to
// a length bucket, so that a few plans serve all batches; padding weighs nothing.

import { Random } from "../core/random.ts";
import { exampleFeeds, type LabelledExample } from "../models/gpt1_feeds.ts";
import type { Gpt1Config } from "../models/gpt1.ts";
import { type ClassifierHead, type Gpt1Run, sequencesOfExample } from "../models/gpt1_plans.ts";
import type { TrainingSource } from "../train/trainer.ts";

/** Weight of the auxiliary language-model loss in the paper. */
export const LAMBDA = 0.5;

/** Lengths that plans are made for, besides the context itself. */
const BUCKET = 16;

/** How training batches are made. */
export interface ExampleOptions {
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

/** Updates from labelled examples. */
export type ExampleSource = TrainingSource<Gpt1Run> & {
  /** Whole batches of an epoch. */
  readonly updatesPerEpoch: number;
  /** What memory must hold. */
  readonly largestRun: Gpt1Run;
};

/**
 * Updates from labelled examples for a head.
 *
 * @throws {RangeError} if the examples do not fill a batch.
 */
export function exampleSource(
  config: Gpt1Config,
  examples: readonly LabelledExample[],
  head: ClassifierHead,
  { batch, microBatch = batch, lambda = LAMBDA, seed, groupByLength = false }: ExampleOptions,
): ExampleSource {
  const updatesPerEpoch = Math.floor(examples.length / batch);
  if (updatesPerEpoch === 0) {
    throw new RangeError(
      `Cannot train on ${examples.length} examples in batches of ${batch}: use a smaller batch`,
    );
  }
  const sequences = microBatch * sequencesOfExample(head);
  const runOf = (length: number): Gpt1Run => ({
    batch: sequences,
    length,
    language: lambda > 0,
    classifier: head,
  });
  let epoch = 0, index = 0, batches: LabelledExample[][] = [], drawn = -1;
  const draw = (): void => {
    if (drawn === epoch) return;
    batches = epochBatches(examples, batch, new Random(seed, `classification/epoch ${epoch}`), groupByLength);
    drawn = epoch;
  };
  return {
    updatesPerEpoch,
    largestRun: runOf(bucketLength(config, examples)),
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
          feeds: exampleFeeds(config, part, { batch: sequences, length, lambda, examples: batch, head }),
        };
      });
      return { micro, tokens: chosen.reduce((sum, example) => sum + tokensOf(example), 0) };
    },
  };
}

function epochBatches(
  examples: readonly LabelledExample[],
  batch: number,
  random: Random,
  groupByLength: boolean,
): LabelledExample[][] {
  const shuffled = random.shuffle([...examples]);
  // What fills no batch is left out before sorting, or it would always be the longest texts.
  const kept = shuffled.slice(0, shuffled.length - shuffled.length % batch);
  if (!groupByLength) return slices(kept, batch);
  const pools = slices(kept, 16 * batch).map((pool) => pool.toSorted((a, b) => tokensOf(a) - tokensOf(b)));
  return random.shuffle(pools.flatMap((pool) => slices(pool, batch)));
}

const tokensOf = ({ sequences }: LabelledExample): number =>
  sequences.reduce((sum, ids) => sum + ids.length, 0);

/** The tokens that a batch of these examples is padded to: n_ctx shrinks to what they need, in steps of 16. */
export function bucketLength(
  { context }: Gpt1Config,
  examples: readonly Pick<LabelledExample, "sequences">[],
): number {
  let longest = 0;
  for (const { sequences } of examples) for (const ids of sequences) longest = Math.max(longest, ids.length);
  return Math.min(context, Math.ceil(longest / BUCKET) * BUCKET);
}

/** A list in parts of `size`, the last one perhaps smaller. */
export const slices = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
