// Generation with a cache: tokens a second after a prompt of half the context, for one sequence and for eight at once.
// Encoding the prompt is not counted.

import { openWasm } from "../src/backends/wasm/device.ts";
import { createGpt1 } from "../src/models/gpt1_model.ts";
import { generateTokens } from "../src/train/generate.ts";
import { alternate } from "./measure.ts";
import type { Row, Settings } from "./report.ts";
import { sizes, tokensFor } from "./sizes.ts";

const BATCHES = [1, 8];

/** Tokens a second of every size. */
export async function* benchDecode({ threads, quick }: Settings): AsyncGenerator<Row, void, undefined> {
  for (const { name, config } of sizes(quick)) {
    for (const count of threads) {
      using device = await openWasm({ threads: count });
      using model = await createGpt1(device, config, { seed: 1 });
      for (const batch of BATCHES) {
        const half = config.context / 2, prompt = Array.from(tokensFor(config, half));
        const tokens = generateTokens(model, Array(batch).fill(prompt), { maxTokens: half, seed: 1 });
        await tokens.next(); // the prompt
        const [seconds] = await alternate([() => tokens.next()], { seconds: 0, least: half - 2 });
        await tokens.return();
        yield {
          bench: "decode",
          name: `decode-${name}-batch-${batch}`,
          runtime: "deno",
          threads: count,
          unit: "tokens/s",
          value: batch / seconds,
        };
      }
    }
  }
}
