// How much of a model's forward pass the backward pass computes again. What a setting means for plans is
// `Graph.recompute`; here are its names, and how a model marks the parts that they are about.

import type { Graph } from "../graph/graph.ts";

/** The settings, from most memory to least. */
export const recomputeNames = ["none", "attention", "block"] as const;

/**
 * What the backward pass computes again instead of keeping it. Losses and gradients have the same bits whichever it is.
 *
 * - `"none"`: every activation that a gradient needs is kept. Per token, a GPT-1 block of width C keeps 16 C numbers: its
 *   input (C), queries, keys and values (3 C), what attention gives (C), both residual sums (2 C), the norm between (C),
 *   and the MLP's hidden layer before and after its GELU (8 C).
 * - `"attention"`: of the attention half with its norm only the input and the output are kept, and so 11 C numbers. Costs
 *   the forward pass of that half again, about a third of a block's.
 * - `"block"`: of each block only the input is kept: C numbers, and all of one block at a time. Costs the forward pass of
 *   all blocks again: about a quarter of a step, less what the output projection takes.
 */
export type Recompute = (typeof recomputeNames)[number];

/**
 * Records the part of a model that a setting is about: recomputed if it is `setting`, else as it is.
 *
 * @example
 * ```ts
 * import { Graph, nn, recomputed } from "@foreword/foreword";
 * const graph = new Graph("example");
 * let x = graph.input("x", [2, 3], "f32");
 * for (let i = 0; i < 4; i++) x = graph.scope(`h${i}`, () => recomputed(graph, "block", "block", () => nn.gelu(x)));
 * ```
 */
export function recomputed<T>(
  graph: Graph,
  setting: Recompute,
  part: Exclude<Recompute, "none">,
  body: () => T,
): T {
  return setting === part ? graph.recompute(body) : body();
}
