// The heads: what each reads and predicts, its loss against one worked out by hand from the logits, the invariances that
// the forms promise, shared dropout, and labels that are refused.

import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { openReference } from "../src/backends/reference.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { memoryStorage } from "../src/core/memory_storage.ts";
import { Random } from "../src/core/random.ts";
import { exampleFeeds, type LabelledExample } from "../src/models/gpt1_feeds.ts";
import type { ClassifierHead } from "../src/models/gpt1_plans.ts";
import { createGpt1, type Gpt1 } from "../src/models/gpt1_model.ts";
import { exampleSource } from "../src/tasks/examples.ts";
import {
  classifierModel,
  fineTuneOptimizer,
  fineTuneRun,
  problemOf,
  scoreClassifier,
  transferred,
} from "../src/tasks/fine_tune.ts";
import { answerSequences, bothOrders, frameOf } from "../src/tasks/inputs.ts";
import { classify, ensemble } from "../src/tasks/predict.ts";
import { intervalsOf, scoreOf } from "../src/tasks/score.ts";
import { type Example, headOf, labelsOf, prepare, type Task, taskNamed, tasks } from "../src/tasks/task.ts";
import { numberTokenizer } from "./task_support.ts";
import { config as fillRule, FILL, filled } from "../scripts/parity_model.ts";
import { trainRun } from "../src/train/run.ts";
import { gpt1Optimizer } from "../src/train/update.ts";
import { all, numbersOf, strongValues, tinyConfig, tinyModel } from "./tiny_model.ts";

const config = tinyConfig({ specials: 3, context: 16 }), frame = frameOf(config);
const pairs: LabelledExample[] = [
  { sequences: bothOrders(frame, [1, 2, 3], [4, 5]), label: 0 },
  { sequences: bothOrders(frame, [7], [8, 9, 10, 11]), label: 1 },
  { sequences: bothOrders(frame, [6, 6], [6, 1]), label: 1 },
];
const choices: LabelledExample[] = [
  { sequences: answerSequences(frame, [1, 2], [3], [[4], [5, 6], [7]]), label: 2 },
  { sequences: answerSequences(frame, [8], [9], [[1], [2, 3, 4], [5]]), label: 0 },
];

async function scores(model: Gpt1, examples: readonly LabelledExample[], head: ClassifierHead, lambda = 0) {
  const batch = examples.reduce((sum, { sequences }) => sum + sequences.length, 0);
  const program = model.scores({ batch, length: 16, language: lambda > 0, classifier: head });
  const feeds = exampleFeeds(config, examples, {
    batch,
    length: 16,
    lambda,
    examples: examples.length,
    head,
  });
  const { targets, weights, ...others } = feeds;
  return await program.run(lambda > 0 ? { targets, weights, ...others } : others);
}

const logSoftmax = (row: readonly number[]) => {
  const sum = Math.log(row.reduce((total, x) => total + Math.exp(x), 0));
  return row.map((x) => x - sum);
};

Deno.test("both orders of a pair are added before the head: swapping the texts changes nothing", async () => {
  const head = { outputs: 2, choices: 1, sum: 2 };
  for (const device of [openReference(), await openWasm({ threads: 1 })]) {
    using model = await tinyModel(device, config, { classifier: 2 });
    const result = await scores(model, pairs, head);
    const swapped = pairs.map(({ sequences, label }) => ({ sequences: sequences.toReversed(), label }));
    assertEquals((await scores(model, swapped, head)).logits, result.logits);
    assertEquals([result.logits.length, result.classifierRows.length], [6, 3]);
    // The sum of the logits of both orders counts the bias twice.
    const single = pairs.flatMap(({ sequences, label }) =>
      sequences.map((ids) => ({ sequences: [ids], label }))
    );
    const each = (await scores(model, single, { outputs: 2, choices: 1 })).logits;
    const bias = (await numbersOf(model))["clf/b"];
    for (let i = 0; i < 6; i++) {
      const [e, k] = [Math.floor(i / 2), i % 2];
      assertAlmostEquals(result.logits[i], each[4 * e + k] + each[4 * e + 2 + k] - bias[k], 1e-5);
    }
    device.close();
  }
});

