// Planning: from a recording to steps over buffers. A pure function: dead code is dropped, values get buffers by their
// lifetimes, outputs share a buffer with an input where their op declares it, states are written where they live. The
// result is plain JSON; a backend turns it into pointers (WASM) or bindings (WebGPU) once, when it is loaded.

import { BYTES, type DType } from "../core/dtype.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import { copy } from "./copy.ts";
import type { Graph, Node, Place, Range, State, Value } from "./graph.ts";
import type { Op } from "./op.ts";
import { packOffsets, packSlots, peakBytes } from "./pack.ts";

/** Where bytes live during a run. */
export type Buffer =
  /** Lives from step `first` to step `last`; shares a slot, or an offset range, with others that do not overlap. */
  | {
    readonly kind: "temporary";
    readonly bytes: number;
    readonly first: number;
    readonly last: number;
    readonly slot: number;
    readonly offset: number;
  }
  | {
    readonly kind: "state";
    readonly bytes: number;
    readonly name: string;
    readonly place: Place;
    /** Whether it is something to be trained, which a backend may keep in more than one form. */
    readonly parameter: boolean;
  }
  | {
    readonly kind: "constant";
    readonly bytes: number;
    readonly dtype: DType;
    readonly data: readonly number[];
  };

/** A tensor argument of a step. */
export interface Arg {
  /** Index into the plan's buffers. */
  readonly buffer: number;
  /** How the bytes are read, four to an element. */
  readonly dtype: DType;
  /** Sizes in row-major order, without gaps; the buffer may be larger. */
  readonly shape: Shape;
}

/** One kernel call, shared out between threads pass by pass. */
export interface Step {
  /** Name of the op, and so of the kernel. */
  readonly op: string;
  /** Where it was recorded, as `gpt1/h3/attn`; for people only. */
  readonly scope: string;
  /** Inputs in the op's order, without those that an output replaces. */
  readonly inputs: readonly Arg[];
  /** All of the op's outputs, in its order; one may share a buffer with an input. */
  readonly outputs: readonly Arg[];
  /** Buffer shared by the threads during the step; `null` for an op whose kernels take none. */
  readonly scratch: number | null;
  /** Bytes private to each thread; `null` for an op whose kernels take none. */
  readonly workspace: number | null;
  /** Integers the kernel receives after the pointers: sizes and settings. */
  readonly dims: readonly number[];
  /** Real numbers it receives after those; float32 kernels round them. */
  readonly floats: readonly number[];
  /** Rows that each pass shares out. */
  readonly rows: readonly number[];
}

/** A tensor that enters or leaves a run by name. */
export interface Port extends Arg {
  /** Key in the feeds or the results of a run. */
  readonly name: string;
  /** Inputs only: which entries are allowed. */
  readonly range: Range | null;
}

/** A program for any backend, as JSON. */
export interface Plan {
  /** Name and version of this format. */
  readonly format: "foreword-plan-1";
  /** Of the graph it came from; errors of a run quote it. */
  readonly name: string;
  /** What every run must be fed. Inputs on which nothing depends are left out. */
  readonly inputs: readonly Port[];
  /** What a run hands back, in the order in which it was asked for. */
  readonly outputs: readonly Port[];
  /** Temporaries, states and constants, at the indices that arguments use. */
  readonly buffers: readonly Buffer[];
  /** In the order in which they run; each sees all that earlier ones wrote. */
  readonly steps: readonly Step[];
  /** Bytes of each slot, for backends that bind whole buffers. */
  readonly slots: readonly number[];
  /** Bytes of temporaries when packed by offset. */
  readonly temporaryBytes: number;
  /** Largest sum of temporaries alive at one step: what no packing can go below. */
  readonly liveBytes: number;
}

/** Every tensor starts at a multiple of this many bytes. */
export const ALIGNMENT = 256;

// The bytes behind one or more values. Temporaries know the steps between which they are alive.
interface Storage {
  readonly bytes: number;
  readonly state: State | null;
  readonly constant: Value | null;
  readonly index: number;
  first: number;
  last: number;
}

/**
 * Plans a recording: everything that the outputs and the assigned states need, in recorded order.
 *
 * @param outputs Values to hand back from each run, by name.
 */
