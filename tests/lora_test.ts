// Adapters and frozen layers: a model with them starts as the one without, their gradients are right, everything else
// keeps its bits, they learn and take less memory. Their files are in adapters_test.ts, the commands in lora_cli_test.ts.

import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import type { Device, Feeds } from "../src/backends/backend.ts";
import { openReference } from "../src/backends/reference.ts";
import { memoryStorage } from "../src/core/memory_storage.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { exampleFeeds, type LabelledExample } from "../src/models/gpt1_feeds.ts";
import { configure, type Gpt1Config } from "../src/models/gpt1.ts";
import type { Gpt1, Gpt1Options } from "../src/models/gpt1_model.ts";
import { gpt1Plans, type Gpt1Run } from "../src/models/gpt1_plans.ts";
import { loraTargets, SPECIAL_ROWS, type Tuning } from "../src/models/gpt1_tuning.ts";
import { lstmSize } from "../src/models/lstm_lm.ts";
import { isAdapter } from "../src/nn/lora.ts";
import { classifierModel, fineTuneOptimizer, fineTuneRun, problemOf } from "../src/tasks/fine_tune.ts";
import { tasks } from "../src/tasks/task.ts";
import { parameterReader } from "../src/train/checkpoint.ts";
import { lastCheckpoint, trainRun } from "../src/train/run.ts";
import { trainingBytes } from "../src/train/memory.ts";
import { train } from "../src/train/trainer.ts";
import { gpt1Optimizer } from "../src/train/update.ts";
import { all, numbersOf, replaying, someTokens, strongValues, tinyConfig, tinyModel } from "./tiny_model.ts";

const head = { outputs: 2, choices: 1 },
  run: Gpt1Run = { batch: 4, length: 8, language: true, classifier: head };
const lora = { rank: 3, alpha: 6, targets: loraTargets };
const config = (tuning: Tuning = { lora }, rate = 0): Gpt1Config => ({
  ...tinyConfig({ specials: 3, rate }),
  ...tuning,
});

// Four texts whose label is told by their first token.
const examples: LabelledExample[] = [3, 5, 4, 6].map((n, i) => ({
  sequences: [[23, 2 + i % 2, ...someTokens(n - 1, i), 25]],
  label: i % 2,
}));
const feeds = (of: Gpt1Config, rng?: Int32Array): Feeds => ({
  ...exampleFeeds(of, examples, { batch: 4, length: 8, lambda: 0.5, examples: 4, head }),
  ...(rng ? { rng } : {}),
});
const model = (device: Device, tuning?: Tuning, options: Gpt1Options = {}): Promise<Gpt1> =>
  tinyModel(device, config(tuning), { classifier: 2, ...options });

// Makes updates of all four examples; the losses before each.
async function updates(model: Gpt1, steps: number, learningRate: number): Promise<number[]> {
  const { rng: _, ...fed } = feeds(model.config);
  const events = await all(train(model, replaying({ micro: [{ run, feeds: fed }], tokens: 1 }), {
    schedule: { name: "warmup_linear", learningRate, warmup: 0, steps: 2 * steps },
    optimizer: fineTuneOptimizer({}),
    seed: 1,
    signal: undefined,
  }));
  return events.slice(0, steps).map(({ loss }) => loss);
}

Deno.test("every gradient of a model with adapters is that of central differences, and only those are there", async () => {
  const device = openReference();
  using adapted = await model(device);
  assertEquals(
    adapted.layout.segments.filter(({ frozen }) => !frozen).map(({ name }) => name).toSorted(),
    [
      ...[0, 1].flatMap((i) =>
        loraTargets.flatMap((target) => ["a", "b"].map((half) => `h${i}/${target}/lora_${half}`))
      ),
      SPECIAL_ROWS,
      "clf/w",
      "clf/b",
    ].toSorted(),
  );
  adapted.store.add({ "gradients/0": adapted.layout.pages["parameters/0"] });
  await adapted.gradient(run).run(feeds(adapted.config, Int32Array.of(1, 1)));
  const gradients = await numbersOf(adapted, "gradients"), program = adapted.scores(run), step = 1e-5;
  const loss = async () => (await program.run(feeds(adapted.config))).loss[0];
  for (const { name, place, frozen } of adapted.layout.segments) {
    if (frozen) continue;
    const values = await numbersOf(adapted);
    for (let i = name.length % 5; i < values[name].length; i += 5) {
      const at = async (value: number) => {
        await adapted.store.write(place.page, place.offset, values[name].with(i, value));
        return await loss();
      };
      const slope = (await at(values[name][i] + step) - await at(values[name][i] - step)) / (2 * step);
      assertAlmostEquals(gradients[name][i], slope, 1e-8 + 1e-6 * Math.abs(slope), `${name} ${i}`);
    }
    await adapted.store.write(place.page, place.offset, values[name]);
  }
});

