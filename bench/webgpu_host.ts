// The GPU's benchmark with what a host adds to it: drivers that Deno may take, and PyTorch beside it. For Deno and Node.

import process from "node:process";
import { openTorch } from "./torch.ts";
import { benchGpu } from "./webgpu.ts";
import type { GpuRow } from "./webgpu_rows.ts";

/** Options of `benchGpuHere`. */
export interface HostOptions {
  readonly quick: boolean;
  /** A Python, whose torch is compared with if it has that. */
  readonly python: string;
  readonly remark: (text: string) => void;
}

/** Everything, on the adapter that there is, beside PyTorch if there is that. */
export async function* benchGpuHere({ quick, python, remark }: HostOptions): AsyncGenerator<GpuRow> {
  process.env.DENO_WEBGPU_BACKEND ??= "vulkan,metal,dx12"; // not OpenGL, whose drivers may take a minute to compile a kernel
  const torch = await openTorch(python, remark);
  if (torch) remark(torch.description);
  try {
    yield* benchGpu({ quick, peer: torch, remark });
  } finally {
    await torch?.close();
  }
}
