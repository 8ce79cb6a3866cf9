// What every runtime must be able to do, with nothing but the library: open a device, train, save, load, generate. It
// returns plain numbers, which node_smoke_test.ts compares across runtimes; main.ts runs it and prints them.

import {
  createGpt1,
  type Device,
  generateTokens,
  gpt1Optimizer,
  openCheckpoint,
  parameterReader,
  pretrainingSource,
  saveTraining,
  type Storage,
  train,
  trainBpe,
} from "../../mod.ts";

/** What a smoke run gives. */
export interface Smoke {
  /** Losses and gradient norms of three updates. */
  readonly steps: readonly { readonly loss: number; readonly gradientNorm: number }[];
  /** Eight tokens, chosen greedily by a model loaded from the checkpoint. */
  readonly tokens: readonly number[];
  readonly text: string;
}

const TEXT = "the miller lived by the river and the river sang to the miller all day long ";

/** Trains, saves to and loads from `storage`, and generates. */
export async function smoke(device: Device, storage: Storage): Promise<Smoke> {
  const tokenizer = await trainBpe([TEXT], { vocabSize: 40 });
  const ids = Uint16Array.from(tokenizer.encode(TEXT.repeat(12)));
  const config = {
    vocabSize: tokenizer.size,
    specials: 0,
    context: 16,
    channels: 24,
    heads: 2,
    layers: 2,
    embeddingDropout: 0.1,
    attentionDropout: 0.1,
    residualDropout: 0.1,
    classifierDropout: 0.1,
  };
  const steps: { loss: number; gradientNorm: number }[] = [];
  {
    const model = await createGpt1(device, config, { seed: 7 });
    const source = pretrainingSource(config, ids, { batch: 4, accumulate: 2, seed: 7 });
    const schedule = { name: "warmup_cosine", learningRate: 0.01, warmup: 0.4, steps: 3 } as const;
    for await (
      const { loss, gradientNorm } of train(model, source, { schedule, optimizer: gpt1Optimizer, seed: 7 })
    ) {
      steps.push({ loss, gradientNorm });
    }
    await saveTraining(storage, "run", model, { step: 3, info: { cursor: source.cursor } });
    model.close();
  }
  const values = await parameterReader(storage, await openCheckpoint(storage, "run", "last"));
  const model = await createGpt1(device, config, { values });
  const tokens: number[] = [], prompt = tokenizer.encode("the miller");
  for await (const [token] of generateTokens(model, [prompt], { maxTokens: 8, temperature: 0 })) {
    tokens.push(token);
  }
  model.close();
  return { steps, tokens, text: tokenizer.decode(tokens) };
}
