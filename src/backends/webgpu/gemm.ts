// Launches of products of matrices, y = op(a) op(b) (+ bias) (+ y), for every family that needs one. Here it is decided
// which kernel takes a product, how its sum over k is split so that a large GPU is not left idle, and in which windows
// operands are bound that are larger than a binding may be. The kernels' code is in gemm_tiles.ts (register tiles) and
// gemm_thin.ts (a handful of rows or columns). Each output is summed over k in one fixed order.

import { sumParts, thinCode, type ThinVariant } from "./gemm_thin.ts";
import { type Tile, tileCode, type TileVariant } from "./gemm_tiles.ts";
import { type GpuLimits, type Launch, read, type Tensor, WINDOW, write } from "./kernel.ts";

/** A matrix in rows, somewhere in an argument of the step or in scratch. */
export interface Matrix {
  /** Which argument, as `Tensor.arg`. */
  readonly arg: number | "scratch";
  /** Floats before its first; 0 unless given. */
  readonly start?: number;
  /** Floats from one row to the next. */
  readonly stride: number;
  /**
   * Whether each row, up to a multiple of four floats, is followed by zeros (of an operand), or by room that may be
   * overwritten with zeros (of a result), and `stride` and `start` are multiples of four.
   */
  readonly padded?: boolean;
}

/** A product to launch. */
export interface Product {
  /** Label of the launches. */
  readonly name: string;
  /** Rows of y. */
  readonly m: number;
  /** Columns of y. */
  readonly n: number;
  /** What is summed over. */
  readonly k: number;
  /** (m,k), or (k,m) if `ta`; all ones if it is null, which sums the columns of b. */
  readonly a: Matrix | null;
  /** (k,n), or (n,k) if `tb`. */
  readonly b: Matrix;
  /** (m,n). */
  readonly y: Matrix;
  readonly ta?: boolean;
  readonly tb?: boolean;
  /** Whether the product is added to what y holds. */
  readonly accumulate?: boolean;
  /** Argument with n floats that are added to each row. */
  readonly bias?: number;
  /** Bytes of scratch that are taken, a multiple of 256: what a split sum needs comes behind them. 0 unless given. */
  readonly scratchAt?: number;
}

/** How products are shared out. */
export interface Tuning {
  /** Tiles of workgroups, the most efficient first. */
  readonly tiles: readonly Tile[];
  /** A tile is taken if it gives at least so many workgroups; below, long sums are split. */
  readonly groups: number;
  /** Sums of at least so many terms are split. */
  readonly splitFrom: number;
  /** Fewest terms of a part of a split sum. */
  readonly splitLength: number;
  /** At most so many rows, or columns, take the thin kernel; 8 at most. */
  readonly thin: number;
}

/** What holds for a discrete GPU of about a hundred multiprocessors. */
export const TUNING: Tuning = {
  tiles: [
    { rows: 128, columns: 128, perRow: 8, perColumn: 8 },
    { rows: 128, columns: 64, perRow: 8, perColumn: 4 },
    { rows: 64, columns: 64, perRow: 4, perColumn: 4 },
    { rows: 32, columns: 32, perRow: 4, perColumn: 4 },
  ],
  groups: 120,
  splitFrom: 2048,
  splitLength: 512,
  thin: 8,
};

const MOST_SCRATCH = 64 * 2 ** 20; // bytes of the parts of split sums
const MOST_ROWS = 65535 * 8; // of a launch: 8 for each workgroup of the thin kernel
const DEPTH = 16; // parts of a split sum begin at multiples of it

/** A part of y and of the sum over k that is launched by itself: half-open ranges. */
interface Part {
  readonly rows: readonly [number, number];
  readonly columns: readonly [number, number];
  readonly terms: readonly [number, number];
}

/** The launches of a product, in order. */
export function product(given: Product, limits: GpuLimits, tuning: Tuning = TUNING): Launch[] {
  const { m, n, k, a, b, y, ta = false, tb = false } = given;
  // Rows that a binding holds; a window begins where a binding may, perhaps before its first row.
  const held = ({ stride }: Matrix): number => Math.floor((limits.bindingBytes - 4 * WINDOW) / (4 * stride));
  const row = Math.min(MOST_ROWS, held(y), a && !ta ? held(a) : Infinity);
  const column = Math.min(MOST_ROWS, tb ? held(b) : Infinity);
  const term = Math.min(a && ta ? held(a) : Infinity, tb ? Infinity : held(b));
  return ranges(m, row).flatMap((rows) =>
    ranges(n, column).flatMap((columns) =>
      ranges(k, term).flatMap((terms) => {
        const { bias: _, ...rest } = given, later = terms[0] > 0;
        const part = { ...(later ? rest : given), accumulate: later || (given.accumulate ?? false) };
        return launchesOfPart(part, { rows, columns, terms }, limits, tuning);
      })
    )
  );
}

