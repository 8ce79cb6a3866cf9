// Layers as functions on values: the ops under the names that models use, with the graph taken from the operands. What
// has parameters of its own is a model's business.

import type { Value } from "../graph/graph.ts";
import { ops } from "../ops/mod.ts";

/** x + y, same shape. */
export const add = (x: Value, y: Value): Value => x.graph.apply(ops.add, [x, y])[0];

/** x (…,K) · w (K,N) + b (N). */
export const linear = (x: Value, w: Value, b: Value): Value => x.graph.apply(ops.linear, [x, w, b])[0];

/** x (…,K) · table (N,K) transposed, without bias. */
export const project = (x: Value, table: Value): Value =>
  x.graph.apply(ops.matmul, [x, table], { ta: false, tb: true })[0];

/** x (…,K) · w (K,N), without bias. */
export const product = (x: Value, w: Value): Value =>
  x.graph.apply(ops.matmul, [x, w], { ta: false, tb: false })[0];

/** x times a number that is known when it is recorded; nothing for 1. */
export const scaled = (x: Value, factor: number): Value =>
  factor === 1 ? x : x.graph.apply(ops.scaleBy, [x, x.graph.constant(Float32Array.of(factor), [1])])[0];

/** GELU in the tanh form. */
export const gelu = (x: Value): Value => x.graph.apply(ops.gelu, [x])[0];

/** The sum of the rows of `table` (R,C) that the last size of `ids` (…,K) names. */
export const embed = (table: Value, ids: Value): Value => table.graph.apply(ops.embedding, [table, ids])[0];

/** LN(x + r) with gain and bias over the last size. */
export const addLayerNorm = (x: Value, r: Value, gain: Value, bias: Value, epsilon: number): Value =>
  x.graph.apply(ops.addLayerNorm, [x, r, gain, bias], { epsilon })[0];

/** Dropout at a rate, its stream named after the current scope; nothing at rate 0 or without random numbers. */
export const dropout = (x: Value, rng: Value | null, rate: number): Value =>
  rng === null || rate === 0
    ? x
    : x.graph.apply(ops.dropout, [x, rng], { rate, stream: x.graph.stream("dropout") })[0];

/** The same for rows x (N,C) of which `shared` neighbours have one mask; plain dropout where `shared` is 1. */
export const sharedDropout = (x: Value, rng: Value | null, rate: number, shared: number): Value =>
  rng === null || rate === 0 || shared === 1
    ? dropout(x, rng, rate)
    : x.graph.apply(ops.sharedDropout, [x, rng], { rate, stream: x.graph.stream("dropout"), shared })[0];

/** Row `index[b]` (B) of each sequence of x (B,T,C), `sum` neighbouring sequences added up: (B/sum,C). */
export const selectRows = (x: Value, index: Value, sum = 1): Value =>
  x.graph.apply(ops.selectRows, [x, index], { sum })[0];

/** x (R,C) with its rows `first` on replaced by `rows` (S,C). */
export const placeRows = (x: Value, rows: Value, first: number): Value =>
  x.graph.apply(ops.placeRows, [x, rows], { first })[0];

/** A token (B) of the first `vocab` for each row of logits (B,R): see the op. */
export const sampleTokens = (logits: Value, settings: Value, chances: Value, vocab: number): Value =>
  logits.graph.apply(ops.sampleTokens, [logits, settings, chances], { vocab })[0];

/** Inputs of a run on one new token a row, given (B,2) or left by the last run (B), and the positions after it. */
export function nextInputs(
  given: Value,
  tokens: Value,
  positions: Value,
  attrs: { readonly first: number; readonly context: number },
): { readonly ids: Value; readonly extents: Value; readonly next: Value } {
  const [ids, extents, next] = given.graph.apply(ops.nextInputs, [given, tokens, positions], attrs);
  return { ids, extents, next };
}

/** Cross-entropy per row over the first `rows` rows of the output table; x (…,C), targets (…). */
export const linearCrossEntropy = (x: Value, table: Value, targets: Value, rows: number): Value =>
  x.graph.apply(ops.linearCrossEntropy, [x, table, targets], { rows })[0];

/** Cross-entropy per target; logits hold K numbers for each. */
export const crossEntropy = (logits: Value, targets: Value): Value =>
  logits.graph.apply(ops.crossEntropy, [logits, targets])[0];

/** The sum of x * weights, shape (1). */
export const weightedSum = (x: Value, weights: Value): Value => x.graph.apply(ops.dot, [x, weights])[0];

/** How a recurrent layer runs: projections of its inputs (B,T,4C) and recurrent weights (C,4C) in, states (B,T,C) out. */
export type Recur = (gates: Value, weights: Value) => Value;

/** An LSTM from zeros over sequences with live lengths (B), for training and scoring. */
export const lstm = (lengths: Value): Recur => (gates, weights) => {
  const { graph } = gates, shape = [gates.shape[0], weights.shape[0]];
  const [zeros] = graph.apply(ops.fill, [], { shape, value: 0 });
  return graph.apply(ops.lstm, [gates, weights, zeros, zeros, lengths])[0];
};

/**
 * An LSTM whose state outlives the run, for generation. `extents` (B,2): offset, count. A row at offset 0 starts from
 * zeros, any other from where its last run ended.
 */
export const carriedLstm = (extents: Value): Recur => (gates, weights) => {
  const { graph } = gates, shape = [gates.shape[0], weights.shape[0]];
  const name = `cache/${shape[0]}${graph.scopeName.slice(graph.name.length)}`;
  const states = ["state", "cell"].map((part) => graph.state(`${name}/${part}`, shape));
  const outputs = graph.apply(ops.lstm, [gates, weights, ...states, extents]);
  states.forEach((state, i) => graph.assign(state, outputs[i + 1]));
  return outputs[0];
};

/** How self-attention is done: packed projections (B,T,3C) in, mixed values (B,T,C) out. */
export type Attend = (qkv: Value) => Value;

/** Causal self-attention over sequences with live lengths (B), for training and scoring. */
export function causalAttention(
  lengths: Value,
  rng: Value | null,
  { heads, rate }: { heads: number; rate: number },
): Attend {
  return (qkv) => {
    const { graph } = qkv;
    const random = rng ?? graph.constant(new Int32Array(2), [2]);
    const attrs = { heads, causal: true, rate: rng ? rate : 0, stream: graph.stream("attention") };
    return graph.apply(ops.attention, [qkv, lengths, random], attrs)[0];
  };
}

/** What `attend` does, and the probabilities (B,H,T,T) behind it handed to `see`, for looking inside. */
export function watchedAttention(
  attend: Attend,
  lengths: Value,
  heads: number,
  see: (probabilities: Value) => void,
): Attend {
  return (qkv) => {
    see(qkv.graph.apply(ops.attentionWeights, [qkv, lengths], { heads, causal: true })[0]);
    return attend(qkv);
  };
}

/** Causal self-attention over a cache (B,N,C) that outlives the run, for generation. `extents` (B,2): offset, count. */
export function cachedAttention(
  extents: Value,
  { heads, context }: { heads: number; context: number },
): Attend {
  return (qkv) => {
    const { graph } = qkv, [B, , width] = qkv.shape;
    const name = `cache/${B}${graph.scopeName.slice(graph.name.length)}`;
    const keys = graph.state(`${name}/keys`, [B, context, width / 3]);
    const values = graph.state(`${name}/values`, [B, context, width / 3]);
    const outputs = graph.apply(ops.cachedAttention, [qkv, extents, keys, values], { heads });
    graph.assign(keys, outputs[1]);
    graph.assign(values, outputs[2]);
    return outputs[0];
  };
}
