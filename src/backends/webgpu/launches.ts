// From a plan to the list of its launches, without a device: what `load` makes pipelines of, and what listings count. Slots
// and scratch are those of this backend: scratch is one buffer for all steps, as large as the launches ask for.

import { BYTES } from "../../core/dtype.ts";
import { sizeOf } from "../../core/shape.ts";
import type { Arg, Plan, Step } from "../../graph/plan.ts";
import { align, heldBytes, type Loaded, type PlannedBytes } from "../../graph/planned_bytes.ts";
import type { OpName } from "../../ops/mod.ts";
import { type GpuLimits, type Launch, PORTABLE } from "./kernel.ts";
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

/** Bytes of scratch that launches ask for. */
export const scratchBytes = (launches: readonly Launch[]): number =>
  Math.max(
    0,
    ...launches.flatMap(({ tensors }) =>
      tensors.map(({ arg, offset = 0, bytes = 0 }) => arg === "scratch" ? offset + bytes : 0)
    ),
  );

/** Bytes of each of a plan's slots, without what only other backends' scratch needs. */
export function slotBytes({ slots, buffers, steps, inputs, outputs }: Plan): number[] {
  const bytes = slots.map(() => 0);
  const args = [...steps.flatMap((step) => [...step.inputs, ...step.outputs]), ...inputs, ...outputs];
  for (const arg of args) {
    const buffer = buffers[arg.buffer];
    if (buffer.kind === "temporary") bytes[buffer.slot] = Math.max(bytes[buffer.slot], bytesOf(arg));
  }
  return bytes;
}

/** The slots of a plan by rank, the largest first: their bytes, and the rank of each. Empty ones come last and have none. */
export function rankedSlots(
  plan: Plan,
): { readonly sizes: readonly number[]; readonly rankOf: readonly number[] } {
  const bytes = slotBytes(plan),
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

/**
 * What a GPU holds for a store and its programs: slots are shared by rank, scratch by all, and a program has its sizes,
 * its inputs and a readback buffer of its own for each run under way, of which one is counted.
 */
export function gpuBytes(loaded: Loaded, limits: GpuLimits): PlannedBytes {
  const held = heldBytes(loaded),
    programs = loaded.plans.map((plan) => ({ plan, launches: launchesOf(plan, limits) }));
  const ranked = programs.map(({ plan }) => rankedSlots(plan).sizes);
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
  const temporaries = sum(slots) + scratch, { store, constants } = held;
  return { store, constants, temporaries, workspaces, total: store + constants + temporaries + workspaces };
}

/** Estimated operations of a launch. */
export const workOf = ({ work, workgroups: [x, y, z] }: Launch): number => work ?? x * y * z * 256 * 16;
