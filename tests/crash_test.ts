// A run that is killed at any moment, interrupted, or stopped during a validation goes on to give, line by line, the
// metrics of a run that was left alone. Moments of death are drawn from a seed that is printed; FOREWORD_CRASH_SEED
// sets it.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { memoryStorage } from "../src/core/memory_storage.ts";
import { Random } from "../src/core/random.ts";
import { configure } from "../src/models/gpt1.ts";
import { createGpt1 } from "../src/models/gpt1_model.ts";
import { openDevice } from "../src/open_device.ts";
import { folder } from "../src/platform/fs.ts";
import { pretrainingSource } from "../src/tasks/language.ts";
import { parameterReader } from "../src/train/checkpoint.ts";
import { lastCheckpoint, type RunInfo, trainRun } from "../src/train/run.ts";
import { gpt1Optimizer } from "../src/train/update.ts";
import {
  FINETUNE,
  makePlace,
  makeTokenizer,
  metricsOf,
  outcomeOf,
  type Place,
  PRETRAIN,
} from "./cli_support.ts";

const STEPS = 60; // enough that a busy machine still gets its signal through before the end
const RUN =
  `${PRETRAIN} --model nano --tokenizer tok --steps ${STEPS} --valid valid.txt --validate-every 7 --save-every 3`;
const TUNE = `${FINETUNE.replace("--batch 16 --epochs 2", "--batch 8 --epochs 4")} --model alone`;
let place: Place;

Deno.test.beforeAll(async () => {
  place = await makePlace();
  await makeTokenizer(place);
  await place.json(`${RUN} --out alone`);
});
Deno.test.afterAll(() => place.remove());