Deno.test("a model with adapters starts as the model it adapts, and with special tokens that are learnt", async () => {
  using device = await openWasm({ threads: 1 });
  const base = tinyConfig({ rate: 0.1 }), scores: unknown[] = [];
  for (const tuning of [{}, { lora }, { lora: { ...lora, dropout: 0.3 } }, { frozenLayers: 1 }]) {
    using tuned = await classifierModel(
      device,
      { config: { ...base, ...tuning }, values: strongValues },
      2,
      7,
    );
    const { loss, logits, languageRows } = await tuned.scores(run).run(feeds(tuned.config));
    scores.push([...loss, ...logits, ...languageRows]);
  }
  for (const other of scores.slice(1)) assertEquals(other, scores[0]);
});

Deno.test("what is not trained keeps its bits, and all that is trained moves", async () => {
  using device = await openWasm({ threads: 2 });
  const trained = (name: string) => isAdapter(name) || name === SPECIAL_ROWS || name.startsWith("clf/");
  const above = (name: string) => /^h1\//.test(name) || name === SPECIAL_ROWS || name.startsWith("clf/");
  const table = (name: string) => name !== "we";
  for (
    const [tuning, moves] of [[{ lora }, trained], [{ frozenLayers: 1 }, above], [
      { frozenLayers: 0 },
      table,
    ]] as const
  ) {
    using tuned = await model(device, tuning);
    const before = await numbersOf(tuned);
    await updates(tuned, 2, 1e-2);
    const after = await numbersOf(tuned);
    for (const name of Object.keys(before)) {
      if (moves(name)) assertNotEquals(after[name], before[name], name);
      else assertEquals(after[name], before[name], name);
    }
    const rows = [before, after].map((numbers) => numbers[SPECIAL_ROWS]);
    // Start and extract stand in every text. The delimiter stands in none, and only the softmax moves it.
    for (const at of [0, 8, 16]) assertNotEquals(rows[1].slice(at, at + 8), rows[0].slice(at, at + 8));
    assertEquals(
      tuned.store.pages.get("gradients/0"),
      tuned.layout.pages["parameters/0"],
      "gradients of what is trained alone",
    );
  }
});

Deno.test("adapters learn a batch by heart", async () => {
  using device = await openWasm({ threads: 1 });
  for (const tuning of [{ lora: { rank: 2, alpha: 4, targets: ["attn/c_attn"] } }, { lora }]) {
    // Adapters start as they do in use; what they adapt is strong, so that there is something to adapt.
    using adapted = await model(device, tuning, {
      values: (spec) => isAdapter(spec.name) ? null : strongValues(spec),
    });
    const losses = await updates(adapted, 150, 3e-2);
    const { classifier } = await adapted.scores(run).run(feeds(adapted.config));
    assert(
      losses.at(-1)! < 0.6 * losses[0] && classifier[0] < 0.05,
      `${losses[0]} ${losses.at(-1)} ${classifier}`,
    );
  }
});

Deno.test("a training of adapters that was stopped goes on to the same bits", async () => {
  using device = await openWasm({ threads: 1 });
  const problem = problemOf(tasks.classification, ["0", "1"], examples),
    data = { train: examples, dev: examples };
  const base = {
    config: { ...tinyConfig({ rate: 0.1 }), lora: { ...lora, dropout: 0.2 } },
    values: strongValues,
  };
  const settings = { learningRate: 1e-2, epochs: 3, batch: 2, seed: 5 };
  const trained = async (stops: readonly number[]) => {
    const storage = memoryStorage(), losses: number[] = [];
    let parameters = {};
    for (const stop of stops) {
      const resumed = await lastCheckpoint(storage, "run"), controller = new AbortController();
      const values = resumed && await parameterReader(storage, resumed);
      using tuned = await classifierModel(device, base, 2, 5, values);
      const place = { storage, folder: "run", resumed };
      const run = fineTuneRun(tuned, problem, data, place, settings, controller.signal);
      for await (const event of trainRun(run)) {
        if (event.type !== "step") continue;
        losses.push(event.event.loss);
        if (event.event.step === stop) controller.abort();
      }
      parameters = await numbersOf(tuned);
    }
    return { losses, parameters };
  };
  const whole = await trained([6]);
  assertEquals(whole.losses.length, 6);
  assertEquals(await trained([1, 3, 6]), whole);
});

