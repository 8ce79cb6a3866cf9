// The LSTM of the ablation on the command line: every command that takes a GPT-1 run takes one of an LSTM, and flags that
// do not belong together are refused.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { FINETUNE, makePlace, makeTokenizer, metricsOf, type Place, PRETRAIN } from "./cli_support.ts";

const RUN = `${PRETRAIN} --model nano --architecture lstm --tokenizer tok --valid valid.txt --steps 10`;
let place: Place;

Deno.test.beforeAll(async () => {
  place = await makePlace();
  await makeTokenizer(place);
  await place.json(`${RUN} --out base`);
});
Deno.test.afterAll(() => place.remove());

interface Info {
  readonly parameters: number;
  readonly model: { readonly lstm: { readonly units: number }; readonly layers: number };
  readonly settings: Readonly<Record<string, unknown>>;
}

Deno.test("a run of an LSTM is trained, scored, continued, resumed and taken further", async () => {
  const lines = (await metricsOf(place, "base")).map((line) => JSON.parse(line));
  const losses = lines.flatMap(({ loss }) => loss === undefined ? [] : [loss]);
  assert(losses.at(-1) < losses[0] - 0.2, `${losses}`);
  const { perplexity } = lines.at(-1);
  const score = await place.json<{ perplexity: number }>(
    "evaluate --model base --corpus valid.txt --batch 4 --threads 1 --device wasm",
  );
  assertEquals(score.perplexity, perplexity, "as the last validation said");
  const say = "generate --model base --threads 1 --device wasm --max-tokens 80 --seed 3 --prompt";
  const { text } = await place.json<{ text: string }>(say, "Once upon a");
  assert(text.length > 80, "more tokens than the context");
  assertEquals(await place.json(say, "Once upon a"), { prompt: "Once upon a", text });

  await place.json(`${RUN} --resume --out base`);
  await place.json(`${RUN} --threads 2 --recompute block --out again`);
  assertEquals(await metricsOf(place, "again"), await metricsOf(place, "base"));
  await place.json(`${PRETRAIN} --init base --steps 1 --out further`);
  const [first] = (await metricsOf(place, "further")).map((line) => JSON.parse(line).loss);
  assert(Math.abs(first - losses.at(-1)) < 0.3, `${first} goes on from ${losses.at(-1)}`);
});

Deno.test("a run of an LSTM is fine-tuned like any other", async () => {
  const result = await place.json<{ steps: number }>(`${FINETUNE} --model base --out classifier`);
  assertEquals(result.steps, 8);
  const { model, parameters } = await place.json<Info>("info --model classifier");
  assertEquals([model.lstm.units > 0, model.layers], [true, 0]);
  const { parameters: before } = await place.json<Info>("info --model base");
  assertEquals(parameters, before + 3 * 64 + 4 * 65, "special tokens and four outputs");
});

Deno.test("info knows an LSTM as a preset and as a run, and the run says what it is", async () => {
  const preset = "info --model nano --architecture lstm --vocab-size 300 --threads 1 --device wasm";
  const sized = await place.json<Info>(preset), run = await place.json<Info>("info --model base");
  assertEquals([sized.parameters, sized.model.lstm], [run.parameters, run.model.lstm]);
  assertEquals([run.settings.architecture, run.settings.units], ["lstm", null]);
  const { stdout } = await place.foreword(`${preset} --units 2048`);
  assertStringIncludes(stdout, "LSTM, 2048 units, 64 channels, context 64");
  const { code, stderr } = await place.foreword(`${RUN} --units 20 --resume --out base`);
  assertEquals(code, 1);
  assertMatch(stderr, /Cannot resume base with units 20: it was begun with null/);
});

Deno.test("flags that do not belong together are refused", async () => {
  const fails = async (message: string, line: string) => {
    const { code, stderr } = await place.foreword(line);
    assertEquals(code, 1, stderr);
    assertStringIncludes(stderr, message);
  };
  const begin = `${PRETRAIN} --tokenizer tok --model nano --steps 2 --out new`;
  const alone = "--units is the size of an LSTM: add --architecture lstm";
  await fails(alone, `${begin} --units 30`);
  await fails(alone, "info --model nano --units 30");
  await fails(
    "--init brings its own size: leave --architecture out",
    `${PRETRAIN} --init base --architecture lstm --steps 2 --out new`,
  );
  await fails(
    "Cannot inspect an LSTM: it has no attention",
    "inspect --model base --text hello --threads 1 --device wasm",
  );
  await fails("Cannot write an LSTM in the files of GPT-1", "export --model base --out new");
  await fails(
    "Cannot transfer 2 blocks of a model that has 1",
    `${FINETUNE} --model base --transfer-layers 2 --out new`,
  );
  assertEquals(await place.tree("new"), {});
});
