// Studies on the command line, with a tiny model and tiny tasks: stopped and taken up again with the same result, nothing
// run twice, what changed told or made again, and every file written.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { makePlace, makeTokenizer, metricsOf, outcomeOf, type Place, PRETRAIN } from "./cli_support.ts";

let place: Place;

Deno.test.beforeAll(async () => {
  place = await makePlace();
  await makeTokenizer(place);
  await place.json(`${PRETRAIN} --model nano --tokenizer tok --steps 3 --out base`);
});
Deno.test.afterAll(() => place.remove());

const FILES = { task: "classification", train: "train.tsv", dev: "dev.tsv" };
const TASKS = [
  { name: "SST-2", ...FILES, test: "test.tsv" },
  { name: "Own", ...FILES, limit: 16, devLimit: 8, seeds: [3], arms: ["full"] },
];

interface Study {
  readonly cells: readonly {
    readonly task: string;
    readonly arm: string;
    readonly split: string;
    readonly learningRate: number;
    readonly tried: readonly { readonly dev: number | null }[];
    readonly scores: readonly number[];
    readonly train: readonly number[];
    readonly scored: number;
    readonly trained: number;
  }[];
}

async function configure(name: string, out: string, more: object = {}): Promise<void> {
  await place.write(
    `${name}.json`,
    JSON.stringify({
      out,
      models: { transformer: "base" },
      tasks: TASKS,
      arms: ["full", "no-pretraining"],
      seeds: [1, 2],
      learningRates: [1e-3],
      layers: [0, 2],
      finetune: { epochs: 2, batch: 16 },
      ...more,
    }),
  );
}

const begun = (stderr: string): string[] => stderr.split("\n").filter((line) => /^\[\d+ of \d+\]/.test(line));
const study = (kind: string, name: string, rest = "") =>
  place.foreword(`study ${kind} --config ${name}.json --threads 1 --device wasm ${rest}`);

Deno.test("a study that is stopped goes on and comes to the same; nothing is run twice", async () => {
  await configure("whole", "whole");
  await configure("hurt", "hurt");
  const { code, stderr } = await study("ablations", "whole");
  assertEquals(code, 0, stderr);
  assertEquals(begun(stderr).length, 5);
  const { cells }: Study = JSON.parse(await place.read("whole/ablations.json"));
  assertEquals(cells.map(({ task, arm, split }) => `${task} ${arm} ${split}`), [
    "SST-2 full test",
    "SST-2 no-pretraining test",
    "Own full dev",
  ]);
  assertEquals(cells.map(({ scores, scored, trained }) => [scores.length, scored, trained]), [
    [2, 20, 64],
    [2, 20, 64],
    [1, 8, 16],
  ]);
  for (const { scores, train } of cells) {
    assert([...scores, ...train].every((score) => score >= 0 && score <= 1));
  }

  // Stopped in the middle of the second run.
  const child = place.start("study ablations --config hurt.json --threads 1 --device wasm");
  let ended = false;
  const output = child.output().finally(() => ended = true);
  const second = "hurt/runs/SST-2/full/lr-0.001/seed-2";
  const lines = () => metricsOf(place, second).then((all) => all.length, () => 0);
  while (!ended && await lines() < 2) await new Promise((resolve) => setTimeout(resolve, 3));
  if (!ended) child.kill("SIGINT");
  const stopped = outcomeOf(await output);
  assertEquals(stopped.code, 130, stopped.stderr);
  assertMatch(stopped.stderr, /To go on: foreword study ablations --config hurt\.json\n$/);
  const kept = Object.keys(JSON.parse(await place.read("hurt/runs.json")).runs).length;
  assert(kept >= 1 && kept < 5, `${kept}`);
  // It stays where the run that it stopped in was, whatever finished ones were on.
  const elsewhere = (await place.read("hurt/runs.json")).replaceAll(
    /"WASM [^"]*"/g,
    '"float64 reference, 1 thread"',
  );
  assertStringIncludes(elsewhere, '"device": "float64 reference, 1 thread"');
  await place.write("hurt/runs.json", elsewhere);
  const resumed = await study("ablations", "hurt", "--device auto");
  assertEquals(resumed.code, 0, resumed.stderr);
  assertMatch(resumed.stderr, /^auto: WASM, which the run was on so far$/m);
  assertEquals(begun(resumed.stderr).length, 5 - kept);
  assertEquals(
    JSON.parse(await place.read("hurt/ablations.json")),
    JSON.parse(await place.read("whole/ablations.json")),
  );
  assertEquals(await metricsOf(place, second), await metricsOf(place, second.replace("hurt", "whole")));

  const files = await place.tree("whole"), again = await study("ablations", "whole");
  assertEquals([again.code, begun(again.stderr)], [0, []]);
  assertEquals(await place.tree("whole"), files);
  assert(!Object.keys(files).some((path) => path.includes("checkpoints")), "a finished run needs none");
  for (const extension of ["md", "csv", "svg"]) assert(`whole/ablations.${extension}` in files);
  assertStringIncludes(again.stdout, await place.read("whole/ablations.md"));
});

