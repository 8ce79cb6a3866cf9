// Two judges of a plan that share nothing with the planner: an interpreter that runs the recording itself, with a fresh
// array for every value, and a check of the plan's own claims about buffers (lifetimes, slots, offsets, order of writes).

import { assert, assertEquals } from "@std/assert";
import { sizeOf } from "../src/core/shape.ts";
import type { Feeds } from "../src/backends/backend.ts";
import type { Graph, Node, Value } from "../src/graph/graph.ts";
import type { ReferenceArray } from "../src/graph/op.ts";
import type { Arg, Plan } from "../src/graph/plan.ts";
import { opByName } from "../src/ops/mod.ts";

/** What the states hold between runs, by name. */
export type States = Map<string, Float64Array>;

/** Runs a recording node by node; sets the assigned states at the end and gives back the outputs. */
export function interpret(
  graph: Graph,
  outputs: Readonly<Record<string, Value>>,
  feeds: Feeds,
  states: States,
): Record<string, number[]> {
  const arrays = new Map<Value, ReferenceArray>();
  const of = (value: Value): ReferenceArray => {
    const { source } = value;
    if (source.kind === "state") return states.get(source.state.name)!.slice();
    if (source.kind === "input") return toReference(feeds[source.name]);
    if (source.kind === "constant") return toReference(source.data);
    return arrays.get(value)!;
  };
  for (const node of graph.nodes) {
    const results = evaluate(node, node.inputs.map(of));
    node.outputs.forEach((output, i) => arrays.set(output, results[i]));
  }
  const result = Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, [...of(value)]]));
  const assigned = [...graph.assignments].map(([state, value]) =>
    [state.name, Float64Array.from(of(value))] as const
  );
  for (const [name, array] of assigned) states.set(name, array);
  return result;
}

const toReference = (data: Feeds[string]): ReferenceArray =>
  data instanceof Int32Array ? data.slice() : Float64Array.from(data);

// One op on arrays that nothing else holds. An output that replaces an input starts as its copy.
function evaluate({ op, inputs, outputs, attrs }: Node, values: readonly ReferenceArray[]): ReferenceArray[] {
  const into = (op.inPlace ?? []).filter(({ kind }) => kind === "into");
  const results = outputs.map((output, i): ReferenceArray => {
    const rule = into.find((rule) => rule.output === i);
    return rule ? values[rule.input].slice() : new Float64Array(sizeOf(output.shape)).fill(NaN);
  });
  const passed = values.filter((_, k) => !into.some((rule) => rule.input === k));
  op.reference(passed, results, op.dims(inputs, attrs), op.floats?.(attrs) ?? []);
  return results;
}

/** Asserts everything a plan promises about its buffers. */
export function checkBuffers(
  { inputs, outputs, buffers, steps, slots, temporaryBytes, liveBytes }: Plan,
): void {
  const alive = steps.map(() => 0);
  buffers.forEach((a, i) => {
    if (a.kind !== "temporary") return;
    assert(a.bytes <= slots[a.slot], `buffer ${i} is larger than its slot`);
    assert(a.offset % 256 === 0 && a.offset + a.bytes <= temporaryBytes, `buffer ${i} leaves the region`);
    for (let step = Math.max(a.first, 0); step <= Math.min(a.last, steps.length - 1); step++) {
      alive[step] += a.bytes;
    }
    buffers.slice(i + 1).forEach((b, k) => {
      if (b.kind !== "temporary" || a.last < b.first || b.last < a.first) return;
      const who = `buffers ${i} and ${i + 1 + k}`;
      assert(a.slot !== b.slot, `${who} are alive at once in slot ${a.slot}`);
      assert(
        a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset,
        `${who} are alive at once and overlap`,
      );
    });
  });
  assert(temporaryBytes >= liveBytes, `${temporaryBytes} bytes cannot hold ${liveBytes}`);
  assert(
    liveBytes >= Math.max(0, ...alive),
    `${liveBytes} bytes are said to be alive, there are ${Math.max(...alive)}`,
  );

  const use = (at: number, { buffer, shape }: Arg): void => {
    const where = buffers[buffer];
    assert(sizeOf(shape) * 4 <= where.bytes, `buffer ${buffer} is too small at step ${at}`);
    if (where.kind === "temporary") {
      assert(where.first <= at && at <= where.last, `buffer ${buffer} is dead at ${at}`);
    }
  };
  const written = new Set(buffers.flatMap(({ kind }, i) => kind === "temporary" ? [] : [i]));
  inputs.forEach((port) => (use(-1, port), written.add(port.buffer)));
  steps.forEach((step, at) => {
    const replaced = (opByName(step.op).inPlace ?? []).filter(({ kind }) => kind === "into");
    const read = [...step.inputs, ...replaced.map(({ output }) => step.outputs[output])];
    for (const arg of read) {
      assert(written.has(arg.buffer), `step ${at} reads buffer ${arg.buffer} before it is written`);
    }
    for (const arg of [...step.inputs, ...step.outputs]) use(at, arg);
    for (const { buffer } of step.outputs) {
      assert(buffers[buffer].kind !== "constant", `step ${at} writes to a constant`);
      written.add(buffer);
    }
    assertEquals(
      new Set(step.outputs.map(({ buffer }) => buffer)).size,
      step.outputs.length,
      `outputs of step ${at}`,
    );
  });
  for (const port of outputs) {
    use(steps.length, port);
    assert(written.has(port.buffer), `output ${port.name} is never written`);
  }
}
