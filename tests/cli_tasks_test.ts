// Tasks on the command line: files that were never seen before with one command, published sets from a folder, several
// seeds, ensembles, prediction files, and the mistakes that leave nothing behind.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { makePlace, makeTokenizer, metricsOf, type Place, PRETRAIN } from "./cli_support.ts";

const TUNE = "finetune --model base --batch 8 --epochs 1 --lr 1e-3 --threads 1 --device wasm";
const PAIRS = "--task entailment --columns premise=1,hypothesis=2,label=3";
let place: Place;

Deno.test.beforeAll(async () => {
  place = await makePlace();
  await makeTokenizer(place);
  await place.json(`${PRETRAIN} --model nano --tokenizer tok --steps 2 --out base`);
  const pairs = (n: number) =>
    Array.from({ length: n }, (_, i) => `the cat ${i}\ta dog\t${i % 3 ? "no" : "yes"}\n`).join("");
  await place.write("pairs.tsv", pairs(16));
  await place.write("few.tsv", pairs(6));
  await Deno.mkdir(`${place.path}/set/STS-B`, { recursive: true });
  const scores = (n: number, label: boolean) =>
    [`index\tsentence1\tsentence2${label ? "\tscore" : ""}`]
      .concat(Array.from({ length: n }, (_, i) => `${i}\ta cat ${i}\ta dog${label ? `\t${i % 6}.000` : ""}`))
      .join("\n");
  await place.write("set/STS-B/train.tsv", scores(16, true));
  await place.write("set/STS-B/dev.tsv", scores(6, true));
  await place.write("set/STS-B/test.tsv", scores(5, false));
  const story = (i: number) => `one day ${i},was it good,yes,no,${1 + i % 2}\n`;
  await place.write("choices.csv", Array.from({ length: 16 }, (_, i) => story(i)).join(""));
});
Deno.test.afterAll(() => place.remove());

async function fails(message: string | RegExp, line: string): Promise<void> {
  const before = await place.tree("."), { code, stdout, stderr } = await place.foreword(line);
  assertEquals([code, stdout], [1, ""], stderr);
  if (typeof message === "string") assertEquals(stderr.trimEnd().split("\n").at(-1), `error: ${message}`);
  else assertMatch(stderr, message);
  assertEquals(await place.tree("."), before);
}

interface Finetuned {
  readonly labels: string[];
  readonly dev: Record<string, number>;
  readonly test: Record<string, number> | null;
}

Deno.test("two texts and a label need one command; several seeds, an ensemble, a table and intervals", async () => {
  const result = await place.json<
    { seeds: number[]; summaries: Record<string, Record<string, number>>; runs: Finetuned[] }
  >(
    `${TUNE} ${PAIRS} --train pairs.tsv --dev few.tsv --test few.tsv --seeds 1,2 --out pairs`,
  );
  assertEquals(result.seeds, [1, 2]);
  const scores = result.runs.map(({ test }) => test!.accuracy);
  assertEquals(result.summaries.accuracy.mean, (scores[0] + scores[1]) / 2);
  assertEquals(JSON.parse(await place.read("pairs/seeds.json")), result);
  assertEquals(result.runs[0].labels, ["no", "yes"]);
  const predictions = (await place.read("pairs/seed-1/predictions.tsv")).trimEnd().split("\n");
  assertEquals(predictions.length, 7);
  assertEquals(predictions[0], "index\tprediction");
  assertMatch(predictions[6], /^5\t(yes|no)$/);

  const single = await place.json<Record<string, number>>(
    "evaluate --model pairs/seed-1 --data few.tsv --threads 1 --device wasm",
  );
  assertEquals(single.accuracy, scores[0], "the run knows its columns");
  const evaluate =
    "evaluate --model pairs/seed-1 --ensemble pairs/seed-2 --data few.tsv --threads 1 --device wasm";
  const both = await place.json<
    { accuracy: number; confusion: number[][]; intervals: { accuracy: { low: number } } }
  >(
    `${evaluate} --confusion --bootstrap 50`,
  );
  assertEquals(both.confusion.flat().reduce((a, b) => a + b), 6);
  assert(both.intervals.accuracy.low <= both.accuracy);

  // The ensemble's probabilities are the mean of those of its runs.
  const probabilities = async (flags: string) =>
    (await place.json<{ predictions: { probabilities: { yes: number } }[] }>(
      `predict ${flags} --data few.tsv --threads 1 --device wasm`,
    ))
      .predictions.map(({ probabilities }) => probabilities.yes);
  const [a, b, mean] = [
    await probabilities("--model pairs/seed-1"),
    await probabilities("--model pairs/seed-2"),
    await probabilities("--model pairs/seed-1 --ensemble pairs/seed-2"),
  ];
  mean.forEach((p, i) => assert(Math.abs(p - (a[i] + b[i]) / 2) < 1e-12));
});

