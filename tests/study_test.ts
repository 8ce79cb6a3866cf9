// Studies without running one: what a file may say, which learning rate is taken, tables and sentences from results made by
// hand, records of zero-shot scores, the figures. Runs themselves are in cli_study_test.ts.

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { standalone } from "../src/cli/demo/chart.ts";
import { ablationsReport } from "../src/cli/study/ablations.ts";
import { type Arm, type ArmName, armNamed, layersArm, spreadOf } from "../src/cli/study/arms.ts";
import { bestRate, type Cell, cellOf } from "../src/cli/study/cells.ts";
import { studyOf } from "../src/cli/study/config.ts";
import { type LayersCell, layersReport } from "../src/cli/study/layers.ts";
import { agreementOf, ordering } from "../src/cli/study/orderings.ts";
import { paperTaskOf, paperTasks, table5 } from "../src/cli/study/paper.ts";
import type { RunRecord } from "../src/cli/study/results.ts";
import { csv, markdown } from "../src/cli/study/tables.ts";
import { curvesOf, normalise, readRecords, zeroshotReport } from "../src/cli/study/zeroshot.ts";
import { memoryStorage } from "../src/core/memory_storage.ts";
import { constantScore } from "../src/tasks/score.ts";

const study = (more: object, task: object = {}) =>
  studyOf("s.json", { out: "runs/s", tasks: [{ task: "glue/sst-2", data: "SST-2", ...task }], ...more });

Deno.test("a task's own settings come before the study's, and those before the defaults of finetune", () => {
  const { tasks: [own, other], pretrain } = studyOf("s.json", {
    out: "runs/s/",
    pretrain: { corpus: "c", steps: 50, model: "nano", tokenizer: "t", lstm: { units: 40, lr: 0.01 } },
    tasks: [
      {
        task: "glue/sst-2",
        data: "d",
        limit: 10,
        epochs: 5,
        seeds: [7],
        arms: ["lstm"],
        learningRates: [1e-3],
        layers: [0, 2],
      },
      {
        name: "My pairs!",
        task: "entailment",
        columns: "premise=1,hypothesis=2,label=3",
        train: "a",
        dev: "b",
        paper: "RTE",
      },
    ],
    seeds: [1, 2],
    finetune: { epochs: 3, batch: 8, groupByLength: true, scale: "0-5" },
  });
  assertEquals([own.flags.epochs, own.flags.batch, own.flags.limit, own.flags.lmCoef], [5, 8, 10, 0.5]);
  assertEquals([own.seeds, own.arms, own.learningRates, own.layers], [[7], ["lstm"], [1e-3], [0, 2]]);
  assertEquals([own.name, own.paper, other.paper, other.folder], ["glue/sst-2", "SST2", "RTE", "My-pairs-"]);
  assertEquals([other.flags.epochs, other.flags.groupByLength, other.flags.scale], [3, true, [0, 5]]);
  assertEquals([other.seeds, other.arms.length, other.learningRates, other.layers], [
    [1, 2],
    4,
    [6.25e-5],
    "all",
  ]);
  assertEquals(
    [
      pretrain.transformer?.lr,
      pretrain.lstm?.lr,
      pretrain.lstm?.units,
      pretrain.lstm?.steps,
      pretrain.lstm?.out,
    ],
    [undefined, 0.01, 40, 50, "runs/s/pretrained/lstm"],
  );
});

Deno.test("a flag that may be given several times is a list, or one text", () => {
  const pretrain = (zeroshot: unknown) =>
    studyOf("s.json", {
      out: "o",
      pretrain: { corpus: "c", steps: 5, model: "nano", tokenizer: "t", zeroshot },
    }).pretrain?.transformer as { zeroshot?: unknown };
  assertEquals(pretrain(["glue/cola=a", "glue/rte=b"]).zeroshot, ["glue/cola=a", "glue/rte=b"]);
  assertEquals(pretrain("glue/cola=a").zeroshot, ["glue/cola=a"]);
  for (const wrong of [[], [1], 1, {}]) {
    assertStringIncludes(assertThrows(() => pretrain(wrong), Error).message, "it must be a list of texts");
  }
});

