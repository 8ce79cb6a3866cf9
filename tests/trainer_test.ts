// The trainer on tiny models: accumulation and padding change nothing, averages are those of the released code, WASM stays
// with the reference, threads give the same bits, and what must not be touched is not. Runs with checkpoints are in
// run_test.ts.

import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import type { Device } from "../src/backends/backend.ts";
import { openReference } from "../src/backends/reference.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import type { Gpt1Config } from "../src/models/gpt1.ts";
import { exampleFeeds, type LabelledExample, windowFeeds } from "../src/models/gpt1_feeds.ts";
import type { Gpt1 } from "../src/models/gpt1_model.ts";
import type { Gpt1Run } from "../src/models/gpt1_plans.ts";
import { exampleSource } from "../src/tasks/examples.ts";
import { pretrainingSource } from "../src/tasks/language.ts";
import { sequentialWindows } from "../src/text/batches.ts";
import type { ScheduleName } from "../src/train/schedule.ts";
import { NonFiniteLoss, train, type TrainEvent, type UpdateBatch } from "../src/train/trainer.ts";
import { gpt1Optimizer } from "../src/train/update.ts";
import { all, distance, numbersOf, replaying, someTokens, tinyConfig, tinyModel } from "./tiny_model.ts";

const settings = (steps: number, learningRate = 1e-3, name: ScheduleName = "warmup_constant") => ({
  schedule: { name, learningRate, warmup: 0, steps },
  optimizer: gpt1Optimizer,
  seed: 5,
});

// One update of text windows, in micro-batches of `batch` sequences.
function windowUpdate(config: Gpt1Config, sequences: number, batch: number): UpdateBatch<Gpt1Run> {
  const length = config.context, tokens = someTokens(sequences * length + 1, 3);
  const run = { batch, length, language: true };
  const micro = [...sequentialWindows(tokens, { batch, length })].map((part) => ({
    run,
    feeds: windowFeeds(config, part, { length, sequences }),
  }));
  return { micro, tokens: sequences * length };
}

// Texts between start and extract, with labels 0 and 1 in turn.
const labelled = (config: Gpt1Config, lengths: readonly number[]): LabelledExample[] =>
  lengths.map((n, i) => ({
    sequences: [[config.vocabSize, ...someTokens(n - 2, i), config.vocabSize + 2]],
    label: i % 2,
  }));

function labelledUpdate(
  config: Gpt1Config,
  sequences: readonly LabelledExample[],
  { batch = sequences.length, length = 16, lambda = 0.5 } = {},
): UpdateBatch<Gpt1Run> {
  const run = { batch, length, language: lambda > 0, classifier: { outputs: 2, choices: 1 } };
  const shape = { batch, length, lambda, examples: sequences.length };
  return { micro: [{ run, feeds: exampleFeeds(config, sequences, shape) }], tokens: 1 };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const withLabels = (context = 16) => tinyConfig({ specials: 3, context });
const close = (a: number, b: number, tolerance: number) =>
  assert(Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(a)), `${b} is not ${a}`);

// The same training fed in two ways, on the reference exactly and on WASM to its rounding.
async function assertSameTraining(
  config: Gpt1Config,
  one: UpdateBatch<Gpt1Run>,
  other: UpdateBatch<Gpt1Run>,
  classifier: number | null = null,
): Promise<void> {
  const open = [[openReference(), 1e-12], [await openWasm({ threads: 1, poison: true }), 2e-5]] as const;
  for (const [device, tolerance] of open) {
    const models = [
      await tinyModel(device, config, { classifier }),
      await tinyModel(device, config, { classifier }),
    ];
    const [a, b] = await Promise.all(
      [one, other].map((update, i) => all(train(models[i], replaying(update), settings(3)))),
    );
    assertEquals([a.length, b.length], [3, 3]);
    a.forEach((event, i) => {
      close(event.loss, b[i].loss, tolerance);
      close(event.gradientNorm, b[i].gradientNorm, tolerance);
      for (const name of Object.keys(event.terms)) close(event.terms[name], b[i].terms[name], tolerance);
    });
    assert(distance(await numbersOf(models[0]), await numbersOf(models[1])) <= tolerance);
    assert(
      distance(await numbersOf(models[0], "moment1"), await numbersOf(models[1], "moment1")) <= tolerance,
    );
    assertNotEquals(a[0].loss, a[2].loss);
    device.close();
  }
}

