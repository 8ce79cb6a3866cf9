// The command line as people use it: real processes, from a tokenizer to predictions. What goes wrong is in
// cli_errors_test.ts; being killed and resumed in crash_test.ts.

import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { FINETUNE, makePlace, makeTokenizer, metricsOf, type Place, PRETRAIN } from "./cli_support.ts";

const RUN = `${PRETRAIN} --model nano --tokenizer tok --valid valid.txt --steps 10`;
let place: Place;

Deno.test.beforeAll(async () => {
  place = await makePlace();
  await makeTokenizer(place);
});
Deno.test.afterAll(() => place.remove());

interface Pretrained {
  readonly out: string;
  readonly steps: number;
  readonly loss: number;
  readonly perplexity: number;
  readonly checkpoint: string;
}
interface Score {
  readonly examples: number;
  readonly accuracy: number;
  readonly f1: number;
  readonly matthews: number;
}

const losses = async (run: string): Promise<number[]> =>
  (await metricsOf(place, run)).map((line) => JSON.parse(line)).filter(({ loss }) => loss !== undefined)
    .map(({ loss }) => loss);

// Made once, by the first test that needs it.
const once = <T>(make: () => Promise<T>): () => Promise<T> => {
  let made: Promise<T> | undefined;
  return () => made ??= make();
};
const base = once(() => place.json<Pretrained>(`${RUN} --out base`));
const classifier = once(async () => {
  await base();
  return await place.json<{ labels: string[]; dev: Score; test: Score; majority: number; steps: number }>(
    `${FINETUNE} --model base --test test.tsv --out classifier`,
  );
});

Deno.test("every command explains itself", async () => {
  const names = ["pretrain", "finetune", "evaluate", "predict", "generate", "info"];
  for (const name of names) {
    const { code, stdout } = await place.foreword(`${name} --help`);
    assertEquals(code, 0);
    for (const flag of ["--json", "--seed", "--threads", "--memory", "--device"]) {
      assert(stdout.includes(flag), flag);
    }
  }
  const { code, stdout } = await place.foreword("--help");
  assertEquals(code, 0);
  for (const name of [...names, "tokenizer", "demo"]) assert(stdout.includes(`\n  ${name} `), name);
});

Deno.test("a tokenizer is trained, encodes and decodes", async () => {
  const trained = await place.json<{ vocabSize: number; bytes: number; fingerprint: string }>(
    "tokenizer train --corpus corpus.txt --vocab-size 280 --out tok280",
  );
  assertEquals(trained.vocabSize, 280);
  assertEquals(trained.bytes, (await Deno.stat(`${place.path}/corpus.txt`)).size);
  const text = "she lived in a small house";
  const { ids, tokens } = await place.json<{ ids: number[]; tokens: string[] }>(
    "tokenizer encode --tokenizer tok280 --tokens --text",
    text,
  );
  assertEquals(ids.length, tokens.length);
  assert(ids.every((id) => id > 0 && id < 280));
  const decoded = await place.json<{ text: string }>(
    "tokenizer decode --tokenizer tok280 --ids",
    ids.join(" "),
  );
  assertEquals(decoded.text.trim(), text);

  await place.write("text.txt", text);
  const plain = await place.foreword("tokenizer encode --tokenizer tok280 --text-file text.txt");
  assertEquals(plain.stdout, `${ids.join(" ")}\n`);
});

Deno.test("pretrain learns, reports on stdout and shows its progress on stderr", async () => {
  const result = await base();
  assertEquals([result.out, result.steps], ["base", 10]);
  assertEquals(result.checkpoint, "base/checkpoints/step-00000010");
  const values = await losses("base");
  assertEquals(values.length, 10);
  assert(values.at(-1)! < values[0] - 0.2, `${values}`);

  const { code, stdout, stderr } = await place.foreword(`${RUN} --out loud --json`);
  assertEquals(code, 0);
  assertEquals(stdout.trimEnd().split("\n").length, 1, "one line of JSON and nothing else");
  assertEquals(JSON.parse(stdout).loss, result.loss, "the same seed gives the same run");
  assertMatch(stderr, /encoding corpus\.txt\n/);
  assertMatch(stderr, /step 5: validLoss [\d.]+, perplexity [\d.]+ \(best so far\)\n/);
  assertMatch(stderr, /pretrain 10\/10 {2}loss [\d.]+ {2}[\d,]+ tokens\/s/);
});

