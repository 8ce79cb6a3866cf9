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
  choiceByWasm,
  type Cost,
  costOf,
  type Room,
  type Speed,
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
  try {
    onChoice?.(text);
  } catch (error) {
    device?.close();
    throw error;
  }
  return device ?? await openWasm(options);
}

type Options = Pick<AutoOptions, "threads" | "maxBytes">;

/** A choice, and the GPU opened if it was chosen. */
interface Chosen {
  readonly text: string;
  readonly device: Device | null;
}

const notGpu = ({ text }: Choice): Chosen => ({ text, device: null });

async function choose(plans: readonly Plan[], given: GPU | undefined, options: Options): Promise<Chosen> {
  if (plans.length === 0) return notGpu(withoutPlans);
  let found: { readonly gpu: GPU; readonly adapter: GPUAdapter } | null;
  try {
    found = await findAdapter(given);
  } catch (error) {
    return notGpu(afterFailure(error));
  }
  const known = choiceByAdapter(found && kindOf(found.adapter));
  if (known) return notGpu(known);
  const cost = costOf(plans), onWasm = await measureWasm(plans, options);
  const quick = choiceByWasm(cost, onWasm.speed);
  if (quick) return notGpu(quick);
  const { gpu, adapter } = found!;
  let device: Device | null = null;
  try {
    device = await openWebGpu({ ...options, gpu });
    const { device: chosen, text } = await chooseBetween(plans, cost, onWasm, device, adapter);
    if (chosen === "webgpu") return { text, device };
    device.close();
    return { text, device: null };
  } catch (error) {
    device?.close();
    return notGpu(afterFailure(error));
  }
}

async function findAdapter(given: GPU | undefined): Promise<{ gpu: GPU; adapter: GPUAdapter } | null> {
  const gpu = given ?? await findGpu();
  const adapter = await gpu?.requestAdapter({ powerPreference: "high-performance" });
  return adapter ? { gpu: gpu!, adapter } : null;
}

const kindOf = ({ info }: GPUAdapter): AdapterKind => {
  const name = adapterName(info);
  return { name, software: info.isFallbackAdapter || isSoftware(name) };
};

/** What WASM says of the plans. */
interface OnWasm {
  readonly room: Room;
  readonly speed: Speed;
}

// On a device of its own, without a bound, because linear memory keeps what it has once grown to.
async function measureWasm(
  plans: readonly Plan[],
  { maxBytes = Infinity, ...options }: Options,
): Promise<OnWasm> {
  const wasm = await openWasm(options);
  try {
    const needed = wasm.planned({ pages: {}, plans }).total, capacity = Math.min(maxBytes, wasm.capacity);
    return { room: { needed, capacity }, speed: await measureSpeed(wasm) };
  } finally {
    wasm.close();
  }
}

async function chooseBetween(
  plans: readonly Plan[],
  cost: Cost,
  { room, speed }: OnWasm,
  gpu: Device,
  { info, limits: { maxStorageBufferBindingSize } }: GPUAdapter,
): Promise<Choice> {
  const name = adapterName(info),
    binding = {
      needed: widestBinding(plans, maxStorageBufferBindingSize),
      capacity: maxStorageBufferBindingSize,
    };
  const onGpu = { needed: gpu.planned({ pages: {}, plans }).total, capacity: gpu.capacity, binding };
  return choiceByRoom(room, onGpu, name) ??
    choiceBySpeed(cost, speed, await measureSpeed(gpu), name);
}
