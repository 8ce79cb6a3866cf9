// The rows that a generation continues: what of each is in the cache, what is to be encoded next. Rows of different lengths
// share a batch, each with its own live length and offset. When a row's context is full, its last half is encoded again.

import type { Results, Store } from "../backends/backend.ts";
import type { Random } from "../core/random.ts";
import type { Model } from "../nn/model.ts";

/** One text that is continued. */
export interface Row {
  /** Tokens whose keys and values are cached. */
  cached: number;
  /** Tokens to encode next. */
  pending: number[];
  /** Everything so far, to encode again when the context is full. */
  readonly tokens: number[];
  /** Its draws. */
  readonly random: Random;
}

/** Makes room in rows whose context is full. */
export function cut(rows: readonly Row[], context: number): void {
  for (const row of rows) {
    if (row.cached + row.pending.length <= context) continue;
    row.cached = 0;
    row.pending = row.tokens.slice(-Math.max(1, Math.floor(context / 2)));
  }
}

// Whose tokens the cache in a model's store holds. There is one for each batch size, and generations may take turns on it.
const owners = new WeakMap<Store, Map<number, readonly Row[]>>();

/** Whether the cache holds what these rows say it does. */
export const owns = (store: Store, rows: readonly Row[]): boolean =>
  owners.get(store)?.get(rows.length) === rows;

/** Takes the cache for these rows; if it was another's, all they had there is to be encoded again. */
export function own(store: Store, rows: readonly Row[]): void {
  if (owns(store, rows)) return;
  for (const row of rows) {
    row.pending = row.tokens.slice(-(row.cached + row.pending.length));
    row.cached = 0;
  }
  const owner = owners.get(store) ?? new Map<number, readonly Row[]>();
  owners.set(store, owner.set(rows.length, rows));
}

/** Encodes tokens of all rows behind what is cached, in the smallest plan that holds them: 1 or a power of two. */
export function encode<C, R>(
  model: Model<C, R>,
  rows: readonly Row[],
  pending: readonly (readonly number[])[],
  wanted?: readonly string[],
): Promise<Results> {
  const longest = Math.max(...pending.map(({ length }) => length));
  const length = Math.min(model.context, 2 ** Math.ceil(Math.log2(longest)));
  const tokens = new Int32Array(rows.length * length);
  pending.forEach((ids, b) => tokens.set(ids, b * length));
  return model.decode(rows.length, length).run({
    ids: model.inputIds(tokens, length, rows.map(({ cached }) => cached)),
    extents: Int32Array.from(rows.flatMap(({ cached }, b) => [cached, pending[b].length])),
    last: Int32Array.from(pending, (ids) => Math.max(0, ids.length - 1)),
  }, wanted);
}
