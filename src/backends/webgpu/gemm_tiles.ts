// The WGSL of products by tiles: a workgroup owns a tile of y, goes over k in steps of 16 through workgroup memory, and each
// thread keeps a block of outputs in registers. What gemm.ts binds and how many workgroups there are is decided there.
// Operands are fetched in blocks of 4x4, turned in registers where k runs along their rows, so that workgroup memory
// always holds vectors of four rows (of a) or columns (of b) for one k. The next step's blocks are under way while one is multiplied.

/** The tile of a workgroup and the outputs of a thread. */
export interface Tile {
  /** Rows of y; a multiple of 32. */
  readonly rows: number;
  /** Columns of y; a multiple of 32. */
  readonly columns: number;
  /** Rows of a thread: 4 or 8. */
  readonly perRow: number;
  /** Columns of a thread: 4 or 8. */
  readonly perColumn: number;
}

/** What the code depends on. */
export interface TileVariant {
  readonly tile: Tile;
  /** Whether a lies as (k,m). */
  readonly ta: boolean;
  /** Whether b lies as (n,k). */
  readonly tb: boolean;
  /** Whether a is bound as vectors of four; its place and stride in `p` then count vectors. */
  readonly vectorsA: boolean;
  readonly vectorsB: boolean;
  readonly vectorsY: boolean;
  readonly accumulate: boolean;
  readonly bias: boolean;
}

const DEPTH = 16; // of a step
const LETTERS = "xyzw";
const count = (length: number): number[] => Array.from({ length }, (_, i) => i);
const lines = (length: number, line: (i: number) => string): string => count(length).map(line).join("\n");

/** WGSL of a product by tiles. */
export function tileCode(variant: TileVariant): string {
  const { tile: { rows, columns, perRow, perColumn }, ta, tb, vectorsA, vectorsB } = variant;
  const across = columns / perColumn, down = rows / perRow, threads = across * down;
  const heightA = rows / 4, widthB = columns / 4; // vectors of a step's row in workgroup memory
  const blocks = DEPTH / 4 * (heightA + widthB), rounds = Math.ceil(blocks / threads);
  const double = 2 * DEPTH * 16 * (heightA + widthB) <= 16384;
  const fetchStep = (k: string): string =>
    lines(rounds, (i) => `block${i} = fetch(lane + ${i * threads}u, group, ${k}, end);`);
  const store = lines(rounds, (i) => `keep(lane + ${i * threads}u, block${i}, side);`);
  return `
var<workgroup> tileA: array<vec4f, ${(double ? 2 : 1) * DEPTH * heightA}>;
var<workgroup> tileB: array<vec4f, ${(double ? 2 : 1) * DEPTH * widthB}>;
${fetchBlock({ name: "a", along: !ta, vectors: vectorsA, size: "m" })}
${fetchBlock({ name: "b", along: tb, vectors: vectorsB, size: "n" })}
// Number of a block to its place in the step: four vectors from x, four terms from y.
fn placeA(block: u32) -> vec2u { return ${place(!ta, heightA)}; }
fn placeB(block: u32) -> vec2u { return ${place(tb, widthB)}; }
fn fetch(number: u32, group: vec3u, k: u32, end: u32) -> mat4x4f {
  if (number < ${4 * heightA}u) {
    let at = placeA(number);
    return fetch_a(group.y * ${rows}u + 4u * at.x, k + 4u * at.y, end);
  }
  if (number < ${blocks}u) {
    let at = placeB(number - ${4 * heightA}u);
    return fetch_b(group.x * ${columns}u + 4u * at.x, k + 4u * at.y, end);
  }
  return mat4x4f();
}
// Columns are exchanged in pairs by k, so that threads that store neighbouring terms meet different banks.
fn keep(number: u32, block: mat4x4f, side: u32) {
  if (number < ${4 * heightA}u) {
    let at = placeA(number);
    let to = side * ${DEPTH * heightA}u + at.y * ${4 * heightA}u + (at.x ^ (2u * at.y));
    ${lines(4, (i) => `tileA[to + ${i * heightA}u] = block[${i}];`)}
  } else if (number < ${blocks}u) {
    let at = placeB(number - ${4 * heightA}u);
    let to = side * ${DEPTH * widthB}u + at.y * ${4 * widthB}u + (at.x ^ (2u * at.y));
    ${lines(4, (i) => `tileB[to + ${i * widthB}u] = block[${i}];`)}
  }
}
@compute @workgroup_size(${threads}) fn main(
  @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32,
) {
  // 32 threads in a row own 4 x 8 vectors of the tile: they read few different ones at a time.
  let warp = lane >> 5u;
  let x = (warp % ${across / 8}u) * 8u + (lane & 7u);
  let y0 = (warp / ${across / 8}u) * 4u + ((lane >> 3u) & 3u);
  let begin = group.z * p.length;
  let end = min(begin + p.length, p.k);
  ${lines(perRow * perColumn / 4, (i) => `var c${i} = vec4f();`)}
  ${lines(rounds, (i) => `var block${i}: mat4x4f;`)}
  var side = 0u;
  ${fetchStep("begin")}
  ${store}
  workgroupBarrier();
  for (var k = begin; k < end; k += ${DEPTH}u) {
    let more = k + ${DEPTH}u < end;
    if (more) { ${fetchStep(`k + ${DEPTH}u`)} }
    for (var four = 0u; four < 4u; four++) {
      let fromA = side * ${DEPTH * heightA}u + four * ${4 * heightA}u;
      let fromB = side * ${DEPTH * widthB}u + four * ${4 * widthB}u;
      ${lines(perRow / 4, (i) => `let atA${i} = fromA + ((y0 + ${i * down}u) ^ (2u * four));`)}
      ${lines(perColumn / 4, (j) => `let atB${j} = fromB + ((x + ${j * across}u) ^ (2u * four));`)}
      ${lines(4, (term) => multiplyTerm(term, perRow, perColumn, heightA, widthB))}
    }
    ${double ? "side = 1u - side;" : "workgroupBarrier();"}
    if (more) { ${store} }
    workgroupBarrier();
  }
  let row = group.y * ${rows}u + 4u * y0;
  let column = group.x * ${columns}u + 4u * x;
  let at = p.yAt + group.z * p.partSize;
  ${
    lines(perRow, (i) =>
      `if (row + ${(i >> 2) * 4 * down + (i & 3)}u < p.m) {
    let to = at + (row + ${(i >> 2) * 4 * down + (i & 3)}u) * p.yStride;
    ${lines(perColumn / 4, (j) => storeVector(`c${i * perColumn / 4 + j}`, j * 4 * across, variant))}
  }`)
  }
}`;
}