Deno.test("a choice is a softmax over the scores of its answers", async () => {
  using device = openReference();
  using model = await tinyModel(device, config, { classifier: 1 });
  const head = { outputs: 1, choices: 3 },
    { logits, classifierRows, classifier } = await scores(model, choices, head);
  const losses = choices.map(({ label }, e) => -logSoftmax([...logits.subarray(3 * e, 3 * e + 3)])[label]);
  losses.forEach((loss, e) => assertAlmostEquals(classifierRows[e], loss, 1e-12));
  assertAlmostEquals(classifier[0], (losses[0] + losses[1]) / 2, 1e-12);

  const predictions = await classify(model, choices, head, { batch: 1 });
  predictions.forEach(({ probabilities, predicted }, e) => {
    const expected = logSoftmax([...logits.subarray(3 * e, 3 * e + 3)]).map(Math.exp);
    probabilities.forEach((p, k) => assertAlmostEquals(p, expected[k], 1e-12));
    assertEquals(predicted, expected.indexOf(Math.max(...expected)));
  });
  // A constant added to all scores changes nothing.
  const { place } = model.layout.segments.find(({ name }) => name === "clf/b")!;
  await model.store.write(place.page, place.offset, [11]);
  const shifted = await classify(model, choices, head);
  shifted.forEach(({ probabilities }, e) =>
    probabilities.forEach((p, k) => assertAlmostEquals(p, predictions[e].probabilities[k], 1e-12))
  );
});

Deno.test("a score between two points shares its target; the prediction is the expected value", async () => {
  using device = openReference();
  using model = await tinyModel(device, config, { classifier: 6 });
  const labelled = [3.8, 5, 0.25].map((label, i) => ({ ...pairs[i], label }));
  const head = headOf(tasks["similarity-score"], ["0", "1", "2", "3", "4", "5"], labelled);
  assertEquals(head, { outputs: 6, choices: 1, sum: 2, between: true });
  const { logits, classifier } = await scores(model, labelled, head);
  const rows = [0, 1, 2].map((e) => logSoftmax([...logits.subarray(6 * e, 6 * e + 6)]));
  const expected = -(0.2 * rows[0][3] + 0.8 * rows[0][4]) - rows[1][5] -
    (0.75 * rows[2][0] + 0.25 * rows[2][1]);
  assertAlmostEquals(classifier[0], expected / 3, 1e-12);
  const predictions = await classify(model, labelled, head);
  predictions.forEach(({ predicted }, e) =>
    assertAlmostEquals(predicted, rows[e].reduce((sum, log, point) => sum + point * Math.exp(log), 0), 1e-12)
  );
  const score = scoreOf(tasks["similarity-score"], labelled, predictions, 6);
  assertEquals(Object.keys(score), ["examples", "pearson", "spearman"]);
});

Deno.test("the language-model term is the mean over all sequences of each one's own mean", async () => {
  using device = openReference();
  using model = await tinyModel(device, config, { classifier: 1 });
  const result = await scores(model, choices, { outputs: 1, choices: 3 }, 0.5);
  const means = choices.flatMap(({ sequences }) => sequences).map((ids, b) => {
    const losses = [...result.languageRows.subarray(16 * b, 16 * b + ids.length - 1)];
    return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  });
  const lm = means.reduce((sum, loss) => sum + loss, 0) / means.length;
  assertAlmostEquals(result.language[0], 0.5 * lm, 1e-12);
  assertAlmostEquals(result.loss[0], result.classifier[0] + 0.5 * lm, 1e-12);
});

