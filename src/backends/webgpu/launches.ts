// From a plan to the list of its launches, without a device: what `load` makes pipelines of, and what listings count. Slots
// and scratch are those of this backend: scratch is one buffer for all steps, as large as the launches ask for.

import { BYTES } from "../../core/dtype.ts";
import { sizeOf } from "../../core/shape.ts";
import type { Arg, Plan, Step } from "../../graph/plan.ts";
import type { OpName } from "../../ops/mod.ts";
import type { GpuLimits, Launch } from "./kernel.ts";
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

/** Estimated operations of a launch. */
export const workOf = ({ work, workgroups: [x, y, z] }: Launch): number => work ?? x * y * z * 256 * 16;
