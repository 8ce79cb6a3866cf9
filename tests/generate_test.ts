// Generation: the cache against the full forward pass, prompts of all lengths in one batch, contexts that fill up, what may
// be sampled, stop strings, signals and memory. The distributions of sampling itself are in sampling_test.ts.

import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import type { Device, Program } from "../src/backends/backend.ts";
import { openReference } from "../src/backends/reference.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { openWebGpu } from "../src/backends/webgpu/device.ts";
import { Graph } from "../src/graph/graph.ts";
import { plan } from "../src/graph/plan.ts";
import { hidden, tableRows } from "../src/models/gpt1.ts";
import { tokenIds } from "../src/models/gpt1_feeds.ts";
import type { Gpt1 } from "../src/models/gpt1_model.ts";
import { causalAttention, project } from "../src/nn/layers.ts";
import { parametersOf } from "../src/nn/parameters.ts";
import type { Tokenizer } from "../src/text/tokenizer.ts";
import { generate, generateTokens } from "../src/train/generate.ts";
import { all, someTokens, strongValues, tinyConfig, tinyModel } from "./tiny_model.ts";
import { withClock } from "./wasm_support.ts";
import { testOn } from "./webgpu_support.ts";

const config = tinyConfig({ specials: 3, context: 12 }), { vocabSize: V, context } = config;

const logSoftmax = (logits: readonly number[]): number[] => {
  const top = Math.max(...logits), sum = logits.reduce((total, logit) => total + Math.exp(logit - top), 0);
  return logits.map((logit) => logit - top - Math.log(sum));
};

// Log-probabilities of the token after `tokens`, by a recording of the plain forward pass without any cache.
async function fullForward(device: Device, model: Gpt1, tokens: readonly number[]): Promise<number[]> {
  const graph = new Graph("full"),
    p = parametersOf(graph, model.layout),
    T = tokens.length,
    R = tableRows(config);
  const attend = causalAttention(graph.input("lengths", [1], "i32"), null, { heads: config.heads, rate: 0 });
  const h = hidden(p, config, p("we"), graph.input("ids", [1, T, 2], "i32"), { attend, rng: null });
  const program = device.load(plan(graph, { logits: project(h, p("we")) }), model.store);
  const { logits } = await program.run({ ids: tokenIds(config, tokens, T), lengths: Int32Array.of(T) });
  program.free();
  return logSoftmax([...logits.subarray((T - 1) * R, (T - 1) * R + V)]);
}

// A model that also tells the log-probabilities of every row of every decoding run, and reads them back on every device.
function watched(model: Gpt1): { model: Gpt1; runs: number[][][] } {
  const runs: number[][][] = [];
  const decode = (batch: number, length: number): Program => {
    const program = model.decode(batch, length);
    const run: Program["run"] = async (feeds) => {
      const results = await program.run(feeds), R = results.logits.length / batch;
      runs.push(
        Array.from({ length: batch }, (_, b) => logSoftmax([...results.logits.subarray(b * R, b * R + V)])),
      );
      return results;
    };
    return { ...program, run };
  };
  return { model: { ...model, decode, device: { ahead: 1 } as Device }, runs };
}

const devices = [
  ["reference", openReference],
  ["WASM, 1 thread", () => openWasm({ threads: 1, poison: true })],
  ["WASM, 2 threads", () => openWasm({ threads: 2, poison: true })],
  ["WebGPU", () => openWebGpu({ poison: true })],
] as const;

for (const [name, open] of devices) {
  testOn(name)(`cached decoding is the full forward pass, on ${name}`, async () => {
    using device = await open();
    using model = await tinyModel(device, config);
    // One token, some, all but one of the context, a full context, more than it, twice as much.
    const prompts = [1, 5, 11, 12, 13, 24].map((n, i) => [...someTokens(n, i)]);
    const { model: seen, runs } = watched(model);
    const rounds = await all(generateTokens(seen, prompts, { maxTokens: 20, temperature: 0 }));
    assertEquals([rounds.length, runs.length], [20, 20]);
    for (const [b, prompt] of prompts.entries()) {
      let window = prompt.slice(-context);
      for (const [round, tokens] of rounds.entries()) {
        if (window.length > context) window = window.slice(-context / 2);
        const want = await fullForward(device, model, window), got = runs[round][b];
        want.forEach((value, token) =>
          assertAlmostEquals(got[token], value, 1e-5, `row ${b}, round ${round}, token ${token}`)
        );
        assertEquals(tokens[b], want.indexOf(Math.max(...want)), `row ${b}, round ${round}`);
        window.push(tokens[b]);
      }
    }
  });
}

