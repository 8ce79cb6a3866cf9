// The GPU: ops, training steps and generation, as shares of what loops of multiply-adds and of copies reach on the same
// card in the same invocation, and beside a peer on that card where there is one. It knows no host, so that it can be
// bundled into one file and carried to a machine with a GPU (webgpu_main.ts); `deno task bench --device webgpu` runs it
// here. Runs follow each other without waiting: what is timed is many of them between two looks at the clock. There is
// no `using` here, which Node 20 does not have.

import { BYTES } from "../src/core/dtype.ts";
import { sizeOf } from "../src/core/shape.ts";
import { PORTABLE } from "../src/backends/webgpu/kernel.ts";
import { dispatches, narrowings } from "../src/backends/webgpu/launches.ts";
import { openWebGpu } from "../src/backends/webgpu/device.ts";
import { GpuTimer } from "../src/backends/webgpu/timer.ts";
import { DROPOUT, withDropout } from "../src/models/gpt1.ts";
import { createGpt1, type Gpt1 } from "../src/models/gpt1_model.ts";
import { generateTokens } from "../src/train/generate.ts";
import { trainingBytes } from "../src/train/memory.ts";
import { gpt1Optimizer } from "../src/train/update.ts";
import { allSizes, type Size, tokensFor, trainingFlops } from "./sizes.ts";
import { RATE, training } from "./training.ts";
import { clocked, middle, type Seconds, type Spent, spent } from "./webgpu_clock.ts";
import { benchCrossing } from "./webgpu_crossing.ts";
import { benchGpuOps } from "./webgpu_ops.ts";
import { gpuPeak } from "./webgpu_peak.ts";
import {
  askPeer,
  type GpuBench,
  type GpuPeer,
  type GpuRow,
  type PeerResult,
  peerRows,
} from "./webgpu_rows.ts";

const parametersOf = ({ layout }: Gpt1): number =>
  layout.segments.reduce((total, { shape }) => total + sizeOf(shape), 0);

// A peer that has other parameters, or another loss before its first update, has another model.
function requireSame({ parameters, loss = NaN }: PeerResult, model: Gpt1, first: number): void {
  const own = parametersOf(model);
  if (parameters !== own) throw new Error(`its model has ${parameters} parameters where ours has ${own}`);
  if (!(Math.abs(loss - first) < 0.25)) throw new Error(`its first loss is ${loss} where ours is ${first}`);
}

async function* benchTraining(bench: GpuBench, size: Size, model: Gpt1): AsyncGenerator<GpuRow> {
  const { name, batch } = size, { timer, peak, quick, peer } = bench, updates = quick ? 3 : 30;
  const { config } = model, { layers, channels, heads, context, vocabSize: vocab } = config;
  const { update, end } = training(model, batch, updates), losses: number[] = [];
  const turn = async (): Promise<void> => {
    for (let i = 0; i < updates; i++) losses.push((await update()).loss);
  };
  await turn();
  const ours: Spent[] = [await spent(timer, turn)];
  const { beta1, beta2, epsilon, maxNorm, groups: [{ decay }] } = gpt1Optimizer;
  const theirs = await askPeer(bench, {
    kind: "train",
    ...{ layers, channels, heads, context, vocab, batch },
    dropout: DROPOUT,
    adam: { rate: RATE, beta1, beta2, epsilon, maxNorm, decay },
    least: quick ? 0.02 : 2,
  }, (result) => requireSame(result, model, losses[0]));
  ours.push(await spent(timer, turn));
  await end();

  const { wall, busy } = middle(ours), flops = trainingFlops(size);
  const row = ({ seconds, clock }: Seconds): GpuRow => ({
    name: `train-${name}`,
    unit: "ms",
    value: 1000 * seconds,
    clock,
  });
  const rate = ({ seconds, clock }: Seconds): GpuRow => ({
    name: `train-${name}-flops`,
    unit: "TFLOP/s",
    value: flops / seconds / 1e12,
    clock,
    peakShare: flops / seconds / peak.flops,
  });
  const whole: Seconds = { seconds: wall / updates, clock: "host" };
  yield row(whole);
  yield rate(whole);
  if (busy !== null) {
    const own: Seconds = { seconds: busy / updates, clock: "gpu" };
    yield { ...row(own), name: `train-${name}-busy` };
    yield { ...rate(own), name: `train-${name}-busy-flops` };
    yield { name: `train-${name}-busy-share`, unit: "%", value: 100 * busy / wall, clock: "gpu" };
  }
  if (!peer || !theirs) return;
  yield* peerRows(peer, row, whole, theirs.seconds);
  const { seconds } = theirs, { name: runner, runtime } = peer;
  yield { ...rate({ seconds, clock: "host" }), name: `${runner}-train-${name}-flops`, runtime };
}

const TURNS = 3; // of generations

