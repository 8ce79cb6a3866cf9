// Opening `auto`: looks for a GPU, and where there is one and both devices have room, measures both for a moment and opens
// the one that the plans will run faster on. How that is decided is in choose_device.ts. A GPU that fails here is passed
// over, because nobody asked for it by name.

import type { Device } from "./backends/backend.ts";
import type { WasmOptions } from "./backends/wasm/builds.ts";
import { openWasm } from "./backends/wasm/device.ts";
import { adapterName, findGpu, isSoftware } from "./backends/webgpu/adapter.ts";
import { openWebGpu } from "./backends/webgpu/device.ts";
import {
  type AdapterKind,
  afterFailure,
  type Choice,
  choiceByAdapter,
  choiceByRoom,
  choiceBySpeed,
  costOf,
  widestBinding,
  withoutPlans,
} from "./choose_device.ts";
import type { Plan } from "./graph/plan.ts";
import { measureSpeed } from "./measure_device.ts";

/** Options of `openAuto`. */
export interface AutoOptions extends Pick<WasmOptions, "threads" | "maxBytes"> {
  /** What will run most; WASM if there is none. */
  readonly plans: readonly Plan[];
  /** Is told what was chosen and why. */
  readonly onChoice?: (text: string) => void;
  /** Where to look for an adapter: what `findGpu` finds unless given. For tests. */
  readonly gpu?: GPU;
}

/** Opens WASM or the GPU, whichever the plans will run faster on. */
export async function openAuto({ plans, onChoice, gpu, ...options }: AutoOptions): Promise<Device> {
  const { text, device } = await choose(plans, gpu, options);
  onChoice?.(text);
  return device ?? await openWasm(options);
}

// The GPU opened, if it was chosen.
async function choose(
  plans: readonly Plan[],
  given: GPU | undefined,
  options: Pick<AutoOptions, "threads" | "maxBytes">,
): Promise<{ readonly text: string; readonly device: Device | null }> {
  if (plans.length === 0) return { ...withoutPlans, device: null };
  let device: Device | null = null, choice: Choice;
  try {
    const gpu = given ?? await findGpu();
    const adapter = await gpu?.requestAdapter({ powerPreference: "high-performance" }) ?? null;
    const known = choiceByAdapter(adapter && kindOf(adapter));
    if (known) return { ...known, device: null };
    device = await openWebGpu({ ...options, gpu: gpu! });
    choice = await chooseBetween(plans, device, adapter!, options);
  } catch (error) {
    choice = afterFailure(error);
  }
  if (choice.device === "webgpu") return { text: choice.text, device };
  device?.close();
  return { text: choice.text, device: null };
}

const kindOf = ({ info }: GPUAdapter): AdapterKind => {
  const name = adapterName(info);
  return { name, software: info.isFallbackAdapter || isSoftware(name) };
};

// WASM is measured on a device of its own, because linear memory keeps what it has once grown to.
async function chooseBetween(
  plans: readonly Plan[],
  gpu: Device,
  { info, limits }: GPUAdapter,
  { maxBytes = Infinity, ...options }: Pick<AutoOptions, "threads" | "maxBytes">,
): Promise<Choice> {
  const wasm = await openWasm(options), what = { pages: {}, plans }, name = adapterName(info);
  const bindingBytes = limits.maxStorageBufferBindingSize;
  try {
    const byRoom = choiceByRoom(
      { needed: wasm.planned(what).total, capacity: Math.min(maxBytes, wasm.capacity) },
      {
        needed: gpu.planned(what).total,
        capacity: gpu.capacity,
        binding: { needed: widestBinding(plans, bindingBytes), capacity: bindingBytes },
      },
      name,
    );
    return byRoom ?? choiceBySpeed(costOf(plans), await measureSpeed(wasm), await measureSpeed(gpu), name);
  } finally {
    wasm.close();
  }
}
