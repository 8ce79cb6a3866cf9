// Looking inside a GPT-1: what it expected of each token of a text, and where each head looked. The plan records the same
// forward pass as `scores`, so the same numbers come out, and attention probabilities beside it. Showing them is elsewhere.

import { Graph, type Value } from "../graph/graph.ts";
import { type Plan, plan } from "../graph/plan.ts";
import { causalAttention, linearCrossEntropy, watchedAttention } from "../nn/layers.ts";
import { type Layout, parametersOf } from "../nn/parameters.ts";
import { type Gpt1Config, hidden, table, tableRows } from "./gpt1.ts";
import { tokenIds } from "./gpt1_feeds.ts";
import type { Gpt1 } from "./gpt1_model.ts";

/** What a model made of a text of T tokens. */
export interface Inspection {
  /**
   * Log-probability, in nats, of each token after those before it (T), by a softmax over all rows of the table as in
   * training; `null` for the first, which nothing predicts.
   */
  readonly logProbabilities: readonly (number | null)[];
  /** For each block, attention probabilities (H,T,T): head, query, key. Key positions after the query have 0. */
  readonly attention: readonly Float32Array[];
}

/**
 * One text of `length` tokens without gradients or dropout. Inputs: ids (1,T,2), lengths (1), targets (1,T). Outputs:
 * `languageRows` (1,T), the loss of each target as in `scores`, and `attention/N` (1,H,T,T) of each block.
 */
export function inspectPlan(layout: Layout, config: Gpt1Config, length: number): Plan {
  const graph = new Graph("gpt1"), p = parametersOf(graph, layout), rows = tableRows(config);
  const { heads, context } = config;
  if (config.lstm) throw new RangeError("Cannot inspect an LSTM: it has no attention; inspect a GPT-1");
  if (length > context) {
    throw new RangeError(`Cannot inspect ${length} tokens: the model's context is ${context}; cut the text`);
  }
  const ids = graph.input("ids", [1, length, 2], "i32", { below: rows });
  const lengths = graph.input("lengths", [1], "i32", { below: length + 1 });
  const outputs: Record<string, Value> = {}, we = table(p, config, null); // (R, C)
  const attend = watchedAttention(
    causalAttention(lengths, null, { heads, rate: 0 }),
    lengths,
    heads,
    (probabilities) => void (outputs[`attention/${Object.keys(outputs).length}`] = probabilities), // (1, H, T, T)
  );
  const h = hidden(p, config, we, ids, { attend, rng: null }); // (1, T, C)
  graph.scope("lm", () => {
    const targets = graph.input("targets", [1, length], "i32", { least: -1, below: rows });
    outputs.languageRows = linearCrossEntropy(h, we, targets, rows); // (1, T)
  });
  return plan(graph, outputs);
}

/**
 * Looks inside a model while it reads `tokens`, two to as many as its context holds.
 *
 * @throws {RangeError} for fewer or more tokens, or ids that the table does not have.
 *
 * @example
 * ```ts
 * import { configure, createGpt1, inspect, openDevice } from "@foreword/foreword";
 * import { assertAlmostEquals, assertEquals } from "@std/assert";
 * using device = await openDevice({ device: "wasm", threads: 1 });
 * using model = await createGpt1(device, configure("nano", 50), { seed: 1 });
 * const { logProbabilities, attention } = await inspect(model, [7, 8, 9]);
 * assertEquals([logProbabilities.length, attention.length], [3, 2]);
 * assertAlmostEquals(attention[0].subarray(3, 6).reduce((sum, p) => sum + p), 1, 1e-6); // the second token's
 * ```
 */
export async function inspect(model: Gpt1, tokens: ArrayLike<number>): Promise<Inspection> {
  const { config, layout } = model, ids = Int32Array.from(tokens), length = ids.length;
  if (length < 2) {
    throw new RangeError(`Cannot inspect ${length} tokens: it takes two to predict one; add text`);
  }
  const program = model.program(`inspect ${length}`, () => inspectPlan(layout, config, length));
  const targets = new Int32Array(length).fill(-1);
  targets.set(ids.subarray(1));
  const lengths = new Int32Array([length]);
  const results = await program.run({ ids: tokenIds(config, ids, length), targets, lengths });
  return {
    logProbabilities: [null, ...Array.from(results.languageRows.subarray(0, length - 1), (loss) => -loss)],
    attention: Array.from(
      { length: config.layers },
      (_, i) => Float32Array.from(results[`attention/${i}`]),
    ),
  };
}