Deno.test("the two-choice batch of the fill-rule model has its published losses", async () => {
  using device = openReference();
  using model = await createGpt1(device, fillRule, { classifier: 1 });
  for (const [k, { name, shape, place }] of model.layout.segments.entries()) {
    await model.store.write(place.page, place.offset, filled(name, shape, k, FILL));
  }
  const whole = { ...frameOf(fillRule), context: Infinity }; // six tokens leave two texts no room
  const batch = [
    { sequences: answerSequences(whole, [3], [5], [[7], [2]]), label: 0 },
    { sequences: answerSequences(whole, [1], [], [[9], [4]]), label: 1 },
  ];
  assertEquals(batch[0].sequences, [[11, 3, 5, 12, 7, 13], [11, 3, 5, 12, 2, 13]]);
  assertEquals(batch[1].sequences, [[11, 1, 12, 9, 13], [11, 1, 12, 4, 13]]);
  const source = exampleSource(fillRule, batch, { outputs: 1, choices: 2 }, { batch: 2, seed: 1 });
  const [{ run, feeds }] = source.next().micro,
    { loss, classifier, language } = await model.scores(run).run(feeds);
  assertAlmostEquals(classifier[0], 0.7097628494, 1e-10);
  assertAlmostEquals(language[0], 3.1730639079 / 2, 1e-10);
  assertAlmostEquals(loss[0], 2.2962948033, 1e-10);
});

Deno.test("gradients of every head, language-model term included, equal central differences", async () => {
  using device = openReference();
  const scored = pairs.map((pair, i) => ({ ...pair, label: [0.4, 2, 1.7][i] }));
  const heads: [LabelledExample[], ClassifierHead][] = [
    [pairs, { outputs: 2, choices: 1, sum: 2 }],
    [scored, { outputs: 3, choices: 1, sum: 2, between: true }],
    [choices, { outputs: 1, choices: 3 }],
  ];
  for (const [examples, head] of heads) {
    using model = await tinyModel(device, config, { classifier: head.outputs });
    const batch = 6, shape = { batch, length: 16, lambda: 0.5, examples: examples.length, head };
    const feeds = { ...exampleFeeds(config, examples, shape), rng: Int32Array.of(1, 0) };
    model.store.add({ "gradients/0": model.layout.pages["parameters/0"] });
    const program = model.gradient({ batch, length: 16, language: true, classifier: head });
    await program.run(feeds);
    const found = await numbersOf(model, "gradients");
    for (
      const [name, index] of [["we", 4 * 8 + 3], ["h0/mlp/c_fc/w", 17], ["h1/ln_2/g", 5], [
        "clf/w",
        2,
      ]] as const
    ) {
      const { place } = model.layout.segments.find((segment) => segment.name === name)!,
        offset = place.offset + 4 * index;
      const [value] = await model.store.read(place.page, offset, 1), losses: number[] = [];
      for (const step of [1e-5, -1e-5]) {
        await model.store.write(place.page, offset, [value + step]);
        losses.push((await program.run(feeds)).loss[0]);
      }
      await model.store.write(place.page, offset, [value]);
      assertAlmostEquals(
        found[name][index],
        (losses[0] - losses[1]) / 2e-5,
        1e-7,
        `${name} of ${JSON.stringify(head)}`,
      );
      assertNotEquals(found[name][index], 0);
    }
  }
});

Deno.test("the answers of an example lose the same features, other examples others", async () => {
  const dropping = { ...config, classifierDropout: 0.5 };
  using device = openReference();
  using model = await tinyModel(device, dropping, { classifier: 1 });
  const same = [0, 1, 2, 3].map(() => ({ sequences: [[23, 1, 25], [23, 1, 25], [23, 1, 25]], label: 0 }));
  const head = { outputs: 1, choices: 3 };
  const source = exampleSource(dropping, same, head, { batch: 4, lambda: 0, seed: 1 });
  const [{ run, feeds }] = source.next().micro;
  assertEquals(run.batch, 12);
  await model.store.add({ "gradients/0": model.layout.pages["parameters/0"] });
  const { logits } = await model.gradient(run).run({ ...feeds, rng: Int32Array.of(1, 0) });
  for (let e = 0; e < 4; e++) {
    assertEquals([logits[3 * e + 1], logits[3 * e + 2]], [logits[3 * e], logits[3 * e]], `example ${e}`);
  }
  assertEquals(new Set([0, 3, 6, 9].map((i) => logits[i])).size, 4);
});

