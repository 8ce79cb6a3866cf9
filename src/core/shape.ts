// Shapes: lists of sizes, outermost first, of row-major tensors. How they are counted, compared and printed, and the error
// that says which two do not fit together. The graph adds the scope in which it happened (graph.ts).

/** Sizes of a tensor, outermost first. */
export type Shape = readonly number[];

/** Number of elements; 1 for the empty shape. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The shape as errors print it: `(3,5)`. */
export function show(shape: Shape): string {
  return `(${shape.join(",")})`;
}

/** The shape seen as rows: all but the last size multiplied, and the last size. */
export function asRows(shape: Shape): [rows: number, columns: number] {
  const columns = shape[shape.length - 1] ?? 1;
  return [shape.length === 0 ? 1 : sizeOf(shape.slice(0, -1)), columns];
}

/** Whether two shapes are the same, size by size. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/** Sizes that do not fit together. The graph completes the message with the scope in which it happened. */
export class ShapeError extends RangeError {
  /** `RangeError`, as callers see it: they need not know this class. */
  override readonly name = "RangeError";
  /** The message reads "`action` in `scope`: `reason`", without "in" for an empty scope. */
  constructor(readonly action: string, readonly reason: string, scope = "") {
    super(`${action}${scope && ` in ${scope}`}: ${reason}`);
  }
}

/** Throws a `ShapeError` unless the condition holds. The action reads "Cannot multiply (3,5) by (4,7)". */
export function requireShape(condition: boolean, action: string, reason: string): asserts condition {
  if (!condition) throw new ShapeError(action, reason);
}
