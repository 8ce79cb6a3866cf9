// Training steps and forward passes of whole models: time, tokens a second, effective GFLOP/s, and which ops take the
// time. For the latter each family's steps of the gradient plan are timed alone, as a plan of their own on the same
// buffers; what such a plan computes is meaningless, how long it takes is not.

import type { Device, Feeds } from "../src/backends/backend.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { createGpt1, type Gpt1 } from "../src/models/gpt1_model.ts";
import { activation } from "../src/ops/activation.ts";
import { attentions } from "../src/ops/attention.ts";
import { basic } from "../src/ops/basic.ts";
import { dropouts } from "../src/ops/dropout.ts";
import { embeddings } from "../src/ops/embedding.ts";
import { gather } from "../src/ops/gather.ts";
import { losses } from "../src/ops/loss.ts";
import { matmuls } from "../src/ops/matmul.ts";
import { norm } from "../src/ops/norm.ts";
import { pretrainingSource } from "../src/tasks/language.ts";
import { train } from "../src/train/trainer.ts";
import { gpt1Optimizer, stepBlock, updatePlan } from "../src/train/update.ts";
import { alternate } from "./measure.ts";
import { peaks } from "./peak.ts";
import type { Measured } from "./report.ts";
import { type Size, sizes, tokensFor, trainingFlops } from "./sizes.ts";

const families = {
  matmul: matmuls,
  attention: attentions,
  loss: losses,
  norm,
  activation,
  dropout: dropouts,
  embedding: embeddings,
  basic,
  gather,
};
const familyOf = (op: string): string =>
  Object.entries(families).find(([, ops]) => op in ops)?.[0] ?? "other ops";

// Seconds of each family of ops in a training step.
async function familySeconds(
  device: Device,
  model: Gpt1,
  feeds: Feeds,
  batch: number,
): Promise<Map<string, number>> {
  const { plan } = model.gradient({ batch, length: model.context, language: true }), { store } = model;
  const update = device.load(updatePlan(model.layout, gpt1Optimizer), store);
  const groups = stepBlock(gpt1Optimizer, 0, 1); // a step of size 0: parameters stay
  const [updating] = await alternate([() => update.run({ groups })], { least: 3 });
  const present = [...Map.groupBy(plan.steps, ({ op }) => familyOf(op))]
    .map(([family, steps]) => ({ family, program: device.load({ ...plan, steps }, store) }));
  const none = device.load({ ...plan, steps: [] }, store);
  const programs = [none, ...present.map(({ program }) => program)];
  const [feeding, ...times] = await alternate(programs.map((program) => () => program.run(feeds)), {
    least: 3,
  });
  for (const program of [update, ...programs]) program.free();
  return new Map([
    ...present.map(({ family }, i) => [family, Math.max(0, times[i] - feeding)] as const),
    ["optimizer", updating] as const,
  ]);
}

async function* benchSize(size: Size, threads: number): AsyncGenerator<Measured, void, undefined> {
  const { name, config, batch } = size, length = config.context, at = { bench: "step", threads } as const;
  using device = await openWasm({ threads });
  using model = await createGpt1(device, config, { seed: 1 });
  const source = pretrainingSource(config, tokensFor(config, 200_000), { batch, seed: 1 });
  const schedule = { name: "warmup_constant", learningRate: 1e-4, warmup: 0, steps: Infinity } as const;
  const steps = train(model, source, { schedule, optimizer: gpt1Optimizer, seed: 1 });
  const { feeds } = source.next().micro[0], scores = model.scores({ batch, length, language: true });
  const [training, forward] = await alternate([() => steps.next(), () => scores.run(feeds)], { seconds: 4 });
  await steps.return();

  const peak = (await peaks(threads)).flops, tokens = batch * length;
  const kinds = [["train", training, trainingFlops(size)], [
    "forward",
    forward,
    trainingFlops(size) / 3,
  ]] as const;
  for (const [kind, seconds, flops] of kinds) {
    yield { ...at, name: `${name} ${kind}`, unit: "ms", value: 1000 * seconds };
    yield { ...at, name: `${name} ${kind}`, unit: "tokens/s", value: tokens / seconds };
    const rate = flops / seconds;
    yield { ...at, name: `${name} ${kind}`, unit: "GFLOP/s", value: rate / 1e9, peakShare: rate / peak };
  }
  const shares = await familySeconds(device, model, { ...feeds, rng: Int32Array.of(1, 0) }, batch);
  const total = shares.values().reduce((sum, seconds) => sum + seconds, 0);
  for (const [family, seconds] of [...shares].toSorted((a, b) => b[1] - a[1])) {
    yield { ...at, name: `${name} train: share of ${family}`, unit: "%", value: 100 * seconds / total };
  }
}

/** Training and forward steps of every size. */
export async function* benchSteps(threads: readonly number[]): AsyncGenerator<Measured, void, undefined> {
  for (const size of sizes) for (const count of threads) yield* benchSize(size, count);
}