Deno.test("a wrong file is told by the path of the key and what belongs there", () => {
  const fails = (message: string, content: unknown) =>
    assertStringIncludes(assertThrows(() => studyOf("s.json", content), Error).message, message);
  const task = (more: object) => ({ out: "o", tasks: [{ task: "glue/rte", data: "d", ...more }] });
  fails("s.json is [1]: it must be an object", [1]);
  fails('s.json: "out" is missing: it must be a text', { tasks: [] });
  fails('s.json: "task" is not a setting; here are out, models, pretrain, tasks,', { out: "o", task: [] });
  fails('s.json: "models.gru" is not a setting; here are transformer, lstm', {
    out: "o",
    models: { gru: "x" },
  });
  fails('s.json: "tasks[0].epoch" is not a setting; here are name, paper,', task({ epoch: 1 }));
  fails('s.json: "tasks[0].epochs" is 0: it must be a whole number of at least 1', task({ epochs: 0 }));
  fails(
    's.json: "tasks[0].groupByLength" is "yes": it must be true or false',
    task({ groupByLength: "yes" }),
  );
  fails('s.json: "tasks[0].data" is 5: it must be a text', task({ data: 5 }));
  fails('s.json: "tasks[0].lr" is not set here: use "learningRates"', task({ lr: 1 }));
  fails('s.json: "finetune.epochs" is [3]: it must be one value', { ...task({}), finetune: { epochs: [3] } });
  fails('s.json: "finetune.schedule" is "flat": allowed choices are', {
    ...task({}),
    finetune: { schedule: "flat" },
  });
  fails('s.json: "tasks[0].arms" is "half": it must be one of full,', task({ arms: ["half"] }));
  fails('s.json: "seeds" is []: it must be a list with at least one entry', { ...task({}), seeds: [] });
  fails('s.json: "seeds" is [1,1]: it must be a list without repetitions', { ...task({}), seeds: [1, 1] });
  fails('s.json: "learningRates" is 0: it must be a number above 0', { ...task({}), learningRates: [0] });
  fails('s.json: "pretrain.corpus" is missing: give it', { out: "o", pretrain: { steps: 1 } });
  fails('s.json: "pretrain.lstm.units" is -1: it must be a whole number', {
    out: "o",
    pretrain: { steps: 1, corpus: "c", lstm: { units: -1 } },
  });
  fails('s.json: "zeroshot.tasks[0].best" is "high": it must be a number', {
    out: "o",
    zeroshot: { tasks: [{ task: "race", best: "high" }] },
  });
  fails('s.json: "tasks" holds "a b" twice', { out: "o", tasks: [{ name: "a-b" }, { name: "a b" }] });
  assertEquals(study({}).tasks[0].flags.test, undefined);
  assertEquals(study({}, { test: false }).tasks[0].flags.test, false);
});

Deno.test("the paper's numbers are whole: a column for each of its tasks in each arm, with its averages", () => {
  const averages = Object.values(table5).map((row) =>
    paperTasks.reduce((sum, task) => sum + row[task], 0) / 8
  );
  [74.7, 59.9, 75.0, 69.1].forEach((told, i) => assert(Math.abs(averages[i] - told) <= 0.1, `${averages}`));
  assertEquals(["glue/sts-b", "SST-2", "sst2", "MNLI", "race"].map(paperTaskOf), [
    "STSB",
    "SST2",
    "SST2",
    "MNLI",
    null,
  ]);
});

Deno.test("arms of a transfer study share the full run", () => {
  assertEquals(layersArm(4, 4), { ...armNamed("full"), title: "4 of 4 blocks" });
  assertEquals(layersArm(1, 4).flags, { transferLayers: 1 });
  assertEquals([spreadOf(12), spreadOf(3), spreadOf(1)], [[0, 6, 12], [0, 2, 3], [0, 1]]);
});

Deno.test("dev chooses the learning rate, the first of equal ones, and none whose loss was not finite", () => {
  const tried = (...dev: (number | null)[]) => dev.map((dev, i) => ({ learningRate: i + 1, dev }));
  assertEquals([bestRate(tried(0.5, 0.7, 0.7)), bestRate(tried(null, 0.1)), bestRate(tried(null))], [
    2,
    2,
    null,
  ]);
});

const [task] = study({}, { name: "SST-2", seeds: [1, 2] }).tasks;
const score = (accuracy: number, examples = 100) => ({ examples, accuracy });
const record = (dev: number, test: number | null): RunRecord => ({
  settings: {},
  metric: "accuracy",
  train: score(dev + 0.1),
  dev: score(dev),
  test: test === null ? null : score(test, 200),
  baseline: 0.5,
  trained: 64,
  steps: 4,
});

Deno.test("a cell tells of test where it has labels, else of dev", () => {
  const runs = [record(0.6, 0.7), record(0.8, 0.9)];
  const cell = cellOf(task, armNamed("no-aux"), 1e-3, [], runs);
  assertEquals([cell.split, cell.scores, cell.dev, cell.scored, cell.arm], [
    "test",
    [0.7, 0.9],
    [0.6, 0.8],
    200,
    "no-aux",
  ]);
  const untested = cellOf(task, armNamed("full"), 1e-3, [], [record(0.6, null)]);
  assertEquals([untested.split, untested.scores, untested.scored], ["dev", [0.6], 100]);
});

