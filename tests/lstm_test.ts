// The LSTM of the ablation, from the op to the task: chunks with a carried state are one long sequence, a step is what the
// formula says, generation agrees with scoring, training learns, resumes bit for bit and does not depend on threads, and
// fine-tuning takes the model as it is. The op's own gradient and kernels are tested with all others.

import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import type { Device, Results } from "../src/backends/backend.ts";
import { openReference } from "../src/backends/reference.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { memoryStorage } from "../src/core/memory_storage.ts";
import { Random } from "../src/core/random.ts";
import type { Storage } from "../src/core/storage.ts";
import { Graph } from "../src/graph/graph.ts";
import { plan } from "../src/graph/plan.ts";
import { configure, type Gpt1Config, parameterSpecs, presets } from "../src/models/gpt1.ts";
import { createGpt1, type Gpt1 } from "../src/models/gpt1_model.ts";
import { lstmSize, matchingUnits } from "../src/models/lstm_lm.ts";
import { layOut, parameterCount } from "../src/nn/parameters.ts";
import { recomputeNames } from "../src/nn/recompute.ts";
import { ops } from "../src/ops/mod.ts";
import { classifierModel } from "../src/tasks/fine_tune.ts";
import { pretrainingSource, scoreText } from "../src/tasks/language.ts";
import { parameterReader } from "../src/train/checkpoint.ts";
import { generateTokens } from "../src/train/generate.ts";
import { lastCheckpoint, trainRun } from "../src/train/run.ts";
import { train } from "../src/train/trainer.ts";
import { gpt1Optimizer } from "../src/train/update.ts";
import { all, distance, numbersOf, replaying, someTokens, tinyConfig, tinyModel } from "./tiny_model.ts";

const UNITS = 11;
const lstmConfig = ({ rate = 0, specials = 0, context = 16 } = {}): Gpt1Config =>
  configure(lstmSize({ context, channels: 8, heads: 2, layers: 2 }, UNITS), 23, { specials, rate });

const devices = [
  ["reference", openReference],
  ["WASM, 1 thread", () => openWasm({ threads: 1, poison: true })],
  ["WASM, 2 threads", () => openWasm({ threads: 2, poison: true })],
] as const;

const normals = (name: string, size: number): Float32Array =>
  Float32Array.from({ length: size }, () => 0.5 * new Random(1, name).normal());

// The op over (B,T,4C) on a device.
async function runLstm(
  device: Device,
  [b, t, c]: readonly [number, number, number],
  feeds: Readonly<Record<"x" | "w" | "h" | "c", ArrayLike<number>>>,
  live: readonly number[],
): Promise<Results> {
  const graph = new Graph("lstm"), shape = live.length === b ? [b] : [b, 2];
  const inputs = [
    graph.input("x", [b, t, 4 * c], "f32"),
    graph.input("w", [c, 4 * c], "f32"),
    graph.input("h", [b, c], "f32"),
    graph.input("c", [b, c], "f32"),
    graph.input("live", shape, "i32"),
  ];
  const [h, hn, cn] = graph.apply(ops.lstm, inputs);
  const program = device.load(plan(graph, { h, hn, cn }), device.createStore({}));
  const { x, w, h: state, c: cell } = feeds, f32 = (values: ArrayLike<number>) => Float64Array.from(values);
  return await program.run({
    x: f32(x),
    w: f32(w),
    h: f32(state),
    c: f32(cell),
    live: Int32Array.from(live),
  });
}

for (const [name, open] of devices) {
  Deno.test(`chunks with a carried state are one long sequence, bit for bit, on ${name}`, async () => {
    using device = await open();
    const B = 7, T = 12, C = 13, random = new Random(1, "x");
    const x = Float32Array.from({ length: B * T * 4 * C }, () => random.normal());
    const w = Float32Array.from({ length: 4 * C * C }, () => 0.5 * random.normal());
    const [h0, c0] = [0, 1].map(() => Float32Array.from({ length: B * C }, () => random.normal()));
    const whole = await runLstm(device, [B, T, C], { x, w, h: h0, c: c0 }, Array(B).fill(T));
    let state = { h: h0, c: c0 } as { h: ArrayLike<number>; c: ArrayLike<number> }, at = 0;
    for (const length of [1, 5, 1, 3, 2]) {
      const rows = Array.from({ length: B }, (_, b) => {
        const from = (b * T + at) * 4 * C;
        return [...x.subarray(from, from + length * 4 * C)];
      });
      const part = await runLstm(
        device,
        [B, length, C],
        { x: rows.flat(), w, ...state },
        Array(B).fill(length),
      );
      for (let b = 0; b < B; b++) {
        const from = (b * T + at) * C;
        const want = whole.h.subarray(from, from + length * C);
        assertEquals(
          [...part.h.subarray(b * length * C, (b + 1) * length * C)],
          [...want],
          `row ${b} at ${at}`,
        );
      }
      state = { h: part.hn, c: part.cn };
      at += length;
    }
    assertEquals([[...state.h as Float32Array], [...state.c as Float32Array]], [[...whole.hn], [
      ...whole.cn,
    ]]);
  });
}

