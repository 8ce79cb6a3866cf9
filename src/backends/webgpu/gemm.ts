// Products of matrices as launches, for every family that needs one. y (M,N) = op(a)·op(b), with a bias or added to what is
// there; operands may be transposed, may be part of a larger tensor, and may be larger than a binding, in which case a
// launch takes a window of rows. Every element sums k in one order (with split k: each part in order, then the parts), so
// the same numbers give the same bits. Which of the three kernels runs depends on the shape alone:
//
// - thin (M up to 8, decoding): threads along N and k, reduced in a fixed tree;
// - tiled: a workgroup computes a square of y from tiles of a and b in workgroup memory, a thread a square of registers
//   whose columns lie 16 apart, so that neither loads nor stores of a warp collide;
// - split k: the same into partial products in scratch where the tiles of y are too few to fill a GPU, then their sum.

import { type GpuLimits, grid, type Launch, read, type Tensor, type Uniform, write } from "./kernel.ts";

/** A matrix of a product: a tensor of the step or a part of scratch. */
export interface Matrix {
  readonly arg: number | "scratch";
  /** Elements before its first one; 0 unless given. */
  readonly start?: number;
  /** Byte offset of its part of scratch; 0 unless given. */
  readonly offset?: number;
  /** Bytes of its part of scratch, or of all it takes; needed for scratch and where it may have to be bound in windows. */
  readonly bytes?: number;
}

/** A product. */
export interface Product {
  readonly name: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: Matrix;
  readonly b: Matrix;
  readonly y: Matrix;
  /** Whether a is stored (K,M). */
  readonly ta?: boolean;
  /** Whether b is stored (N,K). */
  readonly tb?: boolean;
  /** Whether the product is added to y. */
  readonly accumulate?: boolean;
  /** Argument that is added to every row; none unless given. */
  readonly bias?: number;
  /** Scratch that split k may use, from this byte on; no splitting unless given. */
  readonly partials?: number;
}

/** Rows up to which a product is thin. */
export const THIN = 8;
const TILE = 64, LARGE_TILE = 128; // of y, a side
const FULL = 128; // workgroups that fill a GPU
const PARTIAL_BYTES = 2 ** 26, LEAST_K = 512; // of one part

/** The launches of a product: one, or a few where operands are bound in windows or k is split. */
export function product(spec: Product, limits: GpuLimits): Launch[] {
  const { m, n, k, ta = false, tb = false, b, y } = spec, { bindingBytes } = limits;
  // Rows of b or of y that fit a binding; a multiple of 64 keeps windows aligned to 256 bytes.
  const windowed = (rows: number, columns: number): number =>
    64 * Math.floor(bindingBytes / (256 * columns)) || rows;
  if (tb && 4 * n * k > bindingBytes) {
    return windows(n, windowed(n, k)).flatMap(([from, count]) =>
      product({
        ...spec,
        n: count,
        b: window(b, from * k, count * k),
        y: shifted(y, from),
        ...strideOf(spec),
      }, limits)
    );
  }
  if (!tb && 4 * k * n > bindingBytes) {
    return windows(k, windowed(k, n)).flatMap(([from, count], i) =>
      product({
        ...spec,
        k: count,
        a: shifted(spec.a, ta ? from * m : from),
        b: window(b, from * n, count * n),
        accumulate: spec.accumulate || i > 0,
        ...(i > 0 ? { bias: undefined } : {}),
        ...strideOf(spec),
      } as Product, limits)
    );
  }
  if (4 * m * n > bindingBytes && y.arg !== "scratch") {
    return windows(m, windowed(m, n)).flatMap(([from, count]) =>
      product({
        ...spec,
        m: count,
        a: shifted(spec.a, ta ? from : from * k),
        y: window(y, from * n, count * n),
        ...strideOf(spec),
      }, limits)
    );
  }
  return m <= THIN ? [thin(spec)] : tiled(spec);
}

// Strides of the whole matrices, which windows keep.
interface Strides {
  readonly lda?: number;
  readonly ldb?: number;
  readonly ldy?: number;
}
type Strided = Product & Strides;

const strideOf = ({ m, n, k, ta, tb, ...spec }: Strided): Required<Strides> => ({
  lda: spec.lda ?? (ta ? m : k),
  ldb: spec.ldb ?? (tb ? k : n),
  ldy: spec.ldy ?? n,
});

const windows = (count: number, size: number): [from: number, count: number][] =>
  Array.from({ length: Math.ceil(count / size) }, (_, i) => [i * size, Math.min(size, count - i * size)]);

const shifted = (matrix: Matrix, elements: number): Matrix => ({
  ...matrix,
  start: (matrix.start ?? 0) + elements,
});

