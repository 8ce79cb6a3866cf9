// What a card can reach from WGSL: a loop of nothing but multiply-adds on registers, and a copy of a large buffer. On a
// device of its own, so that nothing of the library is timed with it.

import { median } from "./measure.ts";

const CHAINS = 8; // vec4 accumulators of a thread: enough to hide the latency of a multiply-add
const GROUPS = 4096, THREADS = 256;

const multiplyAdd = (rounds: number): string => `
@group(0) @binding(0) var<storage, read_write> y: array<vec4f>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) {
  let a = vec4f(f32(id.x & 7u) * 1e-3 + 0.999), b = vec4f(1e-6);
  ${Array.from({ length: CHAINS }, (_, i) => `var c${i} = vec4f(${i}.0);`).join(" ")}
  for (var i = 0u; i < ${rounds}u; i++) {
    ${Array.from({ length: CHAINS }, (_, i) => `c${i} = fma(c${i}, a, b);`).join(" ")}
  }
  y[id.x] = ${Array.from({ length: CHAINS }, (_, i) => `c${i}`).join(" + ")};
}`;

/** Floating-point operations and bytes copied a second. */
export async function gpuPeak(quick: boolean): Promise<{ flops: number; copy: number }> {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new Error("There is no GPU adapter to measure");
  const device = await adapter.requestDevice();
  const groups = quick ? 64 : GROUPS, rounds = quick ? 512 : 4096, bytes = quick ? 2 ** 20 : 2 ** 27;
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const [x, y] = [0, 1].map(() => device.createBuffer({ size: bytes, usage }));
  const pipeline = device.createComputePipeline({
    layout: "auto",
    compute: { module: device.createShaderModule({ code: multiplyAdd(rounds) }), entryPoint: "main" },
  });
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer: y } }],
  });
  const seconds = async (times: number, encode: (encoder: GPUCommandEncoder) => void): Promise<number> => {
    const measure = async (count: number): Promise<number> => {
      const began = performance.now(), encoder = device.createCommandEncoder();
      for (let i = 0; i < count; i++) encode(encoder);
      device.queue.submit([encoder.finish()]);
      await device.queue.onSubmittedWorkDone();
      return (performance.now() - began) / 1000;
    };
    await measure(1);
    const all: number[] = [];
    for (let i = 0; i < 5; i++) all.push((await measure(times) - await measure(0)) / times);
    return Math.max(1e-9, median(all));
  };
  const loop = await seconds(quick ? 4 : 20, (encoder) => {
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(groups);
    pass.end();
  });
  const copied = await seconds(quick ? 4 : 50, (encoder) => encoder.copyBufferToBuffer(x, 0, y, 0, bytes));
  device.destroy();
  return { flops: groups * THREADS * rounds * CHAINS * 8 / loop, copy: 2 * bytes / copied };
}
