// The scale of a loss where gradients are stored as halves, whose smallest number is 6e-8: the loss is multiplied by it
// before it is differentiated, so that small gradients do not become 0, and the update divides by it again. It is a power
// of two, which changes no digit, and a state of the device, because every update may change it (the op `unscale`).

import type { Store } from "../backends/backend.ts";
import type { Graph, Value } from "../graph/graph.ts";

const PAGE = "loss_scale", STREAK_AT = 256; // bytes
const FIRST_SCALE = 2 ** 16;

/** What the page of the scale takes, by name. */
export const lossScalePage: Readonly<Record<string, number>> = { [PAGE]: 2 * STREAK_AT };

/**
 * The scale (1), and how many updates in a row were good with it (1), as states of a graph.
 *
 * @example The gradient of a model of your own, for a device that stores halves.
 * ```ts
 * import { Graph, gradients, lossScale, ops } from "@foreword/foreword";
 * const graph = new Graph("line"), x = graph.input("x", [4], "f32");
 * const w = graph.state("w", [4], "f32", { parameter: true }), into = graph.state("d/w", [4]);
 * const [loss] = graph.apply(ops.dot, [w, x]);
 * const { gradients: [dw] } = gradients(graph, loss, [{ parameter: w, into }], lossScale(graph).scale);
 * graph.assign(into, dw);
 * ```
 */
export function lossScale(graph: Graph): { scale: Value; streak: Value } {
  const state = (name: string, offset: number): Value =>
    graph.state(name, [1], "f32", { place: { page: PAGE, offset } });
  return { scale: state(PAGE, 0), streak: state(`${PAGE}/streak`, STREAK_AT) };
}

/** Where a scale stands; checkpoints hold it. */
export interface LossScale {
  /** A power of two. */
  readonly scale: number;
  /** Good updates in a row. */
  readonly streak: number;
}

/** The scale in a store; `null` if it has none, because its model has not been trained with one. */
export async function readLossScale(store: Store): Promise<LossScale | null> {
  if (!store.pages.has(PAGE)) return null;
  const [[scale], [streak]] = [await store.read(PAGE, 0, 1), await store.read(PAGE, STREAK_AT, 1)];
  return { scale, streak };
}

/** Sets the scale in a store that has its page: to where training begins unless given. */
export async function writeLossScale(
  store: Store,
  { scale, streak }: LossScale = { scale: FIRST_SCALE, streak: 0 },
): Promise<void> {
  await store.write(PAGE, 0, [scale]);
  await store.write(PAGE, STREAK_AT, [streak]);
}
