// What pages and programs take together, added up from plans before anything is allocated. A device with linear memory that
// loads them holds exactly this much, but for a fixed part that it states; one with other rules has its own `planned`.

import { ALIGNMENT, type Plan } from "./plan.ts";

/** Bytes by what holds them. */
export interface PlannedBytes {
  /** Pages of the store: parameters, gradients, moments, caches. */
  readonly store: number;
  /** Constants of all plans. */
  readonly constants: number;
  /** One region of temporaries, scratch included, for the plan that needs the largest. */
  readonly temporaries: number;
  /** What kernels keep for each thread, for all threads; on a GPU what goes in and out and the sizes. */
  readonly workspaces: number;
  /** The sum. */
  readonly total: number;
}

/** Bytes up to the next multiple at which a tensor may start. */
export const align = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** A store and the programs to be loaded for it. */
export interface Loaded {
  /** Bytes of each page of the store. */
  readonly pages: Readonly<Record<string, number>>;
  /** What will be loaded. */
  readonly plans: readonly Plan[];
}

/** What pages and constants take, on any device that aligns them to 256 bytes. */
export function heldBytes({ pages, plans }: Loaded): Pick<PlannedBytes, "store" | "constants"> {
  const held = new Map(Object.entries(pages)), buffers = plans.flatMap(({ buffers }) => buffers);
  for (const buffer of buffers) {
    if (buffer.kind !== "state" || buffer.place.page in pages) continue;
    const { page, offset } = buffer.place;
    held.set(page, Math.max(held.get(page) ?? 0, offset + buffer.bytes));
  }
  return {
    store: sum([...held.values()].map(align)),
    constants: sum(buffers.map(({ kind, bytes }) => kind === "constant" ? align(bytes) : 0)),
  };
}

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
export function plannedBytes({ threads = 1, ...loaded }: Loaded & {
  /** Threads of the device. */
  readonly threads?: number;
}): PlannedBytes {
  const { store, constants } = heldBytes(loaded), { plans } = loaded;
  const temporaries = Math.max(0, ...plans.map(({ temporaryBytes }) => temporaryBytes));
  const workspaces = threads * Math.max(0, ...plans.map(workspaceBytes));
  return { store, constants, temporaries, workspaces, total: store + constants + temporaries + workspaces };
}