// Ranges of at most `most`, which is rounded down to whole tiles or vectors where it is large enough.
function ranges(size: number, most: number): [number, number][] {
  const unit = most >= 128 ? 128 : most >= 4 ? 4 : 1;
  const length = most >= size ? size : Math.max(1, Math.floor(most / unit) * unit);
  return Array.from(
    { length: Math.ceil(size / length) },
    (_, i) => [i * length, Math.min(size, (i + 1) * length)],
  );
}

/** A matrix bound: its window, and where the part begins in it, in floats. */
interface Bound {
  readonly window: { readonly offset: number; readonly bytes: number };
  readonly at: number;
  readonly stride: number;
  readonly arg: number | "scratch";
  /** Whether its vectors of four along rows are aligned and whole; `columns` of them are used. */
  readonly vectors: boolean;
}

// `rows` and `columns` are ranges of the matrix as it is stored.
function bind(
  { arg, start = 0, stride, padded = false }: Matrix,
  rows: readonly [number, number],
  columns: readonly [number, number],
): Bound {
  const first = start + rows[0] * stride, offset = Math.floor(first / WINDOW) * 4 * WINDOW;
  const width = padded ? Math.ceil(columns[1] / 4) * 4 : columns[1];
  const end = start + (rows[1] - 1) * stride + width;
  return {
    arg,
    window: { offset, bytes: 4 * end - offset },
    at: first + columns[0] - offset / 4,
    stride,
    vectors: (first + columns[0]) % 4 === 0 && stride % 4 === 0 &&
      (padded || (columns[1] - columns[0]) % 4 === 0),
  };
}

function launchesOfPart(
  { name, a, b, y, ta = false, tb = false, accumulate = false, bias, scratchAt = 0 }: Product,
  { rows, columns, terms }: Part,
  limits: GpuLimits,
  tuning: Tuning,
): Launch[] {
  const m = rows[1] - rows[0], n = columns[1] - columns[0], k = terms[1] - terms[0];
  const left = a && (ta ? bind(a, terms, rows) : bind(a, rows, terms));
  const right = tb ? bind(b, columns, terms) : bind(b, terms, columns);
  const result = bind(y, rows, columns);
  const thin = Math.min(m, n) <= tuning.thin, turned = thin && m > n;
  const tile = thin ? null : tileFor(m, n, k, tuning);
  const groups = tile
    ? Math.ceil(m / tile.rows) * Math.ceil(n / tile.columns)
    : Math.ceil(Math.max(m, n) / ((turned ? ta : !tb) ? 16 : 8));
  const width = Math.ceil(n / 4) * 4; // of a row of a part of a split sum
  const parts = partsOf(groups, k, 4 * m * width, limits.bindingBytes, tuning);
  const length = Math.ceil(k / parts / DEPTH) * DEPTH, split = parts > 1;
  const sums: Bound = {
    arg: "scratch",
    window: { offset: scratchAt, bytes: 4 * parts * m * width },
    at: 0,
    stride: width,
    vectors: true,
  };
  const what: Operands = {
    name: split ? `${name} (parts)` : name,
    m,
    n,
    k,
    parts,
    length,
    left,
    right,
    ta,
    tb,
    y: split ? sums : result,
    partSize: split ? m * width : 0,
    accumulate: accumulate && !split,
    ...(bias === undefined || split ? {} : { bias, biasAt: columns[0] }),
  };
  const launches = [tile ? tiled(what, tile) : thinLaunch(what, turned, limits)];
  if (split) {
    launches.push(sumParts({
      name: `${name} (sum)`,
      m,
      n,
      parts,
      width,
      accumulate,
      y: tensorOf("y", result, true),
      at: result.at,
      stride: result.stride,
      partial: tensorOf("partial", sums, false),
      ...(bias === undefined ? {} : { bias: read("bias", bias), biasAt: columns[0] }),
    }));
  }
  return launches;
}

// The first tile that gives enough workgroups. Long sums can be split, so they do not need the smallest tile.
function tileFor(m: number, n: number, k: number, { tiles, groups, splitFrom }: Tuning): Tile {
  const last = tiles[tiles.length - 1];
  const usable = k >= splitFrom && m > last.rows && n > last.columns ? tiles.slice(0, -1) : tiles;
  return usable.find((tile) => Math.ceil(m / tile.rows) * Math.ceil(n / tile.columns) >= groups) ??
    usable.at(-1) ?? last;
}

