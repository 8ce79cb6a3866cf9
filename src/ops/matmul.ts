// Products of matrices. A tensor counts as a matrix of its last size by all the others. `matmulInto` adds to what is
// there, which is how parameter gradients accumulate. The kernels pack both operands into panels (6 rows of the left, 8
// columns of the right) in a first pass; a left side of at most eight rows takes an unpacked path.

import { asRows, requireShape, show } from "../core/shape.ts";
import type { Value } from "../graph/graph.ts";
import type { Case, Op, ReferenceArray, TensorType } from "../graph/op.ts";
import { orZeros } from "./basic.ts";

/** Whether an operand is stored transposed. */
export type Transposes = { readonly ta: boolean; readonly tb: boolean };

const PANEL_ROWS = 6, PANEL_COLUMNS = 8, THIN = 8;

const panels = (
  m: number,
  n: number,
): [number, number] => [Math.ceil(m / PANEL_ROWS), Math.ceil(n / PANEL_COLUMNS)];
const isThin = ([m, , , ta]: readonly number[]): boolean => m <= THIN && !ta;

function sizes(a: TensorType, b: TensorType, { ta, tb }: Transposes): [m: number, n: number, k: number] {
  const [ar, ac] = asRows(a.shape), [br, bc] = asRows(b.shape);
  const m = ta ? ac : ar, k = ta ? ar : ac, n = tb ? br : bc, inner = tb ? bc : br;
  const how = (type: TensorType, transposed: boolean) => show(type.shape) + (transposed ? " transposed" : "");
  requireShape(
    k === inner,
    `Cannot multiply ${how(a, ta)} by ${how(b, tb)}`,
    `inner sizes are ${k} and ${inner}`,
  );
  return [m, n, k];
}

function productShape(a: TensorType, b: TensorType, attrs: Transposes): number[] {
  const [m, n] = sizes(a, b, attrs);
  return attrs.ta ? [m, n] : [...a.shape.slice(0, -1), n];
}

// y[i,j] += sum over p of op(a)[i,p] op(b)[p,j]
function product(a: ReferenceArray, b: ReferenceArray, y: ReferenceArray, dims: readonly number[]): void {
  const [m, n, k, ta, tb] = dims;
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let p = 0; p < k; p++) sum += a[ta ? p * m + i : i * k + p] * b[tb ? j * k + p : p * n + j];
      y[i * n + j] += sum;
    }
  }
}

const geometry = {
  passes: (dims: readonly number[]): number => isThin(dims) ? 1 : 2,
  rows(dims: readonly number[], pass: number): number {
    if (isThin(dims)) return Math.ceil(dims[1] / 16);
    const [rows, columns] = panels(dims[0], dims[1]);
    return pass === 0 ? rows + columns : Math.max(rows, columns);
  },
  scratch(dims: readonly number[]): number {
    if (isThin(dims)) return 0;
    const [rows, columns] = panels(dims[0], dims[1]);
    return (rows * PANEL_ROWS + columns * PANEL_COLUMNS) * dims[2] * 4;
  },
};

const odd = [[1, 1, 1], [3, 7, 5], [6, 8, 4], [13, 17, 9], [1, 33, 6], [4, 5, 7], [7, 1, 3], [
  25,
  40,
  70,
]] as const;
const cases: Case<Transposes>[] = odd.flatMap(([m, n, k]) =>
  [false, true].flatMap((ta) =>
    [false, true].map((tb) => ({
      inputs: [{ shape: ta ? [k, m] : [m, k] }, { shape: tb ? [n, k] : [k, n] }],
      attrs: { ta, tb },
    }))
  )
);
const timed: Case<Transposes> = {
  inputs: [{ shape: [480, 768] }, { shape: [768, 768] }],
  attrs: { ta: false, tb: false },
  bench: true,
};

/** y (M,N) = op(a) · op(b), where op transposes if `ta` or `tb` says so. */
export const matmul: Op<Transposes> = {
  name: "matmul",
  takes: ["f32", "f32"],
  infer: ([a, b], attrs) => [{ dtype: "f32", shape: productShape(a, b, attrs) }],
  dims: ([a, b], attrs) => [...sizes(a, b, attrs), Number(attrs.ta), Number(attrs.tb)],
  ...geometry,
  vjp({ inputs: [a, b], attrs: { ta, tb }, douts: [d], needs, into }) {
    const da = () => ta ? times(into[0], b, d!, tb, true) : times(into[0], d!, b, false, !tb);
    const db = () => tb ? times(into[1], d!, a, true, ta) : times(into[1], a, d!, !ta, false);
    return { dins: [needs[0] ? da() : null, needs[1] ? db() : null] };
  },
  reference([a, b], [y], dims) {
    y.fill(0);
    product(a, b, y, dims);
  },
  cases: [...cases, timed],
};