Deno.test("layers takes the full run from the ablations", async () => {
  const { code, stderr } = await study("layers", "whole");
  assertEquals(code, 0, stderr);
  assertEquals(begun(stderr).length, 3, "no block; the full run is there");
  assert(begun(stderr).every((line) => /, 0 of 2 blocks, /.test(line)), stderr);
  const of = async (kind: string) =>
    (JSON.parse(await place.read(`whole/${kind}.json`)) as Study).cells.filter(({ arm }) => arm === "full")
      .map(({ scores }) => scores);
  assertEquals(await of("layers"), await of("ablations"));
  await configure("deep", "deep", { layers: [3] });
  assertMatch((await study("layers", "deep")).stderr, /error: Cannot transfer 3 blocks of base, which has 2/);
});

Deno.test("what changed is told, and made again where that is asked for; new seeds and rates are only added", async () => {
  const tasks = (limit: number) => TASKS.map((task) => task.name === "Own" ? { ...task, limit } : task);
  const small = { arms: ["full"], seeds: [1], learningRates: [1e-3], finetune: { epochs: 1, batch: 16 } };
  const run = async (more: object, rest = "") => {
    await configure("change", "change", { ...small, ...more });
    const { code, stderr } = await study("ablations", "change", rest);
    return { code, stderr, runs: begun(stderr).map((line) => line.replace(/^\[[^\]]*\] /, "")) };
  };
  assertEquals((await run({})).runs.length, 2);
  const refused = await run({ tasks: tasks(20) });
  assertEquals(refused.code, 1);
  assertEquals(
    refused.stderr.trimEnd(),
    "error: change/runs/Own/full/lr-0.001/seed-3 was made with limit 16 where change.json now has 20: undo the change, choose " +
      'another "out", or add --redo to make again what changed',
  );
  assertEquals((await run({ tasks: tasks(20) }, "--redo --keep-checkpoints")).runs, [
    "Own, full, learning rate 0.001, seed 3",
  ]);
  assert("change/runs/Own/full/lr-0.001/seed-3/checkpoints.json" in await place.tree("change"));
  const more = await run({ tasks: tasks(20), seeds: [1, 2], learningRates: [1e-3, 1e30] }, "--device auto");
  assertEquals(more.runs.length, 3, more.stderr);
  assertMatch(more.stderr, /^auto: WASM, which the run was on so far$/m);
  assertMatch(
    more.stderr,
    /learning rate 1e\+30, seed 1: the loss was not finite at step \d+; this learning rate is passed over/,
  );
  const { cells }: Study = JSON.parse(await place.read("change/ablations.json"));
  assertEquals([cells[0].learningRate, cells[0].tried[1].dev], [1e-3, null]);

  const train = await place.read("train.tsv");
  await place.write("train.tsv", train.split("\n").slice(4).join("\n"));
  assertMatch(
    (await run({ tasks: tasks(20) })).stderr,
    /seed-1 was made with other examples: undo the change/,
  );
  await place.write("train.tsv", train);
});

Deno.test("models that are not there are pre-trained, both alike; their zero-shot records become the figure", async () => {
  const pretrain = { corpus: "corpus.txt", tokenizer: "tok", model: "nano", steps: 2, batch: 4 };
  const few = {
    models: {},
    pretrain,
    tasks: [{ ...TASKS[1], arms: ["no-aux", "lstm"] }],
    seeds: [1],
    learningRates: [1e-3],
  };
  await configure("made", "made", few);
  const { code, stderr, stdout } = await study("ablations", "made");
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /\| LSTM with aux LM \| \d+\.\d \| \d+\.\d \|/);
  const record = (step: number, score: number) =>
    JSON.stringify({ step, task: "glue/cola", metric: "matthews", score, baseline: 0, examples: 9 });
  assertMatch(
    (await study("zeroshot", "made")).stderr,
    /hold no zeroshot\.jsonl with records of these tasks/,
  );
  await place.write("made/pretrained/lstm/zeroshot.jsonl", `${record(1, 0)}\n${record(2, 0.035)}\n`);
  const { curves } = await place.json<{ curves: { points: { normalised: number }[] }[] }>(
    "study zeroshot --config made.json",
  );
  assertEquals(curves.map(({ points }) => points.map(({ normalised }) => normalised.toFixed(2))), [[
    "0.00",
    "0.10",
  ]]);
  assertStringIncludes(await place.read("made/zeroshot.svg"), "glue/cola, LSTM");
});

Deno.test("mistakes are one sentence, and nothing is begun", async () => {
  const fails = async (message: RegExp, more: object) => {
    await configure("wrong", "wrong", more);
    const { code, stderr } = await study("ablations", "wrong");
    assertEquals(code, 1);
    assertMatch(stderr, message);
    assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
    assertEquals(await place.tree("wrong"), {});
  };
  await fails(/^error: wrong\.json: "arm" is not a setting/, { arm: [] });
  await fails(/^error: wrong\.json: "tasks" is missing or empty/, { tasks: [] });
  await fails(/^error: wrong\.json: there is no pre-trained lstm: name its run under "models", or/, {
    arms: ["lstm"],
  });
  await fails(/^error: none is not a run folder/, { models: { transformer: "none" } });
  // The second task is read before the first is run.
  await fails(/^error: Cannot .*none\.tsv/, { tasks: [TASKS[0], { ...TASKS[1], dev: "none.tsv" }] });
  await place.write("broken.json", "{ no");
  assertMatch((await study("layers", "broken")).stderr, /^error: broken\.json is not JSON: /);
  assertMatch(
    (await study("zeroshot", "absent")).stderr,
    /^error: There is no file absent\.json: give --config/,
  );
});
