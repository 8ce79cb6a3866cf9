// Recording: a graph is a list of applied ops over values, nothing else. Shapes are inferred and checked here, once, so
// that every error carries the scope (`gpt1/h3/attn`) in which the mistake was made. No device and no numbers live here;
// differentiation is in gradients.ts, buffers are in plan.ts.

import type { DType, HostArray } from "../core/dtype.ts";
import { sameShape, type Shape, ShapeError, show, sizeOf } from "../core/shape.ts";
import { streamOf } from "../core/random.ts";
import type { Attrs, Op, TensorType } from "./op.ts";

/** Where a state's bytes live: a byte offset into a named page of the store. */
export interface Place {
  /** Name of the page: `parameters/0`, `gradients/0`, or a state's own name. */
  readonly page: string;
  /** Bytes from the start of the page. */
  readonly offset: number;
}

/** What outlives a run: parameters, gradients, moments, caches. Plans share states by name. */
export interface State extends TensorType {
  /** Unique in a graph: reading the name again gives the same value. */
  readonly name: string;
  /** The bytes it occupies; two states of one plan must not overlap. */
  readonly place: Place;
  /** Whether gradients flow to it. Reads of every other state stop gradients. */
  readonly parameter: boolean;
}

/** One recorded application of an op. */
export interface Node {
  /** The definition; the type of its attributes is not kept. */
  readonly op: Op;
  /** One for each element of `op.takes`, in its order. */
  readonly inputs: readonly Value[];
  /** Settings of this application; empty for an op without any. */
  readonly attrs: Attrs;
  /** One for each type that `op.infer` gave, in its order. */
  readonly outputs: readonly Value[];
  /** Where it was recorded: `gpt1/h3/attn`. */
  readonly scope: string;
  /** Number of the recomputed region it belongs to, from 0 in order of recording; `null` outside of any. */
  readonly region: number | null;
}

/** Which entries an i32 input may have: `least` to `below` - 1. Kernels do not check; whoever feeds a run does. */
export interface Range {
  /** The smallest entry allowed; -1 where that marks a missing target. */
  readonly least: number;
  /** The smallest entry that is too large. */
  readonly below: number;
}

/** Where a value comes from. */
export type Source =
  | { readonly kind: "node"; readonly node: Node; readonly index: number }
  | { readonly kind: "input"; readonly name: string; readonly range: Range | null }
  | { readonly kind: "state"; readonly state: State }
  | { readonly kind: "constant"; readonly data: HostArray };

/** A tensor in a graph: type, shape and origin, no data. */
export interface Value extends TensorType {
  /** The recording it belongs to; no other graph accepts it. */
  readonly graph: Graph;
  /** What computes, feeds or stores it. */
  readonly source: Source;
}

/**
 * A recording. Apply ops to values, assign states, then hand it to `gradients` and `plan`.
 *
 * @example
 * ```ts
 * import { Graph, ops, plan } from "@foreword/foreword";
 * const graph = new Graph("example");
 * const x = graph.input("x", [2, 3], "f32");
 * const [y] = graph.apply(ops.gelu, [x]); // (2, 3)
 * const p = plan(graph, { y });
 * ```
 */
export class Graph {
  /** Everything applied so far; a node comes after those it depends on. */
  readonly nodes: Node[] = [];
  /** States the run sets, each with the value it will have afterwards. */
  readonly assignments: Map<State, Value> = new Map();
  readonly #inputs = new Map<string, Value>();
  readonly #states = new Map<string, Value>();
  readonly #scopes: string[];
  #regions = 0;
  #region: number | null = null;

  /** An empty recording. The name opens every scope, but random streams do not depend on it. */
  constructor(readonly name: string) {
    this.#scopes = [name];
  }

  /** The current scope, outermost first: `gpt1/h3/attn`. */
  get scopeName(): string {
    return this.#scopes.join("/");
  }

  /** Records what `body` records under a longer scope name. */
  scope<T>(name: string, body: () => T): T {
    this.#scopes.push(name);
    try {
      return body();
    } finally {
      this.#scopes.pop();
    }
  }