Deno.test("a published set is read from its folder, and its test answers written", async () => {
  const { labels, dev, test } = await place.json<Finetuned>(
    `${TUNE} --task glue/sts-b --data set --transfer-layers 0 --out sts`,
  );
  assertEquals(labels, ["0", "1", "2", "3", "4", "5"]);
  assertEquals(Object.keys(dev), ["examples", "pearson", "spearman"]);
  assertEquals(test, null);
  const lines = (await place.read("sts/predictions.tsv")).trimEnd().split("\n");
  assertEquals(lines.length, 6);
  assertMatch(lines[5], /^4\t[0-5]\.\d{3}$/);
  await place.json("predict --model sts --data set --split test --out again.tsv --threads 1 --device wasm");
  assertEquals(await place.read("again.tsv"), await place.read("sts/predictions.tsv"));
  const left = await place.json<Finetuned>(
    `${TUNE} --task glue/STSB --data set --no-test --out untested`,
  );
  assertEquals(left.dev.examples, 6);
  assert(!("untested/predictions.tsv" in await place.tree("untested")));
  assertMatch(
    (await place.foreword("info --model sts")).stdout,
    /^sts: a model for similarity-score of 0, 1/,
  );
});

Deno.test("a choice between answers, from a CSV file", async () => {
  const line = `${TUNE} --task choice --columns context=1,question=2,answers=3+4,label=5`;
  const { labels, dev } = await place.json<Finetuned>(
    `${line} --train choices.csv --dev choices.csv --out choice`,
  );
  assertEquals(labels, []);
  assertEquals(Object.keys(dev), ["examples", "accuracy"]);
  assertEquals((await metricsOf(place, "choice")).length, 3, "two updates and a validation");
  const { code, stdout } = await place.foreword(
    "evaluate --model choice --data choices.csv --threads 1 --device wasm",
  );
  assertEquals(code, 0);
  assertMatch(stdout, /^accuracy \d+\.\d % of 16 examples\n$/);
});

Deno.test("mistakes are one sentence, and leave nothing behind", async () => {
  const files = "--train pairs.tsv --dev few.tsv --out new";
  await fails(
    /^error: There is no task or data set "glue\/none": the tasks are/,
    `${TUNE} --task glue/none ${files}`,
  );
  await fails(
    "Give --columns for the task entailment, such as --columns premise=1,hypothesis=2,label=3",
    `${TUNE} --task entailment ${files}`,
  );
  await fails(/the part "text=1" is not FIELD=COLUMN/, `${TUNE} --task entailment --columns text=1 ${files}`);
  await fails(
    /pairs\.tsv, line 1: there is no column 9, only 3/,
    `${TUNE} --columns text=9,label=3 ${files}`,
  );
  await fails("Give --dev with a file of examples", `${TUNE} ${PAIRS} --train pairs.tsv --out new`);
  await fails("Give --data with the folder of glue/rte", `${TUNE} --task glue/rte --out new`);
  await fails(/it holds none of train\.tsv/, `${TUNE} --task glue/rte --data set --out new`);
  await fails(/brings its own files and columns/, `${TUNE} --task glue/rte --data set ${files}`);
  await place.write("odd.tsv", "a\tb\tyes\nc\td\tmaybe\n");
  await fails(
    'odd.tsv, line 2: the label "maybe" was never seen in training, where the labels are no, yes; correct the label or ' +
      "remove the example",
    `${TUNE} ${PAIRS} --train pairs.tsv --dev odd.tsv --seeds 1,2 --out new`,
  );
  await fails(
    "The task entailment is not scored by pearson: its metrics are accuracy, f1, matthews",
    `${TUNE} ${PAIRS} ${files} --metric pearson`,
  );
  await fails(
    "Cannot transfer 3 blocks of a model that has 2: give 0 to 2",
    `${TUNE} ${PAIRS} ${files} --transfer-layers 3`,
  );
});
