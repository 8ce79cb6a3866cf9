// Which ops take a training step's time. Each family's steps of the gradient plan are timed alone, as a plan of their own
// on the same buffers; what such a plan computes is meaningless, how long it takes is not.

import type { Device, Feeds } from "../src/backends/backend.ts";
import type { Gpt1 } from "../src/models/gpt1_model.ts";
import { activation } from "../src/ops/activation.ts";
import { attentions } from "../src/ops/attention.ts";
import { basic } from "../src/ops/basic.ts";
import { dropouts } from "../src/ops/dropout.ts";
import { embeddings } from "../src/ops/embedding.ts";
import { gather } from "../src/ops/gather.ts";
import { losses } from "../src/ops/loss.ts";
import { matmuls } from "../src/ops/matmul.ts";
import { norm } from "../src/ops/norm.ts";
import { gpt1Optimizer, stepBlock, updatePlan } from "../src/train/update.ts";
import { alternate } from "./measure.ts";

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

/** The family of an op, by the file that defines it. */
export const familyOf = (op: string): string =>
  Object.entries(families).find(([, ops]) => op in ops)?.[0] ?? "other";

/** The share of each family in a training step, largest first; `least` is how often each is timed. */
export async function familyShares(
  device: Device,
  model: Gpt1,
  feeds: Feeds,
  batch: number,
  least: number,
): Promise<[family: string, share: number][]> {
  const { plan } = model.gradient({ batch, length: model.context, language: true }), { store } = model;
  const update = device.load(updatePlan(model.layout, gpt1Optimizer), store);
  const groups = stepBlock(gpt1Optimizer, 0, 1); // a step of size 0: parameters stay
  const [updating] = await alternate([() => update.run({ groups })], { seconds: 0, least });
  const present = [...Map.groupBy(plan.steps, ({ op }) => familyOf(op))]
    .map(([family, steps]) => ({ family, program: device.load({ ...plan, steps }, store) }));
  const none = device.load({ ...plan, steps: [] }, store);
  const programs = [none, ...present.map(({ program }) => program)];
  const jobs = programs.map((program) => () => program.run(feeds));
  const [feeding, ...times] = await alternate(jobs, { seconds: 0, least });
  for (const program of [update, ...programs]) program.free();
  const seconds = [
    ...present.map(({ family }, i): [string, number] => [family, Math.max(0, times[i] - feeding)]),
    ["optimizer", updating] as [string, number],
  ];
  const total = seconds.reduce((sum, [, each]) => sum + each, 0);
  return seconds.map(([family, each]): [string, number] => [family, each / total]).sort((a, b) =>
    b[1] - a[1]
  );
}
