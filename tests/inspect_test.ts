// Looking inside a model: the numbers agree with `scores` and with the attention that mixes values, and the page shows them
// and loads nothing. The op's own cases are walked by ops_test.ts and wasm_test.ts.

import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { openWasm } from "../src/backends/wasm/device.ts";
import { inspectionPage } from "../src/cli/inspect/page.ts";
import { Random } from "../src/core/random.ts";
import { Graph } from "../src/graph/graph.ts";
import { plan } from "../src/graph/plan.ts";
import { tokenIds } from "../src/models/gpt1_feeds.ts";
import { inspect } from "../src/models/gpt1_inspect.ts";
import { ops } from "../src/ops/mod.ts";
import { someTokens, tinyConfig, tinyModel } from "./tiny_model.ts";

Deno.test("log-probabilities are those of scores, bit for bit", async () => {
  using device = await openWasm({ threads: 1 });
  const config = tinyConfig({ specials: 3 }), tokens = someTokens(13, 4);
  using model = await tinyModel(device, config);
  const { logProbabilities } = await inspect(model, tokens);
  const targets = new Int32Array(13).fill(-1);
  targets.set(tokens.subarray(1));
  const { languageRows } = await model.scores({ batch: 1, length: 13, language: true }).run({
    ids: tokenIds(config, tokens, 13),
    targets,
    weights: new Float32Array(13),
    lengths: Int32Array.of(13),
  });
  assertEquals(logProbabilities, [null, ...Array.from(languageRows.subarray(0, 12), (loss) => -loss)]);
  assert(new Set(logProbabilities).size > 8, "the figures are not all the same");
});

Deno.test("attention of each head is a distribution over the tokens so far", async () => {
  using device = await openWasm({ threads: 1 });
  using model = await tinyModel(device, tinyConfig());
  const T = 11, { attention } = await inspect(model, someTokens(T, 5));
  assertEquals(attention.map(({ length }) => length), [2 * T * T, 2 * T * T]);
  for (const block of attention) {
    for (let row = 0; row < 2 * T; row++) {
      const p = block.subarray(row * T, row * T + T), seen = row % T + 1;
      assertAlmostEquals(p.reduce((sum, value) => sum + value), 1, 1e-6);
      assert(p.every((value, key) => key < seen ? value > 0 : value === 0));
    }
  }
});

Deno.test("attention weights times values is what attention gives", async () => {
  using device = await openWasm({ threads: 1 });
  const [B, T, H, D] = [2, 21, 2, 5], C = H * D, random = new Random(1, "qkv"), graph = new Graph("test");
  const qkv = Float32Array.from({ length: B * T * 3 * C }, () => random.normal()),
    lengths = Int32Array.of(T, 8);
  const x = graph.input("qkv", [B, T, 3 * C], "f32"), live = graph.input("lengths", [B], "i32");
  const none = graph.constant(new Int32Array(2), [2]);
  const attrs = { heads: H, causal: true, rate: 0, stream: 0 };
  const [y] = graph.apply(ops.attention, [x, live, none], attrs);
  const [p] = graph.apply(ops.attentionWeights, [x, live], { heads: H, causal: true });
  const results = await device.load(plan(graph, { y, p }), device.createStore({})).run({ qkv, lengths });
  for (let i = 0; i < B * T * C; i++) {
    const b = Math.floor(i / (T * C)), query = Math.floor(i / C) % T, c = i % C, h = Math.floor(c / D);
    let sum = 0;
    for (let key = 0; key < T; key++) {
      sum += results.p[((b * H + h) * T + query) * T + key] * qkv[(b * T + key) * 3 * C + 2 * C + c];
    }
    assertAlmostEquals(results.y[i], sum, 2e-6);
  }
});

Deno.test("a text of one token or beyond the context is refused", async () => {
  using device = await openWasm({ threads: 1 });
  using model = await tinyModel(device, tinyConfig());
  await assertRejects(() => inspect(model, [1]), RangeError, "Cannot inspect 1 tokens");
  await assertRejects(() => inspect(model, new Int32Array(17)), RangeError, "the model's context is 16");
});

Deno.test("the page holds the numbers, escapes the text and loads nothing", () => {
  const tokens = [
    { id: 1, token: "</script><b>", logProbability: null },
    { id: 2, token: "&x</w>", logProbability: Math.log(0.25) },
    { id: 3, token: "\n</w>", logProbability: Math.log(2 ** -20) },
  ];
  const attention = [Float32Array.of(1, 0, 0, 0.2, 0.8, 0, 0, 0.6, 0.4)];
  const html = inspectionPage({ title: "<i>", model: "m", perplexity: 3, tokens, heads: 1, attention });
  const { weights, ...data } = JSON.parse(/id="data">(.*?)<\/script>/.exec(html)![1]);
  assertEquals(data, { tokens: ["</script><b>", "&x ", "⏎ "], layers: 1, heads: 1 });
  assertEquals([...atob(weights)].map((c) => c.charCodeAt(0)), [255, 51, 204, 0, 153, 102]);
  assert(
    html.includes("probability 0.250, 2.00 bits") && html.includes("&lt;i&gt;") && !html.includes("<b>"),
  );
  assert(
    html.includes("--s:0.167") && html.includes("--s:1.000"),
    "2 bits and 20 bits of the 12 that are shown",
  );
  assert(!/https?:|src=|href=|@import|url\(/.test(html), "nothing is loaded");
});
