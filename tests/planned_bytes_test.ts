// Memory that is known beforehand: what plans add up to is what the WASM memory holds, in whatever order programs come;
// packing stays near what is alive at once; and where there is too little, the error says what would fit.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { OutOfMemory } from "../src/backends/backend.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { plannedBytes } from "../src/graph/planned_bytes.ts";
import { type Plan, plan } from "../src/graph/plan.ts";
import { printPlan } from "../src/graph/print.ts";
import { configure, type Gpt1Config, presets } from "../src/models/gpt1.ts";
import { createGpt1, type Gpt1 } from "../src/models/gpt1_model.ts";
import { gpt1Plans, type Gpt1Run } from "../src/models/gpt1_plans.ts";
import { recomputeNames } from "../src/nn/recompute.ts";
import { pretrainingSource, scoreText } from "../src/tasks/language.ts";
import { generateTokens } from "../src/train/generate.ts";
import { requireRoom, showBytes, trainingBytes, whatFits } from "../src/train/memory.ts";
import { train } from "../src/train/trainer.ts";
import { gpt1Optimizer, trainingPages, updatePlan } from "../src/train/update.ts";
import { randomGraph } from "./random_graphs.ts";
import { all, numbersOf, someTokens, tinyConfig, tinyModel } from "./tiny_model.ts";
import { trainingOptions } from "./wasm_support.ts";

const FIXED = 128 * 1024;
const small = configure({ context: 128, channels: 128, heads: 4, layers: 4 }, 2048);

type Use = (model: Gpt1, batch: number) => Promise<unknown>;
const tokensOf = ({ vocabSize, context }: Gpt1Config, batch: number) =>
  someTokens(2 * batch * context, 1).map((token) => token % vocabSize);
const uses: Record<"learn" | "score" | "write", Use> = {
  learn: (model, batch) => {
    const source = pretrainingSource(model.config, tokensOf(model.config, batch), { batch, seed: 1 });
    return all(train(model, source, trainingOptions(1)));
  },
  score: (model, batch) => scoreText(model, tokensOf(model.config, batch), { batch }),
  write: (model) => all(generateTokens(model, [[1, 2, 3]], { maxTokens: 2, seed: 1 })),
};

// Everything that `uses` loads, from plans alone.
function planOf(config: Gpt1Config, batch: number, threads: number) {
  const plans = gpt1Plans(config),
    { layout } = plans,
    run = { batch, length: config.context, language: true };
  return plannedBytes({
    pages: { ...layout.pages, ...trainingPages(layout) },
    plans: [
      plans.gradient(run),
      updatePlan(layout, gpt1Optimizer),
      plans.scores(run),
      plans.decode(1, 4),
      plans.decode(1, 1),
    ],
    threads,
  });
}

Deno.test("memory holds what was planned and a fixed part, whatever comes first", async () => {
  const orders = [["learn", "score", "write"], ["write", "score", "learn"], [
    "score",
    "learn",
    "write",
  ]] as const;
  for (
    const [config, batch, tried] of [[tinyConfig({ rate: 0.1 }), 2, orders], [
      small,
      16,
      orders.slice(0, 2),
    ]] as const
  ) {
    for (const threads of [1, 2]) {
      for (const order of tried) {
        using device = await openWasm({ threads });
        using model = await createGpt1(device, config, { seed: 1 });
        for (const use of order) await uses[use](model, batch);
        const { total } = planOf(config, batch, threads), bytes = device.bytes();
        const where = `${order}, ${threads} threads: ${bytes} bytes, ${total} planned`;
        assert(bytes >= total && bytes - total <= FIXED, where);
      }
    }
  }
});

Deno.test("no bits depend on programs that were loaded meanwhile", async () => {
  const config = tinyConfig({ rate: 0.1 }), outcomes: unknown[] = [];
  for (const first of [[], ["write", "score"]] as const) {
    using device = await openWasm({ threads: 2, poison: true });
    using model = await tinyModel(device, config);
    for (const use of first) await uses[use](model, 3);
    await uses.learn(model, 2);
    outcomes.push([await numbersOf(model), await uses.write(model, 1)]);
  }
  assertEquals(outcomes[1], outcomes[0]);
});

// Within a tenth of what is alive at once, or one more tensor of the smallest size where that is all there is.
function assertTight(planned: Plan, where: string): void {
  const { temporaryBytes, liveBytes } = planned;
  assert(
    temporaryBytes <= Math.max(1.1 * liveBytes, liveBytes + 256),
    `${where}: ${temporaryBytes}, not ${liveBytes}`,
  );
  assert(printPlan(planned).includes(`${temporaryBytes} bytes of temporaries (${liveBytes} alive at once)`));
}

Deno.test("temporaries take at most a tenth more than what is alive at once", () => {
  for (const [name, size] of Object.entries(presets)) {
    const config = configure(size, 40_478), plans = gpt1Plans(config, { classifier: 2 });
    for (const batch of [1, 3, 8]) {
      const language = { batch, length: config.context, language: true };
      const both = { ...language, length: 48, classifier: { outputs: 2, choices: 1 } };
      for (const run of [language, both]) {
        for (const recompute of recomputeNames) {
          assertTight(plans.gradient(run, recompute), `${name} ${recompute}`);
        }
        assertTight(plans.scores(run), `${name} scores`);
      }
      assertTight(plans.decode(batch, 1), `${name} decode`);
    }
  }
  for (let seed = 0; seed < 1500; seed++) {
    const { graph, outputs } = randomGraph(seed);
    assertTight(plan(graph, outputs), `seed ${seed}`);
  }
});

