// Zero-shot rules: which tokens each compares, against log-probabilities worked out one position at a time from full logits
// in float64; the threshold; what gives way in a short context; and what no rule can read.

import { assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Device } from "../src/backends/backend.ts";
import { openReference } from "../src/backends/reference.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { Random } from "../src/core/random.ts";
import type { Gpt1 } from "../src/models/gpt1_model.ts";
import { matthews } from "../src/tasks/metrics.ts";
import { type Span, spanOf, spanScores } from "../src/tasks/spans.ts";
import type { Example } from "../src/tasks/task.ts";
import { thresholdOf } from "../src/tasks/threshold.ts";
import {
  prepareZeroShot,
  zeroShot,
  type ZeroShotName,
  zeroShotRule,
  zeroShotRules,
} from "../src/tasks/zero_shot.ts";
import { wordTokenizer } from "./task_support.ts";
import { someTokens, tinyConfig, tinyModel } from "./tiny_model.ts";

const tokenizer = wordTokenizer(
  "very positive negative a cat dog sat on the mat . it was big because so Bob Ann who where ? new york"
    .split(" "),
);
const ids = (text: string): number[] => tokenizer.encode(text);
const tiny = (device: Device): Promise<Gpt1> => tinyModel(device, tinyConfig());

// Mean log-probability of `scored` after `given`, from the logits of every position, over all rows of the table.
async function naive(model: Gpt1, given: readonly number[], scored: readonly number[]): Promise<number> {
  const all = [...given, ...scored], { context } = model, decode = model.decode(1, context);
  let total = 0;
  for (let n = given.length; n < all.length; n++) {
    const tokens = [...all.slice(0, n), ...new Array<number>(context - n).fill(0)];
    const { logits } = await decode.run({
      ids: model.inputIds(tokens, context),
      extents: Int32Array.of(0, n),
      last: Int32Array.of(n - 1),
    });
    total += logits[all[n]] -
      Math.log(Array.from(logits, Math.exp).reduce((a, b) => a + b));
  }
  return total / scored.length;
}

const example = (
  name: ZeroShotName,
  text: string,
  label: string,
  answers?: string[],
  question?: string,
): Example => ({
  texts: {
    [zeroShotRules[name].form === "choice" ? "context" : "text"]: text,
    ...(question === undefined ? {} : { question }),
  },
  label,
  ...(answers ? { answers } : {}),
});

Deno.test("each rule compares the log-probabilities that its definition names", async () => {
  using device = openReference();
  using model = await tiny(device);
  const cases: [ZeroShotName, Example, [given: string, scored: string][], number][] = [
    ["acceptability", example("acceptability", "the cat sat .", "1"), [["the", "cat sat ."]], 1],
    ["sentiment", example("sentiment", "it was big", "0"), [
      ["it was big very", "negative"],
      ["it was big very", "positive"],
    ], 0],
    ["choice", example("choice", "the cat sat .", "1", ["on the mat", "dog"], "where ?"), [
      ["the cat sat . where ?", "on the mat"],
      ["the cat sat . where ?", "dog"],
    ], 1],
    ["winograd", example("winograd", "Bob sat on Ann because _ was big .", "0", ["Bob", "the dog"]), [
      ["Bob sat on Ann because Bob", "was big ."],
      ["Bob sat on Ann because the dog", "was big ."],
    ], 0],
    ["winograd", example("winograd", "Bob sat so [who] was big .", "1", ["Bob", "Ann"]), [
      ["Bob sat so Bob", "was big ."],
      ["Bob sat so Ann", "was big ."],
    ], 1],
  ];
  for (const [name, read, expected, label] of cases) {
    const rule = zeroShotRules[name], other = { ...read, label: name === "sentiment" ? "1" : "0" };
    const prepared = prepareZeroShot(
      rule,
      tokenizer,
      16,
      rule.form === "classification" ? [read, other] : [read],
    );
    assertEquals(
      prepared[0].spans,
      expected.map(([given, scored]) => spanOf(ids(given), ids(scored), 16)),
      name,
    );
    assertEquals([prepared[0].label, prepared[0].cut], [label, false]);
    const wanted = await Promise.all(
      expected.map(([given, scored]) => naive(model, ids(given), ids(scored))),
    );
    const scores = await spanScores(model, prepared[0].spans);
    scores.forEach((score, i) => assertAlmostEquals(score, wanted[i], 1e-9));
    const { predictions, threshold } = await zeroShot(model, { rule, examples: prepared, train: prepared });
    if (threshold === undefined) assertEquals(predictions[0], wanted.indexOf(Math.max(...wanted)), name);
    else assertEquals(predictions[0], Number(wanted[0] >= threshold));
  }
});

