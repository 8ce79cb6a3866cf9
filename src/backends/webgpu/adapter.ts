// Where WebGPU comes from: what the runtime offers (Deno, browsers), else Dawn, which Node has as the optional package
// `webgpu`. Its module is named at run time only, so that bundlers leave it alone and a bundle without it still loads. No
// global is set. What an adapter is called is said here too; which one is taken, and with what limits, is in device.ts.

import { NoDevice } from "../backend.ts";

interface Dawn {
  create(options: readonly string[]): GPU;
}

// Kept as long as the process lives: once Dawn's object is collected, none of its promises is ever settled.
let dawn: Promise<GPU | undefined> | undefined;

/**
 * WebGPU as this runtime has it; `undefined` where there is none.
 *
 * Throws `NoDevice` if Node's package `webgpu` is installed but does not load.
 */
export async function findGpu(): Promise<GPU | undefined> {
  const { navigator, process } = globalThis as {
    navigator?: { readonly gpu?: GPU };
    process?: { readonly getBuiltinModule?: unknown };
  };
  if (navigator?.gpu) return navigator.gpu;
  return process?.getBuiltinModule ? await (dawn ??= startDawn("webgpu")) : undefined;
}

/** What an adapter is called, for people. */
export const adapterName = ({ vendor, architecture, description }: GPUAdapterInfo): string =>
  description || [vendor, architecture].filter(Boolean).join(" ") || "unnamed adapter";

/** Whether an adapter of this name is a program on the CPU. */
export const isSoftware = (name: string): boolean => /llvmpipe|lavapipe|swiftshader|basic render/i.test(name);

async function startDawn(name: string): Promise<GPU | undefined> {
  try {
    const { create } = await import(/* webpackIgnore: true */ /* @vite-ignore */ name) as Dawn;
    return create([]);
  } catch (error) {
    if ((error as { code?: unknown }).code === "ERR_MODULE_NOT_FOUND") return undefined;
    throw new NoDevice(
      `Cannot load the package "${name}", which gives Node WebGPU: ${(error as Error).message}; ` +
        `install it again for this system, or use the device "wasm"`,
      { cause: error },
    );
  }
}
