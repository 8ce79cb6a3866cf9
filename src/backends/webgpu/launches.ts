// From a plan to the list of its launches, without a device: what `load` makes pipelines of, and what listings count. Slots
// and scratch are those of this backend: scratch is one buffer for all steps, as large as the launches ask for.

import { BYTES } from "../../core/dtype.ts";
import { sizeOf } from "../../core/shape.ts";
import type { Arg, Plan, Step } from "../../graph/plan.ts";
import { align, heldBytes, type Loaded, type PlannedBytes } from "../../graph/planned_bytes.ts";
import type { OpName } from "../../ops/mod.ts";
import { halfBuffers } from "./half.ts";
import { type GpuLimits, type Launch, PORTABLE, WINDOW } from "./kernel.ts";
import { kernels } from "./kernels.ts";

/** A launch of a step, with the arguments that its tensors number. */
export interface PlannedLaunch extends Launch {
  readonly step: Step;
  readonly args: readonly Arg[];
}

/** The launches of a plan, in order. Throws `SyntaxError` for an op without a kernel. */
export function launchesOf(plan: Plan, limits: GpuLimits): PlannedLaunch[] {
  return plan.steps.flatMap((step) => {
    const kernel = kernels[step.op as OpName];
    if (!kernel) {
      throw new SyntaxError(
        `The plan asks for op "${step.op}", which this version of Foreword does not have`,
      );
    }
    const args = [...step.inputs, ...step.outputs];
    const shapes = args.map(({ shape }) => shape);
    return kernel({ dims: step.dims, floats: step.floats, shapes, limits }).map((launch) => ({
      ...launch,
      step,
      args,
    }));
  });
}

/** How many dispatches a run of a plan is, on a device with the least limits unless given. */
export const dispatches = (plan: Plan, limits: GpuLimits = PORTABLE): number =>
  launchesOf(plan, limits).length;

/** Bytes of an argument. */
export const bytesOf = ({ shape }: Arg): number => sizeOf(shape) * BYTES;

const NO_BUFFERS: ReadonlySet<number> = new Set();

/** The buffers of a plan that a device stores as halves. */
export const halvesOf = (plan: Plan, { halves }: GpuLimits): ReadonlySet<number> =>
  halves ? halfBuffers(plan) : NO_BUFFERS;

/** Bytes of scratch that launches ask for. */
export const scratchBytes = (launches: readonly Launch[]): number =>
  Math.max(
    0,
    ...launches.flatMap(({ tensors }) =>
      tensors.map(({ arg, offset = 0, bytes = 0 }) => arg === "scratch" ? offset + bytes : 0)
    ),
  );

/** Bytes of each of a plan's slots, without what only other backends' scratch needs. */
export function slotBytes(plan: Plan, limits: GpuLimits): number[] {
  const { slots, buffers, steps, inputs, outputs } = plan, halves = halvesOf(plan, limits);
  const bytes = slots.map(() => 0);
  const args = [...steps.flatMap((step) => [...step.inputs, ...step.outputs]), ...inputs, ...outputs];
  for (const arg of args) {
    const buffer = buffers[arg.buffer];
    if (buffer.kind !== "temporary") continue;
    const size = bytesOf(arg) / (halves.has(arg.buffer) ? 2 : 1);
    bytes[buffer.slot] = Math.max(bytes[buffer.slot], size);
  }
  return bytes;
}

/** The slots of a plan by rank, the largest first: their bytes, and the rank of each. Empty ones come last and have none. */
export function rankedSlots(
  plan: Plan,
  limits: GpuLimits,
): { readonly sizes: readonly number[]; readonly rankOf: readonly number[] } {
  const bytes = slotBytes(plan, limits),
    order = bytes.map((_, slot) => slot).toSorted((a, b) => bytes[b] - bytes[a]);
  return {
    sizes: order.map((slot) => bytes[slot]).filter((size) => size > 0),
    rankOf: bytes.map((_, slot) => order.indexOf(slot)),
  };
}

/** Bytes of a buffer that holds so many. */
export const bufferBytes = (bytes: number): number => Math.max(256, align(bytes));

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Bytes of the ports of a plan side by side, each at a multiple of 256. */
export const portsBytes = (ports: readonly Arg[]): number => sum(ports.map((port) => align(bytesOf(port))));

/** The same ports, each with the byte at which it starts. */
export function portPlaces<P extends Arg>(ports: readonly P[]): { readonly port: P; readonly at: number }[] {
  let at = 0;
  return ports.map((port) => {
    const place = { port, at };
    at += align(bytesOf(port));
    return place;
  });
}

/** Bytes of the uniform blocks of a program. */
export const uniformBytes = (launches: readonly Launch[]): number => 256 * Math.max(1, launches.length);

/** Bytes of a copy of weights as halves, for so many bytes of f32. */
export const halfCopyBytes = (bytes: number): number => bufferBytes(Math.ceil(bytes / 16) * 8);

/** Vectors of four weights that are narrowed at once: what a binding holds. */
export const narrowedAtOnce = (bindingBytes: number): number =>
  Math.floor(bindingBytes / (4 * WINDOW)) * (WINDOW / 4);

/** Bytes of f32 of each weight that plans read as halves; plans share the copies. */
function copied(plans: readonly Plan[], limits: GpuLimits): number[] {
  const copies = new Map<string, number>();
  for (const plan of plans) {
    for (const index of halvesOf(plan, limits)) {
      const buffer = plan.buffers[index];
      if (buffer.kind !== "state") continue;
      const { place: { page, offset }, bytes } = buffer;
      copies.set(`${page} ${offset} ${bytes}`, bytes);
    }
  }
  return [...copies.values()];
}

/** How many dispatches bring the halves that plans read up to date after their weights have changed. */
export const narrowings = (plans: readonly Plan[], limits: GpuLimits): number =>
  sum(
    copied(plans, limits).map((bytes) =>
      Math.ceil(Math.ceil(bytes / 16) / narrowedAtOnce(limits.bindingBytes))
    ),
  );

/**
 * What a GPU holds for a store, with its copies of weights as halves, and its programs: slots are shared by rank, scratch by all, and a program has its sizes,
 * its inputs and a readback buffer of its own for each run under way, of which one is counted.
 */
export function gpuBytes(loaded: Loaded, limits: GpuLimits): PlannedBytes {
  const held = heldBytes(loaded),
    programs = loaded.plans.map((plan) => ({ plan, launches: launchesOf(plan, limits) }));
  const ranked = programs.map(({ plan }) => rankedSlots(plan, limits).sizes);
  const slots = Array.from(
    { length: Math.max(0, ...ranked.map(({ length }) => length)) },
    (_, rank) => bufferBytes(Math.max(...ranked.map((sizes) => sizes[rank] ?? 0))),
  );
  const scratch = bufferBytes(Math.max(0, ...programs.map(({ launches }) => scratchBytes(launches))));
  const workspaces = sum(
    programs.map(({ plan: { inputs, outputs }, launches }) =>
      bufferBytes(uniformBytes(launches)) + bufferBytes(portsBytes(inputs)) +
      bufferBytes(portsBytes(outputs))
    ),
  );
  const temporaries = sum(slots) + scratch, { constants } = held;
  const store = held.store + sum(copied(loaded.plans, limits).map(halfCopyBytes));
  return { store, constants, temporaries, workspaces, total: store + constants + temporaries + workspaces };
}

/** Estimated operations of a launch. */
export const workOf = ({ work, workgroups: [x, y, z] }: Launch): number => work ?? x * y * z * 256 * 16;
