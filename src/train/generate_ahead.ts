// Generation where reading a result takes longer than making it: the device chooses the tokens and feeds them to itself, and
// several runs are under way before the first is read. `decode` fills the cache with all but the last token of each row,
// and continuations do the rest. When a context is full, or another generation has taken the cache, what is under way is
// read first; then the rows are encoded again, as they are without this.

import type { Results } from "../backends/backend.ts";
import type { Model } from "../nn/model.ts";
import { cut, encode, own, owns, type Row } from "./generate_rows.ts";
import type { Sampling } from "./sampling.ts";

/** When to end, and how tokens are chosen. */
export interface AheadOptions extends Sampling {
  /** Tokens of each row at most. */
  readonly maxTokens: number;
  /** Ends generation before the next token. */
  readonly signal?: AbortSignal | undefined;
}

/** Continues rows as `generateTokens` does. A reader that stops early leaves runs under way; nobody waits for them. */
export async function* generateAhead<C, R>(
  model: Model<C, R>,
  rows: readonly Row[],
  { maxTokens, signal, temperature = 1, topK = model.vocabSize, topP = 1 }: AheadOptions,
): AsyncGenerator<number[], void, undefined> {
  const { context, store, device: { ahead } } = model;
  const settings = Float32Array.of(temperature, Math.min(topK, model.vocabSize), topP);
  const underWay: Promise<Results>[] = [];

  function launch(): void {
    const runs: Promise<Results>[] = [], given = new Int32Array(2 * rows.length).fill(-1);
    if (underWay.length === 0) { // every token is known here
      cut(rows, context);
      own(store, rows);
      const pending = rows.map((row) => row.pending.slice(0, -1));
      if (pending.some(({ length }) => length > 0)) runs.push(encode(model, rows, pending, []));
      rows.forEach((row, b) => {
        row.cached += pending[b].length;
        given.set([row.pending[pending[b].length], row.cached], 2 * b);
      });
    }
    const chances = Float32Array.from(rows, ({ random }) => random.next());
    runs.unshift(model.continuation(rows.length).run({ given, settings, chances }));
    const result = Promise.all(runs).then(([chosen]) => chosen);
    result.catch(() => {}); // awaited in its turn, if ever
    underWay.push(result);
    for (const row of rows) {
      row.cached++;
      row.pending = [];
    }
  }
  // Without results in between, a run continues the one before, in the same cache and at the next position.
  const follows = (): boolean => owns(store, rows) && rows.every(({ cached }) => cached < context);

  for (let launched = 0, read = 0; read < maxTokens && !signal?.aborted; read++) {
    while (launched < maxTokens && underWay.length < ahead && (underWay.length === 0 || follows())) {
      launch();
      launched++;
    }
    const { tokens } = await underWay.shift()!;
    rows.forEach((row, b) => {
      if (tokens[b] < 0) {
        throw new RangeError(
          "Cannot sample a token: a logit is not a number or the largest is infinite; the model's parameters are spoilt",
        );
      }
      row.tokens.push(tokens[b]);
      row.pending = [tokens[b]];
    });
    if (signal?.aborted) return;
    yield Array.from(tokens);
  }
}
