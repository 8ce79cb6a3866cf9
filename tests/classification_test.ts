// Classification: sequences and their padding, the order of training examples, predictions, parameters carried over from
// pre-training, and a task simple enough to be learnt in a moment.

import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { openReference } from "../src/backends/reference.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { memoryStorage } from "../src/core/memory_storage.ts";
import { Random } from "../src/core/random.ts";
import { tableRows } from "../src/models/gpt1.ts";
import { exampleFeeds, type LabelledExample } from "../src/models/gpt1_feeds.ts";
import { createGpt1, withSpecials } from "../src/models/gpt1_model.ts";
import { initialValues, type ParameterSpec } from "../src/nn/parameters.ts";
import { exampleSource } from "../src/tasks/examples.ts";
import { frameOf, singleSequence } from "../src/tasks/inputs.ts";
import { classify } from "../src/tasks/predict.ts";
import { majorityAccuracy, scoreOf } from "../src/tasks/score.ts";
import { labelsOf, prepare, tasks } from "../src/tasks/task.ts";
import {
  classifierConfig,
  classifierModel,
  fineTuneRun,
  problemOf,
  restoreBest,
  scoreClassifier,
} from "../src/tasks/fine_tune.ts";
import { readLabelled } from "../src/tasks/readers/labelled.ts";
import type { Tokenizer } from "../src/text/tokenizer.ts";
import { trainRun } from "../src/train/run.ts";
import { all, numbersOf, someTokens, strongValues, tinyConfig, tinyModel } from "./tiny_model.ts";

const task = tasks.classification, head = { outputs: 2, choices: 1 };
const config = tinyConfig({ specials: 3, context: 40 }); // start 23, delimiter 24, classify 25, positions from 26
const numbers: Tokenizer = {
  encoder: () => ({ push: numbers.encode, end: () => [] }),
  tokens: Array.from({ length: 23 }, (_, id) => `${id}`),
  unknown: null,
  size: 23,
  fingerprint: "numbers",
  encode: (text) => text.split(" ").map(Number),
  encodeText: (text) => Uint16Array.from(text.split(" "), Number),
  decode: (ids) => [...ids].join(" "),
  decoder: () => ({ push: (id) => `${id} `, end: () => "" }),
};

// Sequence i has length 2 + lengths[i] and, as its second token, a number by which it is known.
const sequencesOf = (lengths: readonly number[]): LabelledExample[] =>
  lengths.map((n, i) => ({ sequences: [[23, i, ...someTokens(n - 1, i), 25]], label: i % 2 }));

Deno.test("a sequence is start, text, extract, cut to the context", () => {
  assertEquals(singleSequence(frameOf(config), [5, 6, 7]), [23, 5, 6, 7, 25]);
  const long = [...someTokens(60, 1)];
  assertEquals(singleSequence(frameOf(config), long), [23, ...long.slice(0, 38), 25]);
  assertThrows(() => frameOf(tinyConfig()), RangeError, "not prepared for fine-tuning");
});

Deno.test("labels are numbered in order, and one that training never saw is an error", () => {
  const example = (text: string, label: string | null) => ({ texts: { text }, label });
  const examples = [example("1 2", "pos"), example("3", "neg"), example("4", null)];
  const labels = labelsOf(task, examples);
  assertEquals(labels, ["neg", "pos"]);
  assertEquals(prepare(task, config, numbers, examples, labels), [
    { sequences: [[23, 1, 2, 25]], label: 1 },
    { sequences: [[23, 3, 25]], label: 0 },
    { sequences: [[23, 4, 25]], label: -1 },
  ]);
  assertThrows(
    () => prepare(task, config, numbers, [...examples, example("1", "odd")], labels),
    RangeError,
    'Example 4: the label "odd" was never seen',
  );
  assertThrows(() => labelsOf(task, examples.slice(0, 1)), RangeError, "two or more");
});

