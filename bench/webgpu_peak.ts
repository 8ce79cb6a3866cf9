// What a card can reach from WGSL: a loop of nothing but multiply-adds on registers, no two of them alike, and a copy of a
// large buffer by a kernel, since copies outside kernels have no timestamps. On a device of its own, so that nothing of
// the library is timed with it but its timer. The loop also decides whether the card's timestamps are believed in the rest
// of the benchmark.

import { findGpu } from "../src/backends/webgpu/adapter.ts";
import { bufferUsage } from "../src/backends/webgpu/flags.ts";
import { GpuTimer } from "../src/backends/webgpu/timer.ts";
import { believable, type Clock, clocked, type Spent, spentOnRun } from "./webgpu_clock.ts";

const CHAINS = 8; // vec4 accumulators of a thread: enough to hide the latency of a multiply-add
const THREADS = 256;

const multiplyAdd = (rounds: number): string => `
@group(0) @binding(0) var<storage, read_write> y: array<vec4f>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) {
  let a = f32(id.x & 7u) * 1e-3 + vec4f(0.990, 0.991, 0.992, 0.993); let b = vec4f(1e-6, 2e-6, 3e-6, 4e-6);
  ${Array.from({ length: CHAINS }, (_, i) => `var c${i} = vec4f(${i}.0, ${i}.1, ${i}.2, ${i}.3);`).join(" ")}
  for (var i = 0u; i < ${rounds}u; i++) {
    ${Array.from({ length: CHAINS }, (_, i) => `c${i} = fma(c${i}, a, b);`).join(" ")}
  }
  y[id.x] = ${Array.from({ length: CHAINS }, (_, i) => `c${i}`).join(" + ")};
}`;

const COPY = `
@group(0) @binding(0) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) { y[id.x] = x[id.x]; }`;

/** What a card reached. */
export interface GpuPeak {
  /** Floating-point operations a second. */
  readonly flops: number;
  /** Bytes read and written a second. */
  readonly copy: number;
  readonly clock: Clock;
  /** Why the host's clock was taken; `null` for the GPU's. */
  readonly reason: string | null;
}

const reasonFor = (timer: GpuTimer, { wall, busy }: Spent): string => {
  const milliseconds = (seconds: number): string => `${(1000 * seconds).toPrecision(3)} ms`;
  if (!timer.available) return "the adapter has no timestamps";
  if (busy === null) return "the adapter's timestamps are empty";
  return `the adapter's timestamps say ${milliseconds(busy)} where the clock says ${milliseconds(wall)}`;
};

/** Measures the card that the library opens. */
export async function gpuPeak(quick: boolean): Promise<GpuPeak> {
  const adapter = await (await findGpu())?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new Error("There is no GPU adapter to measure");
  const stamps = "timestamp-query" as const, timer = new GpuTimer();
  const device = await adapter.requestDevice({
    requiredFeatures: adapter.features.has(stamps) ? [stamps] : [],
  });
  timer.attach(device);
  const groups = quick ? 64 : 4096, rounds = quick ? 512 : 4096, bytes = quick ? 2 ** 22 : 2 ** 27;
  const least = quick ? 0.05 : 0.2;
  const { storage: usage } = bufferUsage;
  const [x, y] = [0, 1].map(() => device.createBuffer({ size: bytes, usage }));
  const measure = async (code: string, buffers: readonly GPUBuffer[], groups: number): Promise<Spent> => {
    device.pushErrorScope("validation");
    const pipeline = device.createComputePipeline({
      layout: "auto",
      compute: { module: device.createShaderModule({ code }), entryPoint: "main" },
    });
    const group = device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
    const batch = async (runs: number): Promise<void> => {
      const encoder = device.createCommandEncoder();
      for (let i = 0; i < runs; i++) {
        const pass = encoder.beginComputePass(timer.pass(encoder));
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(groups);
        pass.end();
      }
      device.queue.submit([encoder.finish()]);
      await device.queue.onSubmittedWorkDone();
    };
    const found = await spentOnRun(timer, batch, least), error = await device.popErrorScope();
    if (error) throw new Error(`The loop that a card's peak is measured by was refused: ${error.message}`);
    return found;
  };
  const loop = await measure(multiplyAdd(rounds), [y], groups);
  const copied = await measure(COPY, [y, x], bytes / 16 / THREADS);
  device.destroy();
  const gpu = believable(loop) && copied.busy !== null;
  const seconds = ({ wall, busy }: Spent): number => clocked({ wall, busy: gpu ? busy : null }).seconds;
  return {
    flops: groups * THREADS * rounds * CHAINS * 8 / seconds(loop),
    copy: 2 * bytes / seconds(copied),
    clock: gpu ? "gpu" : "host",
    reason: gpu ? null : reasonFor(timer, loop),
  };
}
