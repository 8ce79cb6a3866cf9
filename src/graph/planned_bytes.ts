// What pages and programs take together, added up from plans before anything is allocated. A device that loads them holds
// exactly this much, but for a fixed part that it states.

import { ALIGNMENT, type Plan } from "./plan.ts";

/** Bytes by what holds them. */
export interface PlannedBytes {
  /** Pages of the store: parameters, gradients, moments, caches. */
  readonly store: number;
  /** Constants of all plans. */
  readonly constants: number;
  /** One region of temporaries, scratch included, for the plan that needs the largest. */
  readonly temporaries: number;
  /** What kernels keep for each thread, for all threads. */
  readonly workspaces: number;
  /** The sum. */
  readonly total: number;
}

const align = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Bytes for each thread of the step of a plan that needs the most. */
export const workspaceBytes = ({ steps }: Plan): number =>
  align(steps.reduce((most, { workspace }) => Math.max(most, workspace ?? 0), 0));

/**
 * Adds up what a store and the programs loaded for it take. Pages that only plans name, as a decoder's caches, count too.
 *
 * @example
 * ```ts
 * import { configure, gpt1Optimizer, gpt1Plans, plannedBytes, trainingPages, updatePlan } from "@foreword/foreword";
 * const plans = gpt1Plans(configure("nano", 500)), { layout } = plans;
 * const gradient = plans.gradient({ batch: 8, length: 64, language: true }, "block");
 * const { total } = plannedBytes({
 *   pages: { ...layout.pages, ...trainingPages(layout) },
 *   plans: [gradient, updatePlan(layout, gpt1Optimizer)],
 *   threads: 2,
 * });
 * console.log((total / 2 ** 20).toFixed(1), "MiB");
 * ```
 */
export function plannedBytes({ pages, plans, threads = 1 }: {
  /** Bytes of each page of the store. */
  readonly pages: Readonly<Record<string, number>>;
  /** What will be loaded. */
  readonly plans: readonly Plan[];
  /** Threads of the device. */
  readonly threads?: number;
}): PlannedBytes {
  const held = new Map(Object.entries(pages)), buffers = plans.flatMap(({ buffers }) => buffers);
  for (const buffer of buffers) {
    if (buffer.kind !== "state" || buffer.place.page in pages) continue;
    const { page, offset } = buffer.place;
    held.set(page, Math.max(held.get(page) ?? 0, offset + buffer.bytes));
  }
  const store = sum([...held.values()].map(align));
  const constants = sum(buffers.map(({ kind, bytes }) => kind === "constant" ? align(bytes) : 0));
  const temporaries = Math.max(0, ...plans.map(({ temporaryBytes }) => temporaryBytes));
  const workspaces = threads * Math.max(0, ...plans.map(workspaceBytes));
  return { store, constants, temporaries, workspaces, total: store + constants + temporaries + workspaces };
}
