// A scaled loss: the same bits where nothing overflows, updates skipped on the device where something does, the scale in
// checkpoints. On WASM, whose f32 overflows too if the scale is large enough; with halves on a GPU in webgpu_half_test.ts.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { openWasm } from "../src/backends/wasm/device.ts";
import { memoryStorage } from "../src/core/memory_storage.ts";
import type { Gpt1 } from "../src/models/gpt1_model.ts";
import { readLossScale, writeLossScale } from "../src/nn/loss_scale.ts";
import { pretrainingSource } from "../src/tasks/language.ts";
import { parameterReader } from "../src/train/checkpoint.ts";
import { lastCheckpoint, trainRun } from "../src/train/run.ts";
import {
  NonFiniteLoss,
  prepareTraining,
  train,
  type TrainEvent,
  type TrainOptions,
} from "../src/train/trainer.ts";
import { all, numbersOf, someTokens, tinyConfig, tinyModel } from "./tiny_model.ts";
import { trainingOptions } from "./wasm_support.ts";

const config = tinyConfig({ rate: 0.1 });
const source = () => pretrainingSource(config, someTokens(400, 3), { batch: 2, accumulate: 2, seed: 1 });
const scaled = (steps: number, start = 0): TrainOptions => ({
  ...trainingOptions(steps),
  scaled: true,
  start,
});
const figures = (events: readonly TrainEvent[]) =>
  events.map(({ seconds: _, lossScale: __, ...event }) => event);

Deno.test("a scaled loss gives the bits of one that is not", async () => {
  using device = await openWasm({ threads: 1 });
  const seen = [];
  for (const options of [trainingOptions(12), scaled(12)]) {
    using model = await tinyModel(device, config);
    const events = await all(train(model, source(), options));
    assertEquals(events[0].lossScale, options.scaled ? 65536 : undefined);
    seen.push({
      events: figures(events),
      numbers: await numbersOf(model),
      moments: await numbersOf(model, "moment2"),
    });
  }
  assertEquals(seen[1], seen[0]);
});

Deno.test("an update that overflows is skipped and the scale halved, until one is good", async () => {
  using device = await openWasm({ threads: 1 });
  using model = await tinyModel(device, config);
  await prepareTraining(model, true);
  await writeLossScale(model.store, { scale: 2 ** 70, streak: 5 }); // f32 holds no square of a norm of 2^64
  const before = await numbersOf(model), events: TrainEvent[] = [];
  for await (const event of train(model, source(), scaled(20))) {
    if (Number.isFinite(event.gradientNorm)) {
      assert(events.length > 2);
      events.push(event);
      if (event.step === 20) break;
      continue;
    }
    assert(Number.isFinite(event.loss));
    assertEquals(await numbersOf(model), before);
    assert(Object.values(await numbersOf(model, "gradients")).flat().every((value) => value === 0));
    events.push(event);
  }
  const good = events.findIndex(({ gradientNorm }) => Number.isFinite(gradientNorm));
  assertEquals(events.map(({ lossScale }) => lossScale), events.map((_, i) => 2 ** (70 - Math.min(i, good))));
  assertEquals(await readLossScale(model.store), { scale: 2 ** (70 - good), streak: 20 - good });
  assert(events.slice(good).every(({ gradientNorm }) => Number.isFinite(gradientNorm)));
});

Deno.test("a gradient that overflows at the least scale ends training", async () => {
  using device = await openWasm({ threads: 1 });
  using model = await tinyModel(device, config);
  const overflowing = (lossScale: number): Gpt1 => ({
    ...model,
    program: (...of) => {
      const program = model.program(...of),
        results = { squaredNorm: Float32Array.of(Infinity), lossScale: Float32Array.of(lossScale) };
      return { ...program, run: () => Promise.resolve(results) };
    },
  });
  const [event] = await all(train(overflowing(2), source(), scaled(1)));
  assertEquals(event.gradientNorm, Infinity);
  await assertRejects(
    () => all(train(overflowing(1), source(), scaled(1))),
    NonFiniteLoss,
    "The gradient at step 1",
  );
});

Deno.test("a run that is resumed goes on with its scale", async () => {
  using device = await openWasm({ threads: 1 });
  const storage = memoryStorage(), folder = "run";
  const run = async (steps: number): Promise<Gpt1> => {
    const resumed = await lastCheckpoint(storage, folder);
    const values = resumed ? { values: await parameterReader(storage, resumed) } : {};
    const model = await tinyModel(device, config, values);
    const { start: _, ...options } = scaled(6);
    await all(trainRun({
      storage,
      folder,
      model,
      source: source(),
      resumed,
      saveEvery: 100,
      validateEvery: 100,
      options: { ...options, schedule: { ...options.schedule, steps } },
    }));
    return model;
  };
  using first = await run(3);
  assertEquals(await readLossScale(first.store), { scale: 65536, streak: 3 });
  using second = await run(6);
  assertEquals(await readLossScale(second.store), { scale: 65536, streak: 6 });
  const lines = new TextDecoder().decode(await storage.read(`${folder}/metrics.jsonl`)).trim().split("\n");
  assertEquals(lines.map((line) => JSON.parse(line).lossScale), Array(6).fill(65536));
});
