// Ops on the GPU: products with GPT-1's shapes, attention, and what memory holds up. Each is compared with the reference
// at small sizes first. An op is repeated within a run, so that starting a run is a small part of it.

import { openReference } from "../src/backends/reference.ts";
import type { Device, Store } from "../src/backends/backend.ts";
import { Graph, type Value } from "../src/graph/graph.ts";
import { type Plan, plan } from "../src/graph/plan.ts";
import { ops } from "../src/ops/mod.ts";
import { median } from "./measure.ts";
import { movedBytes, operationsOf, slugOf } from "./op_cases.ts";
import { clocked, middle, type Seconds, type Spent, spentOnRun } from "./webgpu_clock.ts";
import { askPeer, type GpuBench, type GpuRow, peerRows, type ProductJob } from "./webgpu_rows.ts";

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

const product = (m: number, k: number, n: number): Plan =>
  recorded(
    "product",
    [[m, k], [k, n]],
    ([a, b]) => a.graph.apply(ops.matmul, [a, b], { ta: false, tb: false })[0],
  );

const attention = (b: number, t: number, h: number, d: number): Plan =>
  recorded("attention", [[b, t, 3 * h * d]], ([qkv]) => {
    const { graph } = qkv, lengths = graph.constant(new Int32Array(b).fill(t), [b]);
    const rng = graph.constant(new Int32Array(2), [2]),
      attrs = { heads: h, causal: true, rate: 0, stream: 0 };
    return graph.apply(ops.attention, [qkv, lengths, rng], attrs)[0];
  });

const sum = (rows: number, C: number): Plan =>
  recorded("sum", [[rows, C], [rows, C]], ([x, y]) => x.graph.apply(ops.add, [x, y])[0]);

const norm = (rows: number, C: number): Plan =>
  recorded(
    "norm",
    [[rows, C], [rows, C], [C], [C]],
    (inputs) => inputs[0].graph.apply(ops.addLayerNorm, inputs, { epsilon: 1e-5 })[0],
  );

async function storeFor(device: Device, { buffers }: Plan): Promise<Store> {
  const states = buffers.flatMap((buffer) => buffer.kind === "state" ? [buffer] : []);
  const store = device.createStore(Object.fromEntries(states.map(({ name, bytes }) => [name, bytes])));
  for (const { name, bytes } of states) {
    if (name === "y") continue;
    const values = new Float32Array(bytes / 4);
    for (let i = 0; i < values.length; i++) values[i] = ((i * 7919) % 1009) / 504.5 - 1;
    await store.write(name, 0, values);
  }
  return store;
}

async function requireRight(device: Device, of: Plan): Promise<void> {
  const results = [];
  for (const one of [device, openReference()]) {
    const store = await storeFor(one, of), program = one.load(of, store);
    await program.run({});
    const bytes = store.pages.get("y")!;
    results.push(await store.read("y", 0, bytes / 4));
    program.free();
    store.free();
  }
  const [got, want] = results, scale = Math.max(1, ...Array.from(want, Math.abs));
  want.forEach((value, i) => {
    if (!(Math.abs(value - got[i]) <= 1e-4 * scale)) {
      throw new Error(`${of.name} is wrong on ${device.description}: ${got[i]} at ${i}, not ${value}`);
    }
  });
}

/** An op to time. */
interface Case {
  readonly plan: Plan;
  readonly job?: ProductJob;
}

const WORK = 2e10, REPEATS = 16; // operations of a run, repetitions at most

async function* benchCase(bench: GpuBench, { plan, job }: Case): AsyncGenerator<GpuRow> {
  const { device, timer, peak, quick, peer } = bench, least = quick ? 0.02 : 0.3;
  const flops = operationsOf(plan.steps), moved = movedBytes(plan.steps), busy = flops > moved;
  const repeats = Math.max(1, Math.min(REPEATS, Math.ceil(WORK / Math.max(flops, 20 * moved))));
  const steps = Array.from({ length: repeats }, () => plan.steps).flat();
  const store = await storeFor(device, plan), program = device.load({ ...plan, steps }, store);
  const batch = async (runs: number): Promise<void> => {
    for (let i = 0; i < runs; i++) await program.run({}, []);
    await store.read("y", 0, 1); // waits for them
  };
  const ours: Spent[] = [], theirs: number[] = [];
  for (let turn = 0; turn < (job && peer && !quick ? 2 : 1); turn++) {
    const { wall, busy } = await spentOnRun(timer, batch, least);
    ours.push({ wall: wall / repeats, busy: busy && busy / repeats });
    const result = job ? await askPeer(bench, { ...job, least }) : null;
    if (result) theirs.push(result.seconds);
  }
  program.free();
  store.free();
  const name = slugOf(plan.steps[0]), spent = middle(ours), took = clocked(spent);
  const row = ({ seconds, clock }: Seconds): GpuRow => {
    const [unit, rate, best, scale] = busy
      ? ["TFLOP/s", flops / seconds, peak.flops, 1e12] as const
      : ["GB/s", moved / seconds, peak.copy, 1e9] as const;
    return { name, unit, value: rate / scale, clock, peakShare: rate / best };
  };
  yield row(took);
  // The peer is timed by the host, launches included, and so is what it is compared with.
  if (peer && theirs.length > 0) {
    yield* peerRows(peer, row, { seconds: spent.wall, clock: "host" }, median(theirs));
  }
}

const SHAPES = [
  [1024, 1024, 1024],
  [2048, 2048, 2048],
  [4096, 4096, 4096],
  [1024, 768, 2304],
  [1024, 768, 768],
  [1024, 768, 3072],
  [1024, 3072, 768],
  [1024, 768, 40990],
  [1, 768, 3072],
] as const;

/** Products, attention, a sum and a norm, with the products of the peer. */
export async function* benchGpuOps(bench: GpuBench): AsyncGenerator<GpuRow> {
  const { device, quick } = bench;
  const checks = [
    product(129, 65, 67),
    product(256, 128, 256),
    product(1, 96, 160),
    attention(1, 70, 2, 16),
    sum(37, 65),
    norm(37, 65),
  ];
  for (const check of checks) await requireRight(device, check);
  const [b, t, h, d] = quick ? [1, 32, 1, 16] : [8, 512, 12, 64], [rows, C] = quick ? [64, 64] : [16384, 768];
  const cases: Case[] = [
    ...(quick ? [[64, 64, 64], [1, 64, 256]] : SHAPES).map(([m, k, n]): Case => ({
      plan: product(m, k, n),
      job: { kind: "gemm", m, k, n, least: 0 },
    })),
    { plan: attention(b, t, h, d) },
    { plan: sum(rows, C) },
    { plan: norm(rows, C) },
  ];
  for (const one of cases) yield* benchCase(bench, one);
}