Deno.test("two micro-batches of 2 train as one of 4", async () => {
  const config = tinyConfig();
  await assertSameTraining(config, windowUpdate(config, 4, 4), windowUpdate(config, 4, 2));
  const [one, two] = [{ batch: 4 }, { batch: 2, accumulate: 2 }].map((shape) =>
    pretrainingSource(config, someTokens(200, 1), { ...shape, seed: 1 }).next()
  );
  assertEquals([one.micro.length, two.micro.length, one.tokens, two.tokens], [1, 2, 64, 64]);
  await assertSameTraining(config, one, two);
});

Deno.test("a partial batch, padded in rows and in length, trains as one without padding", async () => {
  const config = withLabels(), sequences = labelled(config, [8, 5, 7]);
  const [exact, padded] = [{ batch: 3, length: 8 }, { batch: 5, length: 16 }].map((shape) =>
    labelledUpdate(config, sequences, shape)
  );
  await assertSameTraining(config, exact, padded, 2);
});

Deno.test("micro-batches of different length buckets train as one batch of the longest", async () => {
  const config = withLabels(48), sequences = labelled(config, [4, 40, 20, 9, 31, 17]);
  const update = (microBatch: number) =>
    exampleSource(config, sequences, { outputs: 2, choices: 1 }, { batch: 6, microBatch, seed: 1 }).next();
  assertEquals(update(6).micro.map(({ run }) => run.length), [48]);
  assertEquals(update(1).micro.map(({ run }) => run.length).toSorted((a, b) => a - b), [
    16,
    16,
    32,
    32,
    32,
    48,
  ]);
  await assertSameTraining(config, update(6), update(1), 2);
  await assertSameTraining(config, update(6), update(4), 2); // the second micro-batch has two empty rows
});

Deno.test("losses average over each sequence first, then over sequences, then over terms", async () => {
  const config = withLabels(), sequences = labelled(config, [16, 4, 9]), lambda = 0.7;
  using device = openReference();
  using model = await tinyModel(device, config, { classifier: 2 });
  const [{ run, feeds }] = labelledUpdate(config, sequences, { lambda }).micro;
  const { languageRows, classifierRows } = await model.scores(run).run(feeds);
  const perSequence = sequences.map(({ sequences: [ids] }, b) => {
    const rows = languageRows.subarray(16 * b, 16 * b + ids.length - 1);
    return mean([...rows]);
  });
  const [event] = await all(
    train(model, replaying(labelledUpdate(config, sequences, { lambda })), settings(1)),
  );
  assertAlmostEquals(event.terms.language, lambda * mean(perSequence), 1e-13);
  assertAlmostEquals(event.terms.classifier, mean([...classifierRows]), 1e-13);
  assertAlmostEquals(event.loss, event.terms.language + event.terms.classifier, 1e-13);
  const tokens = [...languageRows].reduce((sum, loss) => sum + loss) / (15 + 3 + 8);
  assert(Math.abs(mean(perSequence) - tokens) > 1e-3, "the two rules differ here");
});

Deno.test("with lambda 0 there is no language-model term", async () => {
  const config = withLabels(), sequences = labelled(config, [6, 8, 7, 5]);
  using device = openReference();
  using model = await tinyModel(device, config, { classifier: 2 });
  const source = exampleSource(config, sequences, { outputs: 2, choices: 1 }, {
    batch: 4,
    lambda: 0,
    seed: 1,
  });
  const before = await numbersOf(model), [event] = await all(train(model, source, settings(1)));
  assertEquals(Object.keys(event.terms), ["classifier"]);
  assertEquals(event.loss, event.terms.classifier);
  // Row 1 of the table stands in no text here: without the language model nothing but decay moves it.
  const absent = Array.from({ length: 23 }, (_, id) => id)
    .find((id) => sequences.every(({ sequences: [ids] }) => !Array.from(ids).includes(id)))!;
  const moment = (await numbersOf(model, "moment1")).we.slice(8 * absent, 8 * absent + 8);
  assertEquals(moment, new Array(8).fill(0));
  assertNotEquals(await numbersOf(model), before);
});