Deno.test("a prompt goes on the same way alone and in a batch", async () => {
  using device = await openWasm({ threads: 2 });
  using model = await tinyModel(device, config);
  const [a, b] = [[...someTokens(7, 1)], [...someTokens(3, 2)]];
  const options = { maxTokens: 30, seed: 4, temperature: 0.9 };
  const alone = (await all(generateTokens(model, [a], options))).flat();
  const together = await all(generateTokens(model, [a, b, a], options));
  assertEquals(together.map(([first]) => first), alone);
  assertNotEquals(together.map(([, , third]) => third), alone, "each row draws from a stream of its own");
});

Deno.test("a seed fixes the text and another gives another", async () => {
  using device = await openWasm({ threads: 1 });
  using model = await tinyModel(device, config);
  const text = (seed: number) =>
    all(generateTokens(model, [[1, 2]], { maxTokens: 30, seed, topK: 9, topP: 0.95 }));
  const first = await text(1);
  assertEquals(await text(1), first);
  assertNotEquals(await text(2), first);
});

Deno.test("only tokens of the vocabulary come out, whatever the other rows promise", async () => {
  using device = await openWasm({ threads: 1 });
  // Special tokens and positions have rows so large that one of them always has the largest logit.
  using model = await tinyModel(device, config, {
    values: (spec) =>
      strongValues(spec).map((value, i) =>
        spec.name === "we" && i >= V * config.channels ? 20 * value : value
      ),
  });
  const seen = new Set<number>();
  for (const settings of [{ temperature: 0 }, { temperature: 3 }, { topK: 3 }, { topP: 0.5 }]) {
    const rounds = await all(generateTokens(model, [[3], [1, V, 2, V + 2]], { maxTokens: 60, ...settings }));
    rounds.flat().forEach((token) => seen.add(token));
  }
  assert([...seen].every((token) => Number.isInteger(token) && token >= 0 && token < V), `${[...seen]}`);
  const { logits } = await model.decode(1, 1).run({
    ids: model.inputIds([3], 1),
    extents: Int32Array.of(0, 1),
    last: Int32Array.of(0),
  });
  assert(Math.max(...logits.subarray(V)) > Math.max(...logits.subarray(0, V)), "there was a temptation");
});

Deno.test("generations on one model at the same time do not mix", async () => {
  using device = await openWasm({ threads: 1 });
  using model = await tinyModel(device, config);
  const texts = [1, 2, 3].map((seed) => () =>
    all(generateTokens(model, [[...someTokens(4, seed)]], { maxTokens: 25, seed }))
  );
  const alone: number[][][] = [];
  for (const text of texts) alone.push(await text());
  assertEquals(await Promise.all(texts.map((text) => text())), alone);
});

Deno.test("an empty prompt or settings without sense are refused before anything runs", async () => {
  using device = openReference();
  using model = await tinyModel(device, config);
  const start = (prompts: number[][], options = {}) =>
    all(generateTokens(model, prompts, { maxTokens: 1, ...options }));
  await assertRejects(() => start([]), RangeError, "empty prompt");
  await assertRejects(() => start([[1], []]), RangeError, "empty prompt");
  await assertRejects(() => start([[1]], { temperature: -1 }), RangeError, "Temperature");
  assertEquals(await start([[1]], { maxTokens: 0 }), []);
});

Deno.test("a model with parameters that are no numbers does not write", async () => {
  using device = await openWasm({ threads: 1 });
  using model = await tinyModel(device, config, { values: (spec) => strongValues(spec).fill(NaN) });
  await assertRejects(() => all(generateTokens(model, [[1]], { maxTokens: 1 })), RangeError, "spoilt");
});