export function plan(graph: Graph, outputs: Readonly<Record<string, Value>>): Plan {
  for (const [name, value] of Object.entries(outputs)) {
    if (value.graph !== graph) {
      throw new TypeError(`Cannot plan ${graph.name}: output "${name}" belongs to another graph`);
    }
  }
  const { copies, results } = keepReads(graph, outputs);
  const nodes = [...copies, ...live(graph, Object.values(results))];
  const lastUse = new Map<Value, number>();
  nodes.forEach((node, i) => node.inputs.forEach((value) => lastUse.set(value, i)));
  for (const value of [...Object.values(results), ...graph.assignments.values()]) {
    lastUse.set(value, Infinity);
  }
  const homes = findHomes(graph, lastUse);

  const storages: Storage[] = [], storageOf = new Map<Value, Storage>(), inputs = new Map<string, Port>();
  const steps: Step[] = [];
  const create = (bytes: number, first: number, { source }: Partial<Value> = {}): Storage => {
    const state = source?.kind === "state" ? source.state : null;
    const constant = source?.kind === "constant" ? { source } as Value : null;
    const storage = { bytes, state, constant, index: storages.length, first, last: first };
    storages.push(storage);
    return storage;
  };
  const use = (value: Value): Arg => {
    let storage = storageOf.get(value);
    if (!storage) {
      const first = value.source.kind === "input" ? -1 : steps.length;
      storage = create(sizeOf(value.shape) * BYTES, first, value);
      storageOf.set(value, storage);
    }
    storage.last = Math.max(storage.last, steps.length);
    const arg = { buffer: storage.index, dtype: value.dtype, shape: value.shape };
    if (value.source.kind === "input") {
      inputs.set(value.source.name, { name: value.source.name, range: value.source.range, ...arg });
    }
    return arg;
  };
  const emit = (
    node: Pick<Node, "op" | "inputs" | "outputs" | "attrs">,
    scope: string,
    replaced: ReadonlySet<number> = new Set(),
  ): void => {
    const { op } = node, dims = op.dims(node.inputs, node.attrs);
    const scratch = op.scratch?.(dims);
    const step = {
      op: op.name,
      scope,
      inputs: node.inputs.filter((_, k) => !replaced.has(k)).map(use),
      outputs: node.outputs.map(use),
      scratch: scratch === undefined ? null : create(scratch, steps.length).index,
      workspace: op.workspace?.(dims) ?? null,
      dims,
      floats: op.floats?.(node.attrs) ?? [],
      rows: Array.from({ length: op.passes?.(dims) ?? 1 }, (_, pass) => op.rows(dims, pass)),
    };
    steps.push(step);
  };
  const emitCopy = (from: Value, to: Value, scope: string): void =>
    emit({ op: copy as unknown as Op, inputs: [from], outputs: [to], attrs: {} }, scope);

  nodes.forEach((node, i) => {
    const replaced = new Set<number>(), taken = new Set<Storage>(), rules = node.op.inPlace ?? [];
    for (const { output, input, kind } of rules) {
      const value = node.inputs[input], result = node.outputs[output];
      if (storageOf.has(result)) continue; // an earlier rule already shared it
      use(value);
      const storage = storageOf.get(value)!;
      // Wherever else the value stands among the inputs, the same output must be allowed to replace it too.
      const everywhere = node.inputs.every((other, k) =>
        other !== value || rules.some((rule) => rule.output === output && rule.input === k)
      );
      const dies = lastUse.get(value) === i && !storage.constant &&
        (storage.state === null || homes.get(result) === storage.state);
      if (dies && !taken.has(storage) && everywhere && sizeOf(value.shape) === sizeOf(result.shape)) {
        storageOf.set(result, storage);
        taken.add(storage);
      } else if (kind === "into") {
        emitCopy(value, result, node.scope);
      }
      if (kind === "into") replaced.add(input);
    }
    emit(node, node.scope, replaced);
  });
  for (const [state, value] of graph.assignments) {
    use(value);
    if (storageOf.get(value)!.state !== state) {
      emitCopy(value, graph.state(state.name, state.shape, state.dtype), graph.name);
    }
  }
  const ports = Object.entries(results).map(([name, value]): Port => ({ name, range: null, ...use(value) }));
  return {
    format: "foreword-plan-1",
    name: graph.name,
    inputs: [...inputs.values()],
    outputs: ports,
    steps,
    ...pack(storages),
  };
}

