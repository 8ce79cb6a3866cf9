// The GPU: products, attention, training steps and generation, as shares of what a loop of multiply-adds reaches on the
// same card in the same invocation. It knows no host, so that it can be bundled into one file and carried to a machine with
// a GPU (webgpu_main.ts); `deno task bench --device webgpu` runs it here. Runs follow each other without waiting: what is
// timed is many of them between two looks at the clock, since reading back alone takes 11 ms in Deno.

import type { Device, Program, Store } from "../src/backends/backend.ts";
import { openReference } from "../src/backends/reference.ts";
import { dispatches } from "../src/backends/webgpu/launches.ts";
import { openWebGpu } from "../src/backends/webgpu/device.ts";
import { Graph, type Value } from "../src/graph/graph.ts";
import { type Plan, plan } from "../src/graph/plan.ts";
import { createGpt1 } from "../src/models/gpt1_model.ts";
import { ops } from "../src/ops/mod.ts";
import { pretrainingSource } from "../src/tasks/language.ts";
import { generateTokens } from "../src/train/generate.ts";
import { train } from "../src/train/trainer.ts";
import { gpt1Optimizer } from "../src/train/update.ts";
import { median } from "./measure.ts";
import { benchCrossing } from "./webgpu_crossing.ts";
import { gpuPeak } from "./webgpu_peak.ts";
import { allSizes, type Size, tokensFor, trainingFlops } from "./sizes.ts";

/** One measured number; the bench adds the rest of a row. */
export interface GpuRow {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  readonly peakShare?: number;
}

// Operands are states, so that a run uploads nothing.
function recorded(
  name: string,
  shapes: readonly (readonly number[])[],
  record: (inputs: readonly Value[]) => Value,
): Plan {
  const graph = new Graph(name);
  const inputs = shapes.map((shape, i) => graph.state(`x${i}`, shape, "f32", { parameter: true }));
  const y = record(inputs);
  graph.assign(graph.state("y", y.shape), y);
  return plan(graph, {});
}

async function storeFor(device: Device, { buffers }: Plan): Promise<Store> {
  const states = buffers.flatMap((buffer) => buffer.kind === "state" ? [buffer] : []);
  const store = device.createStore(Object.fromEntries(states.map(({ name, bytes }) => [name, bytes])));
  for (const { name, bytes } of states) {
    const values = Float32Array.from({ length: bytes / 4 }, (_, i) => ((i * 7919) % 1009) / 504.5 - 1);
    if (name !== "y") await store.write(name, 0, values);
  }
  return store;
}

// Seconds of one run, from batches of runs long enough to time. Waiting for the last is by reading a number back.
async function secondsOf(program: Program, store: Store, least: number): Promise<number> {
  const times = async (count: number): Promise<number> => {
    const began = performance.now();
    for (let i = 0; i < count; i++) await program.run({}, []);
    await store.read("y", 0, 1);
    return (performance.now() - began) / 1000;
  };
  await times(1);
  const empty = await times(0), one = Math.max(1e-6, await times(1) - empty);
  const count = Math.max(1, Math.min(2000, Math.ceil(least / one)));
  const seconds: number[] = [];
  for (let i = 0; i < 5; i++) seconds.push((await times(count) - await times(0)) / count);
  return median(seconds);
}

async function requireRight(device: Device, of: Plan): Promise<void> {
  const results = [];
  for (const one of [device, openReference()]) {
    const store = await storeFor(one, of);
    await one.load(of, store).run({});
    const bytes = store.pages.get("y")!;
    results.push(await store.read("y", 0, bytes / 4));
    store.free();
  }
  const [got, want] = results, scale = Math.max(1, ...Array.from(want, Math.abs));
  want.forEach((value, i) => {
    if (!(Math.abs(value - got[i]) <= 1e-4 * scale)) {
      throw new Error(`${of.name} is wrong on ${device.description}: ${got[i]} at ${i}, not ${value}`);
    }
  });
}

const product = (m: number, k: number, n: number): Plan =>
  recorded(
    `gemm-${m}x${k}x${n}`,
    [[m, k], [k, n]],
    ([a, b]) => a.graph.apply(ops.matmul, [a, b], { ta: false, tb: false })[0],
  );

const attention = (b: number, t: number, h: number, d: number): Plan =>
  recorded(`attention-b${b}-t${t}-h${h}-d${d}`, [[b, t, 3 * h * d]], ([qkv]) => {
    const { graph } = qkv, lengths = graph.constant(new Int32Array(b).fill(t), [b]);
    const rng = graph.constant(new Int32Array(2), [2]),
      attrs = { heads: h, causal: true, rate: 0, stream: 0 };
    return graph.apply(ops.attention, [qkv, lengths, rng], attrs)[0];
  });