  /**
   * Records what `body` records as a region that the backward pass computes again, from the values that enter it, instead
   * of keeping what is computed in it; values that other parts use are kept. Numbers stay the same, bit for bit: copies
   * take the same inputs, attributes and random streams. In a region, a region is part of the outer one.
   */
  recompute<T>(body: () => T): T {
    if (this.#region !== null) return body();
    this.#region = this.#regions++;
    try {
      return body();
    } finally {
      this.#region = null;
    }
  }

  /** The random stream of the current scope as an i32. Recorded copies of a scope draw the same numbers. */
  stream(name: string): number {
    return streamOf(`${this.#scopes.slice(1).join("/")}/${name}`) | 0;
  }

  /** A tensor fed at every run. With `below`, entries lie in [least, below), where `least` is 0 unless given. */
  input(
    name: string,
    shape: Shape,
    dtype: DType,
    { least = 0, below }: { least?: number; below?: number } = {},
  ): Value {
    if (this.#inputs.has(name)) {
      throw new RangeError(`Cannot declare input "${name}" twice in ${this.scopeName}`);
    }
    const value = this.#value({ dtype, shape }, {
      kind: "input",
      name,
      range: below === undefined ? null : { least, below },
    });
    this.#inputs.set(name, value);
    return value;
  }

  /** A tensor known when the graph is recorded. It is part of the plan, so keep it small. */
  constant(data: HostArray, shape: Shape): Value {
    if (data.length !== sizeOf(shape)) {
      throw new ShapeError(
        `Cannot record a constant of ${data.length} numbers`,
        `shape ${show(shape)} differs`,
        this.scopeName,
      );
    }
    return this.#value({ dtype: data instanceof Float32Array ? "f32" : "i32", shape }, {
      kind: "constant",
      data,
    });
  }

  /** The value a state has at the start of the run. Without a place it gets a page of its own. */
  state(
    name: string,
    shape: Shape,
    dtype: DType = "f32",
    { place = { page: name, offset: 0 }, parameter = false }: { place?: Place; parameter?: boolean } = {},
  ): Value {
    const known = this.#states.get(name);
    if (known) {
      if (!sameShape(known.shape, shape) || known.dtype !== dtype) {
        throw new ShapeError(
          `Cannot read state ${name} as ${dtype} ${show(shape)}`,
          `it is ${known.dtype} ${show(known.shape)}`,
          this.scopeName,
        );
      }
      return known;
    }
    const value = this.#value({ dtype, shape }, {
      kind: "state",
      state: { name, shape, dtype, place, parameter },
    });
    this.#states.set(name, value);
    return value;
  }

  /** Records one op; the only way a computed value comes into being. */
  apply<A extends Attrs>(op: Op<A>, inputs: readonly Value[], attrs?: A): readonly Value[] {
    const given = attrs ?? ({} as A);
    const scope = this.scopeName;
    if (inputs.some((value) => value.graph !== this)) {
      throw new TypeError(`Cannot apply ${op.name} in ${scope}: an input belongs to another graph`);
    }
    if (inputs.length !== op.takes.length) {
      throw new TypeError(
        `Cannot apply ${op.name} in ${scope}: it takes ${op.takes.length} inputs, not ${inputs.length}`,
      );
    }
    op.takes.forEach((dtype, i) => {
      if (dtype === "any" || inputs[i].dtype === dtype) return;
      throw new TypeError(
        `Cannot apply ${op.name} in ${scope}: input ${i + 1} must be ${dtype}, not ${inputs[i].dtype}`,
      );
    });
    let types: TensorType[];
    try {
      types = op.infer(inputs, given);
    } catch (error) {
      throw error instanceof ShapeError ? new ShapeError(error.action, error.reason, scope) : error;
    }
    const outputs: Value[] = [];
    const node: Node = {
      op: op as unknown as Op,
      inputs,
      attrs: given,
      outputs,
      scope,
      region: this.#region,
    };
    types.forEach((type, index) => outputs.push(this.#value(type, { kind: "node", node, index })));
    this.nodes.push(node);
    return outputs;
  }

  /** Sets what a state will be after the run. Where the producing op works in place, no copy is made. */
  assign(state: Value, value: Value): void {
    if (state.source.kind !== "state") {
      throw new TypeError(`Cannot assign to a value that is not a state in ${this.scopeName}`);
    }
    const { state: target } = state.source;
    if (state.graph !== this || value.graph !== this) {
      throw new TypeError(
        `Cannot assign to state ${target.name} in ${this.scopeName}: it or the value belongs to another graph`,
      );
    }
    if (!sameShape(state.shape, value.shape) || state.dtype !== value.dtype) {
      throw new ShapeError(
        `Cannot assign ${value.dtype} ${show(value.shape)} to state ${target.name}`,
        `it is ${state.dtype} ${show(state.shape)}`,
        this.scopeName,
      );
    }
    if (value.source.kind === "state" && value !== state) {
      throw new TypeError(
        `Cannot assign state ${value.source.state.name} to state ${target.name}: apply copy first`,
      );
    }
    this.assignments.set(target, value);
  }

  #value(type: TensorType, source: Source): Value {
    if (!type.shape.every((size) => Number.isInteger(size) && size > 0)) {
      throw new ShapeError(
        `Cannot make a tensor of shape ${show(type.shape)}`,
        "sizes are positive integers",
        this.scopeName,
      );
    }
    return { dtype: type.dtype, shape: type.shape, graph: this, source };
  }
}
