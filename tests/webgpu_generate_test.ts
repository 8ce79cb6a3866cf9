// Generation on the GPU, where tokens are chosen ahead of being read: the most probable ones are those of WASM, and a seed
// fixes what is drawn.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { openWasm } from "../src/backends/wasm/device.ts";
import { openWebGpu } from "../src/backends/webgpu/device.ts";
import { generateTokens } from "../src/train/generate.ts";
import { all, someTokens, tinyConfig, tinyModel } from "./tiny_model.ts";
import { webGpuTest } from "./webgpu_support.ts";

const config = tinyConfig({ specials: 3, context: 12 });
const shapes = { "GPT-1": config, "an LSTM": { ...config, heads: 1, layers: 0, lstm: { units: 6 } } };
const prompts = [1, 5, 12, 24].map((n, i) => [...someTokens(n, i)]);

for (const [name, shape] of Object.entries(shapes)) {
  webGpuTest(`${name} writes on WebGPU what it writes on WASM`, async () => {
    using gpu = await openWebGpu({ poison: true });
    using cpu = await openWasm({ threads: 1 });
    assert(gpu.ahead > 1);
    using here = await tinyModel(cpu, shape);
    using there = await tinyModel(gpu, shape);
    const options = { maxTokens: 40, temperature: 0 };
    const want = await all(generateTokens(here, prompts, options));
    assertEquals(await all(generateTokens(there, prompts, options)), want);
    for await (const _ of generateTokens(there, prompts, options)) break; // the next one finds runs under way
    const [first] = prompts;
    assertEquals((await all(generateTokens(there, [first], options))).flat(), want.map(([token]) => token));
  });
}

webGpuTest("a seed fixes the text on WebGPU and another gives another", async () => {
  using device = await openWebGpu({ poison: true });
  using model = await tinyModel(device, config);
  const text = (seed: number) =>
    all(generateTokens(model, [[1, 2]], { maxTokens: 40, seed, topK: 9, topP: 0.95 }));
  const first = await text(1);
  assertEquals(await text(1), first);
  assertNotEquals(await text(2), first);
});
