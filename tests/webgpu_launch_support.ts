// Runs launches of a kernel on the GPU without a plan, so that tests can make up limits and tunings.

import { assertEquals } from "@std/assert";
import type { Launch } from "../src/backends/webgpu/kernel.ts";
import { scratchBytes } from "../src/backends/webgpu/launches.ts";
import { shaderModule, writeSizes } from "../src/backends/webgpu/module.ts";
import { Pipelines } from "../src/backends/webgpu/pipelines.ts";

type Numbers = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

/** Runs launches one after the other on copies of `args`, with scratch full of NaN; gives what `args[wanted]` hold then. */
export type RunLaunches = (
  launches: readonly Launch[],
  args: readonly Numbers[],
  wanted: readonly number[],
) => Promise<Float32Array[]>;

/** Opens the adapter with portable limits for `body`. */
export async function withLaunches(body: (run: RunLaunches) => Promise<void>): Promise<void> {
  const device = await (await navigator.gpu.requestAdapter())!.requestDevice();
  const errors: string[] = [], pipelines = new Pipelines(device);
  device.addEventListener(
    "uncapturederror",
    (event) => errors.push((event as GPUUncapturedErrorEvent).error.message),
  );
  const filled = (data: Numbers): GPUBuffer => {
    const buffer = device.createBuffer({
      size: Math.ceil(data.byteLength / 16) * 16,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_SRC |
        GPUBufferUsage.COPY_DST,
    });
    device.queue.writeBuffer(buffer, 0, data);
    return buffer;
  };
  const run: RunLaunches = async (launches, args, wanted) => {
    const scratch = new Float32Array(scratchBytes(launches) / 4 + 4).fill(NaN);
    const data = [...args, scratch], buffers = data.map(filled), encoder = device.createCommandEncoder();
    const made = [...buffers];
    for (const launch of launches) {
      const module = shaderModule(
        launch,
        launch.tensors.map(({ arg, as, offset = 0, bytes }) => {
          const buffer = arg === "scratch" ? args.length : arg;
          return {
            buffer,
            offset,
            bytes: bytes ?? data[buffer].byteLength - offset,
            element: as ?? (data[buffer] instanceof Int32Array ? "i32" : "f32"),
            half: false,
          };
        }),
      );
      const { pipeline, layout } = pipelines.get(module, launch.name);
      const sizes = new DataView(new ArrayBuffer(256));
      writeSizes(sizes, 0, launch.sizes);
      const uniform = filled(new Int32Array(sizes.buffer));
      made.push(uniform);
      const entries = module.bindings.map(({ buffer, offset, bytes }, binding) => ({
        binding,
        resource: { buffer: buffers[buffer], offset, size: Math.ceil(bytes / 16) * 16 },
      }));
      entries.push({ binding: entries.length, resource: { buffer: uniform, offset: 0, size: 256 } });
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, device.createBindGroup({ layout, entries }));
      pass.dispatchWorkgroups(...launch.workgroups);
      pass.end();
    }
    const readbacks = wanted.map((arg) => {
      const size = buffers[arg].size;
      const to = device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
      encoder.copyBufferToBuffer(buffers[arg], 0, to, 0, size);
      return to;
    });
    device.queue.submit([encoder.finish()]);
    const results: Float32Array[] = [];
    for (const [i, readback] of readbacks.entries()) {
      await readback.mapAsync(GPUMapMode.READ);
      results.push(new Float32Array(readback.getMappedRange().slice(0)).subarray(0, args[wanted[i]].length));
      readback.destroy();
    }
    for (const buffer of made) buffer.destroy();
    assertEquals(errors, []);
    return results;
  };
  try {
    await body(run);
  } finally {
    device.destroy();
  }
}
