// The WebGPU device: an adapter's features and limits taken, buffers, pipelines and a queue shared by all programs. It never
// falls back to another device: without an adapter, opening fails.

import type { Plan } from "../../graph/plan.ts";
import type { Loaded, PlannedBytes } from "../../graph/planned_bytes.ts";
import type { Device, Program, Store } from "../backend.ts";
import { findGpu } from "./adapter.ts";
import type { GpuLimits } from "./kernel.ts";
import { gpuBytes } from "./launches.ts";
import { Memory } from "./memory.ts";
import { Pipelines } from "./pipelines.ts";
import { GpuProgram, type Shared } from "./program.ts";
import { Queue } from "./queue.ts";
import { GpuStore } from "./store.ts";
import type { GpuTimer } from "./timer.ts";

/** Options of `openWebGpu`. */
export interface WebGpuOptions {
  /** Where to look for an adapter: what `findGpu` finds unless given. */
  readonly gpu?: GPU;
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

const FEATURES = ["shader-f16", "subgroups", "timestamp-query"] as const;
const LIMITS = ["maxStorageBufferBindingSize", "maxBufferSize", "maxComputeWorkgroupStorageSize"] as const;

/** Opens the GPU with the limits and features it offers. */
export async function openWebGpu(
  {
    gpu,
    maxBytes = Infinity,
    bindingBytes = Infinity,
    portable = false,
    poison = false,
    timer,
  }: WebGpuOptions = {},
): Promise<Device> {
  const found = gpu ?? await findGpu();
  const adapter = await found?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) {
    throw new Error(
      found
        ? "There is no GPU adapter: install a Vulkan, Metal or Direct3D 12 driver, or use --device wasm"
        : "This runtime has no WebGPU: use Deno, a browser with WebGPU, or Node with the package `webgpu`; or --device wasm",
    );
  }
  const features = portable ? [] : FEATURES.filter((name) => adapter.features.has(name));
  const device = await adapter.requestDevice({
    requiredFeatures: features as GPUFeatureName[],
    requiredLimits: portable ? {} : Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]])),
  });
  const { vendor, architecture, description } = adapter.info;
  const name = description || [vendor, architecture].filter(Boolean).join(" ") || "unnamed adapter";
  timer?.attach(device);
  return new WebGpuDevice(device, name, maxBytes, bindingBytes, poison, timer ?? null);
}

class WebGpuDevice implements Device {
  readonly kind = "webgpu";
  readonly description: string;
  readonly threads = 1;
  readonly ahead = 16;
  readonly #shared: Shared;
  readonly #memory: Memory;

  constructor(
    readonly gpu: GPUDevice,
    name: string,
    readonly capacity: number,
    bindingBytes: number,
    poison: boolean,
    timer: GpuTimer | null,
  ) {
    this.#memory = new Memory(gpu, capacity, poison);
    const { maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize } = gpu.limits;
    const limits: GpuLimits = {
      bindingBytes: Math.min(bindingBytes, maxStorageBufferBindingSize),
      workgroupBytes: maxComputeWorkgroupStorageSize,
      f16: gpu.features.has("shader-f16"),
      subgroups: gpu.features.has("subgroups" as GPUFeatureName),
    };
    this.description = `WebGPU on ${name}`;
    const software = /llvmpipe|lavapipe|swiftshader/i.test(name);
    this.#shared = {
      memory: this.#memory,
      pipelines: new Pipelines(gpu),
      queue: new Queue(this.#memory, software, timer),
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