async function* benchProducts(device: Device, peak: number, quick: boolean): AsyncGenerator<GpuRow> {
  await requireRight(device, product(129, 65, 67));
  await requireRight(device, product(256, 128, 256));
  const shapes = quick ? [[64, 64, 64]] : [
    [1024, 1024, 1024],
    [2048, 2048, 2048],
    [4096, 4096, 4096],
    [1024, 768, 2304],
    [1024, 768, 768],
    [1024, 768, 3072],
    [1024, 3072, 768],
    [1024, 768, 40990],
    [1, 768, 3072],
  ];
  for (const [m, k, n] of shapes) {
    const of = product(m, k, n), store = await storeFor(device, of), program = device.load(of, store);
    const rate = 2 * m * k * n / await secondsOf(program, store, quick ? 0.01 : 0.3);
    yield { name: of.name, unit: "TFLOP/s", value: rate / 1e12, peakShare: rate / peak };
    program.free();
    store.free();
  }
}

async function* benchAttention(device: Device, peak: number, quick: boolean): AsyncGenerator<GpuRow> {
  await requireRight(device, attention(1, 70, 2, 16));
  const [b, t, h, d] = quick ? [1, 32, 1, 16] : [8, 512, 12, 64];
  const of = attention(b, t, h, d), store = await storeFor(device, of), program = device.load(of, store);
  const rate = 2 * b * h * d * t * t / await secondsOf(program, store, quick ? 0.01 : 0.3);
  yield { name: of.name, unit: "TFLOP/s", value: rate / 1e12, peakShare: rate / peak };
  program.free();
  store.free();
}

async function* benchSize(device: Device, size: Size, peak: number, quick: boolean): AsyncGenerator<GpuRow> {
  const { name, config, batch } = size, updates = quick ? 3 : 30;
  using model = await createGpt1(device, config, { seed: 1 });
  const run = { batch, length: config.context, language: true };
  yield { name: `train-${name}-dispatches`, unit: "", value: dispatches(model.plans.gradient(run)) };
  yield { name: `decode-${name}-dispatches`, unit: "", value: dispatches(model.plans.continuation(1)) };
  const planned = device.planned({ pages: model.layout.pages, plans: [model.plans.gradient(run)] });
  yield { name: `train-${name}-temporaries`, unit: "MB", value: planned.temporaries / 1e6 };
  const source = pretrainingSource(config, tokensFor(config, 200_000), { batch, seed: 1 });
  const schedule = { name: "warmup_constant", learningRate: 1e-4, warmup: 0, steps: 3 * updates } as const;
  const marks: number[] = [];
  const options = { schedule, optimizer: gpt1Optimizer, seed: 1, rests: (n: number) => n % updates === 0 };
  for await (const { step } of train(model, source, options)) {
    if (step % updates === 0) marks.push(performance.now());
  }
  const seconds = Math.min(marks[1] - marks[0], marks[2] - marks[1]) / 1000 / updates;
  const rate = trainingFlops(size) / seconds;
  yield { name: `train-${name}`, unit: "ms", value: 1000 * seconds };
  yield { name: `train-${name}-flops`, unit: "TFLOP/s", value: rate / 1e12, peakShare: rate / peak };
  for (const rows of quick ? [1] : [1, 8]) {
    const half = config.context / 2, prompt = Array.from(tokensFor(config, half));
    const began = performance.now(),
      tokens = generateTokens(model, Array(rows).fill(prompt), { maxTokens: half, seed: 1 });
    await tokens.next();
    const first = performance.now();
    let count = 0;
    for await (const _ of tokens) count++;
    yield { name: `prefill-${name}-batch-${rows}`, unit: "ms", value: first - began };
    yield {
      name: `decode-${name}-batch-${rows}`,
      unit: "tokens/s",
      value: rows * count * 1000 / (performance.now() - first),
    };
  }
}

/** Everything, on the adapter that there is. */
export async function* benchGpu(
  { quick, remark }: { quick: boolean; remark: (text: string) => void },
): AsyncGenerator<GpuRow> {
  using device = await openWebGpu();
  remark(device.description);
  const peak = await gpuPeak(quick);
  yield { name: "peak-multiply-add", unit: "TFLOP/s", value: peak.flops / 1e12 };
  yield { name: "peak-copy", unit: "GB/s", value: peak.copy / 1e9 };
  yield* benchProducts(device, peak.flops, quick);
  yield* benchAttention(device, peak.flops, quick);
  for (const size of allSizes(quick)) yield* benchSize(device, size, peak.flops, quick);
  yield* benchCrossing(device, { quick, remark });
}