Deno.test("one step is the formula, gates in the order input, forget, candidate, output", async () => {
  const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
  const [i, f, g, o] = [0.5 + 0.1 * 0.3, -1 + 0.2 * 0.3, 2 - 0.3 * 0.3, 0.25 + 0.4 * 0.3];
  const c = sigmoid(f) * -0.7 + sigmoid(i) * Math.tanh(g), h = sigmoid(o) * Math.tanh(c);
  const feeds = { x: [0.5, -1, 2, 0.25], w: [0.1, 0.2, -0.3, 0.4], h: [0.3], c: [-0.7] };
  for (const [, open] of devices) {
    using device = await open();
    const { hn, cn, h: states } = await runLstm(device, [1, 1, 1], feeds, [1]);
    [[hn[0], h], [states[0], h], [cn[0], c]].forEach(([got, want]) => assertAlmostEquals(got, want, 1e-6));
    // A row at offset 0 starts from zeros; one at a later offset goes on from the state.
    const fresh = await runLstm(device, [1, 1, 1], feeds, [0, 1]);
    assertAlmostEquals(fresh.cn[0], sigmoid(0.5) * Math.tanh(2), 1e-6);
    assertEquals([...(await runLstm(device, [1, 1, 1], feeds, [3, 1])).cn], [...cn]);
  }
});

Deno.test("gates are as exact as said, however large their sums", async () => {
  const B = 4001, sums = Float32Array.from({ length: B }, (_, b) => (b - 2000) / 16); // -125 to 125
  const x = Float32Array.from({ length: 4 * B }, (_, k) => sums[k >> 2]), zeros = new Float32Array(B);
  for (const build of ["relaxed", "simd"] as const) {
    using device = await openWasm({ build, threads: 1 });
    const { cn, hn } = await runLstm(
      device,
      [B, 1, 1],
      { x, w: [0, 0, 0, 0], h: zeros, c: zeros },
      Array(B).fill(1),
    );
    sums.forEach((sum, b) => {
      const gate = 1 / (1 + Math.exp(-sum)), bound = (Math.abs(sum) < 10 ? 1.3e-6 : 1e-5) * gate + 1e-38;
      assert(Math.abs(cn[b] - gate * Math.tanh(sum)) < bound, `cell of ${sum}`);
      assert(Math.abs(hn[b] - gate * Math.tanh(cn[b])) < bound, `state of ${sum}`);
    });
  }
});

Deno.test("steps behind the live ones give zeros and leave the state alone", async () => {
  using device = await openWasm({ threads: 1, poison: true });
  const [B, T, C] = [2, 5, 9], w = normals("w", 4 * C * C), x = normals("x", B * T * 4 * C);
  const state = { h: normals("h", B * C), c: normals("c", B * C) };
  const short = await runLstm(device, [B, T, C], { x, w, ...state }, [3, 0]);
  assert(short.h.subarray(3 * C).every((value) => value === 0));
  assertEquals([...short.hn.subarray(0, C)], [...short.h.subarray(2 * C, 3 * C)]);
  assertEquals([...short.hn.subarray(C)], [...state.h.subarray(C)]);
  assertEquals([...short.cn.subarray(C)], [...state.c.subarray(C)]);
});

Deno.test("shapes that do not fit are refused with what differs", () => {
  const graph = new Graph("g"), value = (...shape: number[]) => graph.state(`s${shape}`, shape);
  const live = graph.input("live", [2], "i32"), x = value(2, 5, 12), h = value(2, 3);
  assertThrows(
    () => graph.apply(ops.lstm, [x, value(4, 12), h, h, live]),
    RangeError,
    "Cannot run an LSTM over (2,5,12) with recurrent weights (4,12) in g: they must be (B,T,4C) and (C,4C)",
  );
  assertThrows(
    () => graph.apply(ops.lstm, [x, value(3, 12), h, value(3, 2), live]),
    RangeError,
    "from a state (3,2) in g: it must be (2,3)",
  );
  assertThrows(
    () => graph.apply(ops.lstm, [x, value(3, 12), h, h, graph.input("three", [3], "i32")]),
    RangeError,
    "with live steps (3) in g: they must be (2) lengths or (2,2) extents",
  );
});