Deno.test("every forward pass draws its own dropout, numbered over all micro-batches", async () => {
  const config = tinyConfig({ rate: 0.1 }), draws: number[][] = [];
  using device = openReference();
  using model = await tinyModel(device, config);
  const watched: Gpt1 = {
    ...model,
    gradient(run) {
      const program = model.gradient(run);
      return { ...program, run: (feeds) => (draws.push([...feeds.rng]), program.run(feeds)) };
    },
  };
  await all(train(watched, replaying(windowUpdate(config, 4, 2)), { ...settings(5), start: 3 }));
  assertEquals(draws, [[5, 6], [5, 7], [5, 8], [5, 9]]);
});

async function losses(device: Device, steps: number, config: Gpt1Config): Promise<TrainEvent[]> {
  using model = await tinyModel(device, config);
  const source = pretrainingSource(config, someTokens(500, 2), { batch: 2, accumulate: 2, seed: 3 });
  return await all(train(model, source, settings(steps, 3e-3, "warmup_cosine")));
}

Deno.test("50 updates on WASM follow the reference, dropout included", async () => {
  const config = tinyConfig({ rate: 0.1 });
  using wasm = await openWasm({ threads: 1, poison: true });
  const [got, want] = [await losses(wasm, 50, config), await losses(openReference(), 50, config)];
  got.forEach(({ loss, gradientNorm }, i) => {
    assert(Math.abs(loss / want[i].loss - 1) < 1e-3, `loss ${i} is ${loss}, not ${want[i].loss}`);
    assert(Math.abs(gradientNorm / want[i].gradientNorm - 1) < 1e-2, `norm ${i} is ${gradientNorm}`);
  });
  const heights = got.map(({ loss }) => loss);
  assert(mean(heights.slice(-10)) < mean(heights.slice(0, 10)) - 0.1, "it learns");
});

Deno.test("training on 1, 2 and 3 threads gives the same bits", async () => {
  const config = tinyConfig({ rate: 0.1 }), runs: unknown[] = [];
  for (const threads of [1, 2, 3]) {
    using device = await openWasm({ threads });
    runs.push((await losses(device, 8, config)).map(({ loss, gradientNorm }) => [loss, gradientNorm]));
  }
  assertEquals(runs[1], runs[0]);
  assertEquals(runs[2], runs[0]);
});

Deno.test("one batch can be learnt by heart", async () => {
  const config = tinyConfig();
  using device = await openWasm({ threads: 1 });
  using model = await tinyModel(device, config);
  const update = windowUpdate(config, 3, 3);
  // Every sequence starts with a token that tells it from the others.
  const first = Array.from({ length: 3 }, (_, b) => update.micro[0].feeds.ids[2 * b * config.context]);
  assertEquals(new Set(first).size, 3);
  const events = await all(train(model, replaying(update), settings(300, 2e-2, "warmup_cosine")));
  assert(events[0].loss > 2.5);
  assert(events.at(-1)!.loss < 0.02, `the loss is still ${events.at(-1)!.loss}`);
});

const pagesAfter = async (model: Gpt1) => [await numbersOf(model), await numbersOf(model, "moment1")];

Deno.test("a loss that is not finite stops before the update and names the step", async () => {
  const config = tinyConfig(), update = windowUpdate(config, 2, 2);
  for (const device of [openReference(), await openWasm({ threads: 1 })]) {
    using model = await tinyModel(device, config);
    const { place } = model.layout.segments[1], events: TrainEvent[] = [];
    let state: unknown;
    const error = await assertRejects(
      async () => {
        for await (const event of train(model, replaying(update), settings(9))) {
          events.push(event);
          if (event.step === 2) await model.store.write(place.page, place.offset, [Infinity]);
          state = await pagesAfter(model);
        }
      },
      NonFiniteLoss,
      "The loss at step 3 is not finite",
    );
    assertEquals([error.step, events.length], [3, 2]);
    assertEquals(await pagesAfter(model), state);
    device.close();
  }
});