Deno.test("feeds of a partial batch: padding has no target, no weight and no length", () => {
  const [a, b] = [{ sequences: [[23, 1, 2, 25]], label: 1 }, { sequences: [[23, 7, 25]], label: -1 }];
  const feeds = exampleFeeds(config, [a, b], { batch: 3, length: 5, lambda: 0.5, examples: 4 });
  assertEquals([...feeds.targets], [1, 2, 25, -1, -1, 7, 25, -1, -1, -1, -1, -1, -1, -1, -1]);
  const [w, u] = [0.5 / 3 / 4, 0.5 / 2 / 4];
  assertEquals([...feeds.weights], [w, w, w, 0, 0, u, u, 0, 0, 0, 0, 0, 0, 0, 0]);
  assertEquals([[...feeds.lengths], [...feeds.extract]], [[4, 3, 0], [3, 2, 0]]);
  assertEquals([[...feeds.labels], [...feeds.labelWeights]], [[1, -1, -1], [0.25, 0, 0]]);
  assertEquals([...feeds.ids.slice(0, 10)], [23, 26, 1, 27, 2, 28, 25, 29, 0, 30]);
});

// The second tokens of an epoch's examples, by update.
function epochOf(source: ReturnType<typeof exampleSource>): number[][] {
  return Array.from(
    { length: source.updatesPerEpoch },
    () =>
      source.next().micro.flatMap(({ run, feeds }) =>
        Array.from({ length: run.batch }, (_, b) => [feeds.lengths[b], feeds.ids[2 * (b * run.length + 1)]])
          .filter(([live]) => live > 0).map(([, id]) => id)
      ),
  );
}

Deno.test("an epoch takes every example at most once, in an order of its own", () => {
  const sequences = sequencesOf(Array.from({ length: 22 }, (_, i) => 1 + (i * 7) % 30));
  for (const groupByLength of [false, true]) {
    for (const microBatch of [4, 3, 1]) {
      const source = exampleSource(config, sequences, head, {
        batch: 4,
        microBatch,
        seed: 1,
        groupByLength,
      });
      assertEquals(source.updatesPerEpoch, 5);
      const epochs = Array.from({ length: 12 }, () => epochOf(source).flat());
      for (const epoch of epochs) {
        assertEquals([epoch.length, new Set(epoch).size], [20, 20]);
        assert(epoch.every((i) => i >= 0 && i < 22));
      }
      assertNotEquals(epochs[1], epochs[0]);
      // None is left out for good, the longest least of all.
      assertEquals(new Set(epochs.flat()).size, 22);
      assertEquals(source.cursor, { epoch: 12, index: 0 });
    }
  }
});

Deno.test("grouping by length saves padding", () => {
  const random = new Random(1, "lengths");
  const sequences = sequencesOf(Array.from({ length: 22 }, () => 1 + random.below(37)));
  const padded = (groupByLength: boolean) => {
    const source = exampleSource(config, sequences, head, { batch: 2, seed: 1, groupByLength });
    return Array.from({ length: source.updatesPerEpoch }, () => source.next().micro[0].run.length)
      .reduce((sum, length) => sum + length);
  };
  assert(padded(true) < 0.9 * padded(false), `${padded(true)}, ${padded(false)}`);
});

Deno.test("lengths of plans are multiples of 16 or the context", () => {
  const lengths = [1, 14, 15, 30, 31, 38].map((n) => {
    const [{ run }] = exampleSource(config, sequencesOf([n]), head, { batch: 1, seed: 1 }).next().micro;
    return run.length;
  });
  assertEquals(lengths, [16, 16, 32, 32, 40, 40]);
});

Deno.test("a source goes on from any cursor, and the same seed gives the same updates", () => {
  const sequences = sequencesOf([3, 9, 20, 5, 31, 8, 2]),
    options = { batch: 2, seed: 3, groupByLength: true };
  const source = exampleSource(config, sequences, head, options);
  const cursors: unknown[] = [],
    updates = Array.from({ length: 8 }, () => {
      cursors.push(structuredClone(source.cursor));
      return source.next();
    });
  for (const [i, cursor] of cursors.entries()) {
    const other = exampleSource(config, sequences, head, options);
    other.seek(JSON.parse(JSON.stringify(cursor)));
    assertEquals([other.next(), other.next()].slice(0, 8 - i), updates.slice(i, i + 2));
  }
  assertNotEquals(exampleSource(config, sequences, head, { ...options, seed: 4 }).next(), updates[0]);
  for (const bad of [{ epoch: 0, index: 3 }, { epoch: -1, index: 0 }, { epoch: 0, index: -1 }, {}]) {
    assertThrows(() => source.seek(bad), RangeError, "Cannot go to update");
  }
  assertThrows(
    () => exampleSource(config, sequences, head, { batch: 8, seed: 1 }),
    RangeError,
    "7 examples",
  );
});

