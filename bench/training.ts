// A model in training on made-up text, as things to time. Shared by the benchmarks of steps and of growth, and the GPU's.

import type { Feeds } from "../src/backends/backend.ts";
import type { Gpt1 } from "../src/models/gpt1_model.ts";
import { pretrainingSource } from "../src/tasks/language.ts";
import { train, type TrainEvent } from "../src/train/trainer.ts";
import { gpt1Optimizer } from "../src/train/update.ts";
import type { Job } from "./measure.ts";
import { tokensFor } from "./sizes.ts";

/** A model in training: its next update, and one batch for a forward pass. */
export interface Training {
  readonly update: () => Promise<TrainEvent>;
  readonly forward: Job;
  readonly feeds: Feeds;
  readonly end: () => Promise<unknown>;
}

/** The learning rate. */
export const RATE = 1e-4;

/** Starts training a model on `batch` sequences of its context; a device that works ahead rests after every so many-th update. */
export function training(model: Gpt1, batch: number, every = 1): Training {
  const { config, context: length } = model;
  const source = pretrainingSource(config, tokensFor(config, 200_000), { batch, seed: 1 });
  const schedule = { name: "warmup_constant", learningRate: RATE, warmup: 0, steps: Infinity } as const;
  const rests = (step: number): boolean => step % every === 0;
  const steps = train(model, source, { schedule, optimizer: gpt1Optimizer, seed: 1, rests });
  const { feeds } = source.next().micro[0], run = { batch, length, language: true };
  return {
    update: async () => (await steps.next()).value!,
    forward: () => model.scores(run).run(feeds),
    feeds: { ...feeds, rng: Int32Array.of(1, 0) },
    end: () => steps.return(),
  };
}
