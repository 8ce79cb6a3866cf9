// Adapters and frozen layers on the command line: trained, resumed, used, exported alone and merged, imported again; and
// what is said of flags that do not go together.

import { assert, assertAlmostEquals, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { openSafetensors } from "../src/train/safetensors.ts";
import { folder } from "../src/platform/fs.ts";
import { FINETUNE, makePlace, makeTokenizer, metricsOf, type Place, PRETRAIN } from "./cli_support.ts";

const TUNE = `${FINETUNE} --model base`;
const LORA = `${TUNE} --lora-rank 4 --lora-alpha 8 --lora-targets mlp/c_fc,attn/c_attn --lora-dropout 0.1`;
let place: Place;

Deno.test.beforeAll(async () => {
  place = await makePlace();
  await makeTokenizer(place);
  await place.json(`${PRETRAIN} --model nano --tokenizer tok --steps 10 --warmup 1 --out base`);
  await place.json(`${LORA} --out lora`);
});
Deno.test.afterAll(() => place.remove());

interface Run {
  readonly model: { readonly lora?: object; readonly frozenLayers?: number; readonly specials: number };
  readonly settings: Readonly<Record<string, unknown>>;
  readonly task: string;
}

const configOf = async (run: string): Promise<Run> => JSON.parse(await place.read(`${run}/config.json`));

// Path and digest of a kind of tensors in a run's last checkpoint.
async function lastFile(run: string, kind = "model"): Promise<readonly [path: string, digest: string]> {
  const { last } = JSON.parse(await place.read(`${run}/checkpoints.json`));
  const path = `${run}/checkpoints/${last}/${kind}.safetensors`;
  return [path, (await place.tree(run))[path]];
}
const lastWeights = async (run: string): Promise<string> => (await lastFile(run))[1];

// Bytes of the named tensors of a run's last checkpoint.
async function tensorsOf(run: string): Promise<Map<string, string>> {
  const file = await openSafetensors(folder(place.path), (await lastFile(run))[0]);
  const read = async (name: string) => [name, (await file.read(name)).toHex()] as const;
  return new Map(await Promise.all([...file.tensors.keys()].map(read)));
}

Deno.test("adapters are trained, what they adapt stays, and the run says what it is", async () => {
  const { model, settings } = await configOf("lora");
  const lora = { rank: 4, alpha: 8, targets: ["attn/c_attn", "mlp/c_fc"], dropout: 0.1 };
  assertEquals([model.lora, settings.lora], [lora, lora]);
  const lines = (await metricsOf(place, "lora")).map((line) => JSON.parse(line));
  const losses = lines.flatMap(({ loss }) => loss === undefined ? [] : [loss]);
  assert(losses.at(-1) < losses[0], `${losses}`);
  const base = await tensorsOf("base"), tuned = await tensorsOf("lora");
  for (const [name, bytes] of base) {
    if (name !== "we") assertEquals(tuned.get(name), bytes, name);
  }
  assertEquals([...tuned.keys()].filter((name) => !base.has(name)).toSorted(), [
    "clf/b",
    "clf/w",
    ...[0, 1].flatMap((i) =>
      ["attn/c_attn", "mlp/c_fc"].flatMap((name) => [`h${i}/${name}/lora_a`, `h${i}/${name}/lora_b`])
    ),
    "we/specials",
  ]);
});

Deno.test("a run with adapters resumes bit for bit, and not with others", async () => {
  const long = `${LORA} --epochs 12 --limit 32`;
  const { code } = await interrupted(`${long} --out stopped`);
  assertEquals(code, 130);
  assert((await metricsOf(place, "stopped")).length < 24, "it was stopped on its way");
  await place.json(`${long} --out stopped --resume`);
  await place.json(`${long} --out whole`);
  assertEquals(await metricsOf(place, "stopped"), await metricsOf(place, "whole"));
  assertEquals(await lastWeights("stopped"), await lastWeights("whole"));
  await fails(
    /Cannot resume lora with lora \{"rank":2,.*it was begun with \{"rank":4/,
    `${LORA.replace("--lora-rank 4", "--lora-rank 2")} --out lora --resume`,
  );
  await fails(/Cannot resume lora with lora nothing/, `${TUNE} --out lora --resume`);
});

// Starts a command and interrupts it once it has shown a first validation.
async function interrupted(line: string): Promise<Deno.CommandStatus> {
  const child = place.start(line), decoder = new TextDecoder();
  void child.stdout.cancel();
  let text = "";
  for await (const part of child.stderr) {
    const before = text;
    text += decoder.decode(part, { stream: true });
    if (/: accuracy/.test(text) && !/: accuracy/.test(before)) child.kill("SIGINT");
  }
  return await child.status;
}

interface Prediction {
  readonly probabilities: Readonly<Record<string, number>>;
}

Deno.test("adapters exported alone and imported on their base are the same run", async () => {
  const exported = await place.json<{ format: string; files: { name: string }[] }>(
    "export --model lora --adapter --out adapter",
  );
  assertEquals([exported.format, ...exported.files.map(({ name }) => name).toSorted()], [
    "peft",
    "adapter_config.json",
    "adapter_model.safetensors",
    "foreword.json",
    "foreword.safetensors",
  ]);
  const { base_model_name_or_path, r } = JSON.parse(await place.read("adapter/adapter_config.json"));
  assertEquals([base_model_name_or_path, r], ["base", 4]);
  const { format, task } = await place.json<{ format: string; task: string }>(
    "import --from adapter --model base --out again",
  );
  assertEquals([format, task], ["peft", "classification"]);
  const score = (run: string) =>
    place.json(`evaluate --model ${run} --data dev.tsv --threads 1 --device wasm`);
  assertEquals(await score("again"), await score("lora"));
  const ask = ["--text", "Mara went home."], last = "--checkpoint last --threads 1 --device wasm";
  assertEquals(
    await place.json(`predict --model again ${last}`, ...ask),
    await place.json(`predict --model lora --threads 1 --device wasm`, ...ask),
  );
  await place.json("export --model lora --checkpoint last --adapter --out last");
  await place.json("import --from last --model base --out once-more");
  assertEquals(await lastWeights("once-more"), await lastWeights("lora"), "bit for bit");

  await Deno.remove(`${place.path}/adapter/foreword.safetensors`);
  await fails(
    /adapter: it lacks we\/specials; restore foreword.safetensors/,
    "import --from adapter --model base --out new",
  );
  assertEquals(await place.tree("new"), {});

  // What PEFT itself would have written.
  for (const name of ["foreword.json", "foreword.safetensors"]) {
    await Deno.remove(`${place.path}/last/${name}`);
  }
  await place.json("import --from last --model base --out plain");
  const { model, task: plain } = await configOf("plain");
  assertEquals([plain, model.specials, model.lora], ["language", 0, (await configOf("lora")).model.lora]);
});

Deno.test("merged weights are a plain model that scores the same", async () => {
  const { stderr } = await place.foreword("export --model lora --out merged");
  assertStringIncludes(stderr, "The adapters were merged into the weights.");
  await place.json("import --from merged --out merged-run");
  assertEquals((await configOf("merged-run")).model.lora, undefined);
  const perplexity = async (run: string) =>
    (await place.json<{ perplexity: number }>(
      `evaluate --model ${run} --corpus valid.txt --threads 1 --device wasm`,
    ))
      .perplexity;
  const [adapted, plain, base] = [
    await perplexity("lora"),
    await perplexity("merged-run"),
    await perplexity("base"),
  ];
  assert(Math.abs(adapted - plain) < 1e-5 * adapted, `${adapted} ${plain}`);
  assert(Math.abs(adapted - base) > 1e-3 * adapted, `${adapted} ${base}`);
});

Deno.test("a run that starts from one with adapters starts from it merged", async () => {
  await place.json("export --model lora --adapter --out bare");
  for (const name of ["foreword.json", "foreword.safetensors"]) {
    await Deno.remove(`${place.path}/bare/${name}`);
  }
  await place.json("import --from bare --model base --out language");
  await place.json("export --model language --out language-merged");
  await place.json("import --from language-merged --out language-plain");
  const tune = `${FINETUNE} --epochs 1 --limit 16`;
  for (const run of ["language", "language-plain"]) {
    await place.json(`${tune} --model ${run} --out from-${run}`);
  }
  assertEquals(await lastWeights("from-language"), await lastWeights("from-language-plain"));
});

Deno.test("frozen layers stay, and the rest is trained", async () => {
  await place.json(`${TUNE} --freeze-layers 1 --out frozen`);
  assertEquals((await configOf("frozen")).settings.frozenLayers, 1);
  const base = await tensorsOf("base"), tuned = await tensorsOf("frozen");
  for (const [name, bytes] of base) {
    if (name === "we") continue;
    assertEquals(tuned.get(name) === bytes, name.startsWith("h0/"), name);
  }
  const file = await openSafetensors(folder(place.path), (await lastFile("frozen", "moment1"))[0]);
  assertEquals([...file.tensors.keys()].filter((name) => !/^(h1|clf)\//.test(name)), ["we/specials"]);
  const { probabilities } = await place.json<Prediction>(
    "predict --model frozen --threads 1 --device wasm --text hello",
  );
  assertAlmostEquals(Object.values(probabilities).reduce((a, b) => a + b), 1, 1e-5);
});

async function fails(message: RegExp, line: string): Promise<void> {
  const { code, stdout, stderr } = await place.foreword(line);
  assertEquals([code, stdout], [1, ""], stderr);
  const said = stderr.replace("(add --help for the flags)\n", "").trimEnd().split("\n");
  assertMatch(said.at(-1)!, message);
  assert(said.slice(0, -1).every((line) => /^(note|auto): /.test(line)), stderr);
}

Deno.test("flags that do not go together are refused with a sentence", async () => {
  const tune = `${TUNE} --out new`;
  await fails(/'0' is invalid. It must be a whole number of at least 1/, `${tune} --lora-rank 0`);
  await fails(/--lora-alpha is about adapters: add --lora-rank, or leave it out/, `${tune} --lora-alpha 8`);
  await fails(/--lora-targets is about adapters/, `${tune} --freeze-layers 1 --lora-targets mlp/c_fc`);
  await fails(
    /The matrices of a block are attn\/c_attn, attn\/c_proj/,
    `${tune} --lora-rank 2 --lora-targets c_attn`,
  );
  await fails(/with alpha 0: give a number above 0/, `${tune} --lora-rank 2 --lora-alpha 0`);
  await fails(
    /--from-scratch starts from random numbers, which --lora-rank/,
    `${tune} --lora-rank 2 --from-scratch`,
  );
  await fails(/--transfer-layers 1 starts the blocks above/, `${tune} --lora-rank 2 --transfer-layers 1`);
  await fails(
    /--transfer-layers 1 .* which --freeze-layers/,
    `${tune} --freeze-layers 2 --transfer-layers 1`,
  );
  await fails(/leave --freeze-layers out/, `${tune} --lora-rank 2 --freeze-layers 1`);
  await fails(/Cannot freeze 3 blocks of a model that has 2: give 0 to 2/, `${tune} --freeze-layers 3`);
  await fails(/base has no adapters, it was not fine-tuned/, "export --model base --adapter --out new");
  await fails(
    /'--adapter' cannot be used with option '--format/,
    "export --model lora --adapter --format original --out new",
  );
  await place.json("export --model lora --adapter --out mistaken");
  await fails(/mistaken holds adapters: give --model/, "import --from mistaken --out new");
  await fails(/lora is a classifier already/, "import --from mistaken --model lora --out new");
  await place.json(`${PRETRAIN} --model micro --tokenizer tok --steps 1 --out micro`);
  await fails(/made for a model with context 64, not 128/, "import --from mistaken --model micro --out new");
  assertEquals(await place.tree("new"), {}, "nothing was left behind");
});
