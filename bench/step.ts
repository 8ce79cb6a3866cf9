// Training steps and forward passes of whole models: time, tokens a second, effective GFLOP/s, how near the step comes to
// what its operations would take at the rate of the product, and which ops take the time. Dropout is off, and on for one
// more row. In other runtimes steps are timed by a contest; the full GPT-1 is trained on all threads only.

import { openWasm } from "../src/backends/wasm/device.ts";
import { DROPOUT, withDropout } from "../src/models/gpt1.ts";
import { createGpt1, type Gpt1 } from "../src/models/gpt1_model.ts";
import type { Device, Feeds } from "../src/backends/backend.ts";
import { familyShares } from "./families.ts";
import { modelJob, operands, PRODUCT, productFlops, productJob, withJob } from "./jobs.ts";
import { alternate } from "./measure.ts";
import { openPeak } from "./peak.ts";
import { productProgram } from "./product.ts";
import { raceAll } from "./race.ts";
import { remark, type Row, type Settings } from "./report.ts";
import { findRuntimes, flagRatio } from "./runtimes.ts";
import { allSizes, type Size, sizes, trainingFlops } from "./sizes.ts";
import { training } from "./training.ts";

const PRODUCTS = 10; // in a turn
const LARGE = 5e11; // operations of a step from which on repetitions are few

// Milliseconds of an update with dropout.
async function withDropoutOn(device: Device, { config, batch }: Size, least: number): Promise<number> {
  using model = await createGpt1(device, withDropout(config, DROPOUT), { seed: 1 });
  const { update, end } = training(model, batch);
  const [seconds] = await alternate([update], { seconds: 0, least });
  await end();
  return 1000 * seconds;
}

// How many times as fast passes are where every second row has a target, as in padded batches and where answers are scored.
async function gainsOfHalf(
  model: Gpt1,
  feeds: Feeds,
  batch: number,
): Promise<[forward: number, gradient: number]> {
  const run = { batch, length: model.context, language: true };
  const half = {
    ...feeds,
    targets: Int32Array.from(feeds.targets, (target, i) => i % 2 === 0 ? target : -1),
  };
  const scores = model.scores(run), gradient = model.gradient(run);
  const jobs = [scores, gradient].flatMap((pass) => [feeds, half].map((fed) => () => pass.run(fed)));
  const [forward, forward2, backward, backward2] = await alternate(jobs, { seconds: 0, least: 5 });
  return [forward / forward2, backward / backward2];
}

async function* benchSize(size: Size, threads: number, peak: number): AsyncGenerator<Row, void, undefined> {
  const { name, config, batch } = size, at = { bench: "step", runtime: "deno", threads } as const;
  const flops = trainingFlops(size), large = flops > LARGE;
  using device = await openWasm({ threads });
  using model = await createGpt1(device, config, { seed: 1 });
  const { update, forward, feeds, end } = training(model, batch);
  const product = productProgram(device, PRODUCT, PRODUCTS), [a, b] = operands(PRODUCT);
  const often = { seconds: large ? 0 : 4, least: large ? 2 : 3 };
  const [updates, passes, products] = await alternate([update, forward, () => product.run({ a, b })], often);
  await end();

  const gemm = PRODUCTS * productFlops(PRODUCT) / products;
  const kinds = [["train", updates, flops], ["forward", passes, flops / 3]] as const;
  for (const [kind, seconds, work] of kinds) {
    const row = { ...at, name: `${kind}-${name}` }, rate = work / seconds;
    yield { ...row, unit: "ms", value: 1000 * seconds };
    yield { ...row, name: `${row.name}-tokens`, unit: "tokens/s", value: batch * config.context / seconds };
    yield { ...row, name: `${row.name}-flops`, unit: "GFLOP/s", value: rate / 1e9, peakShare: rate / peak };
    yield { ...row, name: `${row.name}-gemm-bound`, unit: "%", value: 100 * rate / gemm };
  }
  if (large) return;
  for (const [family, share] of await familyShares(device, model, feeds, batch, 3)) {
    yield { ...at, name: `train-${name}-share-${family}`, unit: "%", value: 100 * share };
  }
  const [forward2, gradient2] = await gainsOfHalf(model, feeds, batch);
  yield { ...at, name: `forward-${name}-half-targets`, unit: "x", value: forward2 };
  yield { ...at, name: `gradient-${name}-half-targets`, unit: "x", value: gradient2 };
  yield { ...at, name: `train-${name}-dropout`, unit: "ms", value: await withDropoutOn(device, size, 3) };
}

// Updates and forward passes in every runtime, in turns, with each runtime's own product for its bound.
async function* benchRuntimes(
  { threads, quick, node, note }: Settings,
): AsyncGenerator<Row, void, undefined> {
  await using runtimes = await findRuntimes(node);
  const { entrants, versions } = runtimes;
  note(versions);
  const raced = (least: number) => (folder: string): Promise<Map<string, number>> =>
    raceAll(entrants, folder, { least });
  for (const count of threads) {
    const products = await withJob(productJob(PRODUCT, count, PRODUCTS), raced(5));
    for (const size of sizes(quick)) {
      for (const kind of ["train", "forward"] as const) {
        const work = trainingFlops(size) / (kind === "train" ? 1 : 3);
        const found = await withJob(modelJob(size, kind, count), raced(3));
        for (const [runtime, seconds] of found) {
          const row = { bench: "step", name: `${kind}-${size.name}-in-turns`, runtime, threads: count };
          yield { ...row, unit: "ms", value: 1000 * seconds, ...flagRatio(found, runtime) };
          const bound = work / (PRODUCTS * productFlops(PRODUCT) / products.get(runtime)!);
          yield { ...row, name: `${row.name}-gemm-bound`, unit: "%", value: 100 * bound / seconds };
        }
      }
    }
  }
}

/** Training and forward steps of every size. */
export async function* benchSteps(settings: Settings): AsyncGenerator<Row, void, undefined> {
  const most = Math.max(...settings.threads);
  for (const threads of settings.threads) {
    using loops = await openPeak(threads);
    const peak = await loops.flops();
    for (const size of allSizes(settings.quick)) {
      if (trainingFlops(size) > LARGE && threads < most) continue;
      remark(`step ${size.name} on ${threads} thread${threads === 1 ? "" : "s"}`);
      yield* benchSize(size, threads, peak);
    }
  }
  yield* benchRuntimes(settings);
}
