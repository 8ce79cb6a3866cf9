// The library as a contestant: the program that contests start under Deno as it is and under Node as a bundle. It uses
// the public interface as any program would; only the product, which has no such interface, is
// a program of its own (product.ts).

import { openWasm } from "../src/backends/wasm/device.ts";
import type { Gpt1Config } from "../src/models/gpt1.ts";
import { windowFeeds } from "../src/models/gpt1_feeds.ts";
import { createGpt1, type Gpt1 } from "../src/models/gpt1_model.ts";
import type { Gpt1Run } from "../src/models/gpt1_plans.ts";
import { train as training, type TrainingSource } from "../src/train/trainer.ts";
import { gpt1Optimizer } from "../src/train/update.ts";
import { productProgram } from "./product.ts";
import { type FullJob, type Ready, sampled, serve } from "./peers/serve.ts";

async function gemm({ threads, repeats, tensors: [a, b] }: FullJob): Promise<Ready> {
  const [[m, k], [, n]] = [a.shape, b.shape];
  const program = productProgram(await openWasm({ threads }), { m, k, n }, repeats);
  return { turn: async () => sampled((await program.run({ a: a.values, b: b.values })).y) };
}

async function modelOf(job: FullJob): Promise<Gpt1> {
  const values = new Map(job.tensors.map(({ name, values }) => [name, values]));
  const device = await openWasm({ threads: job.threads });
  return await createGpt1(device, job.config as Gpt1Config, { values: ({ name }) => values.get(name)! });
}

const feedsOf = ({ ids, targets, config, length, batch }: FullJob) =>
  windowFeeds(
    config as Gpt1Config,
    { tokens: ids, targets: Int32Array.from(targets) },
    { length, sequences: batch },
  );

async function train(job: FullJob): Promise<Ready> {
  const { batch, length, adam } = job,
    micro = [{ run: { batch, length, language: true }, feeds: feedsOf(job) }];
  const source: TrainingSource<Gpt1Run> = {
    cursor: null,
    seek: () => {},
    next: () => ({ micro, tokens: batch * length }),
  };
  const schedule = { name: "warmup_constant", learningRate: adam.rate, warmup: 0, steps: Infinity } as const;
  const steps = training(await modelOf(job), source, { schedule, optimizer: gpt1Optimizer, seed: 1 });
  return { turn: async () => [(await steps.next()).value!.loss] };
}

async function forward(job: FullJob): Promise<Ready> {
  const { batch, length } = job, model = await modelOf(job), feeds = feedsOf(job);
  const program = model.scores({ batch, length, language: true });
  return { turn: async () => [(await program.run(feeds)).loss[0]] };
}

await serve({ gemm, train, forward });
