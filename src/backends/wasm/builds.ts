// Which of the four builds of the kernels to use. Features are tested, never guessed from a user agent: an engine has
// relaxed SIMD if it validates that build, and threads if shared memory exists and the calling thread may wait. Each
// build is a module of its own, imported on demand, so that only one is compiled.

import type { OpName } from "../../ops/mod.ts";
import type { WasmKernel } from "./generated/kernels.ts";
import type { TileName } from "./probe.ts";

/** Options of `openWasm`. */
export interface WasmOptions {
  /** Threads, the calling one included. As many as the machine has cores unless given. */
  readonly threads?: number;
  /** Most bytes of linear memory to use, in whole pages of 64 KiB; 4 GiB, all there are, unless given. */
  readonly maxBytes?: number;
  /** A build to insist on, for tests and measurements; the best one that the engine takes unless given. */
  readonly build?: BuildName;
  /** A register tile of the matrix product to insist on, for tests and measurements; the fastest unless given. */
  readonly tile?: TileName;
  /** Whether temporaries are filled with NaN before every run, so that reading what nobody wrote shows. For tests. */
  readonly poison?: boolean;
}

/** With relaxed SIMD (fused multiply-add) or without. */
export type BuildName = "relaxed" | "simd";

type Import = () => Promise<{ readonly default: string }>;
const builds: Record<BuildName, { readonly alone: Import; readonly shared: Import }> = {
  relaxed: {
    alone: () => import("./generated/relaxed.ts"),
    shared: () => import("./generated/relaxed_shared.ts"),
  },
  simd: { alone: () => import("./generated/simd.ts"), shared: () => import("./generated/simd_shared.ts") },
};

/** A build, compiled, and how many threads to run it on. */
export interface Build {
  readonly name: BuildName;
  readonly module: WebAssembly.Module;
  readonly threads: number;
}

// A kernel that an op needs and that assembly/ does not export is an error here.
type Missing = Exclude<OpName, WasmKernel>;
const complete: [Missing] extends [never] ? true : Missing = true;

/** Throws `RangeError` if it is no number of threads. */
export function requireThreads(threads: number): void {
  if (Number.isInteger(threads) && threads >= 1) return;
  throw new RangeError(`Cannot use ${threads} threads: 1 or more are needed`);
}

/** Picks and compiles a build. */
export async function chooseBuild({ threads = coreCount(), build }: WasmOptions): Promise<Build> {
  requireThreads(threads);
  const used = complete && canShare() ? threads : 1;
  for (const name of build ? [build] : ["relaxed", "simd"] as const) {
    const bytes = decode((await builds[name][used > 1 ? "shared" : "alone"]()).default);
    if (WebAssembly.validate(bytes)) return { name, module: await WebAssembly.compile(bytes), threads: used };
  }
  throw new Error(
    build
      ? `This engine does not take the "${build}" build of the kernels: leave the choice open`
      : "This engine has no WebAssembly SIMD: use a browser or runtime released since 2023",
  );
}

function decode(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

interface NodeProcess {
  getBuiltinModule?(name: "node:os"): { availableParallelism(): number };
}

/** Cores this process may use. */
export function coreCount(): number {
  const { navigator, process } = globalThis as { navigator?: Navigator; process?: NodeProcess };
  return navigator?.hardwareConcurrency ?? process?.getBuiltinModule?.("node:os").availableParallelism() ?? 1;
}

// Shared memory needs cross-origin isolation in browsers; a page's own thread may not wait there.
function canShare(): boolean {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 0);
    return new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer instanceof
      SharedArrayBuffer;
  } catch {
    return false;
  }
}
