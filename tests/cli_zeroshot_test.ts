// Zero-shot scores on the command line: published sets and files of one's own, all checkpoints of a run, scores along
// pre-training that are those of its checkpoints, and the mistakes that leave nothing behind.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { FINETUNE, makePlace, makeTokenizer, metricsOf, type Place, PRETRAIN } from "./cli_support.ts";

const LEARN = `${PRETRAIN} --model nano --tokenizer tok --steps 6 --save-every 2`;
let place: Place;

Deno.test.beforeAll(async () => {
  place = await makePlace();
  await makeTokenizer(place);
  const labelled = (n: number, row: (i: number) => string) =>
    Array.from({ length: n }, (_, i) => row(i)).join("");
  const cola = (i: number) => `x\t${i % 3 ? 1 : 0}\t\tthe ${i % 2 ? "old" : "day miller"} went ${i} home.\n`;
  for (const folder of ["CoLA", "SST-2", "winogrande_1.1"]) {
    await Deno.mkdir(`${place.path}/sets/${folder}`, { recursive: true });
  }
  await place.write("sets/CoLA/train.tsv", labelled(20, cola));
  await place.write("sets/CoLA/dev.tsv", labelled(9, cola));
  await place.write(
    "sets/SST-2/dev.tsv",
    "sentence\tlabel\n" + labelled(9, (i) => `a day of ${"joy ".repeat(i)}\t${i % 2}\n`),
  );
  const pronoun = {
    sentence: "The miller saw Ann because _ was near.",
    option1: "Ann",
    option2: "the miller",
  };
  await place.write(
    "sets/winogrande_1.1/dev.jsonl",
    labelled(4, (i) => `${JSON.stringify({ ...pronoun, answer: `${1 + i % 2}` })}\n`),
  );
  await place.write("own.tsv", "a good day\tgood\nday a good\tbad\nthe old miller\tgood\n");
  await place.json(`${LEARN} --valid valid.txt --validate-every 2 --out plain`);
});
Deno.test.afterAll(() => place.remove());

interface Record {
  readonly step: number;
  readonly task: string;
  readonly metric: string;
  readonly score: number;
  readonly baseline: number;
  readonly examples: number;
}

const recordsOf = async (run: string): Promise<Record[]> =>
  (await place.read(`${run}/zeroshot.jsonl`)).trimEnd().split("\n").map((line) => JSON.parse(line));
const recordOf = ({ step, task, metric, score, baseline, examples }: Record): Record => ({
  step,
  task,
  metric,
  score,
  baseline,
  examples,
});

Deno.test("scores along pre-training are those of the checkpoints, and training does not notice them", async () => {
  const flags =
    "--zeroshot glue/cola=sets/CoLA --zeroshot glue/sst2=sets --zeroshot-every 2 --zeroshot-limit 7";
  await place.json(`${LEARN} --valid valid.txt --validate-every 2 ${flags} --out watched`);
  assertEquals(await metricsOf(place, "watched"), await metricsOf(place, "plain"));
  const records = await recordsOf("watched"), tasks = ["glue/cola", "glue/sst-2"];
  assertEquals(
    records.map(({ step, task }) => [step, task]),
    [2, 4, 6].flatMap((step) => tasks.map((task) => [step, task])),
  );
  for (const [k, task] of tasks.entries()) {
    const line =
      `zeroshot --model plain --checkpoint all --task ${task} --data sets --limit 7 --threads 1 --device wasm`;
    const { results } = await place.json<{ results: Record[] }>(line);
    assert(results.length > 0);
    const same = records.filter((record) =>
      record.task === task && results.some(({ step }) => step === record.step)
    );
    assertEquals(results.map(recordOf), same);
    assertEquals((await recordsOf("plain")).filter((record) => record.task === task), same, `${k} tasks`);
  }
  const before = await place.read("plain/zeroshot.jsonl");
  await place.json(
    "zeroshot --model plain --checkpoint all --task glue/sst-2 --data sets --limit 7 --threads 1 --device wasm",
  );
  assertEquals(await place.read("plain/zeroshot.jsonl"), before, "written in place of the earlier ones");
  const { code, stderr } = await place.foreword(
    `${LEARN} --valid valid.txt --validate-every 2 --out watched --resume`,
  );
  assertEquals([code, await recordsOf("watched")], [0, records], stderr);
});

