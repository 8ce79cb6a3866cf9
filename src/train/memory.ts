// What training takes, added up from plans before anything is allocated, and what would fit where that is too much. The
// error that says so is the same whether the command line or the trainer finds out.

import { type Device, OutOfMemory } from "../backends/backend.ts";
import type { Plan } from "../graph/plan.ts";
import { type Loaded, type PlannedBytes, plannedBytes } from "../graph/planned_bytes.ts";
import type { ModelPlans } from "../nn/model.ts";
import { type Recompute, recomputeNames } from "../nn/recompute.ts";
import { type OptimizerSettings, trainingPages, updatePlan } from "./update.ts";

/** How a model is to be trained, as far as memory is concerned. */
export interface MemoryOptions {
  /** Its step is a plan too. */
  readonly optimizer: OptimizerSettings;
  /** What the backward pass computes again; nothing unless given. */
  readonly recompute?: Recompute;
  /** Whether the loss is scaled; not unless given. */
  readonly scaled?: boolean;
  /** Threads of the device; 1 unless given. */
  readonly threads?: number;
  /** How the device counts; as linear memory is counted unless given. */
  readonly planned?: Device["planned"];
}

/**
 * The plans of an update: a micro-batch's, and the optimizer's. They are what a training runs most, for `openDevice` to choose
 * a device by.
 *
 * @example
 * ```ts
 * import { configure, gpt1Optimizer, gpt1Plans, openDevice, trainingPlans } from "@foreword/foreword";
 * const run = { batch: 2, length: 64, language: true };
 * const plan = trainingPlans(gpt1Plans(configure("nano", 500)), run, { optimizer: gpt1Optimizer });
 * using device = await openDevice({ plan });
 * ```
 */
export function trainingPlans<R>(
  plans: ModelPlans<R>,
  run: R,
  { optimizer, recompute = "none", scaled = false }: Pick<
    MemoryOptions,
    "optimizer" | "recompute" | "scaled"
  >,
): Plan[] {
  return [plans.gradient(run, recompute, scaled), updatePlan(plans.layout, optimizer, scaled)];
}

/** Bytes that training takes: parameters, gradients and moments, a micro-batch's plan and the optimizer's. */
export function trainingBytes<R>(
  plans: ModelPlans<R>,
  run: R,
  { threads = 1, planned = (what) => plannedBytes({ ...what, threads }), ...options }: MemoryOptions,
): PlannedBytes {
  const { layout } = plans;
  return planned({
    pages: { ...layout.pages, ...trainingPages(layout, options.scaled) },
    plans: trainingPlans(plans, run, options),
  });
}

/** A way to train that fits. */
export interface Fit {
  /** Examples in a micro-batch; it divides what was asked for, so that accumulation makes an update of the same examples. */
  readonly batch: number;
  /** What to recompute. */
  readonly recompute: Recompute;
  /** What it takes. */
  readonly bytes: number;
}

/**
 * Ways to train in so many bytes, the fastest first: for the setting asked for, and each that recomputes more, the largest
 * micro-batch that fits, where that is larger than before. Empty if nothing fits.
 */
export function whatFits<R>(plans: ModelPlans<R>, run: R, options: MemoryOptions, capacity: number): Fit[] {
  const asked = plans.batchOf(run), { recompute: least = "none" } = options, fits: Fit[] = [];
  const batches = Array.from({ length: asked }, (_, i) => asked - i).filter((batch) => asked % batch === 0);
  for (const recompute of recomputeNames.slice(recomputeNames.indexOf(least))) {
    for (const batch of batches) {
      if (batch <= (fits.at(-1)?.batch ?? 0)) break;
      const bytes = trainingBytes(plans, plans.withBatch(run, batch), { ...options, recompute }).total;
      if (bytes > capacity) continue;
      fits.push({ batch, recompute, bytes });
      break;
    }
  }
  return fits;
}

/**
 * Makes sure that a device has room to train.
 *
 * @param suggest How the caller's reader would ask for a way that fits; in terms of the library unless given.
 * @returns What training takes.
 * @throws {OutOfMemory} with what is needed, what there is, and what would fit.
 */
export function requireRoom<R>(
  device: Pick<Device, "threads" | "capacity"> & Partial<Pick<Device, "planned" | "precision">>,
  plans: ModelPlans<R>,
  run: R,
  options: Omit<MemoryOptions, "threads" | "planned">,
  suggest: (fit: Fit, asked: number) => string = describe,
): PlannedBytes {
  const { threads, capacity } = device;
  const all = {
    scaled: device.precision === "f16",
    ...options,
    threads,
    ...(device.planned ? { planned: (what: Loaded) => device.planned!(what) } : {}),
  };
  const needed = trainingBytes(plans, run, all), asked = plans.batchOf(run);
  if (needed.total <= capacity) return needed;
  const fits = whatFits(plans, run, all, capacity);
  const least = () =>
    trainingBytes(plans, plans.withBatch(run, 1), { ...all, recompute: recomputeNames.at(-1)! }).total;
  throw new OutOfMemory(
    `Cannot train with batches of ${asked}: that takes ${showBytes(needed.total)}, ${
      showBytes(needed.store)
    } of it ` +
      `for parameters, gradients and moments, and there are ${showBytes(capacity)}. ` +
      (fits.length > 0
        ? `What fits: ${fits.map((fit) => `${suggest(fit, asked)} (${showBytes(fit.bytes)})`).join(", or ")}.`
        : `Nothing fits: batches of 1 with all blocks recomputed take ${
          showBytes(least())
        }. Use a smaller model ` +
          `or a shorter context.`),
  );
}

const describe = ({ batch, recompute }: Fit, asked: number): string =>
  [batch < asked ? `batch ${batch}` : "", recompute === "none" ? "" : `recompute "${recompute}"`]
    .filter(Boolean).join(" with ");

/** Bytes for people, in MiB or GiB. */
export const showBytes = (bytes: number): string =>
  bytes < 2 ** 30 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : `${(bytes / 2 ** 30).toFixed(2)} GiB`;