Deno.test("adapters and frozen layers take less memory than training everything", () => {
  const bytes = (tuning: Tuning) => {
    const plans = gpt1Plans({ ...configure("small", 8000, { specials: 3 }), ...tuning }, { classifier: 2 });
    const { layout } = plans;
    const trained = layout.segments.filter(({ frozen }) => !frozen).length;
    return { trained, ...trainingBytes(plans, { ...run, length: 64 }, { optimizer: gpt1Optimizer }) };
  };
  const full = bytes({}), adapted = bytes({ lora: { rank: 8, alpha: 8, targets: ["attn/c_attn"] } });
  // Parameters, gradients and two moments: without the last three a quarter is left, and what the adapters add.
  assert(adapted.store < 0.27 * full.store, `${adapted.store} of ${full.store}`);
  assert(adapted.total < 0.5 * full.total, `${adapted.total} of ${full.total}`);
  assertEquals(adapted.trained, 2 * 6 + 3);
  const frozen = [0, 3, 6].map((frozenLayers) => bytes({ frozenLayers }));
  for (const [i, { store, total }] of frozen.entries()) {
    const before = frozen[i - 1] ?? full;
    assert(store < before.store && total < before.total, `${total} of ${before.total}`);
  }
});

Deno.test("each adapter drops with a stream of its own, and none does when scoring", () => {
  const dropping = config({ lora: { ...lora, dropout: 0.25 } }, 0),
    plans = gpt1Plans(dropping, { classifier: 2 });
  const streams = plans.gradient(run).steps.flatMap(({ op, scope, dims }) =>
    op === "dropout" ? [[scope.replace(/^gpt1\/(d:)?/, ""), dims[2]] as const] : []
  );
  const byPlace = new Map(streams), forward = streams.length / 2;
  assertEquals(byPlace.size, 2 * loraTargets.length);
  assertEquals(new Set(byPlace.values()).size, byPlace.size);
  assertEquals(forward, byPlace.size, "once forward, once backward");
  for (const [place, stream] of streams) assertEquals(stream, byPlace.get(place), place);
  assertEquals(plans.scores(run).steps.filter(({ op }) => op === "dropout"), []);
});

Deno.test("a token is decoded from adapters and special tokens as it is scored", async () => {
  const device = openReference();
  using adapted = await model(device);
  const tokens = [23, 4, 9, 24, 7, 25], T = tokens.length;
  const decoded = await adapted.decode(1, T).run({
    ids: adapted.inputIds(tokens, T),
    extents: Int32Array.of(0, T),
    last: Int32Array.of(T - 2),
  });
  const logits = Array.from(decoded.logits), top = Math.max(...logits);
  const loss = top + Math.log(logits.reduce((sum, x) => sum + Math.exp(x - top), 0)) - logits[tokens[T - 1]];
  const { languageRows } = await adapted.scores({ ...run, batch: 1, length: T }).run(
    exampleFeeds(adapted.config, [{ sequences: [tokens], label: 0 }], {
      batch: 1,
      length: T,
      lambda: 1,
      examples: 1,
    }),
  );
  assertAlmostEquals(languageRows[T - 2], loss, 1e-12);
});

Deno.test("adapters and frozen layers that a model cannot have are refused", () => {
  const refused = (tuning: Tuning, message: string, of = config({})) =>
    assertThrows(() => gpt1Plans({ ...of, ...tuning }), RangeError, message);
  const base = { rank: 2, alpha: 2, targets: ["attn/c_attn"] };
  refused({ lora: { ...base, rank: 0 } }, "Cannot put adapters of rank 0: give a whole number of at least 1");
  refused({ lora: { ...base, rank: 1.5 } }, "of rank 1.5");
  refused({ lora: { ...base, alpha: 0 } }, "with alpha 0: give a number above 0");
  refused({ lora: { ...base, dropout: 1 } }, "with dropout 1: give a rate in [0, 1)");
  refused({ lora: { ...base, targets: [] } }, "on no matrix: name some of attn/c_attn, attn/c_proj");
  refused({ lora: { ...base, targets: ["c_attn"] } }, 'on "c_attn": the matrices of a block are attn/c_attn');
  refused({ frozenLayers: 3 }, "Cannot freeze 3 blocks of a model that has 2: give 0 to 2");
  refused({ frozenLayers: 1, lora: base }, "Cannot freeze layers beside adapters");
  const recurrent = configure(lstmSize("nano", 8), 23);
  refused({ lora: base }, "Cannot put adapters on an LSTM", recurrent);
  refused({ frozenLayers: 2 }, "a model that has 1: give 0 to 1", recurrent);
  const { layout } = gpt1Plans({ ...recurrent, frozenLayers: 1 }, { classifier: 2 });
  assertEquals(layout.segments.filter(({ frozen }) => !frozen).map(({ name }) => name), ["clf/w", "clf/b"]);
});