// Blocks next to each other lie along k where k runs along rows, else along rows or columns: loads are coalesced.
const place = (along: boolean, vectors: number): string =>
  along ? "vec2u(block >> 2u, block & 3u)" : `vec2u(block % ${vectors}u, block / ${vectors}u)`;

/** A function that fetches 4 x 4 numbers: column i of the result is term k + i; zeros beyond the end. */
function fetchBlock(
  { name, along, vectors, size }: { name: string; along: boolean; vectors: boolean; size: string },
): string {
  // Line i of what is stored: rows if k runs along them, else terms.
  const line = along ? "row" : "k", rest = along ? "k" : "row";
  const lineEnd = along ? `p.${size}` : "end", restEnd = along ? "end" : `p.${size}`;
  const fetchLine = (i: number): string => {
    const at = `p.${name}At + (${line} + ${i}u) * p.${name}Stride + ${rest}${vectors ? " / 4u" : ""}`;
    if (vectors) {
      return `if (${line} + ${i}u < ${lineEnd} && ${rest} < ${restEnd}) { block[${i}] = ${name}[${at}]; }`;
    }
    return `if (${line} + ${i}u < ${lineEnd}) {
    let at = ${at};
    ${
      lines(4, (j) =>
        `if (${rest} + ${j}u < ${restEnd}) { block[${i}].${LETTERS[j]} = ${name}[at + ${j}u]; }`)
    }
  }`;
  };
  return `fn fetch_${name}(row: u32, k: u32, end: u32) -> mat4x4f {
  var block = mat4x4f();
  ${lines(4, fetchLine)}
  return ${along ? "transpose(block)" : "block"};
}`;
}

function multiplyTerm(
  term: number,
  perRow: number,
  perColumn: number,
  heightA: number,
  widthB: number,
): string {
  const wide = perColumn / 4;
  return `{
        ${lines(perRow / 4, (i) => `let a${i} = tileA[atA${i} + ${term * heightA}u];`)}
        ${lines(wide, (j) => `let b${j} = tileB[atB${j} + ${term * widthB}u];`)}
        ${
    lines(perRow * wide, (c) => {
      const i = Math.floor(c / wide), j = c % wide;
      return `c${c} = fma(vec4f(a${i >> 2}.${LETTERS[i & 3]}), b${j}, c${c});`;
    })
  }
      }`;
}

// Four outputs of a row, `shift` columns behind the thread's first.
function storeVector(
  name: string,
  shift: number,
  { vectorsY, accumulate, bias }: TileVariant,
): string {
  if (vectorsY) {
    const biases = count(4).map((j) => `bias[p.biasAt + min(column + ${shift + j}u, p.n - 1u)]`);
    return `if (column + ${shift}u < p.n) {
      let to4 = to + (column + ${shift}u) / 4u;
      y[to4] = ${name}${bias ? ` + vec4f(${biases.join(", ")})` : ""}${accumulate ? " + y[to4]" : ""};
    }`;
  }
  return lines(4, (j) => {
    const at = `to + column + ${shift + j}u`;
    return `if (column + ${shift + j}u < p.n) { y[${at}] = ${name}.${LETTERS[j]}${
      bias ? ` + bias[p.biasAt + column + ${shift + j}u]` : ""
    }${accumulate ? ` + y[${at}]` : ""}; }`;
  });
}