Deno.test("a gradient that is not finite leaves parameters and moments alone", async () => {
  const config = tinyConfig(), good = windowUpdate(config, 2, 2);
  const [{ run, feeds }] = good.micro;
  const huge = (feeds.weights as Float64Array).map((weight) => 1e30 * weight);
  const bad = { micro: [{ run, feeds: { ...feeds, weights: huge } }], tokens: 1 };
  using device = await openWasm({ threads: 2 });
  using model = await tinyModel(device, config);
  let state: unknown;
  const error = await assertRejects(
    async () => {
      for await (const _ of train(model, replaying(good, bad), settings(9))) state = await pagesAfter(model);
    },
    NonFiniteLoss,
    "gradient",
  );
  assertEquals(error.step, 2);
  assertEquals(await pagesAfter(model), state);
  assertEquals(await numbersOf(model, "gradients"), {
    ...Object.fromEntries(model.layout.segments.map(({ name, shape }) => {
      return [name, new Array(shape.reduce((a, b) => a * b)).fill(0)];
    })),
  });
});

Deno.test("training goes on from a model whose last step failed half-way", async () => {
  const config = tinyConfig(), [good, bad] = [windowUpdate(config, 4, 2), windowUpdate(config, 4, 2)];
  const broken = { ...bad.micro[1].feeds, ids: new Int32Array(4 * config.context).fill(-1) };
  using device = openReference();
  const [clean, spoilt] = [await tinyModel(device, config), await tinyModel(device, config)];
  const failing = { ...bad, micro: [bad.micro[0], { ...bad.micro[1], feeds: broken }] };
  await assertRejects(() => all(train(spoilt, replaying(failing), settings(1))), RangeError, "ids");
  assert(Object.values(await numbersOf(spoilt, "gradients")).flat().some((value) => value !== 0));
  const [want, got] = [clean, spoilt].map((model) => all(train(model, replaying(good), settings(2))));
  const facts = (events: TrainEvent[]) => events.map(({ loss, gradientNorm }) => [loss, gradientNorm]);
  assertEquals(facts(await got), facts(await want));
});

Deno.test("an aborted signal ends training after the step", async () => {
  const config = tinyConfig(), update = windowUpdate(config, 1, 1), controller = new AbortController();
  using device = openReference();
  using model = await tinyModel(device, config);
  const steps: number[] = [];
  for await (
    const { step } of train(model, replaying(update), { ...settings(9), signal: controller.signal })
  ) {
    steps.push(step);
    if (step === 3) controller.abort();
  }
  assertEquals(steps, [1, 2, 3]);
  assertEquals(
    await all(train(model, replaying(update), { ...settings(9), signal: AbortSignal.abort() })),
    [],
  );
});

Deno.test("frozen parameters keep their bits and have no gradients", async () => {
  const config = tinyConfig(), isFrozen = (name: string) => name === "we" || name.startsWith("h0/");
  using device = await openWasm({ threads: 1 });
  using model = await tinyModel(device, config, { frozen: isFrozen });
  const before = await numbersOf(model);
  await all(train(model, replaying(windowUpdate(config, 2, 2)), settings(4)));
  const after = await numbersOf(model);
  for (const { name } of model.layout.segments) {
    if (isFrozen(name)) assertEquals(after[name], before[name], name);
    else assertNotEquals(after[name], before[name], name);
  }
  assertEquals([...model.store.pages.keys()].toSorted(), [
    "frozen/0",
    "gradients/0",
    "moment1/0",
    "moment2/0",
    "parameters/0",
  ]);
});

Deno.test("a group that is not active keeps parameters and moments, and may be another one next time", async () => {
  const config = tinyConfig(), update = windowUpdate(config, 2, 2);
  using device = await openWasm({ threads: 1 });
  using model = await tinyModel(device, config);
  const idle = (layer: string) => ({
    ...settings(2),
    optimizer: {
      ...gpt1Optimizer,
      groups: [{ name: "trained", decay: 0.01 }, { name: "idle", decay: 0.01, active: false }],
      groupOf: ({ name }: { name: string }) => Number(name.startsWith(layer)),
    },
  });
  for (const layer of ["h0/", "h1/"]) {
    const state = async () => [
      await numbersOf(model),
      ...(model.store.pages.has("moment1/0")
        ? [await numbersOf(model, "moment1"), await numbersOf(model, "moment2")]
        : []),
    ];
    const before = await state();
    await all(train(model, replaying(update), idle(layer)));
    const after = await state();
    for (const { name } of model.layout.segments) {
      before.forEach((numbers, i) => {
        if (name.startsWith(layer)) assertEquals(after[i][name], numbers[name], `${name}, ${i}`);
        else assertNotEquals(after[i][name], numbers[name], `${name}, ${i}`);
      });
    }
  }
});
