// The second plan of a training step: global norm, clipping, GPT-1's Adam and zeroing, over pages. It knows parameters
// only as segments with groups; a group is a row of the step block with its own rate factor, decay and active flag.

import { BYTES } from "../core/dtype.ts";
import { sizeOf } from "../core/shape.ts";
import { Graph, type Value } from "../graph/graph.ts";
import { type Plan, plan } from "../graph/plan.ts";
import { lossScale, lossScalePage } from "../nn/loss_scale.ts";
import { type Layout, mirror, MIRRORS, type Segment } from "../nn/parameters.ts";
import { ops } from "../ops/mod.ts";
import { stepSize } from "./schedule.ts";

/** Parameters that are updated alike. */
export interface Group {
  /** For people; nothing is looked up by it. */
  readonly name: string;
  /** Multiplies the learning rate; 1 unless given. */
  readonly rateFactor?: number;
  /** The l2 coefficient of decoupled decay. */
  readonly decay: number;
  /** Whether the group is updated at all. Inactive groups keep parameters and moments. */
  readonly active?: boolean;
}

/** Settings of the optimizer. */
export interface OptimizerSettings {
  /** Share of the first moment kept at each update, in [0, 1). */
  readonly beta1: number;
  /** Share of the second moment kept at each update, in [0, 1). */
  readonly beta2: number;
  /** Added to the root of the second moment before dividing by it. */
  readonly epsilon: number;
  /** Global gradient norm above which gradients are scaled down; 0 for no clipping. */
  readonly maxNorm: number;
  /** In the order of the step block's rows. */
  readonly groups: readonly Group[];
  /** Index of the group of a parameter. */
  groupOf(segment: Segment): number;
}

/** The released code's settings: decay 0.01 on tensors of more than one dimension, clipping at norm 1. */
export const gpt1Optimizer: OptimizerSettings = {
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  maxNorm: 1,
  groups: [{ name: "matrices", decay: 0.01 }, { name: "vectors", decay: 0 }],
  groupOf: ({ shape }) => shape.length > 1 ? 0 : 1,
};

/** Trainable pages of a layout, with their bytes. */
export const trainablePages = ({ pages }: Layout): [page: string, bytes: number][] =>
  Object.entries(pages).filter(([page]) => page.startsWith("parameters/"));

/** Pages to add to a store before training: gradients and both moments of every trainable page, and a scaled loss's own. */
export function trainingPages(layout: Layout, scaled = false): Record<string, number> {
  const mirrors = trainablePages(layout).flatMap(([page, bytes]) =>
    MIRRORS.map((kind) => [mirror(page, kind), bytes])
  );
  return { ...Object.fromEntries(mirrors), ...(scaled ? lossScalePage : {}) };
}

const GROWTH_INTERVAL = 2000; // good updates before the scale of the loss is doubled

/**
 * Norm, clip, update, zero. Input: `groups` (G,4), from `stepBlock`. Output: `squaredNorm` (1), before clipping. With
 * `scaled`, gradients are those of a scaled loss; the output `lossScale` (1) is the scale they have, and the next one is
 * the state's.
 */
export function updatePlan(layout: Layout, settings: OptimizerSettings, scaled = false): Plan {
  const graph = new Graph("update"), { beta1, beta2, epsilon, maxNorm } = settings;
  let groups = graph.input("groups", [settings.groups.length, 4], "f32");
  const pages = trainablePages(layout).map(([page, bytes]) => {
    const whole = (name: string) => graph.state(name, [bytes / BYTES]);
    const [gradients, moment1, moment2] = MIRRORS.map((kind) => whole(mirror(page, kind)));
    return { page, states: [whole(page), gradients, moment1, moment2] };
  });
  let squaredNorm = pages
    .map(({ page, states }) => graph.scope(page, () => graph.apply(ops.sumSquares, [states[1]])[0]))
    .reduce((sum, part) => graph.apply(ops.add, [sum, part])[0]);
  const outputs: Record<string, Value> = {};
  if (scaled) {
    const { scale, streak } = lossScale(graph);
    const unscaled = graph.apply(ops.unscale, [squaredNorm, groups, scale, streak], {
      interval: GROWTH_INTERVAL,
    });
    [squaredNorm, groups] = unscaled;
    graph.assign(scale, unscaled[2]);
    graph.assign(streak, unscaled[3]);
    outputs.lossScale = scale;
  }
  for (const { page, states } of pages) {
    graph.scope(page, () => {
      const table = layout.segments.filter(({ place }) => place.page === page).flatMap((segment) => {
        const begin = segment.place.offset / BYTES;
        return [begin, begin + sizeOf(segment.shape), settings.groupOf(segment)];
      });
      const segments = graph.constant(Int32Array.from(table), [table.length / 3, 3]);
      const updated = graph.apply(ops.adam, [segments, groups, squaredNorm, ...states], {
        beta1,
        beta2,
        epsilon,
        maxNorm,
      });
      states.forEach((state, i) => graph.assign(state, updated[i]));
    });
  }
  return plan(graph, { squaredNorm, ...outputs });
}

/** The step block of update `n` (from 1) at a learning rate: a row for each group. */
export function stepBlock(
  { groups, beta1, beta2 }: OptimizerSettings,
  rate: number,
  n: number,
): Float64Array {
  return Float64Array.from(groups.flatMap(({ rateFactor = 1, decay, active = true }) => [
    stepSize(rate * rateFactor, n, beta1, beta2),
    decay,
    Number(active),
    1,
  ]));
}
