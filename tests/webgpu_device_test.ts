// The WebGPU device at its edges: limits, memory, loss, what is freed, how runs are submitted. Kernels are tested elsewhere.

import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { DeviceLost, OutOfMemory } from "../src/backends/backend.ts";
import { openWebGpu } from "../src/backends/webgpu/device.ts";
import { memoryStorage } from "../src/core/memory_storage.ts";
import { parameterReader } from "../src/train/checkpoint.ts";
import { Graph } from "../src/graph/graph.ts";
import { plan as makePlan } from "../src/graph/plan.ts";
import { ops } from "../src/ops/mod.ts";
import { pretrainingSource } from "../src/tasks/language.ts";
import { lastCheckpoint, trainRun } from "../src/train/run.ts";
import { all, numbersOf, someTokens, tinyConfig, tinyModel } from "./tiny_model.ts";
import { assertWorks, geluPlan, ones, trainingOptions } from "./wasm_support.ts";
import { webGpuTest } from "./webgpu_support.ts";

webGpuTest("it says what it is, and works", async () => {
  using device = await openWebGpu();
  assertEquals([device.kind, device.threads, device.ahead > 1], ["webgpu", 1, true]);
  assertMatch(device.description, /^WebGPU on ./);
  await assertWorks(device.load(geluPlan(1000), device.createStore({})));
});

webGpuTest("results come in the order of the runs, as many as are under way", async () => {
  using device = await openWebGpu();
  const program = device.load(geluPlan(3), device.createStore({}));
  const done: number[] = [];
  const runs = Array.from({ length: 20 }, async (_, i) => {
    const { y } = await program.run({ x: Float32Array.of(i, 0, 0) });
    done.push(i);
    return y[0];
  });
  const values = await Promise.all(runs);
  values.forEach((value, i) => assert(Math.abs(value - i) < 0.2, `run ${i} gave ${value}`));
  assertEquals(done, Array.from({ length: 20 }, (_, i) => i));
  assertEquals(await program.run({ x: ones(3) }, []), {});
});

webGpuTest("what is freed is given back, and a closed or freed thing says so", async () => {
  using device = await openWebGpu();
  const before = device.bytes(), store = device.createStore({ a: 1000, b: 2000 });
  assertEquals(device.bytes() - before, 1024 + 2048);
  const program = device.load(geluPlan(5000), store);
  await program.run({ x: ones(5000) });
  program.free();
  await assertRejects(() => program.run({ x: ones(5000) }), Error, "the program was freed");
  store.free();
  const rest = device.bytes(); // temporaries that the next program takes
  const again = device.load(geluPlan(5000), device.createStore({}));
  await again.run({ x: ones(5000) });
  again.free();
  await assertRejects(() => again.run({ x: ones(5000) }), Error, "the program was freed");
  assertEquals(device.bytes(), rest);
  assertThrows(() => store.add({ c: 4 }) ?? store.add({ c: 4 }), RangeError, 'already is a page "c"');
  await assertRejects(() => store.read("c", 0, 2), RangeError, "it has 4 bytes");
  device.close();
  assertThrows(() => device.createStore({ d: 4 }), Error, "closed");
});

webGpuTest("too much memory and too large a tensor are refused with what there is", async () => {
  using device = await openWebGpu({ maxBytes: 2 ** 20 });
  assertEquals(device.capacity, 2 ** 20);
  assertThrows(() => device.createStore({ large: 2 ** 21 }), OutOfMemory, "page large");
  assertThrows(() => device.createStore({ larger: 2 ** 43 }), OutOfMemory, "maxBufferSize");
  const tight = device.createStore({ most: 2 ** 20 - 12288 });
  const held = device.bytes(), plan = geluPlan(2000);
  assertThrows(() => device.load(plan, tight), OutOfMemory, "temporaries of smooth");
  assertEquals(device.bytes(), held);
  tight.free();
  await assertWorks(device.load(plan, device.createStore({}))); // as before, with room again
  assert(device.bytes() < held);
  // A tensor that no kernel takes in windows, on a device with narrow bindings.
  using narrow = await openWebGpu({ portable: true, bindingBytes: 4096 });
  const graph = new Graph("wide"), x = graph.input("x", [40, 64], "f32"), g = graph.input("g", [64], "f32");
  const [y] = graph.apply(ops.addLayerNorm, [x, x, g, g], { epsilon: 1e-5 });
  const before = narrow.bytes(), wide = makePlan(graph, { y });
  assertThrows(() => narrow.load(wide, narrow.createStore({})), RangeError, "maxStorageBufferBindingSize");
  assert(narrow.bytes() - before < 6 * 40 * 64 * 4); // the temporaries stay for others
});

webGpuTest("a device that is lost says so, and training goes on from the last checkpoint", async () => {
  const config = tinyConfig({ rate: 0.1 }), storage = memoryStorage(), folder = "run";
  const run = (model: Awaited<ReturnType<typeof tinyModel>>, steps: number) => ({
    storage,
    folder,
    model,
    source: pretrainingSource(config, someTokens(3000, 1), { batch: 2, seed: 2 }),
    options: { ...trainingOptions(10), schedule: { ...trainingOptions(10).schedule, steps } },
    saveEvery: 4,
    validateEvery: 100,
  });
  {
    using device = await openWebGpu();
    using model = await tinyModel(device, config);
    await assertRejects(
      async () => {
        for await (const event of trainRun(run(model, 10))) {
          if (event.type === "saved") (device as unknown as { gpu: GPUDevice }).gpu.destroy();
        }
      },
      DeviceLost,
      "resume from the last checkpoint",
    );
  }
  using device = await openWebGpu();
  const resumed = await lastCheckpoint(storage, folder);
  assertEquals(resumed?.step, 4);
  using model = await tinyModel(device, config, { values: await parameterReader(storage, resumed!) });
  await all(trainRun({ ...run(model, 10), resumed }));
  using other = await openWebGpu();
  using straight = await tinyModel(other, config);
  await all(trainRun({ ...run(straight, 10), folder: "straight" }));
  assertEquals(await numbersOf(model), await numbersOf(straight));
});

webGpuTest("1,000 runs hold no more than one", async () => {
  using device = await openWebGpu();
  const program = device.load(geluPlan(100), device.createStore({})), x = ones(100);
  for (let i = 0; i < 20; i++) await program.run({ x });
  const held = device.bytes();
  for (let i = 0; i < 980; i += 20) {
    await Promise.all(Array.from({ length: 20 }, () => program.run({ x }, i ? [] : ["y"])));
  }
  await program.run({ x });
  assert(device.bytes() - held <= 19 * 512, `${device.bytes() - held} bytes more`);
});
