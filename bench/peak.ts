// What this machine can reach in WASM: a loop of nothing but multiply-adds on registers, and a loop of nothing but loads
// and stores over as many bytes as the timed ops work on, so that caches help both alike. Both run like kernels, on the
// library's own threads and barrier, with the same vector instructions. They are too special for the library, so they are
// compiled here.

import asc from "assemblyscript/asc";
import { CONTROL_WORDS, type Kernels, replayStep } from "../src/backends/wasm/replay.ts";
import { Memory } from "../src/backends/wasm/memory.ts";
import { startPool } from "../src/backends/wasm/pool.ts";
import { alternate } from "./measure.ts";

const ACCUMULATORS = 12, FLOPS = 2 * 4 * ACCUMULATORS; // in a round: enough to hide the latency of two units
const ROUNDS = 2_000_000, BYTES = 2048 * 768 * 4, BLOCK = 2 ** 16, CONTROL = 4096 - 256;

const each = (text: (i: number) => string): string =>
  Array.from({ length: ACCUMULATORS }, (_, i) => text(i)).join(" ");
const source = `
// @ts-ignore: decorator
@inline
function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

export function multiplyAdd(x: usize, pass: i32, begin: i32, end: i32): void {
  for (let row = begin; row < end; row++) {
    const at = x + (<usize>row << 8), a = v128.load(at), b = v128.load(at, 16);
    ${each((i) => `let c${i} = v128.load(at, ${16 * i});`)}
    for (let i = 0; i < ${ROUNDS}; i++) { ${each((i) => `c${i} = madd(a, b, c${i});`)} }
    ${each((i) => `v128.store(at, c${i}, ${16 * i});`)}
  }
}

export function copy(x: usize, y: usize, pass: i32, begin: i32, end: i32): void {
  for (let at = <usize>begin * ${BLOCK}; at < <usize>end * ${BLOCK}; at += 64) {
    const from = x + at, to = y + at;
    v128.store(to, v128.load(from)), v128.store(to, v128.load(from, 16), 16);
    v128.store(to, v128.load(from, 32), 32), v128.store(to, v128.load(from, 48), 48);
  }
}`;

async function compile(shared: boolean): Promise<WebAssembly.Module> {
  for (const relaxed of [true, false]) {
    const features = ["simd", ...(relaxed ? ["relaxed-simd"] : []), ...(shared ? ["threads"] : [])];
    const args = ["peak.ts", "--outFile", "peak.wasm", "-O3", "--runtime", "stub", "--use", "abort="];
    args.push("--importMemory", "--noExportMemory", "--initialMemory", "1", "--enable", features.join());
    if (shared) args.push("--sharedMemory", "--maximumMemory", "65536");
    const outputs: Uint8Array<ArrayBuffer>[] = [];
    const { error, stderr } = await asc.main(args, {
      readFile: (name: string) => name === "peak.ts" ? source : null,
      writeFile: (name: string, bytes: string | Uint8Array) => {
        if (name === "peak.wasm" && typeof bytes !== "string") outputs.push(new Uint8Array(bytes));
      },
      listFiles: () => [],
    });
    if (error) throw new Error(`Cannot compile the kernels that measure the machine: ${stderr}`);
    if (WebAssembly.validate(outputs[0])) return await WebAssembly.compile(outputs[0]);
  }
  throw new Error("Cannot measure the machine: this engine has no WebAssembly SIMD");
}

/** What the machine reaches on some threads. */
export interface Peaks {
  /** Floating-point operations a second. */
  readonly flops: number;
  /** Bytes a second, read and written. */
  readonly bytes: number;
}

/** Measures what the machine reaches. */
export async function measurePeaks(threads: number): Promise<Peaks> {
  const memory = new Memory(threads > 1, 4096), module = await compile(threads > 1);
  const { exports } = await WebAssembly.instantiate(module, { env: { memory: memory.wasm } });
  const { address: x } = memory.allocate(BYTES, "the source"),
    { address: y } = memory.allocate(BYTES, "the copy");
  const pool = threads > 1 ? await startPool(module, memory.wasm, CONTROL, threads) : null;
  const control = memory.ints(CONTROL, CONTROL_WORDS);
  const job = (id: number, kernel: string, pointers: readonly number[], rows: number) => {
    const step = { kernel, args: [...pointers, 0, 0, 0], rows: [rows], workspaceAt: -1 };
    pool?.order({ type: "bind", id, steps: [step], workspace: 0, stride: 0 });
    return () => {
      pool?.order({ type: "run", id });
      return Promise.resolve(replayStep(exports as unknown as Kernels, step, 0, threads, control));
    };
  };
  try {
    const [calculating, copying] = await alternate([
      job(0, "multiplyAdd", [x], threads),
      job(1, "copy", [x, y], BYTES / BLOCK),
    ]);
    return { flops: threads * ROUNDS * FLOPS / calculating, bytes: 2 * BYTES / copying };
  } finally {
    pool?.close();
  }
}

const measured = new Map<number, Promise<Peaks>>();

/** `measurePeaks`, once for each number of threads. */
export function peaks(threads: number): Promise<Peaks> {
  let found = measured.get(threads);
  if (!found) measured.set(threads, found = measurePeaks(threads));
  return found;
}
