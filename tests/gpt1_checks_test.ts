// What must hold of a GPT-1 whatever its weights: no token sees a later one, longer sequences share their prefix, the
// first update changes moments and nothing else, dropout at rate 0 is no dropout, and choices have no order.

import { assert, assertAlmostEquals, assertEquals, assertNotEquals } from "@std/assert";
import { config as tiny } from "../scripts/parity_model.ts";
import type { Feeds, Program, Results, Store } from "../src/backends/backend.ts";
import { openReference } from "../src/backends/reference.ts";
import { Random } from "../src/core/random.ts";
import { sizeOf } from "../src/core/shape.ts";
import { Graph } from "../src/graph/graph.ts";
import { plan } from "../src/graph/plan.ts";
import { type Gpt1Config, hidden, parameterSpecs, tableRows } from "../src/models/gpt1.ts";
import { type Gpt1Run, gradientPlan, scoresPlan } from "../src/models/gpt1_plans.ts";
import { causalAttention, project } from "../src/nn/layers.ts";
import { type Layout, layOut, mirror, parametersOf } from "../src/nn/parameters.ts";
import { learningRate } from "../src/train/schedule.ts";
import { gpt1Optimizer, stepBlock, trainingPages, updatePlan } from "../src/train/update.ts";

const device = openReference(), specs = parameterSpecs(tiny, 1), layout = layOut(specs);
const run: Gpt1Run = { batch: 4, length: 6, language: true, classifier: { outputs: 1, choices: 2 } };
const SEQUENCES = [[11, 3, 5, 12, 7, 13], [11, 3, 5, 12, 2, 13], [11, 1, 12, 9, 13, 0], [
  11,
  1,
  12,
  4,
  13,
  0,
]];

// A store with random weights, large enough that every figure depends on every weight.
async function storeOf(layout: Layout): Promise<Store> {
  const store = device.createStore({ ...layout.pages, ...trainingPages(layout) });
  for (const { name, shape, place } of layout.segments) {
    const random = new Random(1, name);
    const values = Float64Array.from(
      { length: sizeOf(shape) },
      () => (name.endsWith("/g") ? 1 : 0) + 0.3 * random.normal(),
    );
    await store.write(place.page, place.offset, values);
  }
  return store;
}

const withPositions = (sequences: readonly (readonly number[])[]): Int32Array =>
  Int32Array.from(
    sequences.flatMap((ids) => ids.flatMap((id, t) => [id, tiny.vocabSize + tiny.specials + t])),
  );

function feeds(sequences = SEQUENCES, labels = [0, 1]): Feeds {
  const last = sequences.map((ids) => ids.indexOf(13));
  return {
    ids: withPositions(sequences),
    targets: Int32Array.from(sequences.flatMap((ids, b) => ids.map((_, t) => t < last[b] ? ids[t + 1] : -1))),
    weights: Float64Array.from(
      sequences.flatMap((ids, b) => ids.map((_, t) => t < last[b] ? 0.125 / last[b] : 0)),
    ),
    lengths: Int32Array.from(last, (t) => t + 1),
    extract: Int32Array.from(last),
    labels: Int32Array.from(labels),
    labelWeights: Float64Array.of(0.5, 0.5),
    rng: Int32Array.of(3, 4),
  };
}

// Logits (T,R) of one sequence padded to a length, with `live` tokens.
async function logitsOf(store: Store, ids: readonly number[], live = ids.length): Promise<Float64Array[]> {
  const graph = new Graph("gpt1"), p = parametersOf(graph, layout), T = ids.length;
  const attend = causalAttention(graph.input("lengths", [1], "i32"), null, { heads: 2, rate: 0 });
  const h = hidden(p, tiny, p("we"), graph.input("ids", [1, T, 2], "i32"), { attend, rng: null });
  const program = device.load(plan(graph, { logits: project(h, p("we")) }), store);
  const { logits } = await program.run({ ids: withPositions([ids]), lengths: Int32Array.of(live) });
  const R = tableRows(tiny);
  return Array.from({ length: T }, (_, t) => Float64Array.from(logits.subarray(t * R, t * R + R)));
}

Deno.test("changing a token changes no logits before it, bit by bit, and all from it on", async () => {
  const store = await storeOf(layout), before = await logitsOf(store, SEQUENCES[0]);
  for (let t = 0; t < 6; t++) {
    const after = await logitsOf(store, SEQUENCES[0].with(t, 8));
    for (let s = 0; s < 6; s++) {
      if (s < t) assertEquals(after[s], before[s], `token ${t} shows at position ${s}`);
      else assertNotEquals(after[s], before[s], `token ${t} does not reach position ${s}`);
    }
  }
});

Deno.test("a prefix has the logits it has in any longer sequence, padded or not", async () => {
  const store = await storeOf(layout), whole = await logitsOf(store, SEQUENCES[0]);
  for (let t = 1; t < 6; t++) {
    assertEquals(await logitsOf(store, SEQUENCES[0].slice(0, t)), whole.slice(0, t));
    const padded = SEQUENCES[0].map((id, i) => i < t ? id : 0);
    assertEquals((await logitsOf(store, padded, t)).slice(0, t), whole.slice(0, t));
  }
});

const programOf = (store: Store, config: Gpt1Config): Program =>
  device.load(gradientPlan(layout, config, run), store);