// The prompt with the first token, and each token after it. Generation keeps runs under way, so that the two are told
// apart by ending after the first token, or not.
async function* benchGeneration(
  { device, timer, peak, quick, remark }: GpuBench,
  { name }: Size,
  model: Gpt1,
): AsyncGenerator<GpuRow> {
  const half = model.context / 2, prompt = Array.from(tokensFor(model.config, half));
  for (const batch of quick ? [1] : [1, 8]) {
    const generate = async (maxTokens: number): Promise<void> => {
      for await (const _ of generateTokens(model, Array(batch).fill(prompt), { maxTokens, seed: 1 }));
    };
    await generate(2);
    const first: Spent[] = [], all: Spent[] = [];
    for (let i = 0; i < TURNS; i++) {
      first.push(await spent(timer, () => generate(1)));
      all.push(await spent(timer, () => generate(half)));
    }
    const prefill = middle(first), whole = middle(all), tokens = half - 1;
    const wall = (whole.wall - prefill.wall) / tokens;
    const busy = whole.busy === null || prefill.busy === null ? null : (whole.busy - prefill.busy) / tokens;
    if (!(wall > 0 && (busy === null || busy > 0))) {
      remark(`left out: generation of ${name}, whose times are less than what disturbs them`);
      continue;
    }
    const names = [`prefill-${name}-batch-${batch}`, `decode-${name}-batch-${batch}`];
    yield { name: names[0], unit: "ms", value: 1000 * prefill.wall, clock: "host" };
    yield { name: names[1], unit: "tokens/s", value: batch / wall, clock: "host" };
    if (prefill.busy !== null && busy !== null) {
      yield { name: `${names[0]}-busy`, unit: "ms", value: 1000 * prefill.busy, clock: "gpu" };
      yield { name: `${names[1]}-busy`, unit: "tokens/s", value: batch / busy, clock: "gpu" };
    }
    const { seconds, clock } = clocked({ wall, busy }),
      bytes = device.precision === "f16" ? BYTES / 2 : BYTES;
    const rate = parametersOf(model) * bytes / seconds;
    yield {
      name: `${names[1]}-weights`,
      unit: "GB/s",
      value: rate / 1e9,
      clock,
      peakShare: rate / peak.copy,
    };
  }
}

async function* benchSize(bench: GpuBench, size: Size): AsyncGenerator<GpuRow> {
  const { name, config, batch } = size, { device } = bench;
  const model = await createGpt1(device, withDropout(config, DROPOUT), { seed: 1 });
  try {
    const run = { batch, length: config.context, language: true };
    const halves = device.precision === "f16", limits = { ...PORTABLE, halves };
    const gradient = model.plans.gradient(run, "none", halves), token = model.plans.continuation(1);
    const counted = dispatches(gradient, limits) + narrowings([gradient], limits);
    yield { name: `train-${name}-dispatches`, unit: "", value: counted };
    yield { name: `decode-${name}-dispatches`, unit: "", value: dispatches(token, limits) };
    const { store, temporaries } = trainingBytes(model.plans, run, {
      optimizer: gpt1Optimizer,
      scaled: halves,
      planned: (what) => device.planned(what),
    });
    yield { name: `train-${name}-store`, unit: "MB", value: store / 1e6 };
    yield { name: `train-${name}-temporaries`, unit: "MB", value: temporaries / 1e6 };
    yield* benchTraining(bench, size, model);
    yield* benchGeneration(bench, size, model);
  } finally {
    model.close();
  }
}

// The same with weights and activations as halves, where the GPU has them.
async function* benchHalves(bench: GpuBench): AsyncGenerator<GpuRow> {
  const timer = new GpuTimer(), { remark, quick } = bench;
  const device = await openWebGpu({ timer, precision: "f16" }).catch((error) => {
    remark(`left out, training and generation with halves: ${error.message}`);
    return null;
  });
  if (!device) return;
  const own: GpuBench = { ...bench, device, timer: bench.timer && timer, peer: null };
  try {
    for (const size of allSizes(quick)) yield* benchSize(own, { ...size, name: `${size.name}-f16` });
  } finally {
    device.close();
  }
}

/** Options of `benchGpu`. */
export interface GpuBenchOptions {
  readonly quick: boolean;
  /** What to compare with on the same card. */
  readonly peer: GpuPeer | null;
  readonly remark: (text: string) => void;
}

/** Everything, on the adapter that there is. */
export async function* benchGpu({ quick, peer, remark }: GpuBenchOptions): AsyncGenerator<GpuRow> {
  const timer = new GpuTimer(), device = await openWebGpu({ timer });
  try {
    remark(device.description);
    const peak = await gpuPeak(quick), { flops, copy, clock, reason } = peak;
    if (reason) remark(`times are by the host's clock: ${reason}`);
    yield { name: "peak-multiply-add", unit: "TFLOP/s", value: flops / 1e12, clock };
    yield { name: "peak-copy", unit: "GB/s", value: copy / 1e9, clock };
    const bench: GpuBench = { device, timer: clock === "gpu" ? timer : null, peak, quick, peer, remark };
    yield* benchGpuOps(bench);
    for (const size of allSizes(quick)) yield* benchSize(bench, size);
    yield* benchHalves(bench);
    yield* benchCrossing(device, { quick, remark });
  } finally {
    device.close();
  }
}