const window = ({ offset = 0, ...matrix }: Matrix, from: number, count: number): Matrix => ({
  ...matrix,
  offset: offset + 4 * from,
  bytes: 4 * count,
});

const place = ({ offset, bytes }: Matrix) => ({
  ...(offset === undefined ? {} : { offset }),
  ...(bytes === undefined ? {} : { bytes }),
});

function tensorsOf({ a, b, y, bias }: Product): Tensor[] {
  return [
    read("a", a.arg, place(a)),
    read("b", b.arg, place(b)),
    ...(bias === undefined ? [] : [read("bias", bias)]),
    write("y", y.arg, place(y)),
  ];
}

function sizesOf(spec: Strided): Record<string, Uniform> {
  const { m, n, k, a, b, y } = spec, { lda, ldb, ldy } = strideOf(spec);
  return { m, n, k, lda, ldb, ldy, a0: a.start ?? 0, b0: b.start ?? 0, y0: y.start ?? 0 };
}

const elementOfA = (ta: boolean, row: string, k: string): string =>
  ta ? `a[p.a0 + ${k} * p.lda + ${row}]` : `a[p.a0 + ${row} * p.lda + ${k}]`;
const elementOfB = (tb: boolean, k: string, column: string): string =>
  tb ? `b[p.b0 + ${column} * p.ldb + ${k}]` : `b[p.b0 + ${k} * p.ldb + ${column}]`;

// What is written for `sum` of row `row`, column `column`.
const store = ({ accumulate, bias }: Product, row: string, column: string, sum: string): string => {
  const at = `p.y0 + ${row} * p.ldy + ${column}`;
  const terms = [sum, ...(bias === undefined ? [] : [`bias[p.y0 % p.ldy + ${column}]`])];
  return `y[${at}] = ${accumulate ? `y[${at}] + ` : ""}${terms.join(" + ")};`;
};

// Groups of `columns` columns, each by 256 / columns threads along k.
function thin(spec: Product): Launch {
  const { name, m, n, k, ta = false, tb = false } = spec;
  const columns = tb ? 8 : 64, slices = 256 / columns; // along k the stored rows of b are contiguous if tb
  const rows = Array.from({ length: m }, (_, i) => i);
  return {
    name: `${name} thin`,
    tensors: tensorsOf(spec),
    sizes: sizesOf(spec),
    code: `var<workgroup> sums: array<f32, ${256 * m}>;
@compute @workgroup_size(256) fn main(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32,
) {
  let column = ${tb ? `lane / ${slices}u` : `lane % ${columns}u`};
  let slice = ${tb ? `lane % ${slices}u` : `lane / ${columns}u`};
  let n = (group.y * groups.x + group.x) * ${columns}u + column;
  ${rows.map((i) => `var s${i} = 0.0;`).join(" ")}
  if (n < p.n) {
    for (var k = slice; k < p.k; k += ${slices}u) {
      let x = ${elementOfB(tb, "k", "n")};
      ${rows.map((i) => `s${i} += ${elementOfA(ta, `${i}u`, "k")} * x;`).join("\n      ")}
    }
  }
  ${rows.map((i) => `sums[(${i}u * ${columns}u + column) * ${slices}u + slice] = s${i};`).join(" ")}
  workgroupBarrier();
  for (var item = lane; item < ${m * columns}u; item += 256u) {
    let row = item / ${columns}u;
    let at = (group.y * groups.x + group.x) * ${columns}u + item % ${columns}u;
    if (at < p.n) {
      var sum = 0.0;
      for (var i = 0u; i < ${slices}u; i++) { sum += sums[item * ${slices}u + i]; }
      ${store(spec, "row", "at", "sum")}
    }
  }
}`,
    workgroups: grid(Math.ceil(n / columns)),
    work: 2 * m * n * k + n * k,
  };
}