const cell = (name: string, arm: Arm, scores: readonly number[]): Cell => ({
  ...cellOf(
    { ...task, name, paper: paperTaskOf(name) },
    arm,
    1e-3,
    [],
    scores.map((one) => record(one, one)),
  ),
  seeds: scores.map((_, i) => i + 1),
});
const arms = (name: string, scores: Partial<Record<ArmName, number[]>>): Cell[] =>
  Object.entries(scores).map(([arm, list]) => cell(name, armNamed(arm as ArmName), list));

Deno.test("the ablations' table has the paper's layout, its own lines and a comparison of orders", () => {
  const cells = [
    ...arms("SST-2", {
      "full": [0.8, 0.82],
      "no-aux": [0.83, 0.85],
      "no-pretraining": [0.7, 0.81],
      "lstm": [0.75, 0.75],
    }),
    ...arms("a|b", { "full": [0.5], "no-pretraining": [0.25] }),
  ];
  const { md, csv, svg } = ablationsReport(cells, "Not finished.");
  const table = (start: string) => md.slice(md.indexOf(start)).split("\n\n")[0].split("\n");
  assertEquals(table("|  | avg |"), [
    "|  | avg | SST-2 | a\\|b |",
    "|---|---|---|---|",
    "| full | 81.0 | 81.0 | 50.0 |",
    "| no pre-training | 75.5 | 75.5 | 25.0 |",
    "| no aux LM | 84.0 | 84.0 | – |",
    "| LSTM with aux LM | 75.0 | 75.0 | – |",
  ]);
  assertEquals(table("| paper |").slice(2), [
    "| full | 91.3 | 91.3 | – |",
    "| no pre-training | 84.0 | 84.0 | – |",
    "| no aux LM | 92.0 | 92.0 | – |",
    "| LSTM with aux LM | 90.5 | 90.5 | – |",
  ]);
  assertStringIncludes(md, "Not finished.");
  assertStringIncludes(md, "over the tasks that have every arm: SST-2.");
  assertStringIncludes(
    md,
    "- SST-2: 5 of 6 pairs of arms ordered as in the paper; here no aux LM > full > no pre-training > LSTM with aux LM; the " +
      "paper no aux LM > full > LSTM with aux LM > no pre-training; the ranges over 2 seeds overlap in 2 of 6 pairs.",
  );
  assertStringIncludes(
    md,
    "| SST-2 | no pre-training | accuracy | test | 75.5 (70.0 to 81.0) | 75.5 | 0.001 | 1 2 | 64 | 200 | 50.0 |",
  );
  const [header, first] = csv.split("\n").map((line) => line.split(","));
  const at = (name: string) => first[header.indexOf(name)];
  assertEquals([at("arm"), at("least"), at("most"), at("paper_points")], ["full", "0.8", "0.82", "91.3"]);
  assertEquals(csv.trimEnd().split("\n").length, 7);
  assertEquals([...svg.matchAll(/class="range/g)].length, 3, "a range wherever seeds differ");
});

Deno.test("an order is compared pair by pair, equal ones count for neither", () => {
  const compared = (score: number, paper: number) => ({
    title: `${paper}`,
    score,
    least: score,
    most: score,
    paper,
  });
  assertEquals(agreementOf([compared(1, 1), compared(2, 2), compared(3, 3)]), {
    pairs: 3,
    agreeing: 3,
    overlapping: 0,
  });
  assertEquals(agreementOf([compared(1, 1), compared(1, 2), compared(0, 3)]), {
    pairs: 3,
    agreeing: 0,
    overlapping: 1,
  });
  assertEquals(
    ordering([{ title: "a", score: 1 }, { title: "b", score: 2 }, { title: "c", score: 1 }]),
    "b > a = c",
  );
  const { md } = ablationsReport([
    ...arms("CoLA", { "full": [0.3], "lstm": [0.1] }),
    ...arms("RTE", { "full": [0.5], "lstm": [0.6] }),
  ]);
  assertStringIncludes(
    md,
    "CoLA: ordered as in the paper: full > LSTM with aux LM; one seed, so nothing tells how far chance goes.",
  );
  assertStringIncludes(md, "RTE: 0 of 1 pair of arms ordered as in the paper");
  assertStringIncludes(md, "Average: ordered as in the paper: full > LSTM with aux LM.");
});

Deno.test("layers: a line for each count, the gain in words, dev and training examples as curves", () => {
  const of = (layers: number, score: number): LayersCell => ({
    ...cell("MNLI", layersArm(layers, 4), [score]),
    layers,
    blocks: 4,
  });
  const { md, csv, svg } = layersReport([of(4, 0.7), of(0, 0.5), of(2, 0.45)]);
  assertStringIncludes(
    md,
    "| blocks transferred | MNLI |\n|---|---|\n| 0 | 50.0 |\n| 2 | 45.0 |\n| 4 | 70.0 |\n",
  );
  assertStringIncludes(md, "- MNLI: from 0 to 4 of 4 blocks +20.0 points; 1 of 2 steps up helps.");
  assertMatch(csv, /^layers,blocks,task,/);
  assertMatch(svg, /MNLI, dev[^]*MNLI, training examples/);
  assertEquals([...svg.matchAll(/<path class="line k0( dashed)?"/g)].length, 2);
});

const line = (step: number, score: number, more: object = {}) =>
  JSON.stringify({ step, task: "glue/cola", metric: "matthews", score, baseline: 0, examples: 5, ...more });

Deno.test("zero-shot scores lie between guessing and the reference; the last record of a step counts", async () => {
  const storage = memoryStorage({
    "a/zeroshot.jsonl": `${line(10, 0.07)}\n${line(1, 0.035)}\n\n${line(10, 0.175)}\n`,
  });
  const transformer = await readRecords(storage, "a");
  assertEquals(transformer.map(({ step, score }) => [step, score]), [[1, 0.035], [10, 0.175]]);
  assertEquals(await readRecords(storage, "b"), []);
  const curves = curvesOf({ transformer, lstm: [{ ...transformer[0], score: -0.035 }] }, null);
  assertEquals(curves.map(({ architecture, best }) => [architecture, best]), [["transformer", 0.35], [
    "lstm",
    0.35,
  ]]);
  const [, second] = curves[0].points;
  assert(Math.abs(second.normalised - 0.5) < 1e-12);
  const { md, csv, svg } = zeroshotReport(curves);
  assertStringIncludes(
    md,
    "| updates | glue/cola, Transformer | glue/cola, LSTM |\n|---|---|---|\n| 1 | 0.10 | -0.10 |\n| 10 | 0.50 | – |\n",
  );
  assertMatch(csv.split("\n")[3], /^glue\/cola,glue\/cola,lstm,1,matthews,-0\.035,0,0\.35,-0\.1\d*,5$/);
  assertEquals([...svg.matchAll(/<path class="line k0 dashed"/g)].length, 1);
  assertStringIncludes(svg, ">5</text>", "ticks at 1, 2, 5, 10");
});

Deno.test("zero-shot: wrong records, and scores that nothing relates to anything", async () => {
  const bad = (content: string, message: string) =>
    assertRejects(
      () => readRecords(memoryStorage({ "a/zeroshot.jsonl": content }), "a"),
      SyntaxError,
      message,
    );
  await bad(`${line(1, 1)}\n{"step"`, "a/zeroshot.jsonl, line 2: this is not a zero-shot record");
  await bad(line(1, 1, { baseline: null }), "line 1");
  const unknown = { ...JSON.parse(line(1, 0.5)), task: "winograd" };
  assertThrows(() => curvesOf({ lstm: [unknown] }, null), RangeError, 'give "best" beside its "task"');
  assertEquals(
    curvesOf({ lstm: [unknown] }, [{ name: "W", task: "winograd", best: 1 }])[0].points[0].normalised,
    0.5,
  );
  assertThrows(() => normalise(0.5, 0.6, 0.6, "t"), RangeError, "is not above what guessing gives, 0.6");
});

Deno.test("what always the same answer comes to: chosen on the training set", () => {
  const examples = (...labels: number[]) => labels.map((label) => ({ sequences: [], label }));
  const train = examples(1, 1, 0), test = examples(0, 0, 0, 1);
  assertEquals(constantScore("accuracy", train, test, 2), 0.25);
  assertEquals(constantScore("f1", train, test, 2), 2 / 5);
  assertEquals([constantScore("matthews", train, test, 2), constantScore("pearson", train, test, 2)], [0, 0]);
});

Deno.test("tables escape what would break them; a figure stands alone", () => {
  assertEquals(markdown({ header: ["a"], rows: [["x|y"]] }), "| a |\n|---|\n| x\\|y |\n");
  assertEquals(
    csv({ header: ["a", "b"], rows: [['say "x"', 1], ["c,d", "e\nf"]] }),
    'a,b\n"say ""x""",1\n"c,d","e\nf"\n',
  );
  const file = standalone(ablationsReport(arms("RTE", { full: [0.5] })).svg);
  assertMatch(file, /^<\?xml[^>]*>\n<svg width="\d+" height="\d+" class="chart"/);
  assertStringIncludes(file, "<style>");
});