const pagesOf = async (store: Store, kinds: readonly string[]): Promise<number[][]> => {
  const pages = kinds.map((kind) => `${kind}/0`);
  return await Promise.all(
    pages.map(async (page) => [...await store.read(page, 0, store.pages.get(page)! / 4)]),
  );
};
const some = (page: readonly number[]): boolean => page.some((value) => value !== 0);

Deno.test("the first update leaves the parameters alone and changes the moments", async () => {
  const store = await storeOf(layout), before = await pagesOf(store, ["parameters"]);
  await programOf(store, tiny).run(feeds());
  assert(some((await pagesOf(store, ["gradients"]))[0]));
  const rate = learningRate({ name: "warmup_linear", learningRate: 0.01, warmup: 0.2, steps: 10 }, 0);
  await device.load(updatePlan(layout, gpt1Optimizer), store).run({
    groups: stepBlock(gpt1Optimizer, rate, 1),
  });
  assertEquals(await pagesOf(store, ["parameters"]), before);
  const [gradients, moment1, moment2] = await pagesOf(store, ["gradients", "moment1", "moment2"]);
  assert(!some(gradients) && some(moment1) && some(moment2));
});

Deno.test("accumulating a batch in two runs gives the gradients of one", async () => {
  const once = await storeOf(layout), twice = await storeOf(layout);
  await programOf(once, tiny).run(feeds());
  const program = programOf(twice, tiny), all = feeds();
  const halved = (keep: (i: number) => boolean): Feeds => ({
    ...all,
    weights: (all.weights as Float64Array).map((w, i) => keep(Math.floor(i / 12)) ? w : 0),
    labelWeights: (all.labelWeights as Float64Array).map((w, i) => keep(i) ? w : 0),
  });
  await program.run(halved((i) => i === 0));
  await program.run(halved((i) => i === 1));
  const [[a], [b]] = [await pagesOf(once, ["gradients"]), await pagesOf(twice, ["gradients"])];
  a.forEach((value, i) => assertAlmostEquals(value, b[i], 1e-14));
});

Deno.test("dropout at rate 0 is the plan without dropout; at another it follows seed and draw", async () => {
  const store = await storeOf(layout);
  const scores = await device.load(scoresPlan(layout, tiny, run), store).run(feeds());
  const plain = await programOf(store, tiny).run(feeds());
  for (const name of Object.keys(scores)) assertEquals([...plain[name]], [...scores[name]], name);
  const rates = {
    embeddingDropout: 0.1,
    attentionDropout: 0.1,
    residualDropout: 0.1,
    classifierDropout: 0.1,
  };
  for (const [name, rate] of Object.entries(rates)) {
    const program = programOf(store, { ...tiny, [name]: rate * 3 });
    const loss = async (seed: number, draw: number) =>
      (await program.run({ ...feeds(), rng: Int32Array.of(seed, draw) })).loss[0];
    const first = await loss(3, 4);
    assertNotEquals(first, scores.loss[0], name);
    assertEquals(await loss(3, 4), first, name);
    assertNotEquals(await loss(3, 5), first, name);
    assertNotEquals(await loss(4, 4), first, name);
  }
});

Deno.test("the tied matrix has a gradient in all rows from the output, in looked-up rows only without", async () => {
  const rowsWith = async (parts: Partial<Gpt1Run>): Promise<number[]> => {
    const store = await storeOf(layout), { place, shape: [R, C] } = layout.segments[0];
    await device.load(gradientPlan(layout, tiny, { ...run, ...parts }), store).run(feeds());
    const gradient = await store.read(mirror(place.page, "gradients"), place.offset, R * C);
    return Array.from({ length: R }, (_, r) => r).filter((r) =>
      some([...gradient.subarray(r * C, r * C + C)])
    );
  };
  assertEquals(await rowsWith({}), Array.from({ length: 20 }, (_, r) => r));
  // Without the language model: every token up to the extract token, and its position; neither padding nor others.
  assertEquals(await rowsWith({ language: false }), [
    1,
    2,
    3,
    4,
    5,
    7,
    9,
    11,
    12,
    13,
    14,
    15,
    16,
    17,
    18,
    19,
  ]);
});

Deno.test("permuting choices permutes the label, and a score added to all choices changes nothing", async () => {
  const store = await storeOf(layout), program = device.load(scoresPlan(layout, tiny, run), store);
  const [a, b, c, d] = SEQUENCES;
  const same = ({ classifierRows, logits }: Results) => [[...classifierRows], [...logits]];
  const [losses, scores] = same(await program.run(feeds()));
  const [permuted, swapped] = same(await program.run(feeds([b, a, d, c], [1, 0])));
  assertEquals(swapped, [scores[1], scores[0], scores[3], scores[2]]);
  permuted.forEach((loss, i) => assertAlmostEquals(loss, losses[i], 1e-15));
  const [other] = same(await program.run(feeds([b, a, d, c], [0, 1])));
  assert(other.every((loss, i) => Math.abs(loss - losses[i]) > 1e-6));

  const bias = layout.segments.find(({ name }) => name === "clf/b")!.place;
  await store.write(bias.page, bias.offset, [7]);
  const shifted = await program.run(feeds());
  [...shifted.classifierRows].forEach((loss, i) => assertAlmostEquals(loss, losses[i], 1e-14));
  assertNotEquals([...shifted.logits], scores);
});
