// Zero-shot scores along a run, on WASM and a storage in memory: training does not notice them, they are those of the
// checkpoint of the same step, and a run that was stopped anywhere and resumed has the same ones.

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Device } from "../src/backends/backend.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { recordOf, ZERO_SHOT_FILE, zeroShotObserver } from "../src/cli/zero_shot.ts";
import { memoryStorage } from "../src/core/memory_storage.ts";
import type { Storage } from "../src/core/storage.ts";
import { pretrainingSource, scoreText } from "../src/tasks/language.ts";
import { prepareZeroShot, zeroShot, zeroShotRules } from "../src/tasks/zero_shot.ts";
import { parameterReader } from "../src/train/checkpoint.ts";
import { lastCheckpoint, type Run, trainRun } from "../src/train/run.ts";
import { gpt1Optimizer } from "../src/train/update.ts";
import { numberTokenizer } from "./task_support.ts";
import { all, someTokens, tinyConfig, tinyModel } from "./tiny_model.ts";

const STEPS = 11, EVERY = 4, config = tinyConfig({ rate: 0.1 });
const tokens = someTokens(150, 2), held = someTokens(40, 4);
const examples = Array.from({ length: 30 }, (_, i) => ({
  texts: { context: someTokens(6, i).join(" ") },
  answers: [someTokens(2, 100 + i).join(" "), someTokens(3, 200 + i).join(" ")],
  label: `${i % 2}`,
}));
const task = "own", rule = zeroShotRules.choice;
const problem = { rule, examples: prepareZeroShot(rule, numberTokenizer(23), config.context, examples) };

// The run in folder "run" of a storage, from its last checkpoint if it has one.
async function open(
  device: Device,
  storage: Storage,
  { every = EVERY, signal = new AbortController().signal } = {},
) {
  const resumed = await lastCheckpoint(storage, "run");
  const model = await tinyModel(
    device,
    config,
    resumed ? { values: await parameterReader(storage, resumed) } : {},
  );
  const run: Run<typeof config, Parameters<typeof model.scores>[0]> = {
    storage,
    folder: "run",
    model,
    source: pretrainingSource(config, tokens, { batch: 2, seed: 3 }),
    resumed,
    saveEvery: 3,
    validateEvery: 5,
    options: {
      schedule: { name: "warmup_cosine", learningRate: 3e-2, warmup: 0.1, steps: STEPS },
      optimizer: gpt1Optimizer,
      seed: 7,
      signal,
    },
    validate: async () => ({ score: -(await scoreText(model, held, { batch: 2 })).loss, metrics: {} }),
    observe: zeroShotObserver(model, every === Infinity ? [] : [{ task, problem }], every, signal),
  };
  return run;
}

const text = async (storage: Storage, file: string): Promise<string> =>
  new TextDecoder().decode(await storage.read(`run/${file}`));
const metricsOf = (storage: Storage) => text(storage, "metrics.jsonl");
const recordsOf = (storage: Storage) => text(storage, ZERO_SHOT_FILE);

async function observed(device: Device) {
  const storage = memoryStorage(), run = await open(device, storage);
  await all(trainRun(run));
  return { storage, metrics: await metricsOf(storage), records: await recordsOf(storage) };
}

Deno.test("training does not notice that it is observed, and each record is that of its step's parameters", async () => {
  using device = await openWasm({ threads: 2 });
  const { metrics, records } = await observed(device), plain = memoryStorage();
  const run = await open(device, plain, { every: Infinity });
  await all(trainRun(run));
  assertEquals(await metricsOf(plain), metrics);
  assertEquals(await plain.stat(`run/${ZERO_SHOT_FILE}`), null);
  assertEquals(
    records.trimEnd().split("\n").map((line) => Object.keys(JSON.parse(line))),
    [4, 8, 11].map(() => ["step", "task", "metric", "score", "baseline", "examples"]),
  );

  // The same steps again, each from the checkpoint that is saved there.
  const lines: string[] = [];
  for (const step of [4, 8, 11]) {
    const storage = memoryStorage(), controller = new AbortController();
    const first = await open(device, storage, { every: Infinity, signal: controller.signal });
    for await (const event of trainRun(first)) {
      if (event.type === "step" && event.event.step === step) controller.abort();
    }
    const saved = (await lastCheckpoint(storage, "run"))!;
    assertEquals(saved.step, step);
    using model = await tinyModel(device, config, { values: await parameterReader(storage, saved) });
    lines.push(`${JSON.stringify(recordOf(step, task, await zeroShot(model, problem)))}\n`);
  }
  assertEquals(lines.join(""), records);
  assert(new Set(records.match(/"score":[^,]+/g)).size > 1, "the scores move");
});

Deno.test("a run that was stopped or died at any step has the records of one that was not", async () => {
  using device = await openWasm({ threads: 1 });
  const { records, metrics } = await observed(device);
  for (let stop = 1; stop < STEPS; stop++) {
    for (const kind of ["stops", "dies"]) {
      const storage = memoryStorage(), controller = new AbortController();
      const first = await open(device, storage, { signal: controller.signal });
      for await (const event of trainRun(first)) {
        if (event.type !== "step" || event.event.step !== stop) continue;
        if (kind === "dies") break;
        controller.abort(); // before the observation of this step, which is made up for
      }
      first.model.close();
      const second = await open(device, storage);
      await all(trainRun(second));
      second.model.close();
      assertEquals(await recordsOf(storage), records, `${kind} at ${stop}`);
      assertEquals(await metricsOf(storage), metrics);
    }
  }
});

Deno.test("records after the step that is resumed are cut, a finished run gets no second ones, and failures are told", async () => {
  using device = await openWasm({ threads: 1 });
  const { storage, records } = await observed(device);
  await storage.append(
    `run/${ZERO_SHOT_FILE}`,
    new TextEncoder().encode('{"step":99,"task":"own"}\n{"step":4,"ta'),
  );
  await all(trainRun(await open(device, storage)));
  assertEquals(await recordsOf(storage), records);

  const run = await open(device, memoryStorage());
  const observe = { ...run.observe!, at: () => Promise.reject(new RangeError("spoilt")) };
  await assertRejects(() => all(trainRun({ ...run, observe })), RangeError, "spoilt");
});
