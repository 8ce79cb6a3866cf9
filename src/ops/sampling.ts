// Choosing the next token where the logits are, and making the inputs of the run after it from what the last one left, so
// that tokens need not be read back one by one. What the settings mean is src/train/sampling.ts's, which does the same on
// the host. Nothing here can be differentiated.

import { requireShape, sameShape, show } from "../core/shape.ts";
import type { Case, CaseInput, Op, ReferenceArray } from "../graph/op.ts";

/** How many of the rows of the table are tokens, V; only those come out. */
export type Vocabulary = { readonly vocab: number };

const chances = (...values: number[]): CaseInput => ({ shape: [values.length], values });
const drawn = (
  rows: number,
  vocab: number,
  settings: readonly [temperature: number, topK: number, topP: number],
  ...at: number[]
): Case<Vocabulary> => ({
  inputs: [{ shape: [at.length, rows] }, { shape: [3], values: settings }, chances(...at)],
  attrs: { vocab },
});
const given = (
  logits: readonly (readonly number[])[],
  settings: readonly [temperature: number, topK: number, topP: number],
  at: readonly number[],
  vocab = logits[0].length,
): Case<Vocabulary> => ({
  inputs: [
    { shape: [logits.length, logits[0].length], values: logits.flat() },
    { shape: [3], values: settings },
    chances(...at),
  ],
  attrs: { vocab },
});
const even = (count: number): number[] => Array.from({ length: count }, (_, i) => (i + 0.37) / count);
const times = (count: number, row: readonly number[]): (readonly number[])[] => Array(count).fill(row);
const TIES = [1, -0, 2, 0, 2, 1, -3, 2, 0, 1, 1], LOW = -Infinity;
const cases: Case<Vocabulary>[] = [
  drawn(1, 1, [1, 1, 1], 0.5),
  drawn(1, 1, [0, 1, 1], 0),
  drawn(7, 5, [0, 5, 1], 0.1, 0.9, 0.99),
  drawn(13, 11, [1, 11, 1], ...even(7)),
  drawn(301, 257, [0.7, 257, 1], ...even(5)),
  drawn(301, 257, [2, 40, 1], ...even(5)),
  drawn(301, 257, [1, 257, 0.8], ...even(5)),
  drawn(1030, 1001, [1.3, 100, 0.55], ...even(5)),
  drawn(1030, 1001, [0.9, 1, 0.9], ...even(2)),
  drawn(1001, 1001, [1e-40, 1001, 1], 0.3),
  drawn(1001, 1001, [1e-6, 30, 0.5], 0.3),
  given(times(2, TIES), [0, 11, 1], [0.2, 0.8]),
  given(times(9, TIES), [1, 2, 1], even(9)),
  given(times(9, TIES), [1, 5, 1], even(9)),
  given(times(9, TIES), [1, 9, 1], even(9)), // one of two zeros, which differ in sign
  given(times(9, TIES), [1, 11, 0.6], even(9)),
  given(times(9, TIES), [1, 5, 0.7], even(9)),
  given(times(5, [0, 0, 0, 0, 9]), [1, 4, 0.5], even(5), 4),
  given(times(3, [LOW, 1, LOW, 1, LOW]), [1, 5, 0.99], [0, 0.6, 1]), // 1 is what a draw may be rounded to
  given([[1, NaN, 2], [LOW, LOW, LOW], [1, Infinity, 2], [1, 3, 2]], [1, 3, 1], [0.5, 0.5, 0.5, 0.1]),
  given([[1, NaN, 2], [LOW, LOW, LOW], [1, Infinity, 2], [1, 3, 2]], [0, 3, 1], [0.5, 0.5, 0.5, 0.1]),
  { ...drawn(50_000, 40_478, [0.8, 50, 0.9], 0.4), bench: true },
];

// The tokens that may come out, in the order of their numbers, with what each weighs.
function keep(
  logits: ReferenceArray,
  highest: number,
  [temperature, topK, topP]: ArrayLike<number> & Iterable<number>,
): [token: number, weight: number][] {
  const weight = (token: number) => Math.exp((logits[token] - highest) / temperature);
  const ranked = Array.from(logits, (_, i) => i).sort((a, b) =>
    logits[a] === logits[b] ? a - b : logits[b] - logits[a]
  ).slice(0, topK);
  const total = ranked.reduce((sum, token) => sum + weight(token), 0);
  let reached = 0, count = 0;
  while (count < ranked.length && (topP >= 1 || reached < topP * total)) reached += weight(ranked[count++]);
  return ranked.slice(0, count).sort((a, b) => a - b).map((token) => [token, weight(token)]);
}

