// Opening `auto`: what it asks of a GPU before it computes anything on one, that devices are measured, and that what is said
// is what is opened. What is chosen for which speeds is in choose_device_test.ts.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { openReference } from "../src/backends/reference.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { openWebGpu } from "../src/backends/webgpu/device.ts";
import { measureSpeed } from "../src/measure_device.ts";
import { configure } from "../src/models/gpt1.ts";
import { gpt1Plans } from "../src/models/gpt1_plans.ts";
import { openAuto } from "../src/open_auto.ts";
import { openDevice } from "../src/open_device.ts";
import { gpt1Optimizer, updatePlan } from "../src/train/update.ts";
import { assertWorks, geluPlan } from "./wasm_support.ts";
import { webGpuTest } from "./webgpu_support.ts";

const SOME = [geluPlan(100)];
// What takes WASM longer than reading back from a GPU would, by far.
const MUCH = [gpt1Plans(configure("mini", 1000)).gradient({ batch: 8, length: 128, language: true })];

const gpuWith = (requestAdapter: () => Promise<unknown>): GPU => ({ requestAdapter }) as unknown as GPU;

// The adapter of this machine under another name.
async function renamed(description: string): Promise<GPU> {
  const adapter = (await navigator.gpu.requestAdapter())!;
  const info = { vendor: "", architecture: "", description, isFallbackAdapter: false };
  return gpuWith(() =>
    Promise.resolve({
      info,
      features: adapter.features,
      limits: adapter.limits,
      requestDevice: (descriptor: GPUDeviceDescriptor) => adapter.requestDevice(descriptor),
    })
  );
}

// What is opened, by its kind, and what is said of it.
async function opened(options: Parameters<typeof openAuto>[0]): Promise<{ kind: string; said: string[] }> {
  const said: string[] = [];
  using device = await openAuto({ threads: 1, ...options, onChoice: (text) => said.push(text) });
  await assertWorks(device.load(geluPlan(100), device.createStore({})));
  return { kind: device.kind, said };
}

Deno.test("without a plan it is WASM and no GPU is asked for", async () => {
  const gpu = gpuWith(() => Promise.reject(new Error("nobody should ask")));
  assertEquals(await opened({ plans: [], gpu }), {
    kind: "wasm",
    said: ["WASM, no plan was given to choose by"],
  });
});

Deno.test("without an adapter it is WASM", async () => {
  assertEquals(await opened({ plans: SOME, gpu: gpuWith(() => Promise.resolve(null)) }), {
    kind: "wasm",
    said: ["WASM, there is no GPU adapter"],
  });
});

Deno.test("an adapter that computes on the CPU is known before a device is asked for", async () => {
  const requestDevice = () => Promise.reject(new Error("nobody should ask"));
  const kinds = [
    { description: "llvmpipe (LLVM 15.0.6, 256 bits)", isFallbackAdapter: false },
    { description: "SwiftShader Device", isFallbackAdapter: false },
    { description: "Slow", isFallbackAdapter: true },
  ];
  for (const kind of kinds) {
    const info = { vendor: "", architecture: "", ...kind };
    const gpu = gpuWith(() => Promise.resolve({ info, requestDevice }));
    assertEquals(await opened({ plans: SOME, gpu }), {
      kind: "wasm",
      said: [`WASM, the adapter ${kind.description} computes on the CPU`],
    });
  }
});

Deno.test("a GPU that fails is passed over", async () => {
  const info = { vendor: "", architecture: "", description: "Card 9", isFallbackAdapter: false };
  const adapter = {
    info,
    limits: {},
    features: new Set(),
    requestDevice: () => Promise.reject(new Error("no luck")),
  };
  for (
    const gpu of [
      gpuWith(() => Promise.resolve(adapter)),
      gpuWith(() => Promise.reject(new Error("no luck"))),
    ]
  ) {
    assertEquals(await opened({ plans: MUCH, gpu }), {
      kind: "wasm",
      said: ["WASM, WebGPU failed: no luck"],
    });
  }
  const said: string[] = [], gpu = gpuWith(() => Promise.resolve(adapter));
  const wrong = { plans: MUCH, gpu, threads: 0, onChoice: (text: string) => void said.push(text) };
  await assertRejects(() => openAuto(wrong), RangeError, "Cannot use 0 threads");
  assertEquals(said, [], "what is wrong with WASM is not the GPU's fault");
});

