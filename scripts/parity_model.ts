// The tiny GPT-1 whose weights follow a fill rule, so that anyone can recompute its numbers: 2 layers, 2 heads, 8 channels,
// 11 tokens, a two-choice batch. Used by `deno task parity` and by the tests.

import { sizeOf } from "../src/core/shape.ts";
import type { Device, Feeds } from "../src/backends/backend.ts";
import type { Gpt1Config } from "../src/models/gpt1.ts";
import { parameterSpecs } from "../src/models/gpt1.ts";
import { gradientPlan } from "../src/models/gpt1_plans.ts";
import { layOut, mirror } from "../src/nn/parameters.ts";
import type { Recompute } from "../src/nn/recompute.ts";
import { learningRate, type Schedule } from "../src/train/schedule.ts";
import { gpt1Optimizer, stepBlock, trainingPages, updatePlan } from "../src/train/update.ts";

/** Constants a, b, c, d of the fill rule ((a i² + b i + c k + d) mod 1009) / 504.5 - 1. */
export type Fill = readonly [a: number, b: number, c: number, d: number];

/** The constants under which the published figures were derived. */
export const FILL: Fill = [31, 17, 101, 7];

/** The tiny model: 20 rows in `we`, 1,913 parameters with the classifier. */
export const config: Gpt1Config = {
  vocabSize: 11,
  specials: 3,
  context: 6,
  channels: 8,
  heads: 2,
  layers: 2,
  embeddingDropout: 0,
  attentionDropout: 0,
  residualDropout: 0,
  classifierDropout: 0,
};

const SEQUENCES = [[11, 3, 5, 12, 7, 13], [11, 3, 5, 12, 2, 13], [11, 1, 12, 9, 13, 0], [
  11,
  1,
  12,
  4,
  13,
  0,
]];
const LENGTHS = [6, 6, 5, 5], LAMBDA = 0.5;

/** Everything that is compared. */
export interface Parity {
  /** Language-model loss of each sequence. */
  readonly lm: number[];
  /** Classifier loss of each example. */
  readonly classifier: number[];
  readonly total: number;
  readonly gradientNorm: number;
  /** The total loss before each of six updates, and after the last. */
  readonly losses: number[];
  /** Scores of the choices, per example. */
  readonly logits: number[];
  /** Losses of the predicted tokens of sequence 0. */
  readonly tokenLosses: number[];
  /** Gradients before clipping, by parameter, in the order of the parameters. */
  readonly gradients: ArrayLike<number>[];
  /** Parameters after the updates, in order. */
  readonly parameters: ArrayLike<number>[];
}

/** The values of tensor number k. */
export function filled(name: string, shape: readonly number[], k: number, [a, b, c, d]: Fill): Float64Array {
  const [factor, offset] = name.endsWith("/g") ? [0.1, 1] : shape.length > 1 ? [0.4, 0] : [0.1, 0];
  return Float64Array.from({ length: sizeOf(shape) }, (_, i) => {
    const base = ((a * i * i + b * i + c * k + d) % 1009) / 504.5 - 1;
    return offset + factor * base;
  });
}

function batch(): Feeds {
  const examples = SEQUENCES.length;
  const mean = (b: number, t: number) => t < LENGTHS[b] - 1 ? LAMBDA / (LENGTHS[b] - 1) / examples : 0;
  const grid = <A>(f: (b: number, t: number) => A[]) =>
    SEQUENCES.flatMap((s, b) => s.flatMap((_, t) => f(b, t)));
  return {
    ids: Int32Array.from(grid((b, t) => [SEQUENCES[b][t], config.vocabSize + config.specials + t])),
    targets: Int32Array.from(grid((b, t) => [t < LENGTHS[b] - 1 ? SEQUENCES[b][t + 1] : -1])),
    weights: Float64Array.from(grid((b, t) => [mean(b, t)])),
    lengths: Int32Array.from(LENGTHS),
    extract: Int32Array.from(LENGTHS.map((length) => length - 1)),
    labels: Int32Array.from([0, 1]),
    labelWeights: Float64Array.from([0.5, 0.5]),
    rng: Int32Array.from([0, 0]),
  };
}

/** Runs the model and six updates (learning rate 0.01, 10 planned, warm-up 0.2) on a device. */
export async function parity(
  device: Device,
  { fill = FILL, maxNorm = 1, recompute = "none" }: { fill?: Fill; maxNorm?: number; recompute?: Recompute } =
    {},
): Promise<Parity> {
  const specs = parameterSpecs(config, 1), layout = layOut(specs);
  const store = device.createStore({ ...layout.pages, ...trainingPages(layout) });
  for (const [k, { name, shape, place }] of layout.segments.entries()) {
    await store.write(place.page, place.offset, filled(name, shape, k, fill));
  }
  const run = { batch: 4, length: 6, language: true, classifier: { outputs: 1, choices: 2 } };
  const gradient = device.load(gradientPlan(layout, config, run, recompute), store);
  const settings = { ...gpt1Optimizer, maxNorm };
  const update = device.load(updatePlan(layout, settings), store);
  const schedule: Schedule = { name: "warmup_linear", learningRate: 0.01, warmup: 0.2, steps: 10 };
  const read = (kind: "gradients" | "parameters") =>
    Promise.all(layout.segments.map(({ place, shape }) => {
      const page = kind === "gradients" ? mirror(place.page, kind) : place.page;
      return store.read(page, place.offset, sizeOf(shape));
    }));

  const losses: number[] = [];
  let first: Omit<Parity, "losses" | "parameters" | "gradientNorm"> | null = null, gradientNorm = 0;
  for (let t = 0; t < 6; t++) {
    const result = await gradient.run(batch());
    losses.push(result.loss[0]);
    first ??= {
      lm: LENGTHS.map((length, b) => {
        const rows = Array.from(result.languageRows.subarray(b * 6, b * 6 + length - 1));
        return rows.reduce((sum, loss) => sum + loss, 0) / rows.length;
      }),
      classifier: [...result.classifierRows],
      total: result.loss[0],
      logits: [...result.logits],
      tokenLosses: [...result.languageRows.subarray(0, 5)],
      gradients: await read("gradients"),
    };
    const { squaredNorm } = await update.run({
      groups: stepBlock(settings, learningRate(schedule, t), t + 1),
    });
    if (t === 0) gradientNorm = Math.sqrt(squaredNorm[0]);
  }
  losses.push((await gradient.run(batch())).loss[0]);
  const parameters = await read("parameters");
  store.free();
  return { ...first!, gradientNorm, losses, parameters };
}
