// From an op and one of its cases to something that runs: the recording, the feeds, and the gradient recording whose
// loss weighs every differentiable output by fixed random numbers.

import type { HostArray } from "../src/core/dtype.ts";
import { Random } from "../src/core/random.ts";
import { sizeOf } from "../src/core/shape.ts";
import type { Feeds } from "../src/backends/backend.ts";
import { Graph, type Value } from "../src/graph/graph.ts";
import { gradients } from "../src/graph/gradients.ts";
import type { Case, CaseInput, Op } from "../src/graph/op.ts";
import { type Plan, plan } from "../src/graph/plan.ts";
import { type OpName, ops } from "../src/ops/mod.ts";

/** One case of one op. */
export interface Sample {
  readonly label: string;
  readonly op: Op;
  readonly case: Case;
  readonly feeds: Feeds;
}

const typeOf = (input: CaseInput) => input.dtype ?? (input.below === undefined ? "f32" : "i32");

function values(input: CaseInput, random: Random): HostArray {
  const size = sizeOf(input.shape), make = (next: () => number) => Array.from({ length: size }, next);
  if (typeOf(input) === "i32") return Int32Array.from(input.values ?? make(() => random.below(input.below!)));
  return Float32Array.from(input.values ?? make(() => random.normal()));
}

/** All cases of all ops; `timed` picks those marked for benchmarks, which are too large for tests. */
export function samples({ timed = false } = {}): Sample[] {
  return (Object.keys(ops) as OpName[]).flatMap((name) => {
    const op = ops[name] as unknown as Op;
    return op.cases.filter(({ bench = false }) => bench === timed).map((one, i) => sampleOf(op, one, i));
  });
}

/** One case of an op with random inputs. */
export function sampleOf(op: Op, one: Case, seed: number): Sample {
  const random = new Random(seed, op.name);
  const shapes = one.inputs.map(({ shape }) => `(${shape})`).join(" ");
  return {
    label: `${op.name} ${shapes} ${JSON.stringify(one.attrs ?? {})}`,
    op,
    case: one,
    feeds: Object.fromEntries(one.inputs.map((input, k) => [`x${k}`, values(input, random)])),
  };
}

function record({ op, case: { inputs, attrs } }: Sample, parameter: boolean): {
  graph: Graph;
  inputs: Value[];
  outputs: readonly Value[];
} {
  const graph = new Graph("case");
  const values = inputs.map((input, i) => {
    const dtype = typeOf(input);
    return parameter && dtype === "f32" && !input.fixed
      ? graph.state(`x${i}`, input.shape, dtype, { parameter: true })
      : graph.input(`x${i}`, input.shape, dtype);
  });
  return { graph, inputs: values, outputs: graph.apply(op, values, attrs) };
}

/** The op alone. Outputs y0, y1, … */
export function forwardPlan(sample: Sample): Plan {
  const { graph, outputs } = record(sample, false);
  return plan(graph, Object.fromEntries(outputs.map((value, i) => [`y${i}`, value])));
}

/** A sample's inputs as parameters, with the loss and the gradients as outputs. */
export interface GradientPlans {
  readonly loss: Plan;
  readonly gradient: Plan;
  /** Inputs that are parameters: states to be written, and differentiated by. */
  readonly parameters: readonly string[];
}

/** Loss and gradient of an op with respect to all its f32 inputs; `null` for an op without a gradient. */
export function gradientPlans(sample: Sample): GradientPlans | null {
  if (!sample.op.vjp) return null;
  const make = (): { graph: Graph; parameters: Value[]; loss: Value } => {
    const { graph, inputs, outputs } = record(sample, true);
    const random = new Random(1, "weights");
    const terms = outputs.flatMap((output, i) => {
      if (sample.op.saved?.includes(i)) return [];
      const weights = Float32Array.from({ length: sizeOf(output.shape) }, () => random.normal());
      return graph.apply(ops.dot, [output, graph.constant(weights, output.shape)]);
    });
    const loss = terms.reduce((sum, term) => graph.apply(ops.add, [sum, term])[0]);
    return { graph, parameters: inputs.filter(({ source }) => source.kind === "state"), loss };
  };
  const forward = make(), backward = make();
  const names = backward.parameters.map(({ source }) => source.kind === "state" ? source.state.name : "");
  const wanted = backward.parameters.map((parameter, i) => ({
    parameter,
    into: backward.graph.state(`d${names[i]}`, parameter.shape),
  }));
  const result = gradients(backward.graph, backward.loss, wanted);
  result.gradients.forEach((gradient, i) => backward.graph.assign(wanted[i].into, gradient));
  return {
    loss: plan(forward.graph, { loss: forward.loss }),
    gradient: plan(backward.graph, { loss: result.loss }),
    parameters: names,
  };
}

/** Bytes of the pages that a plan's states need. */
export function pagesOf(...plans: readonly Plan[]): Record<string, number> {
  const pages: Record<string, number> = {};
  for (const { buffers } of plans) {
    for (const buffer of buffers) {
      if (buffer.kind !== "state") continue;
      const { page, offset } = buffer.place;
      pages[page] = Math.max(pages[page] ?? 0, offset + buffer.bytes);
    }
  }
  return pages;
}