Deno.test("an ensemble averages probabilities", () => {
  const says = (probabilities: number[]) => [{ predicted: 0, probabilities }],
    head = { outputs: 3, choices: 1 };
  const [both] = ensemble([says([0.5, 0.25, 0.25]), says([0.125, 0.125, 0.75])], head);
  assertEquals(both, { predicted: 2, probabilities: [0.3125, 0.1875, 0.5] });
  const [scored] = ensemble([says([1, 0, 0]), says([0, 0, 1])], { ...head, between: true });
  assertEquals(scored.predicted, 1);
  assertThrows(() => ensemble([], head), RangeError, "no model");
  assertThrows(() => ensemble([says([1, 0, 0]), says([1, 0])], head), RangeError, "differ");
  assertThrows(() => ensemble([says([1, 0, 0]), []], head), RangeError, "differ");
});

const example = (texts: Record<string, string>, label: string | null, answers?: string[]): Example => ({
  texts,
  label,
  ...(answers ? { answers } : {}),
});

Deno.test("prepared examples of each task, token by token", () => {
  const [S, D, E] = [23, 24, 25], tokenizer = numberTokenizer(23);
  const ready = (task: Task, one: Example, labels: string[]) =>
    prepare(task, config, tokenizer, [one], labels)[0];
  assertEquals(ready(tasks.entailment, example({ premise: "1 2", hypothesis: "3" }, "no"), ["no", "yes"]), {
    sequences: [[S, 1, 2, D, 3, E]],
    label: 0,
  });
  assertEquals(
    ready(tasks["similarity-score"], example({ first: "1 2", second: "3" }, "2.6"), ["1", "2", "3"]),
    {
      sequences: [[S, 1, 2, D, 3, E], [S, 3, D, 1, 2, E]],
      label: 1.6,
    },
  );
  assertEquals(ready(tasks.choice, example({ context: "1", question: "2" }, "1", ["3", "4"]), []), {
    sequences: [[S, 1, 2, D, 3, E], [S, 1, 2, D, 4, E]],
    label: 1,
  });
});

Deno.test("examples that are cut are named, labels that do not belong are refused", () => {
  const tokenizer = numberTokenizer(23), cut: Example[] = [];
  const long = example({ premise: "1 2 3 4 5 6 7", hypothesis: "1" }, null),
    short = example({ premise: "1", hypothesis: "2" }, null);
  prepare(tasks.entailment, config, tokenizer, [short, long], ["a", "b"], (one) => cut.push(one));
  assertEquals(cut, [long]);
  const refused = (task: Task, examples: Example[], labels: string[], message: string) =>
    assertThrows(() => prepare(task, config, tokenizer, examples, labels), RangeError, message);
  const pair = { first: "1", second: "2" }, points = ["0", "1", "2"];
  refused(
    tasks["similarity-score"],
    [{ ...example(pair, "2.5"), where: "x.tsv, line 3" }],
    points,
    'x.tsv, line 3: the score "2.5"',
  );
  refused(
    tasks["similarity-score"],
    [example(pair, "high")],
    points,
    'Example 1: the score "high" is not a number from 0 to 2',
  );
  refused(tasks.similarity, [example(pair, "c")], ["a", "b"], "the labels are a, b");
  refused(
    tasks.choice,
    [example({ context: "1" }, "2", ["1", "2"])],
    [],
    "not the number of one of the 2 answers",
  );
  refused(
    tasks.choice,
    [example({ context: "1" }, "0", ["1"])],
    [],
    "there are 1 answers; a choice needs two",
  );
  const uneven = [
    example({ context: "1" }, "0", ["1", "2"]),
    example({ context: "1" }, "0", ["1", "2", "3"]),
  ];
  refused(tasks.choice, uneven, [], "Example 2: there are 3 answers where the first example has 2");
});

Deno.test("labels of a training set, points of a scale", () => {
  const scored = ["1.5", "4.2", "2"].map((label) => example({ first: "1", second: "2" }, label));
  assertEquals(labelsOf(tasks["similarity-score"], scored), ["1", "2", "3", "4", "5"]);
  assertEquals(labelsOf(tasks["similarity-score"], scored, [0, 5]), ["0", "1", "2", "3", "4", "5"]);
  assertEquals(labelsOf(tasks.choice, []), []);
  assertThrows(() => labelsOf(tasks["similarity-score"], []), RangeError, "without a score");
  assertThrows(() => taskNamed("toString"), RangeError, 'no task "toString"');
});

