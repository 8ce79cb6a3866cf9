// The timer of compute passes: what it makes of timestamps, how it asks for them, and that a device without one makes
// nothing. Sums are compared with each other and with the clock of the host, loosely: adapters in software round little.

import { assert, assertEquals } from "@std/assert";
import { openWebGpu } from "../src/backends/webgpu/device.ts";
import { findGpu } from "../src/backends/webgpu/adapter.ts";
import { busyOf, GpuTimer } from "../src/backends/webgpu/timer.ts";
import { geluPlan, ones } from "./wasm_support.ts";
import { webGpuTest } from "./webgpu_support.ts";

const PASSES = 2048; // that a query set has room for

Deno.test("passes whose timestamps make no sense count as the mean of the others, if these are half at least", () => {
  const busy = (...values: number[]) => busyOf(BigUint64Array.from(values, BigInt));
  assertEquals(busy(10, 30, 40, 100), { nanoseconds: 80, passes: 2, discarded: 0 });
  assertEquals(busy(10, 30, 0, 0), { nanoseconds: 40, passes: 2, discarded: 1 });
  assertEquals(busy(10, 30, 100, 40, 40, 80), { nanoseconds: 90, passes: 3, discarded: 1 });
  assertEquals(busy(10, 30, 50, 50), { nanoseconds: 20, passes: 2, discarded: 0 }); // rounded, not wrong
  for (const useless of [[], [0, 0, 0, 0], [5, 5], [10, 30, 0, 0, 9, 8]]) {
    assertEquals(busy(...useless), null);
  }
});

Deno.test("a timer of a device without timestamps asks for none", async () => {
  const timer = new GpuTimer();
  timer.attach({ features: new Set() } as unknown as GPUDevice);
  timer.start();
  assertEquals([timer.available, timer.pass({} as GPUCommandEncoder)], [false, undefined]);
  assertEquals(await timer.stop(), null);
});

// The adapter, its devices watched: how many query sets were made and passes timed.
async function watched() {
  const gpu = (await findGpu())!, seen = { sets: 0, timed: 0, untimed: 0 };
  const watch = (device: GPUDevice): GPUDevice => {
    const makeSet = device.createQuerySet.bind(device),
      makeEncoder = device.createCommandEncoder.bind(device);
    device.createQuerySet = (descriptor) => (seen.sets++, makeSet(descriptor));
    device.createCommandEncoder = (descriptor) => {
      const encoder = makeEncoder(descriptor), begin = encoder.beginComputePass.bind(encoder);
      encoder.beginComputePass = (pass) => (seen[pass?.timestampWrites ? "timed" : "untimed"]++, begin(pass));
      return encoder;
    };
    return device;
  };
  const requestAdapter = async (options?: GPURequestAdapterOptions): Promise<GPUAdapter | null> => {
    const adapter = await gpu.requestAdapter(options);
    if (!adapter) return null;
    const request = adapter.requestDevice.bind(adapter);
    adapter.requestDevice = async (descriptor) => watch(await request(descriptor));
    return adapter;
  };
  return { gpu: { requestAdapter } as unknown as GPU, seen };
}

webGpuTest("a device that is opened without a timer makes no query set and times no pass", async () => {
  const { gpu, seen } = await watched();
  using device = await openWebGpu({ gpu });
  await device.load(geluPlan(100), device.createStore({})).run({ x: ones(100) });
  assertEquals(seen, { sets: 0, timed: 0, untimed: 1 });
});

webGpuTest(
  "a timer sums up the passes between start and stop, more of them than a query set holds",
  async () => {
    const { gpu, seen } = await watched(), timer = new GpuTimer();
    using device = await openWebGpu({ gpu, timer });
    const program = device.load(geluPlan(200_000), device.createStore({})), x = ones(200_000);
    const small = device.load(geluPlan(10), device.createStore({})), one = ones(10);
    await program.run({ x });
    assertEquals(seen, { sets: timer.available ? 1 : 0, timed: 0, untimed: 1 });
    if (!timer.available) return assertEquals(await timer.stop(), null);
    const busy = async (runs: number): Promise<{ passes: number; gpu: number; host: number }> => {
      timer.start();
      const began = performance.now();
      for (let i = 0; i < runs; i++) await program.run({ x }, []);
      const found = await timer.stop(), host = performance.now() - began;
      assert(found !== null, "no timestamps were of use");
      return { passes: found!.passes, gpu: found!.nanoseconds / 1e6, host };
    };
    for (const runs of [1, 20]) {
      const { passes, gpu, host } = await busy(runs);
      assertEquals(passes, runs);
      assert(gpu > 0 && gpu < 1.1 * host, `the GPU was busy for ${gpu} ms of ${host}`);
    }
    await program.run({ x }, []);
    assertEquals(seen.timed, 21); // after `stop` no pass is
    timer.start();
    for (let i = 0; i < PASSES + 3; i++) await small.run({ x: one }, []);
    assertEquals((await timer.stop())?.passes, PASSES + 3);
    assertEquals(await timer.stop(), null); // nothing since
  },
);