/**
 * A token for each row, (B) i32. Inputs: logits (B,R), of which the first V count; settings (3): temperature, how many of
 * the most probable tokens to keep, the probability at which to keep no more; chances (B), of which each decides a row.
 * At temperature 0 the most probable token. Otherwise the first at which the sum of the probabilities kept, in the order of
 * the tokens, passes the chance. Equal logits rank by token number. -1 where a logit is NaN or the largest is not finite.
 */
export const sampleTokens: Op<Vocabulary> = {
  name: "sampleTokens",
  takes: ["f32", "f32", "f32"],
  infer([logits, settings, chances], { vocab }) {
    requireShape(
      logits.shape.length === 2 && vocab >= 1 && vocab <= logits.shape[1] && sameShape(settings.shape, [3]) &&
        sameShape(chances.shape, [logits.shape[0]]),
      `Cannot sample ${vocab} tokens from ${show(logits.shape)} with settings ${
        show(settings.shape)
      } and chances ${show(chances.shape)}`,
      "they must be (B,R), R no less than the tokens, (3) and (B)",
    );
    return [{ dtype: "i32", shape: chances.shape }];
  },
  dims: ([logits], { vocab }) => [...logits.shape, vocab],
  rows: ([B]) => B,
  workspace: ([, , V]) => 4 * V,
  reference([logits, settings, chances], [tokens], [B, R, V]) {
    for (let b = 0; b < B; b++) {
      const row = logits.subarray(b * R, b * R + V), highest = Math.max(...row);
      if (!Number.isFinite(highest)) tokens[b] = -1;
      else if (settings[0] === 0) tokens[b] = row.indexOf(highest);
      else {
        const kept = keep(row, highest, settings), total = kept.reduce((sum, [, weight]) => sum + weight, 0);
        let sum = 0;
        const found = kept.find(([, weight]) => (sum += weight) > chances[b] * total);
        tokens[b] = (found ?? kept.findLast(([, weight]) => weight > 0)!)[0];
      }
    }
  },
  cases,
};

/** Where the rows of positions begin in the table, and how many there are. */
export type Positions = { readonly first: number; readonly context: number };

const step = (given: number[], tokens: number[], positions: number[], attrs: Positions): Case<Positions> => ({
  inputs: [
    { shape: [tokens.length, 2], dtype: "i32", values: given },
    { shape: [tokens.length], dtype: "i32", values: tokens },
    { shape: [tokens.length], dtype: "i32", values: positions },
  ],
  attrs,
});

/**
 * What a run on one new token a row is fed. Inputs: given (B,2) of [token, position], where -1 stands for what the last run
 * left, and that: tokens (B) and positions (B). Outputs: ids (B,1,2), a row of the table for the token and one for its
 * position; extents (B,2) of [position, 1]; the positions after this (B). A position past the last is taken as the last.
 */
export const nextInputs: Op<Positions> = {
  name: "nextInputs",
  takes: ["i32", "i32", "i32"],
  infer([given, tokens, positions]) {
    const [b] = tokens.shape;
    requireShape(
      sameShape(tokens.shape, [b]) && sameShape(positions.shape, [b]) && sameShape(given.shape, [b, 2]),
      `Cannot go on from tokens ${show(tokens.shape)} at ${show(positions.shape)} or those given ${
        show(given.shape)
      }`,
      "they must be (B), (B) and (B,2)",
    );
    return [[b, 1, 2], [b, 2], [b]].map((shape) => ({ dtype: "i32", shape }));
  },
  dims: ([, tokens], { first, context }) => [tokens.shape[0], first, context],
  rows: () => 1,
  inPlace: [{ output: 2, input: 2, kind: "may" }],
  reference([given, tokens, positions], [ids, extents, next], [B, first, context]) {
    for (let b = 0; b < B; b++) {
      const [token, at] = [given[2 * b], given[2 * b + 1]];
      const position = Math.min(at < 0 ? positions[b] : at, context - 1);
      ids.set([Math.max(0, token < 0 ? tokens[b] : token), first + position], 2 * b);
      extents.set([position, 1], 2 * b);
      next[b] = position + 1;
    }
  },
  cases: [
    step([-1, -1], [0], [0], { first: 1, context: 1 }),
    step([-1, -1, 7, 2, 3, -1, -1, 0, -1, -1], [4, 5, 6, 8, -1], [3, 1, 2, 9, 0], { first: 12, context: 5 }),
    step([-1, -1, 8, 40], [0, 2], [16, 0], { first: 9, context: 16 }),
  ],
};

/** The family: one kernel of each name in every backend. */
export const sampling = { sampleTokens, nextInputs } as const;