Deno.test("an aborted signal ends generation before the next token", async () => {
  using device = openReference();
  using model = await tinyModel(device, config);
  const controller = new AbortController(), { signal } = controller, tokens: number[] = [];
  for await (const [token] of generateTokens(model, [[1, 2]], { maxTokens: 50, signal })) {
    if (tokens.push(token) === 3) controller.abort();
  }
  assertEquals(tokens.length, 3);
});

Deno.test("timers run while short runs follow each other, so that a timeout can end them", async () => {
  using device = await openWasm({ threads: 1 });
  using model = await tinyModel(device, config);
  const controller = new AbortController();
  let rounds = 0;
  await withClock(0.5, async () => { // a run takes about 15 ms of this clock, far less than the 50 that it may
    setTimeout(() => controller.abort());
    for await (const _ of generateTokens(model, [[1]], { maxTokens: 200, signal: controller.signal })) {
      rounds++;
    }
  });
  assert(rounds > 1 && rounds < 20, `${rounds} tokens before the timer`);
});

Deno.test("memory does not grow while 200 tokens are written", async () => {
  using device = await openWasm({ threads: 1 });
  using model = await tinyModel(device, config);
  const { memory } = device as unknown as { memory: { used: number; bytes: number } },
    seen = new Set<number>();
  let round = 0;
  for await (const _ of generateTokens(model, [[1, 2, 3], [4]], { maxTokens: 220 })) {
    if (++round > 20) seen.add(memory.used).add(memory.bytes);
  }
  assertEquals([round, seen.size], [220, 2]);
});

// A tokenizer of given pieces, and a model that says them in order whatever it is asked.
function script(pieces: readonly string[]): { model: Gpt1; tokenizer: Tokenizer } {
  let said = 0;
  const run: Program["run"] = () => {
    const logits = new Float32Array(pieces.length + 1).fill(-9);
    logits[said++] = 9;
    return Promise.resolve({ logits });
  };
  const model = {
    vocabSize: pieces.length,
    context: 64,
    store: {},
    device: { ahead: 1 },
    inputIds: () => new Int32Array(2),
    decode: () => ({ run }),
  };
  const tokenizer = {
    size: pieces.length,
    encode: () => [0],
    decoder: () => {
      let first = true; // the prompt's token: nothing of it belongs to the continuation
      return { push: (id: number) => first ? (first = false, "prompt") : pieces[id], end: () => "" };
    },
  };
  return { model: model as unknown as Gpt1, tokenizer: tokenizer as unknown as Tokenizer };
}

Deno.test("a stop string ends the text wherever its pieces fall, and is not part of it", async () => {
  const cases: readonly (readonly [pieces: string[], stop: string[], text: string])[] = [
    [["ab", "cd", "ef"], [], "abcdef"],
    [["ab", "cd", "ef"], ["cd"], "ab"],
    [["ab", "cd", "ef"], ["bcde"], "a"],
    [["a", "b", "c", "d"], ["abcd"], ""],
    [["abcdef", "g"], ["cd"], "ab"],
    [["ab", "cd", "ef"], ["xyz"], "abcdef"],
    [["ab", "ab", "ab", "c"], ["abc"], "abab"],
    [["ab", "cd", "ef"], ["ef", "bc"], "a"], // the one that comes first in the text
    [["x", "\n", "y"], ["\n"], "x"],
    [["end", "s he", "re"], ["here!"], "ends here"], // what was held back comes at the end
  ];
  for (const [pieces, stop, text] of cases) {
    const { model, tokenizer } = script(pieces);
    const said = await all(
      generate(model, tokenizer, "prompt", { maxTokens: pieces.length, temperature: 0, stop }),
    );
    assertEquals(said.join(""), text, `${pieces} until ${stop}`);
    assert(said.every((piece) => piece !== ""));
  }
});

Deno.test("no more is held back than a stop string is long", async () => {
  const { model, tokenizer } = script(["ab", "cd", "ef"]);
  const said = await all(
    generate(model, tokenizer, "prompt", { maxTokens: 3, temperature: 0, stop: ["xyz"] }),
  );
  assertEquals(said, ["ab", "cd", "ef"]); // two characters, one piece late
});