// How many parts a sum over k is split into: enough for twice as many workgroups as are wanted at least.
function partsOf(groups: number, k: number, bytes: number, bindingBytes: number, tuning: Tuning): number {
  if (groups >= tuning.groups || k < tuning.splitFrom) return 1;
  const room = Math.floor(Math.min(MOST_SCRATCH, bindingBytes) / bytes);
  const wanted = Math.min(Math.ceil(2 * tuning.groups / groups), Math.floor(k / tuning.splitLength), room);
  if (wanted <= 1) return 1;
  return Math.ceil(k / (Math.ceil(k / wanted / DEPTH) * DEPTH)); // none of them empty
}

/** A part with its tensors bound. */
interface Operands {
  readonly name: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly parts: number;
  readonly length: number;
  readonly left: Bound | null;
  readonly right: Bound;
  readonly ta: boolean;
  readonly tb: boolean;
  readonly y: Bound;
  readonly partSize: number;
  readonly accumulate: boolean;
  readonly bias?: number;
  readonly biasAt?: number;
}

const tensorOf = (name: string, { arg, window }: Bound, writes: boolean, vectors = false): Tensor =>
  (writes ? write : read)(name, arg, { ...window, as: vectors ? "vec4f" : "f32" });

const work = ({ m, n, k }: Operands): number => m * n * k + 4 * (m * k + n * k + m * n);

const biasOf = ({ bias }: Operands): Tensor[] => bias === undefined ? [] : [read("bias", bias)];

function tiled(what: Operands, tile: Tile): Launch {
  const { name, m, n, k, parts, length, right, ta, tb, y, partSize, accumulate, bias, biasAt = 0 } = what;
  const left = what.left!, wide = (bound: Bound): number => bound.vectors ? 4 : 1;
  const variant: TileVariant = {
    tile,
    ta,
    tb,
    vectorsA: left.vectors,
    vectorsB: right.vectors,
    vectorsY: y.vectors,
    accumulate,
    bias: bias !== undefined,
  };
  return {
    name,
    tensors: [
      tensorOf("a", left, false, left.vectors),
      tensorOf("b", right, false, right.vectors),
      tensorOf("y", y, true, y.vectors),
      ...biasOf(what),
    ],
    sizes: {
      m,
      n,
      k,
      length,
      aAt: left.at / wide(left),
      aStride: left.stride / wide(left),
      bAt: right.at / wide(right),
      bStride: right.stride / wide(right),
      yAt: y.at / wide(y),
      yStride: y.stride / wide(y),
      partSize: partSize / wide(y),
      biasAt,
    },
    code: tileCode(variant),
    workgroups: [Math.ceil(n / tile.columns), Math.ceil(m / tile.rows), parts],
    work: work(what),
  };
}

// Few columns are few rows of the transpose: yᵀ = op(b)ᵀ op(a)ᵀ.
function thinLaunch(what: Operands, turned: boolean, limits: GpuLimits): Launch {
  const { name, m, n, k, parts, length, left, right, ta, tb, y, partSize, accumulate, bias, biasAt = 0 } =
    what;
  const thin = turned ? right : left, wide = turned ? left! : right;
  const thinTurned = turned ? !tb : ta, along = turned ? !ta : tb;
  const few = Math.min(m, n), many = Math.max(m, n);
  // Along k both sides are read as vectors, or neither is.
  const vectors = wide.vectors && (!along || (k % 4 === 0 && (!thin || (thin.vectors && !thinTurned))));
  const variant: ThinVariant = {
    rows: 2 ** Math.ceil(Math.log2(few)),
    ones: !thin,
    along,
    vectors,
    accumulate,
    bias: bias !== undefined,
  };
  const scale = vectors ? 4 : 1, thinScale = vectors && along ? 4 : 1;
  return {
    name,
    tensors: [
      ...(thin ? [tensorOf("a", thin, false, vectors && along)] : []),
      tensorOf("b", wide, false, vectors),
      tensorOf("y", y, true),
      ...biasOf(what),
    ],
    sizes: {
      m: few,
      n: many,
      k,
      length,
      aAt: (thin?.at ?? 0) / thinScale,
      aRow: thin && !thinTurned ? thin.stride / thinScale : 1,
      aTerm: thin && thinTurned ? thin.stride : 1,
      bAt: wide.at / scale,
      bStride: wide.stride / scale,
      yAt: y.at,
      yRow: turned ? 1 : y.stride,
      yColumn: turned ? y.stride : 1,
      partSize,
      biasAt,
      biasRow: turned ? 1 : 0,
      biasColumn: turned ? 0 : 1,
    },
    code: thinCode(variant, limits),
    workgroups: [Math.ceil(many / (along ? 8 : 16)), 1, parts],
    work: work(what),
  };
}
