// Opening a device by name: the one place in the library that knows all backends. There is no silent fallback: what was
// asked for by name is what opens, or an error says why not. How `auto` chooses is in open_auto.ts and choose_device.ts.

import type { Device, Precision } from "./backends/backend.ts";
import { openReference } from "./backends/reference.ts";
import { requireThreads } from "./backends/wasm/builds.ts";
import { openWasm } from "./backends/wasm/device.ts";
import { openWebGpu } from "./backends/webgpu/device.ts";
import type { Plan } from "./graph/plan.ts";
import { openAuto } from "./open_auto.ts";

/** Devices by name; `auto` is `wasm` or `webgpu`, whichever `plan` is expected to run faster on. */
export const deviceNames = ["auto", "wasm", "webgpu", "reference"] as const;

/** Ways to store activations and weights, by name. */
export const precisionNames: readonly Precision[] = ["f32", "f16"];

/** The name of a device. */
export type DeviceName = (typeof deviceNames)[number];

/** Options of `openDevice`. */
export interface DeviceOptions {
  /** Which backend; `auto` unless given. */
  readonly device?: DeviceName;
  /** Threads, the calling one included; as many as there are cores unless given. */
  readonly threads?: number;
  /** Most bytes of memory to use; on WASM 4 GiB, all that it can have, unless given. */
  readonly maxBytes?: number;
  /**
   * How activations and weights are stored; "f32" unless given. "f16" is for `webgpu` by name, on a GPU that has
   * halves: activations take half the bytes, and weights are read as halves; arithmetic, sums and what the optimizer works on
   * stay f32.
   */
  readonly precision?: Precision;
  /**
   * What will run most, for `auto` to choose by: of a training its `trainingPlans`, of a generation
   * the continuation. `auto` is `wasm` without it. Where there is a GPU, both devices are measured for a moment, so the
   * choice may differ from one day to another where they are close.
   */
  readonly plan?: Plan | readonly Plan[];
  /** Is told once what `auto` chose and why: "WASM, there is no GPU adapter". */
  readonly onChoice?: (text: string) => void;
}

/**
 * Opens a device. Close it when done, or let `using` do so: it may hold worker threads.
 *
 * @example
 * ```ts
 * import { openDevice } from "@foreword/foreword";
 * using device = await openDevice();
 * console.log(device.description);
 * ```
 *
 * @example A device for what will run on it, with the reason.
 * ```ts
 * import { configure, gpt1Plans, openDevice } from "@foreword/foreword";
 * const config = configure("nano", 500), plan = gpt1Plans(config).continuation(1);
 * using device = await openDevice({ plan, onChoice: (text) => console.log(text) });
 * console.log(device.kind);
 * ```
 *
 * @throws {RangeError} for a name that is not there, halves elsewhere than on `webgpu`, or numbers that are not positive.
 * @throws {NoDevice} if `webgpu` is asked for where there is no GPU, or `f16` of one without halves.
 */
export async function openDevice(
  { device = "auto", precision = "f32", plan = [], onChoice, ...options }: DeviceOptions = {},
): Promise<Device> {
  if (!precisionNames.includes(precision)) {
    throw new RangeError(`There is no precision "${precision}": choose one of ${precisionNames.join(", ")}`);
  }
  if (precision === "f16" && device !== "webgpu") {
    throw new RangeError(
      `Only a GPU stores halves: ask for the device "webgpu", not "${device}", or leave "f16" out`,
    );
  }
  switch (device) {
    case "auto":
      return await openAuto({ ...options, plans: [plan].flat(), ...(onChoice ? { onChoice } : {}) });
    case "wasm":
      return await openWasm(options);
    case "webgpu":
      if (options.threads !== undefined) requireThreads(options.threads); // it has one, but a mistake is one anywhere
      return await openWebGpu({ ...options, precision });
    case "reference":
      return openReference();
    default:
      throw new RangeError(`There is no device "${device}": choose one of ${deviceNames.join(", ")}`);
  }
}
