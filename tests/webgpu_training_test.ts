// Whole models on WebGPU beside WASM: the same updates with dropout from the same numbers, step by step; checkpoints and
// resuming; working ahead of the losses; memory. Ops by themselves are in webgpu_test.ts.

import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import type { Device } from "../src/backends/backend.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { openWebGpu } from "../src/backends/webgpu/device.ts";
import { configure, type Gpt1Config, presets } from "../src/models/gpt1.ts";
import { createGpt1, type Gpt1 } from "../src/models/gpt1_model.ts";
import { pretrainingSource } from "../src/tasks/language.ts";
import { train, type TrainEvent, type TrainOptions } from "../src/train/trainer.ts";
import { gpt1Optimizer, updatePlan } from "../src/train/update.ts";
import { all, distance, numbersOf, someTokens, tinyConfig, tinyModel } from "./tiny_model.ts";
import { webGpuTest } from "./webgpu_support.ts";

const options = (steps: number): TrainOptions => ({
  schedule: { name: "warmup_linear", learningRate: 3e-3, warmup: 0.1, steps },
  optimizer: gpt1Optimizer,
  seed: 5,
});

async function trained(
  device: Device,
  model: Gpt1,
  { batch, steps, rests }: { batch: number; steps: number; rests?: TrainOptions["rests"] },
): Promise<TrainEvent[]> {
  const source = pretrainingSource(model.config, someTokens(4000, 1), { batch, seed: 2 });
  assert(model.device === device);
  return await all(train(model, source, { ...options(steps), ...(rests ? { rests } : {}) }));
}

const never = (): boolean => false;
const small: Gpt1Config = configure({ ...presets.nano, context: 32 }, 23, { rate: 0.1 });

for (const [name, config, batch] of [["tiny", tinyConfig({ rate: 0.1 }), 4], ["small", small, 3]] as const) {
  webGpuTest(`50 updates of a ${name} model have the losses of WASM within 0.1 %`, async () => {
    using gpu = await openWebGpu({ poison: true });
    using wasm = await openWasm({ threads: 1 });
    const events = [];
    for (const device of [gpu, wasm]) {
      using model = await createGpt1(device, config, { seed: 3 });
      events.push(await trained(device, model, { batch, steps: 50, rests: never }));
    }
    const [got, want] = events;
    assertEquals(got.map(({ step }) => step), want.map(({ step }) => step));
    want.forEach(({ loss, step }, i) => {
      assertAlmostEquals(got[i].loss / loss, 1, 1e-3, `step ${step}: ${got[i].loss}, not ${loss}`);
    });
    assert(want.at(-1)!.loss < want[0].loss - 0.1);
  });
}

webGpuTest("working ahead of the losses gives the same bits as waiting for each", async () => {
  using device = await openWebGpu({ poison: true });
  const config = tinyConfig({ rate: 0.1 });
  const seen = [];
  for (const rests of [() => true, never, (step: number) => step % 7 === 0]) {
    using model = await tinyModel(device, config);
    const events = await trained(device, model, { batch: 2, steps: 20, rests });
    seen.push({
      losses: events.map(({ loss, gradientNorm }) => [loss, gradientNorm]),
      numbers: await numbersOf(model),
    });
  }
  assertEquals(seen[1], seen[0]);
  assertEquals(seen[2], seen[0]);
});

webGpuTest("the model is at rest after the updates that say so", async () => {
  using device = await openWebGpu();
  const config = tinyConfig();
  using ahead = await tinyModel(device, config);
  const source = pretrainingSource(config, someTokens(4000, 1), { batch: 2, seed: 2 });
  let atTen: Awaited<ReturnType<typeof numbersOf>> = {};
  for await (const { step } of train(ahead, source, { ...options(20), rests: (step) => step === 10 })) {
    if (step === 10) atTen = await numbersOf(ahead);
  }
  using waiting = await tinyModel(device, config);
  const same = pretrainingSource(config, someTokens(4000, 1), { batch: 2, seed: 2 });
  for await (const { step } of train(waiting, same, options(20))) {
    if (step === 10) break;
  }
  assertEquals(distance(atTen, await numbersOf(waiting)), 0);
});

webGpuTest("what is planned is what is held, and steps add nothing to it", async () => {
  using device = await openWebGpu();
  const config = tinyConfig({ rate: 0.1 });
  using model = await tinyModel(device, config);
  await trained(device, model, { batch: 2, steps: 2 });
  const held = device.bytes(), run = { batch: 2, length: config.context, language: true };
  const planned = device.planned({
    pages: Object.fromEntries(model.store.pages),
    plans: [model.plans.gradient(run), updatePlan(model.layout, gpt1Optimizer)],
  });
  assertEquals(held, planned.total);
  const program = model.gradient(run),
    [{ feeds }] = pretrainingSource(config, someTokens(4000, 1), { batch: 2, seed: 2 }).next().micro;
  for (let i = 0; i < 200; i++) await program.run({ ...feeds, rng: Int32Array.of(1, i) }, ["loss"]);
  assertEquals(device.bytes(), held);
  model.close();
  assert(device.bytes() <= held - planned.store);
});
