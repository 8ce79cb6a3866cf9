// A model in training on made-up text, as things to time. Shared by the step and growth benchmarks.

import type { Feeds } from "../src/backends/backend.ts";
import type { Gpt1 } from "../src/models/gpt1_model.ts";
import { pretrainingSource } from "../src/tasks/language.ts";
import { train } from "../src/train/trainer.ts";
import { gpt1Optimizer } from "../src/train/update.ts";
import type { Job } from "./measure.ts";
import { tokensFor } from "./sizes.ts";

/** A model in training: its next update, and one batch for a forward pass. */
export interface Training {
  readonly update: Job;
  readonly forward: Job;
  readonly feeds: Feeds;
  readonly end: () => Promise<unknown>;
}

/** Starts training a model on `batch` sequences of its context. */
export function training(model: Gpt1, batch: number): Training {
  const { config, context: length } = model;
  const source = pretrainingSource(config, tokensFor(config, 200_000), { batch, seed: 1 });
  const schedule = { name: "warmup_constant", learningRate: 1e-4, warmup: 0, steps: Infinity } as const;
  const steps = train(model, source, { schedule, optimizer: gpt1Optimizer, seed: 1 });
  const { feeds } = source.next().micro[0], scores = model.scores({ batch, length, language: true });
  return {
    update: () => steps.next(),
    forward: () => scores.run(feeds),
    feeds: { ...feeds, rng: Int32Array.of(1, 0) },
    end: () => steps.return(),
  };
}