Deno.test("a word of several tokens counts by the mean of their log-probabilities", () => {
  const pieces = wordTokenizer(["very", "pos", "itive", "negative", "bad"]);
  const encode = pieces.encode;
  const split = { ...pieces, encode: (text: string) => encode(text.replace("positive", "pos itive")) };
  const [{ spans }] = prepareZeroShot(
    zeroShotRules.sentiment,
    split,
    16,
    [example("sentiment", "bad", "0")],
    "0",
  );
  assertEquals(spans.map(({ tokens, from }) => [tokens.length, from]), [[3, 2], [4, 2]]);
});

Deno.test("the order of the answers and the other examples change no choice; batches and padding change no score", async () => {
  using device = await openWasm({ threads: 2 });
  using model = await tiny(device);
  const answers = ["on the mat", "dog", "new york", "Ann sat on the big mat"], order = [2, 0, 3, 1];
  const asked = [answers, order.map((i) => answers[i])].map((list) =>
    example("choice", "a cat sat .", "0", list, "where ?")
  );
  const prepared = prepareZeroShot(zeroShotRules.choice, tokenizer, 16, asked);
  const { predictions, examples, baseline } = await zeroShot(model, {
    rule: zeroShotRules.choice,
    examples: prepared,
  });
  assertEquals([examples, baseline], [2, 0.25]);
  assertEquals(order[predictions[1]], predictions[0]);

  const spans: Span[] = Array.from({ length: 40 }, (_, i) => {
    const tokens = [...someTokens(2 + i % 15, i)];
    return { tokens, from: 1 + i % (tokens.length - 1) };
  });
  const together = await spanScores(model, spans),
    small = await spanScores(model, spans, { batchTokens: 16 });
  for (const [i, span] of spans.entries()) {
    const [alone] = await spanScores(model, [span]);
    assertAlmostEquals(small[i], together[i], 1e-5);
    assertAlmostEquals(alone, together[i], 1e-5);
  }
  using reference = openReference();
  using exact = await tiny(reference);
  (await spanScores(exact, spans)).forEach((score, i) => assertAlmostEquals(score, together[i], 1e-4));
});

Deno.test("what lies furthest before the scored tokens gives way, and of these the first stay", () => {
  const given = [1, 2, 3, 4, 5, 6];
  assertEquals(spanOf(given, [7, 8], 7), { tokens: [1, 2, 3, 4, 5, 6, 7, 8], from: 6 }); // the last is not read
  assertEquals(spanOf(given, [7, 8], 4), { tokens: [4, 5, 6, 7, 8], from: 3 });
  assertEquals(spanOf(given, [7, 8, 9], 2), { tokens: [6, 7, 8], from: 1 });
  assertThrows(() => spanOf([], [7], 4), RangeError, "Cannot score tokens after nothing");

  const long = example("choice", "a cat sat on the mat", "1", ["dog", "new york"], "where ?");
  const [{ spans, cut, label }] = prepareZeroShot(zeroShotRules.choice, tokenizer, 5, [long]);
  assertEquals([cut, label], [true, 1]);
  assertEquals(spans.map(({ tokens }) => tokenizer.decode(tokens)), [
    "on the mat where ? dog",
    "the mat where ? new york",
  ]);
});

Deno.test("the longest span fills the context, and one without scored tokens is as probable as chance", async () => {
  using device = openReference();
  using model = await tiny(device);
  const tokens = [...someTokens(17, 3)], spans = [{ tokens, from: 16 }, { tokens: [3], from: 1 }];
  const [score, none] = await spanScores(model, spans);
  assertAlmostEquals(score, await naive(model, tokens.slice(0, 16), tokens.slice(16)), 1e-9);
  assertEquals(none, -Math.log(23));
});

Deno.test("the threshold has the best Matthews correlation on the training examples", () => {
  assertEquals(thresholdOf([-5, -1, -2, -4, -3], [0, 1, 1, 0, 0]), -2.5);
  assertEquals(thresholdOf([-5, -1, -2], [1, 1, 1]), -5); // nothing to tell apart: all are of class 1
  assertEquals(thresholdOf([-1, -2, -3], [0, 0, 1]), -3); // what is backwards does not help
  assertEquals(thresholdOf([-2, -2, -2], [0, 1, 1]), -2);
  assertThrows(() => thresholdOf([], []), RangeError, "Cannot choose a threshold from 0 scores");
  const random = new Random(1, "threshold");
  for (let round = 0; round < 50; round++) {
    const scores = Array.from({ length: 12 }, () => random.below(8)),
      labels = scores.map(() => random.below(2));
    const worth = (threshold: number) =>
      matthews(labels, scores.map((score) => Number(score >= threshold)), 2);
    const chosen = thresholdOf(scores, labels), all = Array.from({ length: 10 }, (_, i) => worth(i - 0.5));
    assertAlmostEquals(worth(chosen), Math.max(0, ...all), 1e-12);
  }
});