// An output that reads a state which the run sets is copied first, while the state still has its old value. The copies
// are recorded nowhere: planning leaves the graph as it is.
function keepReads(
  graph: Graph,
  outputs: Readonly<Record<string, Value>>,
): { copies: Node[]; results: Record<string, Value> } {
  const copies: Node[] = [], results = { ...outputs };
  for (const [name, value] of Object.entries(outputs)) {
    const assigned = value.source.kind === "state" ? graph.assignments.get(value.source.state) : undefined;
    if (!assigned || assigned === value) continue;
    const made: Value[] = [];
    const node: Node = {
      op: copy as unknown as Op,
      inputs: [value],
      attrs: {},
      outputs: made,
      scope: graph.name,
      region: null,
    };
    made.push(results[name] = { ...value, source: { kind: "node", node, index: 0 } });
    copies.push(node);
  }
  return { copies, results };
}

// Nodes that the outputs or an assigned state depend on, in recorded order.
function live(graph: Graph, roots: readonly Value[]): Node[] {
  const wanted = new Set<Value>([...roots, ...graph.assignments.values()]);
  const kept: Node[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((output) => wanted.has(output))) continue;
    node.inputs.forEach((input) => wanted.add(input));
    kept.push(node);
  }
  return kept.reverse();
}

// The state in whose bytes a value may be computed: those on an in-place chain from a state's read to its assignment. Of
// the values needed after the last step only the assigned one may be there, because that is what the state ends as.
function findHomes(graph: Graph, lastUse: ReadonlyMap<Value, number>): Map<Value, State> {
  const homes = new Map<Value, State>();
  for (const [state, assigned] of graph.assignments) {
    const chain: Value[] = [];
    let value: Value | undefined = assigned;
    while (value?.source.kind === "node") {
      const { node, index }: { node: Node; index: number } = value.source;
      chain.push(value);
      value = node.inputs[node.op.inPlace?.find((rule) => rule.output === index)?.input ?? -1];
    }
    if (value?.source.kind === "state" && value.source.state === state) {
      const fits = (link: Value): boolean => link === assigned || lastUse.get(link) !== Infinity;
      chain.filter(fits).forEach((link) => homes.set(link, state));
    }
  }
  return homes;
}

// Gives every storage its bytes: slots and offsets for temporaries, places for states, data for constants.
function pack(
  storages: readonly Storage[],
): Pick<Plan, "buffers" | "slots" | "temporaryBytes" | "liveBytes"> {
  const lifetimes = storages.filter(({ state, constant }) => !state && !constant).map((storage) => ({
    storage,
    bytes: Math.ceil(storage.bytes / ALIGNMENT) * ALIGNMENT,
    first: storage.first,
    last: storage.last,
  }));
  requireApart(storages.flatMap(({ state }) => state ? [state] : []));
  const { slots, slotOf } = packSlots(lifetimes);
  const { offsets, total } = packOffsets(lifetimes);
  const at = new Map(lifetimes.map(({ storage }, i) => [storage, i]));
  const buffers = storages.map((storage): Buffer => {
    const { bytes, state, constant } = storage;
    if (state) {
      const { name, place, parameter } = state;
      return { kind: "state", bytes, name, place, parameter };
    }
    if (constant?.source.kind === "constant") {
      const { data } = constant.source;
      return {
        kind: "constant",
        bytes,
        dtype: data instanceof Float32Array ? "f32" : "i32",
        data: [...data],
      };
    }
    const i = at.get(storage)!, { first, last } = storage;
    return { kind: "temporary", bytes: lifetimes[i].bytes, first, last, slot: slotOf[i], offset: offsets[i] };
  });
  return { buffers, slots, temporaryBytes: total, liveBytes: peakBytes(lifetimes) };
}

// Two states of one plan must not share bytes: in-place writes to one would show in the other.
function requireApart(states: readonly State[]): void {
  const sorted = states.toSorted((a, b) => a.place.offset - b.place.offset);
  const ends = new Map<string, State>();
  for (const state of sorted) {
    const before = ends.get(state.place.page);
    if (before && before.place.offset + sizeOf(before.shape) * BYTES > state.place.offset) {
      throw new RangeError(
        `Cannot plan with states ${before.name} and ${state.name}: they share bytes of ${state.place.page}`,
      );
    }
    ends.set(state.place.page, state);
  }
}
