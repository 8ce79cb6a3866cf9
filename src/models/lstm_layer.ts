// The LSTM layer of the paper's ablation, which stands where GPT-1 has its blocks: parameters and forward pass. Names,
// layouts and the order of the gates (input, forget, candidate, output) are those of Keras; the forget gate's bias starts
// at 1. A projection brings the units back to the width of the table, which is also the output. What surrounds the layer
// is gpt1.ts; how large it is made is lstm_lm.ts.

import type { Value } from "../graph/graph.ts";
import { dropout, linear, type Recur } from "../nn/layers.ts";
import type { Parameters, ParameterSpec } from "../nn/parameters.ts";

/** What replaces the blocks of a GPT-1. */
export interface LstmLayer {
  /** Size of the state. */
  readonly units: number;
}

/** Parameters of a layer between channels E, in order. */
export function lstmSpecs(channels: number, { units }: LstmLayer): ParameterSpec[] {
  // An input is the sum of two rows of the table, which start at a deviation of 0.02, and no norm stands before the gates.
  // These weights let the gates' sums start at a deviation of 1, as if there were one.
  const input = { deviation: 1 / (0.02 * Math.sqrt(2 * channels)) };
  const recurrent = { deviation: 1 / Math.sqrt(units) };
  return [
    { name: "lstm/kernel", shape: [channels, 4 * units], init: input },
    { name: "lstm/recurrent_kernel", shape: [units, 4 * units], init: recurrent },
    { name: "lstm/bias", shape: [4 * units], init: [0, 1, 0, 0] },
    { name: "lstm/proj/w", shape: [units, channels], init: recurrent },
    { name: "lstm/proj/b", shape: [channels], init: 0 },
  ];
}

/** x (B,T,E) through the layer: dropout stands between its states and their projection. */
export function lstmLayer(
  x: Value,
  p: Parameters,
  { recur, rng, rate }: { recur: Recur; rng: Value | null; rate: number },
): Value {
  return x.graph.scope("lstm", () => {
    const gates = linear(x, p("lstm/kernel"), p("lstm/bias")); // (B, T, 4C)
    const h = recur(gates, p("lstm/recurrent_kernel")); // (B, T, C)
    return linear(dropout(h, rng, rate), p("lstm/proj/w"), p("lstm/proj/b")); // (B, T, E)
  });
}