// Starts a command and sends it a signal once its metrics have `lines` lines, and `delay` ms have passed since. Returns
// what came of it; it may have ended before.
async function strike(
  line: string,
  run: string,
  signal: Deno.Signal,
  { lines, delay }: { lines: number; delay: number },
) {
  const child = place.start(line);
  let ended = false;
  const output = child.output().finally(() => ended = true);
  while (!ended && await countLines(run) < lines) await wait(3);
  await wait(delay);
  if (!ended) child.kill(signal);
  return outcomeOf(await output);
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const countLines = (run: string): Promise<number> => metricsOf(place, run).then((all) => all.length, () => 0);

// The run holds whole checkpoints, and nothing that a killed one left behind.
async function assertTidy(run: string): Promise<void> {
  assertEquals(
    (await lastCheckpoint(folder(place.path), run))?.folder.startsWith(`${run}/checkpoints/`),
    true,
  );
  assertEquals(Object.keys(await place.tree(run)).filter((path) => path.includes(".tmp-")), []);
}

Deno.test("a pre-training that is killed again and again gives the losses of one left alone", async () => {
  const seed = Number(Deno.env.get("FOREWORD_CRASH_SEED") ?? Date.now() % 2 ** 32);
  const random = new Random(seed, "crash");
  const moments = [
    { lines: 0, delay: 40 + random.below(200) }, // starting, encoding the corpus
    ...[0.2, 0.4, 0.6, 0.8].map((share) => ({
      lines: Math.round(share * STEPS) + random.below(6), // training, validating, saving
      delay: random.below(40),
    })),
  ];
  console.log(
    `seed ${seed}: killed at ${moments.map(({ lines, delay }) => `line ${lines} + ${delay} ms`).join(", ")}`,
  );
  let kills = 0;
  for (const moment of moments) {
    const { signal, code, stderr } = await strike(
      `${RUN} --out killed --resume`,
      "killed",
      "SIGKILL",
      moment,
    );
    if (signal === "SIGKILL") kills++;
    else assertEquals(code, 0, stderr);
    const checkpoint = await lastCheckpoint(folder(place.path), "killed"); // checks every byte
    if (moment.lines > 4) assert(checkpoint !== null, "a checkpoint outlives the process");
  }
  assert(kills >= 3, `${kills} of ${moments.length} were killed before they were done`);
  await place.json(`${RUN} --out killed --resume`);
  assertEquals(await metricsOf(place, "killed"), await metricsOf(place, "alone"));
  await assertTidy("killed");
  const weights = (path: string) => path.endsWith(".safetensors");
  const [killed, alone] = await Promise.all(["killed", "alone"].map(async (run) => {
    const { last } = JSON.parse(await place.read(`${run}/checkpoints.json`));
    const tree = await place.tree(`${run}/checkpoints/${last}`);
    return Object.entries(tree).filter(([path]) => weights(path)).map(([, content]) => content).sort();
  }));
  assertEquals(killed, alone, "and the same parameters and moments");
});

Deno.test("a fine-tuning that is killed gives the losses of one left alone", async () => {
  const whole = await place.json(`${TUNE} --out tuned`);
  const { signal } = await strike(`${TUNE} --out hurt`, "hurt", "SIGKILL", { lines: 12, delay: 5 });
  assertEquals(signal, "SIGKILL");
  const again = await place.json<Record<string, unknown>>(`${TUNE} --out hurt --resume`);
  assertEquals(await metricsOf(place, "hurt"), await metricsOf(place, "tuned"));
  const { out: _, tokensPerSecond: __, ...result } = again;
  for (const [name, value] of Object.entries(result)) {
    assertEquals(value, (whole as Record<string, unknown>)[name], name);
  }
  await assertTidy("hurt");
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`${signal} finishes the step, saves, says how to resume and exits with 130`, async () => {
    const out = `stopped-${signal}`, line = `${RUN} --out ${out}`;
    const { code, stdout, stderr } = await strike(line, out, signal, { lines: 12, delay: 10 });
    assertEquals([code, stdout], [130, ""], stderr);
    assertMatch(stderr, /\nStopping after this step\. Press Ctrl-C again to stop at once\.\n/);
    const step = Number(
      /\nStopped and saved at step (\d+) of 60\. Give the same command with --resume to go on\.\n$/.exec(
        stderr,
      )?.[1],
    );
    assert(step >= 10 && step < STEPS, stderr);
    assertEquals(
      (await lastCheckpoint(folder(place.path), out))?.step,
      step,
      "the step it stopped after is saved",
    );
    assertEquals(JSON.parse((await metricsOf(place, out)).at(-1)!).step, step);
    await place.json(`${line} --resume`);
    assertEquals(await metricsOf(place, out), await metricsOf(place, "alone"));
  });
}

Deno.test("a validation that was interrupted is made up for", async () => {
  using device = await openDevice({ device: "wasm", threads: 1 });
  const config = configure({ context: 8, channels: 8, heads: 2, layers: 1 }, 20);
  const tokens = Uint16Array.from({ length: 200 }, (_, i) => (i * i) % 20);
  // Trains 6 steps with validations at 2, 4 and 6; the one at `stopAt` is interrupted.
  async function session(storage: ReturnType<typeof memoryStorage>, stopAt: number | null) {
    const controller = new AbortController(), resumed = await lastCheckpoint(storage, "run");
    const values = resumed && await parameterReader(storage, resumed);
    using model = await createGpt1(device, config, { seed: 1, ...(values ? { values } : {}) });
    let validations = Math.max(0, (resumed?.info as RunInfo | undefined)?.validated ?? 0);
    const run = trainRun({
      storage,
      folder: "run",
      model,
      source: pretrainingSource(config, tokens, { batch: 2, seed: 1 }),
      resumed,
      saveEvery: 100,
      validateEvery: 2,
      options: {
        schedule: { name: "warmup_linear", learningRate: 0.01, warmup: 0, steps: 6 },
        optimizer: gpt1Optimizer,
        seed: 1,
        signal: controller.signal,
      },
      validate: () => {
        validations += 2;
        if (validations === stopAt) controller.abort();
        controller.signal.throwIfAborted();
        return Promise.resolve({ score: -validations, metrics: { score: -validations } });
      },
    });
    const types = [];
    for await (const { type } of run) types.push(type);
    assertEquals(types.at(-1), "saved");
    return new TextDecoder().decode(await storage.read("run/metrics.jsonl"));
  }
  const alone = await session(memoryStorage(), null);
  assertEquals(alone.split("\n").length, 6 + 3 + 1);
  for (const stopAt of [2, 4, 6]) {
    const storage = memoryStorage();
    await session(storage, stopAt);
    assertEquals((await lastCheckpoint(storage, "run"))?.step, stopAt);
    assertEquals(await session(storage, null), alone, `stopped in the validation at ${stopAt}`);
  }
});
