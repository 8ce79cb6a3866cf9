// Differentiation: one reverse walk over the recording that appends gradient ops to the same graph. The rule of
// accumulation, said once: a parameter's gradient starts from its gradient state and every contribution is added *into*
// it (`+=`, so that micro-batches accumulate); any other value's gradient is written by the first contribution (`=`) and
// later ones are added into that. Each vjp does the adding itself, through `into`, because most can do it for free.
// Before it enters a recomputed region, the walk records that region's forward nodes again.

import { requireShape, sameShape, show } from "../core/shape.ts";
import type { Graph, Node, Value } from "./graph.ts";
import type { Attrs } from "./op.ts";

/** What `gradients` gives back. */
export interface Gradients {
  /** The loss to report. It may be a re-recorded copy that shares work with the backward pass. */
  readonly loss: Value;
  /** d loss / d parameter plus what the gradient state held, in the order of the parameters. */
  readonly gradients: readonly Value[];
  /** The value that now stands for `value`, where the backward pass computes it for free. */
  current(value: Value): Value;
}

/** A parameter and the state in which its gradient accumulates. */
export interface Wanted {
  /** The state to differentiate with respect to, as `Graph.state` gave it. */
  readonly parameter: Value;
  /** A state of the same shape. Assign the gradient to it to accumulate over runs. */
  readonly into: Value;
}

/**
 * Appends the gradient of a scalar loss to its graph.
 *
 * @param loss A value of shape (1).
 * @param scale What all gradients are multiplied by, of shape (1); they are as they are unless given.
 * @throws {RangeError} if the loss is not a scalar.
 * @throws {TypeError} where the loss depends on a parameter through an op that has no gradient.
 */
export function gradients(
  graph: Graph,
  loss: Value,
  wanted: readonly Wanted[],
  scale: Value = graph.constant(new Float32Array([1]), [1]),
): Gradients {
  requireShape(
    sameShape(loss.shape, [1]),
    `Cannot differentiate ${show(loss.shape)} in ${graph.name}`,
    "a loss has shape (1); sum it first",
  );
  const nodes = [...graph.nodes];
  const needed = new Set<Value>(wanted.map(({ parameter }) => parameter));
  for (const node of nodes) {
    if (node.inputs.some((input) => needed.has(input))) node.outputs.forEach((output) => needed.add(output));
  }
  if (!needed.has(loss)) {
    throw new TypeError(`Cannot differentiate in ${graph.name}: the loss depends on no parameter`);
  }

  const held = new Map<Value, Value>(wanted.map(({ parameter, into }) => [parameter, into]));
  const free = new Map<Value, Value>();
  held.set(loss, scale);
  const again = recomputing(graph, nodes);
  for (const node of nodes.toReversed()) {
    const douts = node.outputs.map((output) => held.get(output) ?? null);
    if (!node.inputs.some((input) => needed.has(input)) || douts.every((d) => d === null)) continue;
    differentiate(graph, node, again(node.region), douts, needed, held, free);
  }
  const current = rerecord(graph, nodes, free);
  return {
    loss: current(loss),
    gradients: wanted.map(({ parameter }) => held.get(parameter)!),
    current,
  };
}

// What stands for a value in the backward pass of a region: its recomputed copy, or the value itself. The first call for a
// region records the copies, all in one place: just before the region's first gradient. Those that no gradient needs are
// dead code. Nodes of a region stand next to each other, so none outside it has been given a copy.
function recomputing(
  graph: Graph,
  nodes: readonly Node[],
): (region: number | null) => (value: Value) => Value {
  const copies = new Map<Value, Value>(), begun = new Set<number>();
  const copy = (value: Value): Value => copies.get(value) ?? value;
  return (region) => {
    if (region === null) return (value) => value;
    if (begun.has(region)) return copy;
    begun.add(region);
    for (const node of nodes.filter((node) => node.region === region)) {
      const scope = `r:${node.scope.slice(graph.name.length + 1)}`;
      const made = graph.scope(
        scope,
        () => graph.apply<Attrs>(node.op, node.inputs.map(copy), node.attrs),
      );
      made.forEach((value, i) => copies.set(node.outputs[i], value));
    }
    return copy;
  };
}

function differentiate(
  graph: Graph,
  { op, inputs, outputs, attrs, scope }: Node,
  again: (value: Value) => Value,
  douts: readonly (Value | null)[],
  needed: ReadonlySet<Value>,
  held: Map<Value, Value>,
  free: Map<Value, Value>,
): void {
  if (!op.vjp) throw new TypeError(`Cannot differentiate through ${op.name} in ${scope}: it has no gradient`);
  if (op.saved?.some((index) => douts[index])) {
    throw new TypeError(`Cannot differentiate through a saved output of ${op.name} in ${scope}`);
  }
  const scopeName = `d:${scope.slice(graph.name.length + 1)}`;
  // A value that stands twice among the inputs takes two applications, so that no vjp has to think of it.
  const occurrence = inputs.map((input, i) => inputs.slice(0, i).filter((other) => other === input).length);
  for (let round = 0; round <= Math.max(...occurrence); round++) {
    const needs = inputs.map((input, i) =>
      occurrence[i] === round && input.dtype === "f32" && needed.has(input)
    );
    if (!needs.includes(true)) continue;
    const into = inputs.map((input, i) => needs[i] ? held.get(input) : undefined);
    const { dins, outputs: replaced } = graph.scope(
      scopeName,
      () => op.vjp!({ inputs: inputs.map(again), outputs: outputs.map(again), attrs, douts, needs, into }),
    );
    inputs.forEach((input, i) => {
      if (needs[i] && dins[i]) held.set(input, dins[i]);
    });
    replaced?.forEach((value, i) => free.set(outputs[i], value));
  }
}

// Records again whatever was computed from values that the backward pass has replaced.
function rerecord(graph: Graph, nodes: readonly Node[], free: Map<Value, Value>): (value: Value) => Value {
  const current = (value: Value): Value => free.get(value) ?? value;
  if (free.size === 0) return current;
  for (const node of nodes) {
    if (free.has(node.outputs[0]) || !node.inputs.some((input) => free.has(input))) continue;
    const outputs = graph.apply<Attrs>(node.op, node.inputs.map(current), node.attrs);
    outputs.forEach((value, i) => free.set(node.outputs[i], value));
  }
  return current;
}