Deno.test("predictions come in the order of the texts and do not depend on batch or padding", async () => {
  using device = openReference();
  using model = await tinyModel(device, config, { classifier: 3 });
  const three = { outputs: 3, choices: 1 };
  const sequences = sequencesOf([30, 2, 17, 9, 38, 2, 5]);
  const together = await classify(model, sequences, three, { batch: 4 });
  for (const [i, sequence] of sequences.entries()) {
    const [alone] = await classify(model, [sequence], three, { batch: 1 }),
      { predicted, probabilities } = together[i];
    assertEquals(predicted, alone.predicted);
    probabilities.forEach((p, c) => assertAlmostEquals(p, alone.probabilities[c], 1e-12));
    assertAlmostEquals(probabilities.reduce((a, b) => a + b), 1, 1e-12);
    assertEquals(predicted, probabilities.indexOf(Math.max(...probabilities)));
  }
  assertEquals(await classify(model, [], three), []);
  await assertRejects(() => classify(model, sequences, three, { signal: AbortSignal.abort() }), DOMException);
  using plain = await tinyModel(device, config);
  await assertRejects(() => classify(plain, sequences, three), TypeError, "no classifier");
});

Deno.test("the score of two classes is about the second, of more about all", () => {
  const truth = [1, 1, 0, 0, 0].map((label) => ({ sequences: [], label }));
  const says = (guesses: number[]) => guesses.map((predicted) => ({ predicted, probabilities: [] }));
  const two = scoreOf(task, truth, says([1, 0, 1, 0, 0]), 2);
  assertEquals([two.examples, two.accuracy, two.f1], [5, 0.6, 0.5]);
  const three = scoreOf(task, truth, says([1, 0, 1, 0, 0]), 3);
  assertAlmostEquals(three.f1!, (2 / 3 + 0.5 + 0) / 3, 1e-15);
  assertAlmostEquals(three.matthews!, two.matthews!, 1e-15);
});

Deno.test("the majority of training is what a model has to beat", () => {
  const of = (...labels: number[]) => labels.map((label) => ({ sequences: [], label }));
  assertEquals(majorityAccuracy(of(0, 1, 1), of(1, 0, 1, 1)), 0.75);
  assertEquals(majorityAccuracy(of(2, 0, 2), of(0, 1)), 0);
});

Deno.test("special tokens go between tokens and positions, whose rows are kept", async () => {
  const from = tinyConfig({ context: 10 }), to = classifierConfig(from), C = 8;
  const values = withSpecials(strongValues, from, to, 7);
  const we = { name: "we", shape: [tableRows(to), C], init: { deviation: 0.02 } };
  const old = strongValues({ ...we, shape: [tableRows(from), C] }), table = await values(we) as Float32Array;
  assertEquals(table.length, (23 + 3 + 10) * C);
  assertEquals(table.subarray(0, 23 * C), Float32Array.from(old.subarray(0, 23 * C)));
  assertEquals(table.subarray(26 * C), Float32Array.from(old.subarray(23 * C)));
  const drawn = table.subarray(23 * C, 26 * C);
  assertEquals(drawn, initialValues(we, 7).subarray(23 * C, 26 * C));
  assert(drawn.every((value) => value !== 0 && Math.abs(value) < 0.12));
  const other: ParameterSpec = { name: "h0/ln_1/g", shape: [C], init: 1 };
  assertEquals(await values(other), strongValues(other));
  assertEquals(await values({ name: "clf/w", shape: [C, 2], init: 0 }), null);

  // With special tokens on both sides they are kept too; a shorter context keeps its first positions.
  const again = await withSpecials(() => table, to, { ...to, context: 6 }, 8)({ ...we, shape: [32, C] });
  assertEquals(again, table.slice(0, 32 * C));
  await assertRejects(
    async () => await withSpecials(strongValues, from, { ...to, vocabSize: 24 }, 7)(we),
    RangeError,
    "24 tokens",
  );
});

