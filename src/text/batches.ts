// Windows of contiguous tokens, in batches. `windows` serves training: random order, every window once an epoch, full
// batches only, and a position of two integers from which a stopped run goes on. `sequentialWindows` serves
// evaluation: text order, every token predicted exactly once. Windows run over the ends of documents, as in GPT-1's
// pre-training, which took 64 random contiguous sequences of 512 tokens per update.

import { Random } from "../core/random.ts";

/** Token ids of a corpus. */
export type Tokens = Uint16Array | Uint32Array | Int32Array;

/** One batch: row b of `targets` is row b of `tokens`, one token later. */
export interface Batch {
  /** (B, T), row-major. */
  readonly tokens: Int32Array;
  /** (B, T), row-major. */
  readonly targets: Int32Array;
}

/** A batch whose rows may be partly empty. */
export interface EvaluationBatch extends Batch {
  /** (B): how many positions of each row count; the others hold 0. */
  readonly live: Int32Array;
}

/** A place between two batches of training. */
export interface Cursor {
  /** Epochs that are complete. */
  readonly epoch: number;
  /** Batches of this epoch that have been given. */
  readonly index: number;
}

/** An endless series of training batches. */
export interface BatchSource {
  /** Before which batch the series is; save this to go on from here. */
  readonly cursor: Cursor;
  /** Batches in each epoch. */
  readonly batchesPerEpoch: number;
  /** Goes to a place, as `cursor` gave it. Throws `RangeError` if this source has no such place. */
  seek(cursor: Cursor): void;
  /** The next batch, in arrays of its own. */
  next(): Batch;
}

/** Shape and order of training batches. */
export interface WindowOptions {
  /** Rows, B. */
  readonly batch: number;
  /** Tokens in a row, T. */
  readonly length: number;
  /** Decides offsets and order. */
  readonly seed: number;
}

/**
 * Training batches from a corpus of N tokens. Each epoch lays ⌊N / length⌋ windows end to end from an offset of its
 * own and gives them in an order of its own; fewer than one batch of them is left out. The corpus is taken as a
 * ring, so that any offset leaves the same number of windows: the one over the end goes on at the start. Throws
 * `RangeError` if the corpus does not fill a batch.
 *
 * @example
 * ```ts
 * import { windows } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const corpus = Uint16Array.from({ length: 100 }, (_, i) => i);
 * const source = windows(corpus, { batch: 2, length: 8, seed: 1 });
 * const { tokens, targets } = source.next(); // (2, 8) each
 * assertEquals(targets[0], (tokens[0] + 1) % 100);
 * assertEquals(source.cursor, { epoch: 0, index: 1 });
 * ```
 */
export function windows(tokens: Tokens, { batch, length, seed }: WindowOptions): BatchSource {
  requireShape(batch, length);
  const count = Math.floor(tokens.length / length), batchesPerEpoch = Math.floor(count / batch);
  if (batchesPerEpoch === 0) {
    throw new RangeError(
      `Cannot make batches of ${batch} x ${length} tokens from a corpus of ${tokens.length}: one batch takes ` +
        `${batch * length}; add text, or use a smaller batch or a shorter length`,
    );
  }
  let epoch = 0, index = 0;
  let grid: { epoch: number; offset: number; order: Uint32Array } | null = null; // of one epoch, made when needed

  function next(): Batch {
    if (grid?.epoch !== epoch) grid = { epoch, ...layOut(epoch) };
    const result: Batch = { tokens: new Int32Array(batch * length), targets: new Int32Array(batch * length) };
    for (let row = 0; row < batch; row++) {
      const start = (grid.offset + grid.order[index * batch + row] * length) % tokens.length;
      copyRing(result.tokens, row * length, start);
      copyRing(result.targets, row * length, start + 1);
    }
    if (++index === batchesPerEpoch) [epoch, index] = [epoch + 1, 0];
    return result;
  }

  function layOut(epoch: number): { offset: number; order: Uint32Array } {
    const random = new Random(seed, `windows/${epoch}`), offset = random.below(tokens.length);
    const order = Uint32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = random.below(i + 1), other = order[j];
      order[j] = order[i];
      order[i] = other;
    }
    return { offset, order };
  }

  function copyRing(into: Int32Array, at: number, start: number): void {
    const end = Math.min(start + length, tokens.length);
    into.set(tokens.subarray(start, end), at);
    into.set(tokens.subarray(0, length - (end - start)), at + end - start);
  }

  function seek(to: Cursor): void {
    const whole = Number.isSafeInteger(to.epoch) && Number.isSafeInteger(to.index);
    if (!whole || to.epoch < 0 || to.index < 0 || to.index >= batchesPerEpoch) {
      throw new RangeError(
        `Cannot go to batch ${to.index} of epoch ${to.epoch}: an epoch of this corpus has batches 0 to ` +
          `${batchesPerEpoch - 1}; resume with the corpus, batch and length of the run that was stopped`,
      );
    }
    [epoch, index] = [to.epoch, to.index];
  }

  return {
    get cursor() {
      return { epoch, index };
    },
    batchesPerEpoch,
    seek,
    next,
  };
}

/**
 * The whole corpus in order, for evaluation: every token but the first is a target exactly once. Rows follow each
 * other in the text; the last row that is not full, and the empty rows that complete the last batch, say so in
 * `live`. Throws `RangeError` if there are fewer than two tokens.
 *
 * @example
 * ```ts
 * import { sequentialWindows } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const [only] = sequentialWindows(Uint16Array.of(1, 2, 3, 4), { batch: 2, length: 2 });
 * assertEquals([...only.targets], [2, 3, 4, 0]);
 * assertEquals([...only.live], [2, 1]);
 * ```
 */
export function sequentialWindows(
  tokens: Tokens,
  { batch, length }: Omit<WindowOptions, "seed">,
): Iterable<EvaluationBatch> {
  requireShape(batch, length);
  if (tokens.length < 2) {
    throw new RangeError(`Cannot evaluate on ${tokens.length} tokens: it takes two to predict one; add text`);
  }
  function* generate(): Generator<EvaluationBatch, void, undefined> {
    for (let start = 0; start < tokens.length - 1; start += batch * length) {
      const result = {
        tokens: new Int32Array(batch * length),
        targets: new Int32Array(batch * length),
        live: new Int32Array(batch),
      };
      const count = Math.min(batch * length, tokens.length - 1 - start);
      // Row after row is text in order, so that the whole batch is one run of tokens.
      result.tokens.set(tokens.subarray(start, start + count));
      result.targets.set(tokens.subarray(start + 1, start + 1 + count));
      for (let row = 0; row < batch; row++) {
        result.live[row] = Math.max(0, Math.min(length, count - row * length));
      }
      yield result;
    }
  }
  return { [Symbol.iterator]: generate };
}

function requireShape(batch: number, length: number): void {
  for (const [name, value] of [["batch", batch], ["length", length]] as const) {
    if (Number.isSafeInteger(value) && value >= 1) continue;
    throw new RangeError(
      `Cannot make batches with ${name} ${value}: it must be a whole number of at least 1`,
    );
  }
}
