// Which device `auto` takes, and the sentence that says why: from what is known of the GPU's adapter, what the plans take,
// and how fast each device was seen to be. Data in, data out: devices are measured in measure_device.ts and opened in
// open_auto.ts.

import { PORTABLE } from "./backends/webgpu/kernel.ts";
import { bytesOf, launchesOf, workOf } from "./backends/webgpu/launches.ts";
import type { Plan } from "./graph/plan.ts";
import { showBytes } from "./train/memory.ts";

/** A device, and why. */
export interface Choice {
  readonly device: "wasm" | "webgpu";
  /** The device and the reason, for people. */
  readonly text: string;
}

/** How fast a device was measured to be. */
export interface Speed {
  /** Estimated operations in a second, as `workOf` counts them, at a product of matrices. */
  readonly rate: number;
  /** Seconds that a launch takes besides its operations. */
  readonly launch: number;
  /** Seconds that reading a result back adds to each of the runs that are under way together. */
  readonly wait: number;
}

/** What one run of each of some plans takes. */
export interface Cost {
  readonly launches: number;
  /** Estimated operations. */
  readonly work: number;
}

/** The GPU's adapter, as far as it is known before anything was computed on it. */
export interface AdapterKind {
  readonly name: string;
  /** Whether it is a program on the CPU. */
  readonly software: boolean;
}

/** What plans take on a device, in bytes, and what there is. */
export interface Room {
  readonly needed: number;
  readonly capacity: number;
}

/** How many times as fast as WASM the GPU must be: WASM starts without compiling. */
export const MARGIN = 1.2;

/** Seconds of each run that go to reading back from a GPU at least: 11 ms in Deno, shared by sixteen runs under way. */
const LEAST_WAIT = 0.011 / 16;

/** Counts the launches of plans and adds up what they are estimated at, without a device. */
export function costOf(plans: readonly Plan[]): Cost {
  const launches = plans.flatMap((plan) => launchesOf(plan, PORTABLE));
  return {
    launches: launches.length,
    work: launches.reduce((sum, launch) => sum + workOf(launch), 0),
  };
}

/** Bytes of the largest tensor that plans bind where a binding holds so many. */
export const widestBinding = (plans: readonly Plan[], bindingBytes: number): number =>
  Math.max(
    0,
    ...plans.flatMap((plan) =>
      launchesOf(plan, { ...PORTABLE, bindingBytes }).flatMap(({ tensors, args }) =>
        tensors.map(({ arg, offset = 0, bytes }) =>
          bytes ?? (arg === "scratch" ? 0 : bytesOf(args[arg]) - offset)
        )
      )
    ),
  );

/** Seconds that a run is predicted to take. */
export const predicted = ({ rate, launch, wait }: Speed, { launches, work }: Cost): number =>
  launches * launch + work / rate + wait;

const wasm = (reason: string): Choice => ({ device: "wasm", text: `WASM, ${reason}` });
const webgpu = (name: string, reason: string): Choice => ({
  device: "webgpu",
  text: `WebGPU on ${name}, ${reason}`,
});

/** Without plans there is nothing to choose by. */
export const withoutPlans: Choice = wasm("no plan was given to choose by");

/** After the GPU did not do what was asked of it. */
export const afterFailure = (error: unknown): Choice =>
  wasm(`WebGPU failed: ${error instanceof Error ? error.message : error}`);

/** WASM where a run takes it less time than reading its result back from a GPU would, else `null`. */
export function choiceByWasm(cost: Cost, onWasm: Speed): Choice | null {
  const ours = predicted(onWasm, cost);
  return ours < LEAST_WAIT
    ? wasm(`predicted ${showSeconds(ours)} a run, less than reading back from a GPU takes`)
    : null;
}

/** WASM where there is no GPU or none worth measuring, else `null`. */
export function choiceByAdapter(adapter: AdapterKind | null): Choice | null {
  if (!adapter) return wasm("there is no GPU adapter");
  return adapter.software ? wasm(`the adapter ${adapter.name} computes on the CPU`) : null;
}

/** The device that alone has room for the plans; `null` if both have, or neither. */
export function choiceByRoom(
  onWasm: Room,
  onGpu: Room & {
    /** The largest tensor that is bound, and what a binding holds. */
    readonly binding: Room;
  },
  name: string,
): Choice | null {
  const fits = ({ needed, capacity }: Room): boolean => needed <= capacity;
  const gpuFits = fits(onGpu) && fits(onGpu.binding);
  if (fits(onWasm) === gpuFits) return null;
  if (gpuFits) {
    return webgpu(
      name,
      `the plans take ${showBytes(onWasm.needed)} and WASM has ${showBytes(onWasm.capacity)}`,
    );
  }
  return fits(onGpu)
    ? wasm(
      `a tensor of ${showBytes(onGpu.binding.needed)} is more than WebGPU on ${name} binds, ` +
        `${showBytes(onGpu.binding.capacity)}`,
    )
    : wasm(
      `the plans take ${showBytes(onGpu.needed)} on WebGPU on ${name}, which may use ${
        showBytes(onGpu.capacity)
      }`,
    );
}

/** The device with the shorter predicted run; WASM unless the GPU is faster by `MARGIN`. */
export function choiceBySpeed(cost: Cost, onWasm: Speed, onGpu: Speed, name: string): Choice {
  const ours = predicted(onWasm, cost), theirs = predicted(onGpu, cost);
  if (ours > MARGIN * theirs) {
    return webgpu(name, `predicted ${showSeconds(theirs)} a run against ${showSeconds(ours)} on WASM`);
  }
  return wasm(
    `predicted ${showSeconds(ours)} a run against ${showSeconds(theirs)} on WebGPU on ${name}` +
      (theirs < ours ? ", which is too near to compile for" : ""),
  );
}

/** Where in a family of costs, smallest first, the GPU begins to be chosen for good; its length if that is nowhere. */
export const crossing = (family: readonly Cost[], onWasm: Speed, onGpu: Speed): number =>
  family.findLastIndex((cost) => choiceBySpeed(cost, onWasm, onGpu, "").device === "wasm") + 1;

/** Seconds for people, to two digits. */
export function showSeconds(seconds: number): string {
  const [value, unit] = seconds < 1 ? [1000 * seconds, "ms"] : [seconds, "s"];
  return `${Number(value.toPrecision(2)).toLocaleString("en")} ${unit}`;
}