Deno.test("an LSTM is as large as the blocks it replaces, or as it is told", () => {
  for (const [name, size] of Object.entries(presets)) {
    const count = (config: Gpt1Config) => parameterCount(parameterSpecs(config));
    const blocks = count(configure(size, 1000)) - count(configure({ ...size, layers: 0 }, 1000));
    const layer = count(configure(lstmSize(size), 1000)) - count(configure({ ...size, layers: 0 }, 1000));
    assert(Math.abs(layer / blocks - 1) < 0.025, `${name}: ${layer} for ${blocks}`);
    assertEquals(matchingUnits(size) % 4, 0);
  }
  assertEquals([matchingUnits(presets.mini), matchingUnits(presets.gpt1)], [372, 4156]);
  assertEquals(lstmSize("gpt1", 2048).lstm, { units: 2048 });
  assertThrows(() => lstmSize("mini", 1.5), RangeError, "an LSTM of 1.5 units");
});

Deno.test("the forget gate starts open and the table like that of any GPT-1", async () => {
  using device = openReference();
  using model = await createGpt1(device, lstmConfig(), { seed: 3 });
  using blocks = await createGpt1(device, tinyConfig(), { seed: 3 });
  const values = await numbersOf(model);
  assertEquals(
    values["lstm/bias"].map((value, i) => value === Number(i >= UNITS && i < 2 * UNITS)),
    Array(4 * UNITS).fill(true),
  );
  assertEquals(values.we, (await numbersOf(blocks)).we);
  assertEquals(model.kind, "lstm");
});

for (const [name, open] of devices) {
  Deno.test(`generation with a carried state says what scoring says, on ${name}`, async () => {
    using device = await open();
    const config = lstmConfig({ context: 12 }), { context, vocabSize } = config;
    using model = await tinyModel(device, config);
    // Prompts of one token, some, a full context and more; contexts fill up on the way.
    const prompts = [1, 4, 12, 15].map((n, i) => [...someTokens(n, i)]);
    const rounds = await all(generateTokens(model, prompts, { maxTokens: 20, temperature: 0 }));
    for (const [b, prompt] of prompts.entries()) {
      let window = prompt.slice(-context);
      for (const [round, tokens] of rounds.entries()) {
        if (window.length > context) window = window.slice(-context / 2);
        // The token that scoring finds most probable: the one of least loss.
        const length = window.length, run = { batch: vocabSize, length, language: true };
        const { languageRows } = await model.scores(run).run({
          ids: model.inputIds(Array(vocabSize).fill(window).flat(), length),
          targets: Int32Array.from(
            { length: vocabSize * length },
            (_, i) => i % length === length - 1 ? Math.floor(i / length) : -1,
          ),
          weights: new Float32Array(vocabSize * length),
          lengths: new Int32Array(vocabSize).fill(length),
        });
        const losses = Array.from({ length: vocabSize }, (_, v) => languageRows[(v + 1) * length - 1]);
        assertEquals(tokens[b], losses.indexOf(Math.min(...losses)), `row ${b}, round ${round}`);
        window.push(tokens[b]);
      }
    }
  });
}

Deno.test("generations that take turns on one cache do not disturb each other", async () => {
  using device = await openWasm({ threads: 2 });
  using model = await tinyModel(device, lstmConfig());
  const start = (seed: number) => generateTokens(model, [[...someTokens(5, seed)]], { maxTokens: 8, seed });
  const alone = [await all(start(1)), await all(start(2))];
  const [a, b] = [start(1), start(2)], mixed: [number[][], number[][]] = [[], []];
  for (let i = 0; i < 8; i++) {
    mixed[0].push((await a.next()).value!);
    mixed[1].push((await b.next()).value!);
  }
  assertEquals(mixed, alone);
});

const settings = (steps: number, learningRate: number) => ({
  schedule: { name: "warmup_constant", learningRate, warmup: 0, steps } as const,
  optimizer: gpt1Optimizer,
  seed: 5,
});

Deno.test("one batch is learnt by heart", async () => {
  using device = await openWasm({ threads: 1, poison: true });
  const config = lstmConfig();
  using model = await createGpt1(device, config, { seed: 1 });
  const update = pretrainingSource(config, someTokens(80, 1), { batch: 4, seed: 1 }).next();
  const events = await all(train(model, replaying(update), settings(250, 2e-2)));
  const [first, last] = [events[0], events.at(-1)!].map(({ loss }) => loss);
  assert(first > 3 && last < 0.05, `${first} ${last}`);
});

Deno.test("training stays with the reference and has the same bits on any number of threads", async () => {
  const results = await Promise.all(
    [openReference(), openWasm({ threads: 1 }), openWasm({ threads: 2 }), openWasm({ threads: 3 })].map(
      async (opening) => {
        using device = await opening;
        const config = lstmConfig({ rate: 0.2 });
        using model = await tinyModel(device, config);
        const source = pretrainingSource(config, someTokens(200, 1), { batch: 3, seed: 1 });
        await all(train(model, source, settings(4, 1e-3)));
        return await numbersOf(model);
      },
    ),
  );
  assert(distance(results[0], results[1]) < 2e-5, `${distance(results[0], results[1])}`);
  assertEquals([results[2], results[3]], [results[1], results[1]]);
});

