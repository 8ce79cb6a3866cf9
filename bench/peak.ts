// What this machine can reach in WASM: a loop of nothing but multiply-adds on registers, and a loop of nothing but loads
// and stores over as many bytes as the op that it is compared with works on, so that caches help both alike. Both run
// like kernels, on the library's own threads and barrier, with the same vector instructions. They are too special for the
// library, so they are compiled here.

import asc from "assemblyscript/asc";
import { CONTROL_WORDS, type Kernels, replayStep } from "../src/backends/wasm/replay.ts";
import { Memory } from "../src/backends/wasm/memory.ts";
import { startPool } from "../src/backends/wasm/pool.ts";
import { alternate } from "./measure.ts";

const ACCUMULATORS = 12, FLOPS = 2 * 4 * ACCUMULATORS; // in a round: enough to hide the latency of two units
const ROUNDS = 2_000_000, BLOCK = 2 ** 12, CONTROL = 4096 - 256;
const COPIED = 2 ** 28; // bytes read and written in a turn, however few of them there are

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

export function copy(x: usize, y: usize, times: i32, pass: i32, begin: i32, end: i32): void {
  for (; times > 0; times--) {
    for (let at = <usize>begin * ${BLOCK}; at < <usize>end * ${BLOCK}; at += 64) {
      const from = x + at, to = y + at;
      v128.store(to, v128.load(from)), v128.store(to, v128.load(from, 16), 16);
      v128.store(to, v128.load(from, 32), 32), v128.store(to, v128.load(from, 48), 48);
    }
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

/** The loops on some threads. */
export interface Peak extends Disposable {
  /** Floating-point operations a second. */
  flops(): Promise<number>;
  /** Bytes a second, read and written, of copying within a working set of `bytes`. */
  copy(bytes: number): Promise<number>;
}

/** Makes the loops ready. */
export async function openPeak(threads: number): Promise<Peak> {
  const memory = new Memory(threads > 1, 4096), module = await compile(threads > 1);
  const { exports } = await WebAssembly.instantiate(module, { env: { memory: memory.wasm } });
  const pool = threads > 1 ? await startPool(module, memory.wasm, CONTROL, threads) : null;
  const control = memory.ints(CONTROL, CONTROL_WORDS);
  let id = 0;
  const secondsOf = async (kernel: string, args: readonly number[], rows: number): Promise<number> => {
    const step = { kernel, args: [...args, 0, 0, 0], rows: [rows], workspaceAt: -1 }, bound = id++;
    pool?.order({ type: "bind", id: bound, steps: [step], workspace: 0, stride: 0 });
    const [seconds] = await alternate([() => {
      pool?.order({ type: "run", id: bound });
      return Promise.resolve(replayStep(exports as unknown as Kernels, step, 0, threads, control));
    }], { seconds: 0.5 });
    pool?.order({ type: "forget", id: bound });
    return seconds;
  };
  return {
    flops: async () => {
      const block = memory.allocate(256 * threads, "the accumulators");
      const seconds = await secondsOf("multiplyAdd", [block.address], threads);
      memory.release(block);
      return threads * ROUNDS * FLOPS / seconds;
    },
    copy: async (bytes) => {
      const rows = Math.max(threads, Math.round(bytes / 2 / BLOCK)), half = rows * BLOCK;
      const times = Math.max(1, Math.round(COPIED / (2 * half)));
      const x = memory.allocate(half, "the source"), y = memory.allocate(half, "the copy");
      const seconds = await secondsOf("copy", [x.address, y.address, times], rows);
      memory.release(x);
      memory.release(y);
      return times * 2 * half / seconds;
    },
    [Symbol.dispose]: () => pool?.close(),
  };
}