Deno.test("what WASM does in no time asks nothing of a GPU", async () => {
  const info = { vendor: "", architecture: "", description: "Card 9", isFallbackAdapter: false };
  const requestDevice = () => Promise.reject(new Error("nobody should ask"));
  const { kind, said: [text] } = await opened({
    plans: SOME,
    gpu: gpuWith(() => Promise.resolve({ info, requestDevice })),
  });
  assertEquals(kind, "wasm");
  assertMatch(text, /^WASM, predicted [\d.,]+ ms a run, less than reading back from a GPU takes$/);
});

Deno.test("openDevice takes one plan or several, and says nothing of a device that was named", async () => {
  const said: string[] = [], onChoice = (text: string) => void said.push(text);
  for (const plan of [SOME[0], SOME]) {
    using device = await openDevice({ plan, threads: 1, onChoice });
    assertMatch(said.pop()!, device.kind === "wasm" ? /^WASM, ./ : /^WebGPU on ./);
  }
  using _ = await openDevice({ device: "wasm", plan: SOME, threads: 1, onChoice });
  assertEquals(said, []);
});

async function assertMeasures(open: () => ReturnType<typeof openWasm>): Promise<void> {
  using device = await open();
  const speed = await measureSpeed(device);
  assert(Object.values(speed).every(Number.isFinite), JSON.stringify(speed));
  assert(speed.rate > 0 && speed.launch > 0 && speed.wait >= 0, JSON.stringify(speed));
  await assertWorks(device.load(geluPlan(100), device.createStore({})));
}

Deno.test("WASM is measured", () => assertMeasures(() => openWasm({ threads: 2 })));
Deno.test("the reference is measured", () => assertMeasures(() => Promise.resolve(openReference())));
webGpuTest("a GPU is measured", () => assertMeasures(() => openWebGpu()));

webGpuTest("a device that may hold little is measured by little", async () => {
  using device = await openWebGpu({ maxBytes: 2 ** 22 });
  const { rate, launch } = await measureSpeed(device);
  assert(rate > 0 && launch > 0);
});

webGpuTest("a GPU that was chosen is closed if the reader of the choice fails", async () => {
  const config = configure({ context: 64, channels: 2048, heads: 16, layers: 12 }, 1000);
  const { gradient, layout } = gpt1Plans(config);
  const plans = [gradient({ batch: 1, length: 64, language: true }), updatePlan(layout, gpt1Optimizer)];
  const adapter = (await navigator.gpu.requestAdapter())!, lost: Promise<GPUDeviceLostInfo>[] = [];
  const card = {
    info: { vendor: "", architecture: "", description: "Card 9", isFallbackAdapter: false },
    features: adapter.features,
    limits: adapter.limits,
    requestDevice: async (descriptor: GPUDeviceDescriptor) => {
      const device = await adapter.requestDevice(descriptor);
      lost.push(device.lost);
      return device;
    },
  };
  const onChoice = () => {
    throw new Error("not now");
  };
  const options = { plans, threads: 1, gpu: gpuWith(() => Promise.resolve(card)), onChoice };
  await assertRejects(() => openAuto(options), Error, "not now");
  assertEquals((await lost[0]).reason, "destroyed");
});

webGpuTest("a software adapter is passed over", async () => {
  const { kind, said: [text] } = await opened({ plans: SOME, gpu: await renamed("llvmpipe") });
  assertEquals([kind, text], ["wasm", "WASM, the adapter llvmpipe computes on the CPU"]);
});

webGpuTest("both are measured, and what is said is what is opened", async () => {
  const { kind, said } = await opened({ plans: MUCH, gpu: await renamed("Card 9") });
  assertEquals(said.length, 1);
  assertMatch(
    said[0],
    kind === "wasm"
      ? /^WASM, predicted [\d.,]+ m?s a run against [\d.,]+ m?s on WebGPU on Card 9/
      : /^WebGPU on Card 9, predicted [\d.,]+ m?s a run against [\d.,]+ m?s on WASM$/,
  );
});

webGpuTest("what WASM has no room for goes to the GPU, if it may use as much", async () => {
  const config = configure({ context: 64, channels: 2048, heads: 16, layers: 12 }, 1000);
  const { gradient, layout } = gpt1Plans(config);
  const plans = [gradient({ batch: 1, length: 64, language: true }), updatePlan(layout, gpt1Optimizer)];
  const gpu = await renamed("Card 9"), { kind, said: [text] } = await opened({ plans, gpu });
  assertEquals(kind, "webgpu");
  assertMatch(text, /^WebGPU on Card 9, the plans take [\d.]+ GiB and WASM has 4\.00 GiB$/);
});