Deno.test("one checkpoint, with what was compared and how the threshold was chosen", async () => {
  const cola = await place.json<Record & { [name: string]: unknown }>(
    "zeroshot --model plain --task GLUE/CoLA --data sets/CoLA --checkpoint last --threads 1 --device wasm",
  );
  assertEquals(
    [
      cola.task,
      cola.rule,
      cola.metric,
      cola.step,
      cola.examples,
      cola.trainExamples,
      cola.thresholdFrom,
      cola.baseline,
    ],
    ["glue/cola", "acceptability", "matthews", 6, 9, 20, "train", 0],
  );
  const { stdout } = await place.foreword(
    "zeroshot --model plain --task winogrande --data sets --threads 1 --device wasm",
  );
  assertMatch(
    stdout,
    /^step \d, winogrande: accuracy 50\.0 %, by chance 50\.0 %, always the most frequent label 50\.0 %; 4 dev examples\n$/,
  );
  const own =
    "zeroshot --model plain --rule acceptability --data own.tsv --train own.tsv --positive good --threads 1 --device wasm";
  const result = await place.json<Record>(`${own} --record`);
  assertEquals([result.task, result.examples], ["acceptability", 3]);
  assertEquals((await recordsOf("plain")).at(-1), recordOf(result));
  assertMatch(
    (await place.foreword(own)).stdout,
    /; threshold -\d+\.\d+ nats a token, chosen on 3 training examples\n$/,
  );
});

Deno.test("mistakes are one sentence, and leave nothing behind", async () => {
  await place.json(`${FINETUNE} --model plain --out classifier`);
  const fails = async (message: string | RegExp, line: string): Promise<void> => {
    const before = await place.tree("."), { code, stdout, stderr } = await place.foreword(line);
    assertEquals([code, stdout], [1, ""], stderr);
    const last = stderr.trimEnd().split("\n").filter((text) => !text.startsWith("(add --help")).at(-1)!;
    if (typeof message === "string") assertEquals(last, `error: ${message}`);
    else assertMatch(last, message);
    assertEquals(await place.tree("."), before);
  };
  const ask = "zeroshot --model plain --threads 1 --device wasm";
  await fails(
    "classifier is a classifier: zero-shot scores are those of a pre-trained run; give the one that it was fine-tuned from",
    "zeroshot --model classifier --task glue/cola --data sets/CoLA",
  );
  await fails(
    "There is no zero-shot rule for glue/rte, which is read as entailment: the rules are acceptability (for " +
      "classification), sentiment (for classification), choice (for choice), winograd (for choice)",
    `${ask} --task glue/rte --data sets`,
  );
  await fails(
    "Give --rule for classification: acceptability or sentiment",
    `${ask} --task classification --data own.tsv`,
  );
  await fails("Give --task, a data set or a form of examples; or --rule", `${ask} --data own.tsv`);
  await fails(
    'There is no zero-shot rule "parsing"; the rules are acceptability, sentiment, choice, winograd',
    `${ask} --rule parsing --data own.tsv`,
  );
  await fails(
    "The rule choice reads examples of the task choice, not of classification: give another --rule or --task",
    `${ask} --rule choice --task glue/cola --data sets/CoLA`,
  );
  await fails(
    /^error: Cannot find the dev examples in own\.tsv: it holds none of dev/,
    `${ask} --task race --data own.tsv`,
  );
  await fails(/gone\.tsv/, `${ask} --rule sentiment --data gone.tsv`);
  await fails(
    "Give --train with a file of examples: the threshold of acceptability is chosen on them",
    `${ask} --rule acceptability --data own.tsv --positive good`,
  );
  await fails(
    "glue/cola brings its own training examples: leave --train out",
    `${ask} --task glue/cola --data sets --train own.tsv`,
  );
  await fails(
    /^error: Cannot use the rule sentiment on the labels bad, good: /,
    `${ask} --rule sentiment --data own.tsv`,
  );
  await fails(
    /^error: Cannot open checkpoint "step-9"/,
    `${ask} --task glue/cola --data sets --checkpoint step-9`,
  );
  await fails(
    "gone is not a run folder: it has no config.json. Give the --out folder of an earlier run",
    "zeroshot --model gone --task race --data sets",
  );
  await fails(
    "Give --zeroshot TASK=FOLDER at least once: it says what to score",
    `${LEARN} --out new --zeroshot-every 2`,
  );
  await fails(
    "Cannot use --zeroshot CoLA: it must be TASK=FOLDER, such as glue/cola=CoLA",
    `${LEARN} --out new --zeroshot CoLA`,
  );
  await fails(
    /^error: There is no data set "choice" for --zeroshot/,
    `${LEARN} --out new --zeroshot choice=own.tsv`,
  );
  await fails(
    "Give each task of --zeroshot once, not glue/sst-2, glue/sst-2",
    `${LEARN} --out new --zeroshot glue/sst2=sets glue/sst-2=sets`,
  );
  await fails(/^error: Cannot find the dev examples in tok/, `${LEARN} --out new --zeroshot glue/cola=tok`);
});
