// What `ops` times: every case that an op marks for timing, and what those cannot say: products with operands packed
// before, products of few rows, attention with its gradient, the optimizer and the gradients of norm and activation.
// A case knows what it must compute and move, and smaller cases that are compared with the reference in its stead where
// that would take long.

import { BYTES } from "../src/core/dtype.ts";
import { Random } from "../src/core/random.ts";
import { sizeOf } from "../src/core/shape.ts";
import type { Feeds } from "../src/backends/backend.ts";
import { Graph, type Value } from "../src/graph/graph.ts";
import type { Attrs, Op } from "../src/graph/op.ts";
import { type Plan, plan, type Step } from "../src/graph/plan.ts";
import { ops } from "../src/ops/mod.ts";
import { forwardPlan, type Sample, samples } from "../tests/op_cases.ts";

/** Something to run and to compare with the reference. */
export interface Check {
  readonly label: string;
  readonly plan: Plan;
  readonly feeds: Feeds;
  /** Largest error relative to the largest value. */
  readonly tolerance: number;
}

/** Something to time. */
export interface Timed extends Check {
  readonly name: string;
  /** Floating-point operations; 0 for what is held up by memory. */
  readonly flops: number;
  /** Bytes that must move: inputs read and outputs written, once each. */
  readonly moved: number;
  /** Bytes of all buffers. */
  readonly workingSet: number;
  /** Compared with the reference before timing. */
  readonly checks: readonly Check[];
  /** Steps that are repeated, if not all of the plan's: they leave out what is not to be timed. */
  readonly repeated?: readonly Step[];
}

// Floating-point operations, by the dims of the op. Ops that are not here are held up by memory.
const product = ([m, n, k]: readonly number[]): number => 2 * m * n * k;
const attending = (passes: number) => ([b, t, h, d, causal]: readonly number[]): number =>
  2 * passes * b * h * d * t * t / (causal ? 2 : 1);
const recurring = ([b, t, c]: readonly number[]): number => 8 * b * t * c * c;
const operations: Readonly<Record<string, (dims: readonly number[]) => number>> = {
  matmul: product,
  matmulInto: product,
  linear: product,
  lstm: recurring,
  lstmGrad: recurring,
  attention: attending(2),
  attentionGrad: attending(4),
  linearCrossEntropy: product,
  linearCrossEntropyTrain: (dims) => 3 * product(dims),
};

/** Floating-point operations of some steps. A gradient counts no recomputation, causal attention its half. */
export const operationsOf = (steps: readonly Step[]): number =>
  steps.reduce((sum, { op, dims }) => sum + (operations[op]?.(dims) ?? 0), 0);

/** Bytes that some steps must move. What an output replaces is read as well. */
export function movedBytes(steps: readonly Step[]): number {
  const all = { ...ops } as unknown as Record<string, Op | undefined>;
  return steps.reduce((sum, { op, inputs, outputs }) => {
    const replaced = (all[op]?.inPlace ?? []).filter(({ kind }) => kind === "into");
    const updated = [...new Set(replaced.map(({ output }) => output))].map((output) => outputs[output]);
    return sum + [...inputs, ...outputs, ...updated].reduce((n, { shape }) => n + sizeOf(shape) * BYTES, 0);
  }, 0);
}

const bufferBytes = ({ buffers }: Plan, steps: readonly Step[]): number => {
  const used = new Set(
    steps.flatMap(({ inputs, outputs }) => [...inputs, ...outputs].map(({ buffer }) => buffer)),
  );
  return [...used].reduce((sum, buffer) => sum + buffers[buffer].bytes, 0);
};

const kebab = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** The stable name of a step's row, from its op and sizes: those of the largest tensor unless they are said here. */
export function slugOf(
  { op, dims, inputs, outputs }: Pick<Step, "op" | "dims" | "inputs" | "outputs">,
): string {
  const [a, b, c, d] = dims;
  const turned = op === "linear" ? "" : `${dims[3] ? "-ta" : ""}${dims[4] ? "-tb" : ""}`;
  if (op === "matmul") return `gemm-${a}x${c}x${b}${turned}`;
  if (op === "matmulInto") return `gemm-into-${a}x${c}x${b}${turned}`;
  if (op === "linear") return `linear-${a}x${c}x${b}`;
  if (op === "attention" || op === "attentionGrad") return `${kebab(op)}-b${a}-t${b}-h${c}-d${d}`;
  if (op.startsWith("linearCrossEntropy")) return `${kebab(op)}-${a}x${c}x${b}`;
  const largest = [...inputs, ...outputs].reduce((a, b) => sizeOf(b.shape) > sizeOf(a.shape) ? b : a);
  return `${kebab(op)}-${largest.shape.join("x")}`;
}

function timed(name: string, check: Check, checks: readonly Check[]): Timed {
  const { steps } = check.plan, flops = operationsOf(steps), moved = movedBytes(steps);
  return {
    ...check,
    name,
    flops: flops > moved ? flops : 0, // a product of one row reads its matrix once and is done
    moved,
    workingSet: bufferBytes(check.plan, steps),
    checks,
  };
}