Deno.test("the metric, chance and the most frequent label; train decides, not what is scored", async () => {
  using device = openReference();
  using model = await tiny(device);
  const texts = ["the cat sat", "mat the on", "it was big", "was because so", "Bob sat", "a dog sat ."];
  const labelled = (labels: string[]) =>
    prepareZeroShot(
      zeroShotRules.acceptability,
      tokenizer,
      16,
      texts.map((text, i) => example("acceptability", text, labels[i])),
    );
  const train = labelled(["1", "0", "1", "0", "1", "1"]), examples = labelled(["0", "1", "0", "0", "1", "0"]);
  const scores = [...await spanScores(model, train.map(({ spans: [span] }) => span))];
  const threshold = thresholdOf(scores, train.map(({ label }) => label));
  const predictions = scores.map((score) => Number(score >= threshold));
  assertEquals(await zeroShot(model, { rule: zeroShotRules.acceptability, examples, train }), {
    metric: "matthews",
    score: matthews([0, 1, 0, 0, 1, 0], predictions, 2),
    baseline: 0,
    majority: 0,
    examples: 6,
    threshold,
    predictions,
  });
  const rule = zeroShotRules.sentiment,
    read = texts.map((text, i) => example("sentiment", text, i < 2 ? "1" : "0"));
  const sentiment = await zeroShot(model, { rule, examples: prepareZeroShot(rule, tokenizer, 16, read) });
  assertEquals([sentiment.metric, sentiment.baseline, sentiment.majority], ["accuracy", 0.5, 4 / 6]);
  assertEquals(
    sentiment.score,
    sentiment.predictions.filter((guess, i) => guess === Number(i < 2)).length / 6,
  );
});

Deno.test("what no rule can read is one sentence", async () => {
  const prepare = (name: ZeroShotName, ...examples: Example[]) => () =>
    prepareZeroShot(zeroShotRules[name], tokenizer, 16, examples);
  assertThrows(
    () => zeroShotRule("parsing"),
    RangeError,
    'There is no zero-shot rule "parsing"; the rules are acceptability, sentiment, choice, winograd',
  );
  const winograd = (text: string) => example("winograd", text, "0", ["Bob", "Ann"]);
  assertThrows(prepare("winograd", winograd("Bob sat .")), RangeError, "Example 1: no pronouns are marked");
  assertThrows(
    prepare("winograd", winograd("_ sat , [it] was .")),
    RangeError,
    "Example 1: 2 pronouns are marked",
  );
  assertThrows(prepare("winograd", winograd("it was _ ")), RangeError, "nothing follows the pronoun");
  const unlabelled = {
    ...example("choice", "a cat", "0", ["dog", "mat"]),
    label: null,
    where: "x.tsv, line 3",
  };
  assertThrows(prepare("choice", unlabelled), RangeError, "x.tsv, line 3: there is no label to compare with");
  const silent = { ...example("sentiment", "a cat", "0"), label: null };
  assertThrows(prepare("sentiment", silent), RangeError, "Example 1: there is no label to compare with");
  const odd = ["good", "bad"].map((label) => example("sentiment", "a cat", label));
  assertThrows(
    prepare("sentiment", ...odd),
    RangeError,
    "Cannot use the rule sentiment on the labels bad, good: it tells two apart, of which 1 or positive is the positive one",
  );
  assertEquals(
    prepareZeroShot(zeroShotRules.sentiment, tokenizer, 16, odd, "good").map(({ label }) => label),
    [1, 0],
  );
  assertThrows(
    prepare("acceptability", example("acceptability", "", "1")),
    RangeError,
    "the text has no tokens",
  );

  using device = openReference();
  using model = await tiny(device);
  const rule = zeroShotRules.acceptability;
  const examples = prepareZeroShot(rule, tokenizer, 16, [example("acceptability", "a cat", "1")]);
  await assertRejects(() => zeroShot(model, { rule, examples }), RangeError, "without training examples");
  using classifier = await tinyModel(device, tinyConfig({ specials: 3 }), { classifier: 2 });
  await assertRejects(
    () => zeroShot(classifier, { rule, examples, train: examples }),
    TypeError,
    "is a classifier",
  );
  const { place } = model.layout.segments[2];
  await model.store.write(place.page, place.offset, [NaN]);
  await assertRejects(() => zeroShot(model, { rule, examples, train: examples }), RangeError, "not finite");
});
