// Opening a device by name: the one place in the library that knows all backends. There is no silent fallback: what was
// asked for by name is what opens, or an error says why not.

import type { Device } from "./backends/backend.ts";
import { openReference } from "./backends/reference.ts";
import { openWasm } from "./backends/wasm/device.ts";
import { openWebGpu } from "./backends/webgpu/device.ts";

/** Devices by name; `auto` is `wasm`: which models run faster on a GPU has not been measured on one yet. */
export const deviceNames = ["auto", "wasm", "webgpu", "reference"] as const;

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
 */
export async function openDevice({ device = "auto", ...options }: DeviceOptions = {}): Promise<Device> {
  switch (device) {
    case "auto":
    case "wasm":
      return await openWasm(options);
    case "webgpu":
      return await openWebGpu(options);
    case "reference":
      return openReference();
    default:
      throw new RangeError(`There is no device "${device}": choose one of ${deviceNames.join(", ")}`);
  }
}