Deno.test("the optimizer is the released one, each of its values a setting", () => {
  assertEquals(fineTuneOptimizer({}), gpt1Optimizer);
  const { groups, beta1, beta2, maxNorm } = fineTuneOptimizer({ decay: 0.3, clip: 2, adam: { beta2: 0.99 } });
  assertEquals(groups.map(({ decay }) => decay), [0.3, 0]);
  assertEquals([beta1, beta2, maxNorm], [0.9, 0.99, 2]);
});

Deno.test("intervals of every metric hold its score", () => {
  const examples = Array.from({ length: 60 }, (_, i) => ({ sequences: [], label: i % 2 }));
  const predictions = examples.map(({ label }, i) => ({
    predicted: i % 5 ? label : 1 - label,
    probabilities: [],
  }));
  const score = scoreOf(tasks.entailment, examples, predictions, 2);
  assertEquals(score.accuracy, 0.8);
  const intervals = intervalsOf(tasks.entailment, examples, predictions, 2, { seed: 1, resamples: 200 });
  for (const name of tasks.entailment.metrics) {
    const { low, high } = intervals[name]!;
    assert(low < score[name]! && score[name]! < high, `${name}: ${low} to ${high}`);
  }
  assertThrows(
    () => scoreOf(tasks.entailment, [{ sequences: [], label: -1 }], predictions.slice(0, 1), 2),
    RangeError,
    "example 1 has no label",
  );
});

Deno.test("only the lowest blocks are transferred", () => {
  const given = (count: number) => (name: string) =>
    transferred(strongValues, config, count)({ name, shape: [8], init: 0 }) !== null;
  assertEquals(["we", "h0/ln_1/g", "h1/ln_1/g"].map(given(0)), [true, false, false]);
  assertEquals(["we", "h0/ln_1/g", "h1/ln_1/g"].map(given(1)), [true, true, false]);
  assertEquals(["we", "h0/ln_1/g", "h1/ln_1/g"].map(given(2)), [true, true, true]);
  assertThrows(
    () => transferred(strongValues, config, 3),
    RangeError,
    "Cannot transfer 3 blocks of a model that has 2",
  );
});

// Which of two answers has the token of the context; and the like for pairs.
function toyChoices(count: number, seed: number): LabelledExample[] {
  const random = new Random(seed, "toy");
  return Array.from({ length: count }, () => {
    const label = random.below(2), answers = [[10 + random.below(5)], [10 + random.below(5)]];
    answers[label] = [random.below(5)];
    return { sequences: answerSequences(frame, [20, 21], [], answers), label };
  });
}

Deno.test("fine-tuning learns to choose, and a score for pairs", async () => {
  using device = await openWasm({ threads: 1 });
  const base = { config: tinyConfig({ context: 16 }), values: null };
  const settings = { learningRate: 1e-2, epochs: 8, batch: 8, microBatch: 4, lambda: 0, seed: 1 };
  const learn = async (task: Task, labels: string[], train: LabelledExample[], dev: LabelledExample[]) => {
    const problem = problemOf(task, labels, train), place = { storage: memoryStorage(), folder: "run" };
    using model = await classifierModel(device, base, problem.head.outputs, 1);
    const before = await scoreClassifier(model, problem, dev);
    await all(trainRun(fineTuneRun(model, problem, { train, dev }, place, settings)));
    return [before, await scoreClassifier(model, problem, dev)];
  };
  const [, chosen] = await learn(tasks.choice, [], toyChoices(96, 1), toyChoices(40, 2));
  assert(chosen.accuracy! > 0.95, JSON.stringify(chosen));

  // The score grows with how many of two tokens are below 10, and lies between the points of the scale.
  const random = new Random(3, "pairs"),
    scored = (count: number) =>
      Array.from({ length: count }, () => {
        const [a, b] = [0, 0].map(() => 10 * random.below(2) + random.below(4));
        return { sequences: bothOrders(frame, [a], [b]), label: 0.75 * (Number(a < 10) + Number(b < 10)) };
      });
  const [before, after] = await learn(tasks["similarity-score"], ["0", "1", "2"], scored(192), scored(40));
  assert(after.pearson! > 0.9 && after.pearson! > before.pearson!, JSON.stringify([before, after]));
  assertNotEquals(after.spearman, undefined);
});