Deno.test("threads change nothing, the seed does", async () => {
  await base();
  await place.json(`${RUN.replace("--threads 1", "--threads 2")} --out threads`);
  assertEquals(await metricsOf(place, "threads"), await metricsOf(place, "base"));
  await place.json(`${RUN} --seed 2 --out seed`);
  assertNotEquals((await losses("seed"))[0], (await losses("base"))[0]);
});

Deno.test("a part of the corpus can be held out, and a run can start from another", async () => {
  const { checkpoint } = await base();
  const held = await place.json<Pretrained>(
    `${PRETRAIN} --model nano --tokenizer tok --steps 4 --valid-fraction 0.1 --out fraction`,
  );
  assert(held.perplexity > 1 && held.perplexity < 364, "below that of a guess");

  await place.json(`${PRETRAIN} --init base --steps 2 --out further`);
  const [first] = await losses("further"), before = (await losses("base")).at(-1)!;
  assert(Math.abs(first - before) < 0.3, `${first} goes on from ${before}`);
  const name = checkpoint.split("/").at(-1);
  await place.json(`${PRETRAIN} --init base --checkpoint ${name} --steps 2 --out named`);
  assertEquals(await losses("named"), await losses("further"));
});

Deno.test("a finished run resumes to nothing, an unbegun one begins", async () => {
  await base();
  const before = await place.tree("base");
  const { code, stdout, stderr } = await place.foreword(`${RUN} --out base --resume`);
  assertEquals([code, stdout], [0, "base: 10 steps\n"]);
  assertMatch(stderr, /resuming from step 10\n/);
  assertEquals(await place.tree("base"), before);
  await place.json(`${RUN} --out begun --resume`);
  assertEquals(await metricsOf(place, "begun"), await metricsOf(place, "base"));
});

Deno.test("finetune makes a classifier", async () => {
  const { labels, dev, test, majority, steps } = await classifier();
  assertEquals(labels, ["afraid", "angry", "glad", "sad"]);
  assertEquals([dev.examples, test.examples, steps], [20, 20, 8]);
  assert([dev.accuracy, test.accuracy, majority].every((x) => x >= 0 && x <= 1));
  const values = await losses("classifier");
  assert(values.at(-1)! < values[0], `${values}`);
});

Deno.test("finetune from scratch starts elsewhere, and --limit takes fewer examples", async () => {
  await classifier();
  await place.json(`${FINETUNE} --model base --from-scratch --out scratch`);
  assert((await losses("scratch"))[0] > (await losses("classifier"))[0] + 0.1);
  const { steps } = await place.json<{ steps: number }>(`${FINETUNE} --model base --limit 33 --out limited`);
  assertEquals(steps, 4, "two batches of 16, twice");
});

Deno.test("evaluate scores text and labels, with the best checkpoint or a named one", async () => {
  const { perplexity } = await base(), { test } = await classifier();
  const text = await place.json<{ perplexity: number; bitsPerByte: number; tokens: number }>(
    "evaluate --model base --corpus valid.txt --batch 4 --threads 1 --device wasm",
  );
  assertEquals(text.perplexity, perplexity, "as the last validation said");
  assert(text.bitsPerByte > 0 && text.tokens > 1000);
  const score = await place.json<Score>(
    "evaluate --model classifier --data test.tsv --threads 1 --device wasm",
  );
  assertEquals(score, test, "as fine-tuning said of the best epoch");
  const last = await place.json<Score>(
    "evaluate --model classifier --data test.tsv --checkpoint last --device wasm",
  );
  assertEquals(last.examples, 20);
});

Deno.test("predict labels one text or a file of them", async () => {
  await classifier();
  interface Prediction {
    text: string;
    label: string;
    probabilities: Record<string, number>;
  }
  const text = "Then, at noon, the ghost left the valley.";
  const one = await place.json<Prediction>("predict --model classifier --device wasm --text", text);
  assertEquals(one.text, text);
  assertEquals(Object.keys(one.probabilities), ["afraid", "angry", "glad", "sad"]);
  const sum = Object.values(one.probabilities).reduce((a, b) => a + b);
  assert(Math.abs(sum - 1) < 1e-9);
  assertEquals(one.probabilities[one.label], Math.max(...Object.values(one.probabilities)));

  await place.write("texts.txt", `${text}\n\nHe owned a fine lantern.\n`);
  const many = await place.json<{ predictions: Prediction[] }>(
    "predict --model classifier --device wasm --text-file texts.txt",
  );
  assertEquals(many.predictions.map(({ text }) => text), [text, "He owned a fine lantern."]);
  const near = Object.entries(one.probabilities).map(([label, p]) =>
    Math.abs(p - many.predictions[0].probabilities[label])
  );
  assert(Math.max(...near) < 1e-5, "company in the batch hardly matters");
});

