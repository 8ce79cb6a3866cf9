// The contract every op fulfils: shapes, the integers its kernels receive, how its work is shared out, its gradient and
// its float64 definition. An op is plain data; nothing is registered. `src/ops` holds the definitions, `assembly` and
// the backends hold kernels of the same names. What an op may do in place is said here and honoured by the planner.

import type { DType } from "../core/dtype.ts";
import type { Shape } from "../core/shape.ts";
import type { Value } from "./graph.ts";

/** Settings of one application of an op. Plain JSON, because a plan is JSON. */
export type Attrs = Readonly<Record<string, number | boolean | readonly number[]>>;

/** The type of a value: element type and shape. */
export interface TensorType {
  /** Element type; an element takes four bytes. */
  readonly dtype: DType;
  /** Sizes, outermost first; positive integers. */
  readonly shape: Shape;
}

/** Flat storage of a value on the reference executor: float64 in place of f32. */
export type ReferenceArray = Float64Array | Int32Array;

/** What `vjp` is handed: the recorded node and what is known of its gradients. */
export interface VjpContext<A extends Attrs> {
  /** What the node took, in the order of `takes`. */
  readonly inputs: readonly Value[];
  /** What the node gave, `saved` ones included. */
  readonly outputs: readonly Value[];
  /** The settings it was applied with. */
  readonly attrs: A;
  /** Gradient of the loss with respect to each output; `null` where the loss does not depend on it. */
  readonly douts: readonly (Value | null)[];
  /** Which inputs need a gradient. Do not record work for the others. */
  readonly needs: readonly boolean[];
  /** What has been accumulated for each input so far. Where it is given, return *it plus* your contribution. */
  readonly into: readonly (Value | undefined)[];
}

/** What `vjp` returns. */
export interface VjpResult {
  /** For each input the accumulated gradient, or `null` for an input without one. */
  readonly dins: readonly (Value | null)[];
  /**
   * Values that equal the node's outputs and come for free with the gradient (a loss and its gradient in one pass). They
   * take the place of the outputs in everything computed after the backward pass, so that the plain form drops out.
   */
  readonly outputs?: readonly Value[];
}

/** One input of a test case. */
export interface CaseInput {
  /** Its sizes; `values` must hold as many numbers. */
  readonly shape: Shape;
  /** Values to use; otherwise f32 inputs are drawn from N(0, 1) and i32 inputs uniformly from [0, below). */
  readonly values?: readonly number[];
  /** Makes the input an i32 tensor with entries in [0, below). */
  readonly below?: number;
  /** Makes the input an i32 tensor even when `values` are given. */
  readonly dtype?: DType;
  /** Whether to leave this input out of the gradient check although it is f32. */
  readonly fixed?: boolean;
}

/** Shapes to test an op with, or to time it with. */
export interface Case<A extends Attrs = Attrs> {
  /** One for each element of `takes`. */
  readonly inputs: readonly CaseInput[];
  /** Settings to apply the op with; none unless given. */
  readonly attrs?: A;
  /** Marks a large shape that benchmarks time and tests leave out. */
  readonly bench?: boolean;
}

/**
 * How an output may share storage with an input.
 * `"may"`: the kernel is right whether or not they are the same bytes; the planner shares them if the input dies here.
 * `"into"`: the kernel only updates; the output *is* the input's storage, and the planner copies first if it still lives.
 */
export interface InPlace {
  /** Index of the output. */
  readonly output: number;
  /** Index of an input of the same number of elements. */
  readonly input: number;
  /** Whether sharing is a permission or part of what the op means. */
  readonly kind: "may" | "into";
}

/** The definition of an op. `dims` are all that its kernels know of shapes and attributes. */
export interface Op<A extends Attrs = Attrs> {
  /** Its key in `ops` and the name of its kernels. */
  readonly name: string;
  /** Element types of the inputs; the graph checks them before anything else. */
  readonly takes: readonly (DType | "any")[];
  /** Output types. Throws `RangeError` or `TypeError` without the scope, which the graph adds. */
  infer(inputs: readonly TensorType[], attrs: A): TensorType[];
  /** The integers every kernel of this op receives, in order. */
  dims(inputs: readonly TensorType[], attrs: A): number[];
  /** The real numbers every kernel receives after `dims`, rounded to f32. None unless given. */
  floats?(attrs: A): number[];
  /** How many rows a pass shares out between threads. */
  rows(dims: readonly number[], pass: number): number;
  /** Passes with a barrier between them; 1 unless given. */
  passes?(dims: readonly number[]): number;
  /** Bytes that the threads share during the op. None unless given. */
  scratch?(dims: readonly number[]): number;
  /** Bytes private to each thread. None unless given. */
  workspace?(dims: readonly number[]): number;
  /** Best first: an output takes the first input whose bytes it can have. None shared unless given. */
  readonly inPlace?: readonly InPlace[];
  /** Outputs that exist only for the gradient (means, log sums); nothing can be differentiated through them. */
  readonly saved?: readonly number[];
  /** The gradient, itself recorded as ops. Differentiating through an op without one is an error. */
  vjp?(context: VjpContext<A>): VjpResult;
  /**
   * The definition, in float64: fills `outputs` from `inputs`. As for kernels, an input that an `"into"` output replaces is
   * not passed: that output holds its values on entry.
   */
  reference(
    inputs: readonly ReferenceArray[],
    outputs: readonly ReferenceArray[],
    dims: readonly number[],
    floats: readonly number[],
  ): void;
  /** Shapes to test, odd sizes included. */
  readonly cases: readonly Case<A>[];
  /** Largest relative error allowed of a float32 backend; 1e-5 unless given. */
  readonly tolerance?: number;
}
