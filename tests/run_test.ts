// Runs with checkpoints, on WASM and a storage in memory: a run that was stopped anywhere and resumed is, bit for bit, the
// run that was not; validation and the best checkpoint included. Also what a failed or interrupted run leaves behind.

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Device } from "../src/backends/backend.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { memoryStorage } from "../src/core/memory_storage.ts";
import type { Storage } from "../src/core/storage.ts";
import type { Gpt1Config } from "../src/models/gpt1.ts";
import type { Gpt1 } from "../src/models/gpt1_model.ts";
import type { Gpt1Run } from "../src/models/gpt1_plans.ts";
import { initialise } from "../src/nn/parameters.ts";
import { pretrainingSource, scoreText } from "../src/tasks/language.ts";
import { parameterReader, saveTraining } from "../src/train/checkpoint.ts";
import { listCheckpoints, openCheckpoint } from "../src/train/checkpoint_folder.ts";
import { lastCheckpoint, type Run, type RunEvent, trainRun } from "../src/train/run.ts";
import { NonFiniteLoss } from "../src/train/trainer.ts";
import { gpt1Optimizer } from "../src/train/update.ts";
import { all, numbersOf, someTokens, tinyConfig, tinyModel } from "./tiny_model.ts";

const STEPS = 14, config = tinyConfig({ rate: 0.1 });
const train = someTokens(150, 2), held = someTokens(40, 4); // 150 tokens are 2 updates: epochs end within the run

// The run in folder "run" of a storage, from its last checkpoint if it has one. The learning rate is high enough that
// validation gets worse at times.
async function open(
  device: Device,
  storage: Storage,
  signal?: AbortSignal,
): Promise<Run<Gpt1Config, Gpt1Run> & { readonly model: Gpt1 }> {
  const resumed = await lastCheckpoint(storage, "run");
  const model = await tinyModel(
    device,
    config,
    resumed ? { values: await parameterReader(storage, resumed) } : {},
  );
  return {
    storage,
    folder: "run",
    model,
    source: pretrainingSource(config, train, { batch: 2, accumulate: 2, seed: 3 }),
    resumed,
    saveEvery: 5,
    validateEvery: 3,
    options: {
      schedule: { name: "warmup_cosine", learningRate: 3e-2, warmup: 0.1, steps: STEPS },
      optimizer: gpt1Optimizer,
      seed: 7,
      signal,
    },
    validate: async () => {
      const { loss, perplexity } = await scoreText(model, held, { batch: 2, signal });
      return { score: -loss, metrics: { perplexity } };
    },
  };
}

interface Outcome {
  /** Loss, its terms, gradient norm, rate by step, and validations: what metrics.jsonl holds. */
  readonly metrics: string;
  readonly parameters: Record<string, number[]>;
  readonly moments: Record<string, number[]>;
  readonly best: unknown;
  readonly checkpoints: unknown;
}

async function outcome(storage: Storage, model: Gpt1): Promise<Outcome> {
  const last = await openCheckpoint(storage, "run", "last"),
    best = await openCheckpoint(storage, "run", "best");
  assertEquals(last.step, STEPS);
  const { best: info } = last.info as { best: { step: number } };
  assertEquals(best.step, info.step);
  return {
    metrics: new TextDecoder().decode(await storage.read("run/metrics.jsonl")),
    parameters: await numbersOf(model),
    moments: await numbersOf(model, "moment2"),
    best: info,
    checkpoints: (await listCheckpoints(storage, "run")).map(({ step, last, best }) => [step, last, best]),
  };
}

async function uninterrupted(device: Device): Promise<Outcome> {
  const storage = memoryStorage(), run = await open(device, storage), events = await all(trainRun(run));
  assertEquals(events.at(-1)!.type, "saved");
  const validations = events.flatMap((event) =>
    event.type === "validation" ? [[event.step, event.best]] : []
  );
  assertEquals(validations.map(([step]) => step), [3, 6, 9, 12, 14]);
  assert(
    validations.slice(1).some(([, best]) => best) && validations.some(([, best]) => !best),
    `${validations}`,
  );
  return await outcome(storage, run.model);
}