Deno.test("values of another size are refused, and the memory is given back", async () => {
  using device = await openWasm({ threads: 1 });
  const { memory } = device as unknown as { memory: { used: number } }, before = memory.used;
  await assertRejects(
    () => createGpt1(device, config, { values: ({ name }) => name === "h1/ln_1/b" ? [1, 2, 3] : null }),
    RangeError,
    "h1/ln_1/b (8) to 3 numbers",
  );
  assertEquals(memory.used, before);
});

// Texts in two languages: tokens 0 to 7, and 8 to 15; one token of each text is from the other.
function toyTexts(count: number, seed: number): LabelledExample[] {
  const random = new Random(seed, "toy");
  return Array.from({ length: count }, (_, i) => {
    const label = i % 2,
      ids = Array.from({ length: 4 + random.below(12) }, () => 8 * label + random.below(8));
    ids[random.below(ids.length)] = 8 * (1 - label) + random.below(8);
    return { sequences: [singleSequence(frameOf(config), ids)], label };
  });
}

Deno.test("fine-tuning learns in which of two languages a text is", async () => {
  using device = await openWasm({ threads: 1 });
  const base = { config: tinyConfig({ context: 40 }), values: null }, storage = memoryStorage();
  using model = await classifierModel(device, base, 2, 1);
  const data = { train: toyTexts(96, 1), dev: toyTexts(40, 2) };
  const problem = problemOf(task, ["0", "1"], data.train),
    before = await scoreClassifier(model, problem, data.dev);
  const settings = { learningRate: 1e-2, epochs: 8, batch: 8, seed: 1, groupByLength: true };
  const events = await all(trainRun(fineTuneRun(model, problem, data, { storage, folder: "run" }, settings)));
  const scores = events.flatMap((event) => event.type === "validation" ? [event] : []);
  assertEquals(scores.map(({ step }) => step), [12, 24, 36, 48, 60, 72, 84, 96]);
  assert(before.accuracy! < 0.8 && scores.at(-1)!.metrics.accuracy > 0.95, JSON.stringify(scores));
  const best = scores.findLast(({ best }) => best)!;
  assertEquals(best.metrics.accuracy, Math.max(...scores.map(({ metrics }) => metrics.accuracy)));

  const last = await numbersOf(model);
  await restoreBest(storage, "run", model);
  assertAlmostEquals(
    (await scoreClassifier(model, problem, data.dev)).accuracy!,
    best.metrics.accuracy,
    1e-12,
  );
  if (best.step < 96) assertNotEquals(await numbersOf(model), last);
});

Deno.test("labelled files are read line by line, and errors name file and line", async () => {
  const storage = memoryStorage({
    "good.tsv": "a b\tpos\r\n\n tab\tinside \t neg \n",
    "folder/a.tsv": "x\tpos\n",
    "folder/b.tsv": "y\tneg\nno tab here\n",
    "empty_text.tsv": " \tpos\n",
    "empty_label.tsv": "x\tpos\ny\t \n",
  });
  assertEquals(await readLabelled(storage, "good.tsv"), [
    { texts: { text: "a b" }, label: "pos", where: "memory:good.tsv, line 1" },
    { texts: { text: "tab\tinside" }, label: "neg", where: "memory:good.tsv, line 3" },
  ]);
  await assertRejects(
    () => readLabelled(storage, "folder"),
    SyntaxError,
    "folder/b.tsv, line 2: there is no tab",
  );
  await assertRejects(
    () => readLabelled(storage, "empty_text.tsv"),
    SyntaxError,
    "line 1: the text is empty",
  );
  await assertRejects(
    () => readLabelled(storage, "empty_label.tsv"),
    SyntaxError,
    "line 2: the label is empty",
  );
});
