// The WGSL of products with at most eight rows, such as one step of generation, which are bound by reading b once: a
// workgroup owns 16 columns (8 where k runs along the rows of b), its threads share out k, and their sums are added in a
// fixed tree. Few columns are few rows of the transpose: gemm.ts turns them. Also the sum of the parts of a split product.

import { type GpuLimits, grid, type Launch, type Tensor } from "./kernel.ts";
import { exchange, place, type Reduction, reductions } from "./reduce.ts";

/** What the code depends on. */
export interface ThinVariant {
  /** Rows that are computed: 1, 2, 4 or 8, at least `p.m`. */
  readonly rows: number;
  /** Whether a is all ones and not bound. */
  readonly ones: boolean;
  /** Whether b lies as (n,k), k along its rows. */
  readonly along: boolean;
  /** Whether b, and if `along` a too, is bound as vectors of four; places and strides in `p` then count vectors. */
  readonly vectors: boolean;
  readonly accumulate: boolean;
  readonly bias: boolean;
}

const lines = (length: number, line: (i: number) => string): string =>
  Array.from({ length }, (_, i) => line(i)).join("\n");

/** WGSL of a product with few rows. */
export function thinCode(variant: ThinVariant, limits: GpuLimits): string {
  const { rows, along, vectors } = variant;
  const type = vectors ? "vec4f" : "f32", wide = vectors ? 4 : 1;
  const lanes = along ? 32 : 16 / wide; // threads next to each other in memory
  // Neighbours in a run of `lanes` hold different terms if `along`, else different columns.
  const sumOf: Reduction = {
    name: "sumOf",
    type,
    combined: "a + b",
    ...(along ? { team: lanes } : { step: lanes }),
  };
  return `
${reductions(limits, sumOf)}
fn put(row: u32, column: u32, value: f32, part: u32) {
  if (row >= p.m || column >= p.n) { return; }
  let to = p.yAt + part * p.partSize + row * p.yRow + column * p.yColumn;
  y[to] = value${variant.bias ? " + bias[p.biasAt + row * p.biasRow + column * p.biasColumn]" : ""}${
    variant.accumulate ? " + y[to]" : ""
  };
}
@compute @workgroup_size(256) fn main(
  @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32${exchange(limits)},
) {
  let begin = group.z * p.length;
  let end = min(begin + p.length, p.k);
  ${lines(rows, (i) => `var c${i} = ${type}(); let a${i} = p.aAt + min(${i}u, p.m - 1u) * p.aRow;`)}
  ${along ? loopAlong(variant, wide) : loopAcross(variant, lanes, wide)}
  ${
    lines(rows, (i) =>
      along
        ? `{
    let total = sumOf(c${i}, ${place(limits)});
    if ((lane & 31u) == 0u) { put(${i}u, column, ${vectors ? "dot(total, vec4f(1.0))" : "total"}, group.z); }
  }`
        : `{
    let total = sumOf(c${i}, ${place(limits)});
    if (lane < ${lanes}u) { ${
          vectors
            ? lines(4, (j) => `put(${i}u, column + ${j}u, total[${j}], group.z);`)
            : `put(${i}u, column, total, group.z);`
        } }
  }`)
  }
}`;
}

const loopAcross = ({ rows, ones, vectors }: ThinVariant, lanes: number, wide: number): string => {
  const type = vectors ? "vec4f" : "f32";
  return `let column = group.x * 16u + (lane % ${lanes}u) * ${wide}u;
  if (column < p.n) {
    for (var k = begin + lane / ${lanes}u; k < end; k += ${256 / lanes}u) {
      let w = b[p.bAt + k * p.bStride + column / ${wide}u];
      ${lines(rows, (i) => ones ? `c${i} += w;` : `c${i} = fma(${type}(a[a${i} + k * p.aTerm]), w, c${i});`)}
    }
  }`;
};

const loopAlong = ({ rows, ones }: ThinVariant, wide: number): string =>
  `let column = group.x * 8u + (lane >> 5u);
  if (column < p.n) {
    let start = p.bAt + column * p.bStride;
    for (var k = begin / ${wide}u + (lane & 31u); k * ${wide}u < end; k += 32u) {
      let w = b[start + k];
      ${lines(rows, (i) => ones ? `c${i} += w;` : `c${i} = fma(a[a${i} + k * p.aTerm], w, c${i});`)}
    }
  }`;

/** What adds up the parts of a split product. */
export interface Parts {
  readonly name: string;
  readonly m: number;
  readonly n: number;
  readonly parts: number;
  /** Floats of a row of a part; parts lie behind each other. */
  readonly width: number;
  readonly partial: Tensor;
  readonly y: Tensor;
  /** First float of y, and floats from row to row. */
  readonly at: number;
  readonly stride: number;
  readonly accumulate: boolean;
  readonly bias?: Tensor;
  readonly biasAt?: number;
}

/** The launch that adds up the parts of a split product, first to last. */
export function sumParts(
  { name, m, n, parts, width, partial, y, at, stride, accumulate, bias, biasAt = 0 }: Parts,
): Launch {
  return {
    name,
    tensors: [partial, y, ...(bias ? [bias] : [])],
    sizes: { m, n, parts, width, yAt: at, yStride: stride, biasAt },
    code: `@compute @workgroup_size(256) fn main(
  @builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
) {
  let i = id.y * groups.x * 256u + id.x;
  let row = i / p.n;
  let column = i % p.n;
  if (row >= p.m) { return; }
  var sum = 0.0;
  for (var part = 0u; part < p.parts; part++) { sum += partial[(part * p.m + row) * p.width + column]; }
  let to = p.yAt + row * p.yStride + column;
  y[to] = sum${bias ? " + bias[p.biasAt + column]" : ""}${accumulate ? " + y[to]" : ""};
}`,
    workgroups: grid(Math.ceil(m * n / 256)),
    work: m * n * (parts + 8),
  };
}