Deno.test("texts beyond the context are cut, and predict says so", async () => {
  await classifier();
  const { code, stderr } = await place.foreword(
    "predict --model classifier --device wasm --text",
    "the ghost left the valley ".repeat(30),
  );
  assertEquals(code, 0);
  assertMatch(stderr, /note: 1 of 1 texts of --text are longer than the context of 64 tokens: only their/);
});

Deno.test("generate repeats itself with a seed, and stops where told", async () => {
  await base();
  const say = "generate --model base --threads 1 --device wasm --max-tokens 100";
  const { prompt, text } = await place.json<{ prompt: string; text: string }>(
    `${say} --seed 3 --prompt`,
    "Once upon a",
  );
  assertEquals(prompt, "Once upon a");
  const again = await place.foreword(`${say} --seed 3 --prompt`, "Once upon a");
  assertEquals(again.stdout.trimEnd(), `Once upon a${text}`.trimEnd(), "and more tokens than the context");
  const other = await place.json<{ text: string }>(`${say} --seed 4 --prompt`, "Once upon a");
  assertNotEquals(other.text, text);
  const [mark] = text.slice(Math.floor(text.length / 2)).trimStart(); // a flag's value is no blank here
  const cut = await place.json<{ text: string }>(`${say} --seed 3 --stop ${mark} --prompt`, "Once upon a");
  assertEquals(cut.text, text.slice(0, text.indexOf(mark)));
  const greedy = `${say} --temperature 0 --prompt`;
  assertEquals(
    await place.json(`${greedy}`, "Once"),
    await place.json(`${greedy}`, "Once"),
  );
});

Deno.test("a run in little memory, recomputing blocks, goes on as one that keeps everything", async () => {
  const run = await base();
  const again = await place.json<Pretrained>(`${RUN} --recompute block --memory 5 --out again`);
  assertEquals([again.loss, again.perplexity], [run.loss, run.perplexity]);
  assertEquals(await losses("again"), await losses("base"));
  // What is recomputed is no setting of a run: it may change when resuming.
  await place.json(`${RUN} --resume --out again`);
});

Deno.test("info tells what a preset costs and what a run holds", async () => {
  await base();
  interface Info {
    parameters: number;
    checkpoints: { name: string; best: boolean; last: boolean }[];
    bytes: { total: number };
  }
  const preset = await place.json<Info>(
    "info --model nano --vocab-size 300 --batch 4 --threads 1 --device wasm",
  );
  const run = await place.json<Info>("info --model base");
  assertEquals(run.parameters, preset.parameters);
  assertEquals(run.checkpoints, [{ name: "step-00000010", step: 10, best: true, last: true }]);
  assert(preset.bytes.total > 16 * preset.parameters, "parameters, gradients, two moments, temporaries");
});

Deno.test("auto says once what it took and why; a device that was named is not remarked on", async () => {
  await classifier();
  const line = /^auto: (?:WASM|WebGPU on [^,]+), .+$/gm;
  const commands = [
    ["info --model nano"],
    ["generate --model base --max-tokens 2 --prompt", "she lived"],
    ["evaluate --model base --corpus valid.txt"],
    ["evaluate --model classifier --data test.tsv"],
    ["predict --model classifier --text", "she was glad"],
    [`${FINETUNE} --model base --out announced --device auto`],
  ] as const;
  for (const [command, ...rest] of commands) {
    const { code, stderr } = await place.foreword(command, ...rest, "--threads", "1");
    assertEquals(code, 0, stderr);
    assertEquals(stderr.match(line)?.length, 1, `${command}: ${stderr}`);
  }
  const named = await place.foreword("info --model nano --device wasm");
  assertEquals([named.code, named.stderr], [0, ""]);
  const looked = await place.foreword("inspect --model base --text", "she lived");
  assertMatch(looked.stderr, /^auto: WASM, a single run is not worth choosing for$/m);
  const resumed = await place.foreword(`${RUN} --out base --resume --device auto`);
  assertMatch(resumed.stderr, /^auto: (WASM|WebGPU), which the run was on so far$/m);
});
