// Generation with several runs under way: the same tokens as one at a time and, where nothing is drawn, as the host
// chooses; contexts that fill up, turns on one cache, readers that stop early. WASM devices that say they work ahead stand
// in for a GPU; the GPU's own test is webgpu_generate_test.ts.

import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import type { Device, Program } from "../src/backends/backend.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import type { Gpt1Config } from "../src/models/gpt1.ts";
import type { Gpt1 } from "../src/models/gpt1_model.ts";
import { type GenerateOptions, generateTokens } from "../src/train/generate.ts";
import { all, someTokens, strongValues, tinyConfig, tinyModel } from "./tiny_model.ts";

const config = tinyConfig({ specials: 3, context: 12 }), { vocabSize: V } = config;
const recurrent: Gpt1Config = { ...config, heads: 1, layers: 0, lstm: { units: 6 } };
const open = (): Promise<Device> => openWasm({ threads: 1, poison: true });

// The model on a device that says how far ahead it works, and the most continuations that were under way.
function ahead(model: Gpt1, runs: number): { model: Gpt1; most: () => number } {
  let now = 0, most = 0;
  const continuation = (batch: number): Program => {
    const program = model.continuation(batch);
    const run: Program["run"] = (feeds) => {
      most = Math.max(most, ++now);
      return program.run(feeds).finally(() => now--);
    };
    return { ...program, run };
  };
  return {
    model: { ...model, device: { ahead: runs } as Device, continuation },
    most: () => most,
  };
}

// Lengths from one token to twice the context; the shorter ones fill their contexts at other times than the longer.
const prompts = [1, 5, 11, 12, 13, 24].map((n, i) => [...someTokens(n, i)]);

for (const [name, shape] of [["GPT-1", config], ["an LSTM", recurrent]] as const) {
  Deno.test(`the most probable tokens of ${name} are those that the host chooses`, async () => {
    using device = await open();
    using model = await tinyModel(device, shape);
    const options = { maxTokens: 30, temperature: 0 };
    const want = await all(generateTokens(model, prompts, options));
    const { model: eager, most } = ahead(model, 4);
    assertEquals(await all(generateTokens(eager, prompts, options)), want);
    assert(most() > 1);
    const [alone] = prompts, single = ahead(model, 4);
    assertEquals(
      await all(generateTokens(single.model, [alone], options)),
      want.map(([token]) => [token]),
    );
    assertEquals(single.most(), 4);
  });
}

Deno.test("tokens do not depend on how many runs are under way", async () => {
  using device = await open();
  using model = await tinyModel(device, config);
  const text = (runs: number, options: Partial<GenerateOptions> = {}) =>
    all(
      generateTokens(ahead(model, runs).model, prompts.slice(0, 2), { maxTokens: 40, seed: 3, ...options }),
    );
  for (const limits of [{}, { temperature: 1.4, topK: 9 }, { temperature: 0.8, topP: 0.7 }]) {
    const want = await text(2, limits);
    for (const runs of [4, 5, 64]) assertEquals(await text(runs, limits), want);
    assertEquals(want.length, 40);
    assertNotEquals(await text(4, { ...limits, seed: 4 }), want);
  }
});

Deno.test("what is drawn ahead is what the host draws, but for the order of adding up", async () => {
  using device = await open();
  using model = await tinyModel(device, config);
  const options = { maxTokens: 60, seed: 5, temperature: 1.1 }; // without limits both add up by token number
  const want = await all(generateTokens(model, [[1, 2]], options));
  assertEquals(await all(generateTokens(ahead(model, 4).model, [[1, 2]], options)), want);
  assert(new Set(want.flat()).size > 5, "they differ");
});

Deno.test("generations that work ahead take turns on one cache", async () => {
  using device = await open();
  using model = await tinyModel(device, config);
  const { model: eager } = ahead(model, 4);
  const texts = [1, 2, 3].map((seed) => () =>
    all(generateTokens(eager, [[...someTokens(4, seed)]], { maxTokens: 25, temperature: 0, seed }))
  );
  const alone: number[][][] = [];
  for (const text of texts) alone.push(await text());
  assertEquals(await Promise.all(texts.map((text) => text())), alone);
  // Token by token, with a generation that does not work ahead between them.
  const [a, b] = [eager, model].map((model, i) =>
    generateTokens(model, [[...someTokens(4, i + 1)]], { maxTokens: 25, temperature: 0 })
  );
  for (let round = 0; round < 25; round++) {
    assertEquals((await a.next()).value, alone[0][round], `round ${round} of the first`);
    assertEquals((await b.next()).value, alone[1][round], `round ${round} of the second`);
  }
});

Deno.test("a reader that stops early, or a signal, leaves nothing behind that disturbs", async () => {
  using device = await open();
  const model = await tinyModel(device, config), { model: eager } = ahead(model, 8);
  const start = (options: Partial<GenerateOptions> = {}) =>
    generateTokens(eager, [[1, 2, 3]], { maxTokens: 30, temperature: 0, ...options });
  const want = await all(start());
  for (const stop of [1, 2, 7]) {
    const tokens: number[][] = [];
    for await (const token of start()) if (tokens.push(token) === stop) break;
    assertEquals(tokens, want.slice(0, stop));
    assertEquals(await all(start()), want);
  }
  const controller = new AbortController(), tokens: number[][] = [];
  for await (const token of start({ signal: controller.signal })) {
    if (tokens.push(token) === 3) controller.abort();
  }
  assertEquals(tokens, want.slice(0, 3));
  assertEquals(await all(start({ signal: controller.signal })), []);
  assertEquals(await all(start({ maxTokens: 0 })), []);
  assertEquals(await all(start({ maxTokens: 1 })), want.slice(0, 1));
  for await (const _ of start()) break;
  model.close(); // with runs under way
  await new Promise((resolve) => setTimeout(resolve));
});

Deno.test("a model with parameters that are no numbers does not write ahead", async () => {
  using device = await open();
  using model = await tinyModel(device, config, { values: (spec) => strongValues(spec).fill(NaN) });
  for (const temperature of [0, 1]) {
    await assertRejects(
      () => all(generateTokens(ahead(model, 4).model, [[1]], { maxTokens: 9, temperature })),
      RangeError,
      "spoilt",
    );
  }
});

Deno.test("only tokens of the vocabulary are chosen ahead, whatever the other rows promise", async () => {
  using device = await open();
  using model = await tinyModel(device, config, {
    values: (spec) =>
      strongValues(spec).map((value, i) =>
        spec.name === "we" && i >= V * config.channels ? 20 * value : value
      ),
  });
  for (const settings of [{ temperature: 0 }, { temperature: 3 }, { topK: 3 }, { topP: 0.5 }]) {
    const rounds = await all(
      generateTokens(ahead(model, 4).model, [[3], [1, V, 2, V + 2]], { maxTokens: 30, ...settings }),
    );
    assert(rounds.flat().every((token) => token >= 0 && token < V), `${rounds}`);
  }
});