Deno.test("what is recomputed changes nothing", () => {
  const config = lstmConfig({ rate: 0.1 });
  using device = openReference();
  return Promise.all(recomputeNames.map(async (recompute) => {
    using model = await tinyModel(device, config);
    const source = pretrainingSource(config, someTokens(100, 1), { batch: 2, seed: 1 });
    return (await all(train(model, source, { ...settings(2, 1e-3), recompute }))).map(({ loss }) => loss);
  })).then(([first, ...others]) => others.forEach((losses) => assertEquals(losses, first)));
});

// Trains for 8 updates in folder "run" from where it stands; aborts after update `stopAt`.
async function trainInFolder(
  storage: Storage,
  stopAt = Infinity,
): Promise<{ losses: number[]; model: Gpt1 }> {
  const device = await openWasm({ threads: 1 }), config = lstmConfig({ rate: 0.1 });
  const resumed = await lastCheckpoint(storage, "run"), controller = new AbortController();
  const values = resumed ? { values: await parameterReader(storage, resumed) } : {};
  const model = await tinyModel(device, config, values), losses: number[] = [];
  const events = trainRun({
    storage,
    folder: "run",
    model,
    source: pretrainingSource(config, someTokens(150, 2), { batch: 2, seed: 3 }),
    resumed,
    saveEvery: 5,
    validateEvery: 4,
    options: { ...settings(8, 1e-2), signal: controller.signal },
    validate: async () => {
      const { loss } = await scoreText(model, someTokens(40, 4), { batch: 2 });
      return { score: -loss, metrics: { validLoss: loss } };
    },
  });
  for await (const event of events) {
    if (event.type !== "step") continue;
    losses.push(event.event.loss);
    if (event.event.step === stopAt) controller.abort();
  }
  return { losses, model };
}

Deno.test("a run that was stopped and resumed is the run that was not", async () => {
  const whole = memoryStorage(), parts = memoryStorage();
  const one = await trainInFolder(whole);
  const first = await trainInFolder(parts, 3), second = await trainInFolder(parts);
  assertEquals([...first.losses, ...second.losses], one.losses);
  assertEquals(await numbersOf(second.model), await numbersOf(one.model));
  assertEquals(await parts.read("run/metrics.jsonl"), await whole.read("run/metrics.jsonl"));
  for (const { model } of [one, first, second]) model.device.close();
});

Deno.test("a classifier starts from the layer of a pre-trained LSTM and has a gradient everywhere", async () => {
  using device = await openWasm({ threads: 1, poison: true });
  const config = lstmConfig({ rate: 0 });
  using base = await tinyModel(device, config);
  const before = await numbersOf(base);
  const values = ({ name }: { name: string }) => before[name] ?? null;
  using model = await classifierModel(device, { config, values }, 2, 1);
  const after = await numbersOf(model);
  for (const name of Object.keys(before)) {
    if (name.startsWith("lstm/")) assertEquals(after[name], before[name], name);
  }
  assertEquals(after.we.slice(0, 23 * 8), before.we.slice(0, 23 * 8));

  // Two texts between start and extract; the longer row's tail must not reach the shorter one's loss.
  const run = { batch: 2, length: 6, language: true, classifier: { outputs: 2, choices: 1 } };
  const feeds = (filler: number) => ({
    ids: model.inputIds([23, 1, 2, 3, 4, 25, 23, 5, 25, filler, filler, filler], 6),
    targets: Int32Array.of(1, 2, 3, 4, 25, -1, 5, 25, -1, -1, -1, -1),
    weights: Float32Array.of(0.1, 0.1, 0.1, 0.1, 0.1, 0, 0.1, 0.1, 0, 0, 0, 0),
    lengths: Int32Array.of(6, 3),
    extract: Int32Array.of(5, 2),
    labels: Int32Array.of(0, 1),
    labelWeights: Float32Array.of(0.5, 0.5),
  });
  const { classifierRows } = await model.scores(run).run(feeds(0));
  assertEquals([...(await model.scores(run).run(feeds(7))).classifierRows], [...classifierRows]);
  const losses = (await all(train(
    model,
    replaying({ micro: [{ run, feeds: feeds(0) }], tokens: 9 }),
    settings(60, 1e-2),
  ))).map(({ terms }) => terms.classifier);
  assert(losses.at(-1)! < 0.1 * losses[0], `${losses[0]} ${losses.at(-1)}`);
  const trained = await numbersOf(model);
  for (const name of Object.keys(after)) assertNotEquals(trained[name], after[name], name);
  assertEquals(layOut(parameterSpecs(model.config, 2)).segments.length, Object.keys(trained).length);
});