/** Above this many operations the reference would take longer than the rest: small cases stand in. */
const CHECKED = 6e8;

const checkOf = (sample: Sample): Check => ({
  label: sample.label,
  plan: forwardPlan(sample),
  feeds: sample.feeds,
  tolerance: sample.op.tolerance ?? 1e-5,
});

// The cases that ops mark, compared whole or by the op's small cases.
function marked(): Timed[] {
  return samples({ timed: true }).map((sample) => {
    const check = checkOf(sample), { steps } = check.plan;
    const checks = operationsOf(steps) <= CHECKED
      ? [check]
      : samples().filter(({ op }) => op === sample.op).map(checkOf);
    return timed(slugOf(steps.find(({ op }) => op === sample.op.name)!), check, checks);
  });
}

// A recording of its own with random inputs; those that are given come as they are.
function recorded(
  name: string,
  shapes: readonly (readonly number[])[],
  record: (inputs: readonly Value[]) => Record<string, Value>,
  given: Feeds = {},
): Check {
  const graph = new Graph(name), random = new Random(1, name), feeds: Record<string, Feeds[string]> = {};
  const inputs = shapes.map((shape, i) => {
    feeds[`x${i}`] = given[`x${i}`] ?? Float32Array.from({ length: sizeOf(shape) }, () => random.normal());
    return graph.input(`x${i}`, shape, feeds[`x${i}`] instanceof Int32Array ? "i32" : "f32");
  });
  return { label: name, plan: plan(graph, record(inputs)), feeds, tolerance: 1e-4 };
}

const one = (op: Op, shapes: readonly (readonly number[])[], attrs: Attrs = {}, given: Feeds = {}): Timed => {
  const name = (values: readonly Value[]) => Object.fromEntries(values.map((value, i) => [`y${i}`, value]));
  const check = recorded(op.name, shapes, (inputs) => name(inputs[0].graph.apply(op, inputs, attrs)), given);
  return timed(slugOf(check.plan.steps.find((step) => step.op === op.name)!), check, [check]);
};

/** Attention and its gradient on the same projections: 2 products of the causal half forward, 4 backward. */
function attentionBothWays(b: number, t: number, h: number, d: number, quick: boolean): Timed {
  const make = (b: number, t: number, h: number): Check => {
    const attrs = { heads: h, causal: true, rate: 0, stream: 0 };
    const given = { x1: new Int32Array(b).fill(t), x2: Int32Array.of(1, 1) };
    return recorded("attention", [[b, t, 3 * h * d], [b], [2], [b, t, h * d]], ([qkv, lengths, rng, dy]) => {
      const [y, logSum] = qkv.graph.apply(ops.attention, [qkv, lengths, rng], attrs);
      return { y, d: qkv.graph.apply(ops.attentionGrad, [qkv, lengths, rng, y, logSum, dy], attrs)[0] };
    }, given);
  };
  const name = `attention-b${b}-t${t}-h${h}-d${d}-forward-backward`;
  return timed(name, quick ? make(1, 32, 1) : make(b, t, h), [make(1, 70, 2)]);
}

// A product whose first pass, which packs the operands, has run already.
function packed(whole: Timed): Timed | null {
  const steps = whole.plan.steps.map((step) => ({
    ...step,
    rows: step.rows.map((rows, pass) => pass === 0 ? 0 : rows),
  }));
  const packs = whole.plan.steps.every(({ rows }) => rows.length === 2);
  return packs ? { ...whole, name: `${whole.name}-packed`, checks: [], repeated: steps } : null;
}

function optimizer(n: number): Timed {
  const constants = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, maxNorm: 1 };
  const given = {
    x0: Int32Array.of(0, n, 0),
    x1: Float32Array.of(1e-4, 0.01, 1, 0),
    x2: Float32Array.of(4),
    x6: Float32Array.from({ length: n }, (_, i) => (i % 7) / 7),
  };
  const shapes = [[1, 3], [1, 4], [1], [n], [n], [n], [n]];
  return one(ops.adam as unknown as Op, shapes, constants, given);
}

/** Everything to time, each name once. A quick run has smaller ones besides those that ops mark. */
export function timedCases(quick: boolean): Timed[] {
  const [rows, C] = quick ? [8, 64] : [2048, 768], plain = { ta: false, tb: false }, all = marked();
  const products = all.filter(({ name }) => name.startsWith("gemm-") && !name.startsWith("gemm-into"));
  const besides = [
    ...products.flatMap((whole) => packed(whole) ?? []),
    ...[1, 8].map((m) => one(ops.matmul as unknown as Op, [[m, C], [C, 4 * C]], plain)),
    attentionBothWays(2, 512, 12, 64, quick),
    one(ops.geluGrad, [[rows, 4 * C], [rows, 4 * C]]),
    one(ops.layerNormGrad, [[rows, C], [rows, C], [C], [rows], [rows]]),
    one(ops.layerNormGainGradInto, [[rows, C], [rows, C], [rows], [rows], [C], [C]]),
    optimizer(quick ? 1024 : 2 ** 21),
  ];
  return [...new Map([...besides, ...all].map((timed) => [timed.name, timed])).values()];
}
