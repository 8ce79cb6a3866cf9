// The WebGPU device: an adapter's features and limits taken, buffers, pipelines and a queue shared by all programs. It never
// falls back to another device: without an adapter, opening fails.

import type { Plan } from "../../graph/plan.ts";
import type { Loaded, PlannedBytes } from "../../graph/planned_bytes.ts";
import { type Device, NoDevice, type Precision, type Program, type Store } from "../backend.ts";
import { adapterName, findGpu, isSoftware } from "./adapter.ts";
import type { GpuLimits } from "./kernel.ts";
import { gpuBytes } from "./launches.ts";
import { Memory } from "./memory.ts";
import { Pipelines } from "./pipelines.ts";
import { GpuProgram, type Shared } from "./program.ts";
import { Queue } from "./queue.ts";
import { GpuStore } from "./store.ts";
import { requestDevice, type Subgroups, subgroupsOf } from "./subgroups.ts";
import type { GpuTimer } from "./timer.ts";

/** Options of `openWebGpu`. */
export interface WebGpuOptions {
  /** Where to look for an adapter: what `findGpu` finds unless given. */
  readonly gpu?: GPU;
  /**
   * How activations and the weights that are read are stored: "f16" as halves, where the GPU offers `shader-f16`.
   * Arithmetic, sums and what the optimizer works on stay f32. "f32" unless given.
   */
  readonly precision?: Precision;
  /** Most bytes of GPU memory to use; no bound unless given. */
  readonly maxBytes?: number;
  /** Limits and features to do without, as portable WebGPU does; for tests. */
  readonly portable?: boolean;
  /** Most bytes of one binding, if that is to be less than the device takes: tensors above it are bound in windows. For tests. */
  readonly bindingBytes?: number;
  /** Whether temporaries are filled with NaN before every run. For tests. */
  readonly poison?: boolean;
  /** What times compute passes, where the adapter has timestamps; nothing does unless given. For benchmarks. */
  readonly timer?: GpuTimer;
}

const FEATURES = ["shader-f16", "timestamp-query"] as const;
const LIMITS = ["maxStorageBufferBindingSize", "maxBufferSize", "maxComputeWorkgroupStorageSize"] as const;

/**
 * Opens the GPU with the limits and features it offers.
 *
 * @throws {RangeError} if `maxBytes` is not positive.
 * @throws {NoDevice} if there is no adapter, or one without halves when those are asked for.
 */
export async function openWebGpu(
  {
    gpu,
    precision = "f32",
    maxBytes = Infinity,
    bindingBytes = Infinity,
    portable = false,
    poison = false,
    timer,
  }: WebGpuOptions = {},
): Promise<Device> {
  if (!(maxBytes > 0)) {
    throw new RangeError(`Cannot work in ${maxBytes} bytes of memory: at least 1 is needed`);
  }
  const found = gpu ?? await findGpu();
  const adapter = await found?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) {
    throw new NoDevice(
      found
        ? "There is no GPU adapter: install a Vulkan, Metal or Direct3D 12 driver, or use --device wasm"
        : "This runtime has no WebGPU: use Deno, a browser with WebGPU, or Node with the package `webgpu`; or --device wasm",
    );
  }
  const features = portable ? [] : FEATURES.filter((name) => adapter.features.has(name));
  if (precision === "f16" && !features.includes("shader-f16")) {
    throw new NoDevice("This GPU has no halves (the feature shader-f16): use --precision f32");
  }
  const device = portable ? await adapter.requestDevice() : await requestDevice(adapter, {
    requiredFeatures: features,
    requiredLimits: Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]])),
  });
  const subgroups = await subgroupsOf(device);
  timer?.attach(device);
  return new WebGpuDevice(device, {
    subgroups,
    name: adapterName(adapter.info),
    precision,
    maxBytes,
    bindingBytes,
    poison,
    timer: timer ?? null,
  });
}

class WebGpuDevice implements Device {
  readonly kind = "webgpu";
  readonly description: string;
  readonly threads = 1;
  readonly ahead = 16;
  readonly precision: Precision;
  readonly capacity: number;
  readonly #shared: Shared;
  readonly #memory: Memory;

  constructor(
    readonly gpu: GPUDevice,
    { name, subgroups, precision, maxBytes, bindingBytes, poison, timer }:
      & { readonly name: string; readonly subgroups: Subgroups; readonly timer: GpuTimer | null }
      & Required<Pick<WebGpuOptions, "precision" | "maxBytes" | "bindingBytes" | "poison">>,
  ) {
    this.precision = precision;
    this.capacity = maxBytes;
    this.#memory = new Memory(gpu, maxBytes, poison);
    const { maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize } = gpu.limits;
    const limits: GpuLimits = {
      bindingBytes: Math.min(bindingBytes, maxStorageBufferBindingSize),
      workgroupBytes: maxComputeWorkgroupStorageSize,
      halves: precision === "f16",
      subgroups: subgroups !== null,
    };
    this.description = `WebGPU on ${name}${precision === "f16" ? " in half precision" : ""}`;
    this.#shared = {
      memory: this.#memory,
      pipelines: new Pipelines(gpu, subgroups !== "unannounced"),
      queue: new Queue(this.#memory, isSoftware(name), timer),
      limits,
    };
  }

  planned(what: Loaded): PlannedBytes {
    return gpuBytes(what, this.#shared.limits);
  }

  createStore(pages: Readonly<Record<string, number>>): Store {
    return new GpuStore(this.#memory, pages);
  }

  load(plan: Plan, store: Store): Program {
    return new GpuProgram(plan, store as GpuStore, this.#shared);
  }

  bytes(): number {
    return this.#memory.bytes;
  }

  close(): void {
    this.#memory.close();
    this.gpu.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
