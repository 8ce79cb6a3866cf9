// Training on a device that works ahead of the losses, played by WASM with a promise of `ahead` runs: the same events, rest
// where it is asked for, and the right step named when a loss is not finite. On a GPU itself: webgpu_training_test.ts.

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Device } from "../src/backends/backend.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import type { Gpt1Config } from "../src/models/gpt1.ts";
import type { Gpt1 } from "../src/models/gpt1_model.ts";
import type { Gpt1Run } from "../src/models/gpt1_plans.ts";
import { pretrainingSource } from "../src/tasks/language.ts";
import { NonFiniteLoss, train, type TrainEvent, type UpdateBatch } from "../src/train/trainer.ts";
import { all, numbersOf, replaying, someTokens, tinyConfig, tinyModel } from "./tiny_model.ts";
import { trainingOptions as settings } from "./wasm_support.ts";

const someUpdate = (config: Gpt1Config): UpdateBatch<Gpt1Run> =>
  pretrainingSource(config, someTokens(100, 3), { batch: 2, seed: 1 }).next();

// A model whose device says that it works ahead, and which notes how many updates were begun when an event came.
function eager(model: Gpt1, ahead: number): { model: Gpt1; begun: () => number } {
  let begun = 0;
  const { threads, capacity } = model.device, device = { threads, capacity, ahead } as Device;
  const gradient: Gpt1["gradient"] = (...of) => {
    const program = model.gradient(...of);
    return { ...program, run: (...feeds) => (begun++, program.run(...feeds)) };
  };
  return { model: { ...model, device, gradient }, begun: () => begun };
}

Deno.test("a device that works ahead gives the same events, and rests where it is asked to", async () => {
  using device = await openWasm({ threads: 1 });
  const config = tinyConfig({ rate: 0.1 }), update = someUpdate(config);
  using model = await tinyModel(device, config);
  const want = await all(train(model, replaying(update), settings(11)));
  using other = await tinyModel(device, config);
  const { model: working, begun } = eager(other, 4), got: TrainEvent[] = [], lead: number[] = [];
  const options = { ...settings(11), rests: (step: number) => step % 6 === 0 };
  for await (const event of train(working, replaying(update), options)) {
    got.push(event);
    lead.push(begun() - event.step);
  }
  const figures = (events: TrainEvent[]) => events.map(({ seconds: _, ...event }) => event);
  assertEquals(figures(got), figures(want));
  assertEquals(lead, [3, 3, 3, 2, 1, 0, 3, 3, 2, 1, 0]);
  assertEquals(await numbersOf(other), await numbersOf(model));
});

Deno.test("a device that works ahead stops at the update that is not finite", async () => {
  using device = await openWasm({ threads: 1 });
  const config = tinyConfig(), good = someUpdate(config);
  const bad = {
    ...good,
    micro: good.micro.map(({ run, feeds }) => ({
      run,
      feeds: { ...feeds, weights: new Float32Array(feeds.weights.length).fill(Infinity) },
    })),
  };
  using model = await tinyModel(device, config);
  const seen: number[] = [];
  const training = train(eager(model, 4).model, replaying(good, good, bad, good), {
    ...settings(9),
    rests: () => false,
  });
  await assertRejects(
    async () => {
      for await (const { step } of training) seen.push(step);
    },
    NonFiniteLoss,
    "step 3",
  );
  assertEquals(seen, [1, 2]);
  assert(Object.values(await numbersOf(model)).flat().every(Number.isFinite));
});