/** y (M,N) = acc + op(a) · op(b), in the place of acc. Inputs: a, b, acc. */
export const matmulInto: Op<Transposes> = {
  name: "matmulInto",
  takes: ["f32", "f32", "f32"],
  infer([a, b, acc], attrs) {
    const [m, n] = sizes(a, b, attrs), [rows, columns] = asRows(acc.shape);
    requireShape(
      m === rows && n === columns,
      `Cannot add a product ${show([m, n])}`,
      `into ${show(acc.shape)}`,
    );
    return [{ dtype: "f32", shape: acc.shape }];
  },
  dims: ([a, b], attrs) => [...sizes(a, b, attrs), Number(attrs.ta), Number(attrs.tb)],
  ...geometry,
  inPlace: [{ output: 0, input: 2, kind: "into" }],
  reference: ([a, b], [y], dims) => product(a, b, y, dims),
  cases: [...cases, timed].map(({ inputs, attrs, bench = false }) => {
    const [m, n] = sizes({ dtype: "f32", ...inputs[0] }, { dtype: "f32", ...inputs[1] }, attrs!);
    return { inputs: [...inputs, { shape: [m, n] }], attrs: attrs!, bench };
  }),
};

/** y (…,N) = x (…,K) · w (K,N) + b (N). Inputs: x, w, b. Follows "conv1d" of width 1 in GPT-1's released code. */
export const linear: Op = {
  name: "linear",
  takes: ["f32", "f32", "f32"],
  infer([x, w, b]) {
    const shape = productShape(x, w, { ta: false, tb: false });
    requireShape(
      b.shape.length === 1 && b.shape[0] === shape.at(-1),
      `Cannot add a bias ${show(b.shape)} to ${show(shape)}`,
      "the last sizes differ",
    );
    return [{ dtype: "f32", shape }];
  },
  dims: ([x, w]) => sizes(x, w, { ta: false, tb: false }),
  ...geometry,
  vjp({ inputs: [x, w, b], douts: [d], needs, into }) {
    // Weights first: the step that needs the most scratch comes while dx is not there yet, and x dies with it.
    const dw = needs[1] ? times(into[1], x, d!, true, false) : null;
    const db = needs[2] ? x.graph.apply(columnSumInto, [d!, orZeros(x.graph, into[2], b)])[0] : null;
    return { dins: [needs[0] ? times(into[0], d!, w, false, true) : null, dw, db] };
  },
  reference([x, w, b], [y], [m, n, k]) {
    for (let i = 0; i < m * n; i++) y[i] = b[i % n];
    product(x, w, y, [m, n, k, 0, 0]);
  },
  cases: [
    ...odd.map(([m, n, k]) => ({ inputs: [{ shape: [m, k] }, { shape: [k, n] }, { shape: [n] }] })),
    { inputs: [{ shape: [2, 3, 5] }, { shape: [5, 4] }, { shape: [4] }] },
  ],
};

/** y (N) = acc + the sum of d (…,N) over its rows, in the place of acc. Inputs: d, acc. */
export const columnSumInto: Op = {
  name: "columnSumInto",
  takes: ["f32", "f32"],
  infer([d, acc]) {
    requireShape(
      acc.shape.length === 1 && acc.shape[0] === d.shape.at(-1),
      `Cannot sum the rows of ${show(d.shape)} into ${show(acc.shape)}`,
      "the last sizes differ",
    );
    return [{ dtype: "f32", shape: acc.shape }];
  },
  dims: ([d]) => asRows(d.shape),
  rows: ([, n]) => Math.ceil(n / 16),
  inPlace: [{ output: 0, input: 1, kind: "into" }],
  reference([d], [y], [m, n]) {
    for (let i = 0; i < m * n; i++) y[i % n] += d[i];
  },
  cases: [[1, 1], [5, 3], [7, 16], [33, 50]].map(([m, n]) => ({
    inputs: [{ shape: [m, n] }, { shape: [n] }],
  })),
};

/** into + op(a)·op(b), or the product alone. */
export function times(into: Value | undefined, a: Value, b: Value, ta: boolean, tb: boolean): Value {
  return into
    ? a.graph.apply(matmulInto, [a, b, into], { ta, tb })[0]
    : a.graph.apply(matmul, [a, b], { ta, tb })[0];
}

/** The family: one kernel of each name in every backend. */
export const matmuls = { matmul, matmulInto, linear, columnSumInto } as const;