Deno.test("validating takes no more than training, whatever is recomputed", () => {
  for (const [name, size] of Object.entries(presets)) {
    for (const batch of [1, 16]) {
      const plans = gpt1Plans(configure(size, 8000)), run = { batch, length: size.context, language: true };
      assert(
        plans.scores(run).temporaryBytes <= plans.gradient(run, "block").temporaryBytes,
        `${name} ${batch}`,
      );
    }
  }
});

const medium = configure("medium", 8192);
const run: Gpt1Run = { batch: 8, length: 256, language: true }, optimizer = gpt1Optimizer;

Deno.test("the size called M trains in 0.6 GB", () => {
  assert(trainingBytes(gpt1Plans(medium), run, { optimizer, threads: 2 }).total < 0.6e9);
});

Deno.test("what fits is the largest batch of each setting that makes the same update", () => {
  const plans = gpt1Plans(medium),
    bytes = (batch: number, recompute: typeof recomputeNames[number]) =>
      trainingBytes(plans, plans.withBatch(run, batch), { optimizer, recompute }).total;
  const fit = (batch: number, recompute: typeof recomputeNames[number]) => ({
    batch,
    recompute,
    bytes: bytes(batch, recompute),
  });
  const fits = (capacity: number, recompute = recomputeNames[0] as typeof recomputeNames[number]) =>
    whatFits(plans, run, { optimizer, recompute }, capacity);
  assertEquals(fits(bytes(8, "none")), [fit(8, "none")]);
  assertEquals(fits(bytes(8, "none") - 1), [fit(4, "none"), fit(8, "attention")]);
  assertEquals(fits(bytes(8, "attention") - 1), [fit(4, "none"), fit(8, "block")]);
  assertEquals(fits(bytes(8, "attention") - 1, "block"), [fit(8, "block")]);
  assertEquals(fits(bytes(1, "block")), [fit(1, "block")]);
  assertEquals(fits(bytes(1, "block") - 1), []);
  // Batches are counted in examples, of two sequences each here.
  const choices = gpt1Plans(medium, { classifier: 1 }),
    pairs = { ...run, classifier: { outputs: 1, choices: 2 } };
  assertEquals([choices.batchOf(pairs), choices.withBatch(pairs, 3).batch], [4, 6]);
  assertEquals(whatFits(choices, pairs, { optimizer }, 450e6).map(({ batch }) => batch), [2, 4]);
});

Deno.test("too little memory is an error that says what would fit, and what it says is so", async () => {
  const config = tinyConfig({ rate: 0.1, context: 128 }), maxBytes = 640 * 1024;
  const update = pretrainingSource(config, someTokens(5000, 1), { batch: 8, seed: 1 });
  using device = await openWasm({ threads: 1, maxBytes });
  using model = await tinyModel(device, config);
  const { plans } = model, { largestRun: run } = update;
  const error = await assertRejects(() => all(train(model, update, trainingOptions(1))), OutOfMemory);
  const need = trainingBytes(plans, run, { optimizer });
  const fits = whatFits(plans, run, { optimizer }, device.capacity);
  assertEquals(fits.map(({ batch, recompute }) => [batch, recompute]), [[2, "none"], [4, "block"]]);
  assertEquals(
    error.message,
    `Cannot train with batches of 8: that takes ${showBytes(need.total)}, ${
      showBytes(need.store)
    } of it for ` +
      `parameters, gradients and moments, and there are ${showBytes(device.capacity)}. What fits: batch 2 ` +
      `(${showBytes(fits[0].bytes)}), or batch 4 with recompute "block" (${showBytes(fits[1].bytes)}).`,
  );
  for (const { batch, recompute } of fits) {
    const source = pretrainingSource(config, someTokens(5000, 1), { batch, accumulate: 8 / batch, seed: 1 });
    assertEquals((await all(train(model, source, { ...trainingOptions(2), recompute }))).length, 2);
    assert(device.bytes() <= maxBytes);
  }
  assertThrows(
    () => requireRoom({ threads: 1, capacity: 1000 }, plans, run, { optimizer }),
    OutOfMemory,
    "Nothing fits: batches of 1 with all blocks recomputed take",
  );
});

Deno.test("a limit on memory holds, and one that leaves nothing is refused", async () => {
  using device = await openWasm({ threads: 2, maxBytes: 2 ** 20 });
  assertEquals(device.capacity, 2 ** 20 - 4096);
  device.createStore({ half: 2 ** 19 });
  assertThrows(() => device.createStore({ other: 2 ** 19 }), OutOfMemory, "page other");
  device.createStore({ rest: 2 ** 18 });
  assert(device.bytes() <= 2 ** 20);
  await assertRejects(() => openWasm({ maxBytes: 1000 }), RangeError, "Cannot work in 1000 bytes of memory");
});