Deno.test("a run stopped by a signal at any step and resumed is the run that was not stopped", async () => {
  using device = await openWasm({ threads: 1 });
  const want = await uninterrupted(device);
  for (let stop = 1; stop < STEPS; stop++) {
    const storage = memoryStorage(), controller = new AbortController();
    const first = await open(device, storage, controller.signal), events: RunEvent[] = [];
    for await (const event of trainRun(first)) {
      events.push(event);
      if (event.type === "step" && event.event.step === stop) controller.abort();
    }
    // A validation that the signal cut short is not reported, and everything is saved all the same.
    assertEquals(events.filter(({ type }) => type === "step").length, stop);
    assertEquals([events.at(-1)!.type, (await openCheckpoint(storage, "run", "last")).step], ["saved", stop]);
    first.model.close();
    const second = await open(device, storage);
    await all(trainRun(second));
    assertEquals(await outcome(storage, second.model), want, `stopped at ${stop}`);
    second.model.close();
  }
});

Deno.test("a run that dies without saving goes on from its last checkpoint as if nothing had happened", async () => {
  using device = await openWasm({ threads: 2 });
  const want = await uninterrupted(device);
  for (const stop of [2, 7, 10, 13]) {
    const storage = memoryStorage(), first = await open(device, storage);
    for await (const event of trainRun(first)) if (event.type === "step" && event.event.step === stop) break;
    const second = await open(device, storage);
    const events = await all(trainRun(second)),
      step = events.find((event) => event.type === "step")!.event.step;
    assert(
      stop === 2 ? step === 1 : step > stop - 5 && step <= stop,
      `stopped at ${stop}, resumed with ${step}`,
    );
    assertEquals(await outcome(storage, second.model), want, `died after ${stop}`);
  }
});

Deno.test("a loss that is not finite leaves the checkpoint from before, from which training goes on", async () => {
  using device = await openWasm({ threads: 1 });
  const want = await uninterrupted(device), storage = memoryStorage(), run = await open(device, storage);
  const { place } = run.model.layout.segments[2];
  const error = await assertRejects(async () => {
    for await (const event of trainRun(run)) {
      if (event.type !== "step" || event.event.step !== 8) continue;
      await run.model.store.write(place.page, place.offset, [NaN]);
    }
  }, NonFiniteLoss);
  assertEquals(error.step, 9);
  const resumed = (await lastCheckpoint(storage, "run"))!;
  assert(resumed.step >= 5 && resumed.step < 9);
  // In the same model, whose gradients the failed step has spoilt.
  await initialise(run.model.store, run.model.layout, 0, await parameterReader(storage, resumed));
  await all(trainRun({ ...run, resumed }));
  assertEquals(await outcome(storage, run.model), want);
});

Deno.test("a failing validation is not taken for an interruption", async () => {
  using device = await openWasm({ threads: 1 });
  const storage = memoryStorage(),
    controller = new AbortController(),
    run = await open(device, storage, controller.signal);
  const validate = () => (controller.abort(), Promise.reject(new RangeError("no such text")));
  await assertRejects(() => all(trainRun({ ...run, validate })), RangeError, "no such text");
});

Deno.test("a model with frozen parameters is saved with moments once it has some", async () => {
  using device = await openWasm({ threads: 1 });
  using model = await tinyModel(device, config, { frozen: (name) => name === "we" });
  const storage = memoryStorage();
  const files = async (step: number) => {
    await saveTraining(storage, "run", model, { step, info: null });
    return (await openCheckpoint(storage, "run", "last")).files;
  };
  assertEquals(await files(0), ["model.safetensors"]);
  const run = await open(device, storage);
  await all(trainRun({ ...run, model, resumed: null, folder: "other" }));
  assertEquals(await files(STEPS), ["model.safetensors", "moment1.safetensors", "moment2.safetensors"]);
});