function tiled(spec: Strided): Launch[] {
  const { name, m, n, k, partials, y } = spec,
    tiles = (side: number) => Math.ceil(m / side) * Math.ceil(n / side);
  const side = tiles(LARGE_TILE) >= FULL ? LARGE_TILE : TILE;
  const parts = partials === undefined ? 1 : Math.max(
    1,
    Math.min(
      Math.ceil(2 * FULL / tiles(side)),
      Math.floor(k / LEAST_K),
      Math.floor(PARTIAL_BYTES / (4 * m * n)),
    ),
  );
  if (parts === 1) return [tile(spec, side, 1)];
  const bytes = 4 * parts * m * n, { accumulate, bias, ...rest } = spec;
  const partial: Strided = {
    ...rest,
    y: { arg: "scratch", offset: partials!, bytes },
    ...strideOf(spec),
    ldy: n,
  };
  const sum = { ...spec, ...(accumulate ? { accumulate } : {}) };
  return [tile(partial, side, parts), {
    name: `${name} sum of parts`,
    tensors: [
      read("parts", "scratch", { offset: partials!, bytes }),
      ...(bias === undefined ? [] : [read("bias", bias)]),
      write("y", y.arg, place(y)),
    ],
    sizes: { m, n, parts, ldy: strideOf(spec).ldy, y0: y.start ?? 0 },
    code: `@compute @workgroup_size(256) fn main(
  @builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
) {
  let i = id.y * groups.x * 256u + id.x;
  if (i >= p.m * p.n) { return; }
  var sum = 0.0;
  for (var part = 0u; part < p.parts; part++) { sum += parts[part * p.m * p.n + i]; }
  let row = i / p.n;
  let column = i % p.n;
  ${store(sum, "row", "column", "sum")}
}`,
    workgroups: grid(Math.ceil(m * n / 256)),
    work: m * n * (parts + 2),
  }];
}

// 16 x 16 threads on a square of `side`; thread (r, c) has rows r + 16 i and columns c + 16 j.
function tile(spec: Strided, side: number, parts: number): Launch {
  const { name, m, n, k, ta = false, tb = false } = spec,
    each = side / 16,
    depth = side === LARGE_TILE ? 8 : 16;
  const span = side + 1; // padded, so that transposing stores do not collide
  const loads = side * depth / 256, range = Array.from({ length: each }, (_, i) => i);
  // Neighbouring threads read neighbouring elements of what is stored.
  const load = (of: "a" | "b", along: boolean): string => {
    const at = `lane + 256u * i`, major = of === "a" ? "row" : "column", limit = of === "a" ? "p.m" : "p.n";
    const [inner, outer] = along
      ? [`(${at}) % ${depth}u`, `(${at}) / ${depth}u`]
      : [`(${at}) / ${side}u`, `(${at}) % ${side}u`];
    const element = of === "a" ? elementOfA(ta, "row", "k") : elementOfB(tb, "k", "column");
    return `for (var i = 0u; i < ${loads}u; i++) {
      let inner = ${inner};
      let outer = ${outer};
      let k = k0 + inner;
      let ${major} = ${of === "a" ? "row0" : "column0"} + outer;
      var value = 0.0;
      if (k < end && ${major} < ${limit}) { value = ${element}; }
      tile${of.toUpperCase()}[inner * ${span}u + outer] = value;
    }`;
  };
  const last = parts > 1 ? "p.m * p.n * group.z + " : "";
  return {
    name: `${name} ${side}x${side}`,
    tensors: tensorsOf(spec),
    sizes: { ...sizesOf(spec), part: depth * Math.ceil(Math.ceil(k / parts) / depth) },
    code: `var<workgroup> tileA: array<f32, ${depth * span}>;
var<workgroup> tileB: array<f32, ${depth * span}>;
@compute @workgroup_size(256) fn main(
  @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32,
) {
  let r = lane / 16u;
  let c = lane % 16u;
  let row0 = group.y * ${side}u;
  let column0 = group.x * ${side}u;
  let end = min(p.k, (group.z + 1u) * p.part);
  ${range.flatMap((i) => range.map((j) => `var s${i}_${j} = 0.0;`)).join(" ")}
  for (var k0 = group.z * p.part; k0 < end; k0 += ${depth}u) {
    ${load("a", !ta)}
    ${load("b", tb)}
    workgroupBarrier();
    for (var k = 0u; k < ${depth}u; k++) {
      ${range.map((i) => `let a${i} = tileA[k * ${span}u + r + ${16 * i}u];`).join(" ")}
      ${range.map((j) => `let b${j} = tileB[k * ${span}u + c + ${16 * j}u];`).join(" ")}
      ${
      range.map((i) => range.map((j) => `s${i}_${j} = fma(a${i}, b${j}, s${i}_${j});`).join(" ")).join(
        "\n      ",
      )
    }
    }
    workgroupBarrier();
  }
  ${
      range.map((i) =>
        `{ let row = row0 + r + ${16 * i}u;
    if (row < p.m) {
      ${
          range.map((j) =>
            `{ let column = column0 + c + ${16 * j}u; if (column < p.n) { ${
              store(spec, "row", "column", `s${i}_${j}`).replaceAll("p.y0 + row", `${last}p.y0 + row`)
            } } }`
          ).join("\n      ")
        }
    } }`
      ).join("\n  ")
    }
}`,
    workgroups: [Math.ceil(n / side), Math.ceil(m / side), parts],
    work: 2 * m * n * k,
  };
}
