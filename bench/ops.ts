// The ops, one by one: every case that its op marks for timing is first compared with the float64 reference, then timed.
// Feeding inputs and handing back outputs is not the kernel's time: the same plan without steps is timed beside it and
// taken off. Ops that calculate are given in GFLOP/s, the others in GB/s of inputs read and outputs written. For these the
// copy loop is a yardstick and no bound: an op that writes over its input can pass it.

import { BYTES } from "../src/core/dtype.ts";
import { sizeOf } from "../src/core/shape.ts";
import type { Device, Feeds, Results } from "../src/backends/backend.ts";
import { openReference } from "../src/backends/reference.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import type { Plan, Step } from "../src/graph/plan.ts";
import { forwardPlan, type Sample, samples } from "../tests/op_cases.ts";
import { alternate } from "./measure.ts";
import { peaks } from "./peak.ts";
import { type Measured, remark } from "./report.ts";

// Floating-point operations, by the dims of the op. Ops that are not here are held up by memory.
const product = ([m, n, k]: readonly number[]): number => 2 * m * n * k;
const operations: Readonly<Record<string, (dims: readonly number[]) => number>> = {
  matmul: product,
  matmulInto: product,
  linear: product,
  lstm: ([b, t, c]) => 8 * b * t * c * c,
  lstmGrad: ([b, t, c]) => 8 * b * t * c * c,
  attention: ([b, t, h, d, causal]) => 4 * b * h * d * t * (causal ? (t + 1) / 2 : t),
  linearCrossEntropy: product,
  linearCrossEntropyTrain: (dims) => 3 * product(dims),
};
const operationsOf = ({ op, dims }: Step): number => operations[op]?.(dims) ?? 0;
const bytesOf = ({ inputs, outputs }: Step): number =>
  [...inputs, ...outputs].reduce((sum, { shape }) => sum + sizeOf(shape) * BYTES, 0);

/** Above this many operations the reference would take longer than the rest: the op's small cases stand in. */
const CHECKED = 2e9;

async function run(device: Device, plan: Plan, feeds: Feeds): Promise<Results> {
  const store = device.createStore({}), program = device.load(plan, store);
  const results = await program.run(feeds);
  program.free();
  return results;
}

// Compares all outputs with the reference, or those of the op's small cases; returns which.
async function check(device: Device, sample: Sample, plan: Plan): Promise<"whole" | "small cases"> {
  const whole = plan.steps.reduce((sum, step) => sum + operationsOf(step), 0) <= CHECKED;
  const checked = whole ? [sample] : samples().filter(({ op }) => op === sample.op);
  for (const { label, op, feeds, ...rest } of checked) {
    const plan = forwardPlan({ label, op, feeds, ...rest });
    const got = await run(device, plan, feeds), want = await run(openReference(), plan, feeds);
    for (const [name, values] of Object.entries(want)) {
      let scale = 1;
      for (const value of values) scale = Math.max(scale, Math.abs(value));
      const tolerance = (op.tolerance ?? 1e-5) * scale;
      const wrong = values.findIndex((value, i) => !(Math.abs(value - got[name][i]) <= tolerance));
      if (wrong >= 0) {
        throw new Error(
          `${label}: ${name}[${wrong}] is ${got[name][wrong]}, not ${values[wrong]}: not timed`,
        );
      }
    }
  }
  return whole ? "whole" : "small cases";
}

// Seconds of the steps of a plan. They are repeated within a run, so that they outweigh the feeding.
async function time(device: Device, plan: Plan, feeds: Feeds): Promise<number> {
  const store = device.createStore({});
  const programOf = (times: number) =>
    device.load({ ...plan, steps: Array.from({ length: times }, () => plan.steps).flat() }, store);
  const none = programOf(0), once = programOf(1);
  const [feeding, first] = await alternate([() => none.run(feeds), () => once.run(feeds)], {
    seconds: 0,
    least: 3,
  });
  const repeats = Math.max(1, Math.min(20, Math.ceil(0.1 / Math.max(first - feeding, 1e-3))));
  const many = programOf(repeats);
  const [without, total] = await alternate([() => none.run(feeds), () => many.run(feeds)]);
  for (const program of [none, once, many]) program.free();
  return (total - without) / repeats;
}

/** Throughput of every op case marked `bench`. */
export async function* benchOps(threads: readonly number[]): AsyncGenerator<Measured, void, undefined> {
  for (const count of threads) {
    using device = await openWasm({ threads: count });
    const peak = await peaks(count), at = { bench: "ops", threads: count } as const;
    yield { ...at, name: "peak: multiply-add", unit: "GFLOP/s", value: peak.flops / 1e9 };
    yield { ...at, name: "peak: copy", unit: "GB/s", value: peak.bytes / 1e9 };
    for (const sample of samples({ timed: true })) {
      const { op, case: { inputs }, feeds } = sample, plan = forwardPlan(sample);
      const name = `${op.name} ${inputs.map(({ shape }) => shape.join("x")).join(" ")}`;
      remark(`${name}: agrees with the reference (${await check(device, sample, plan)})`);
      const seconds = await time(device, plan, feeds),
        flops = plan.steps.reduce((n, s) => n + operationsOf(s), 0);
      const [rate, best, unit] = flops > 0
        ? [flops / seconds, peak.flops, "GFLOP/s"] as const
        : [plan.steps.reduce((n, s) => n + bytesOf(s), 0) / seconds, peak.bytes, "GB/s"] as const;
      yield { ...at, name, unit, value: rate / 1e9, peakShare: rate / best };
    }
  }
}
