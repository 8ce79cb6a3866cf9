// What the attention kernels are made of: tiles of 32 x 32 in workgroup memory, multiplied by 64 threads that each hold
// 4 x 4 sums in a matrix. Every product is sum over c of left[c][i] right[c][j]; thread (i4, j4) has rows 4 i4.. and
// columns 4 j4.., one vector over rows for each column. Heads of any size are taken in chunks of 32; what is past the end
// of a head or of the live tokens is read as 0. The kernels themselves are in attention.ts and cached_attention.ts.

import type { Element } from "./kernel.ts";
import { KEEP_SCALE } from "./random.ts";

/** Queries and keys of a tile, and the part of a head that is in workgroup memory at a time. */
export const TILE = 32;
/** Threads of a workgroup. */
export const TILE_THREADS = 64;

/** Rows are read by four where the head's size allows. */
export const elementOf = (D: number): Element => D % 4 === 0 ? "vec4f" : "f32";

/** Chunks of a head: kernels hold a matrix of sums for each, and a pipeline serves all heads of as many. */
export const chunksOf = (D: number): number => Math.ceil(D / TILE);

/** Text for each chunk of a head, or for each of the numbers below n. */
export const each = (n: number, text: (i: number) => string): string =>
  Array.from({ length: n }, (_, i) => text(i)).join("\n");

/** WGSL: `<name>(t, d)` gives elements d..d+3 of a row; `place` is where row t starts, rows at `bound` and behind are 0. */
export function rowReader(name: string, tensor: string, place: string, bound: string, D: number): string {
  const body = D % 4 === 0
    ? `return ${tensor}[(at + d) / 4u];`
    : `var row = vec4f(${tensor}[at + d], 0.0, 0.0, 0.0);
  if (d + 1u < p.D) { row.y = ${tensor}[at + d + 1u]; }
  if (d + 2u < p.D) { row.z = ${tensor}[at + d + 2u]; }
  if (d + 3u < p.D) { row.w = ${tensor}[at + d + 3u]; }
  return row;`;
  return `fn ${name}(t: u32, d: u32) -> vec4f {
  if (t >= ${bound} || d >= p.D) { return vec4f(); }
  let at = ${place};
  ${body}
}
fn ${name}Four(t: u32, d: u32) -> mat4x4f {
  return mat4x4f(${name}(t, d), ${name}(t + 1u, d), ${name}(t + 2u, d), ${name}(t + 3u, d));
}`;
}

/** WGSL: `<name>(t, d, row)` writes elements d..d+3 of a row, `<name>Four` those of four rows; none at `bound` and behind. */
export function rowWriter(name: string, tensor: string, place: string, bound: string, D: number): string {
  const body = D % 4 === 0 ? `${tensor}[(at + d) / 4u] = row;` : `${tensor}[at + d] = row.x;
  if (d + 1u < p.D) { ${tensor}[at + d + 1u] = row.y; }
  if (d + 2u < p.D) { ${tensor}[at + d + 2u] = row.z; }
  if (d + 3u < p.D) { ${tensor}[at + d + 3u] = row.w; }`;
  return `fn ${name}(t: u32, d: u32, row: vec4f) {
  if (t >= ${bound} || d >= p.D) { return; }
  let at = ${place};
  ${body}
}
fn ${name}Four(t: u32, d: u32, rows: mat4x4f) {
  ${each(4, (r) => `${name}(t + ${r}u, d, rows[${r}]);`)}
}`;
}

/**
 * WGSL: where a workgroup is: `start` is the first row of its sequence, `column` that of its head, `live` queries stand at
 * `shift`.. among `seen` keys.
 */
export const PLACE = `var<workgroup> extent: vec2u;
var<private> start: u32;
var<private> column: u32;
var<private> live: u32;
var<private> shift: u32;
var<private> seen: u32;`;

/** WGSL: the tiles and `product`, behind `PLACE`. */
export const TILES = `${PLACE}
var<workgroup> left: array<vec4f, 256>;
var<workgroup> right: array<vec4f, 256>;
var<workgroup> partials: array<vec4f, 64>;
fn product(sum: mat4x4f, i4: u32, j4: u32) -> mat4x4f {
  var s0 = sum[0]; var s1 = sum[1]; var s2 = sum[2]; var s3 = sum[3];
  for (var c = 0u; c < 256u; c += 8u) {
    let x = left[c + i4]; let z = right[c + j4];
    s0 += x * z.x; s1 += x * z.y; s2 += x * z.z; s3 += x * z.w;
  }
  return mat4x4f(s0, s1, s2, s3);
}
fn scaled(m: mat4x4f, f: vec4f) -> mat4x4f { return mat4x4f(m[0] * f, m[1] * f, m[2] * f, m[3] * f); }
fn put(rows: mat4x4f, at: u32) {
  ${each(4, (r) => `left[at + ${8 * r}u] = rows[${r}];`)}
}
fn partialSum(i4: u32) -> vec4f {
  var sum = vec4f();
  for (var j = 0u; j < 64u; j += 8u) { sum += partials[j + i4]; }
  return sum;
}
fn four(first: u32) -> vec4u { return vec4u(first) + vec4u(0u, 1u, 2u, 3u); }`;

/** WGSL: which of four queries see a key. */
export const SEES = `fn sees(q: u32, key: u32) -> vec4<bool> {
  let last = select(vec4u(seen), four(q + shift), p.causal != 0u);
  return vec4u(key) <= min(last, vec4u(max(seen, 1u) - 1u));
}`;

/** WGSL: a tile of `rows` (name of a reader) at `first` into `to` as [d][row]; all threads, between barriers. */
export const turned = (to: "left" | "right", rows: string, first: string): string =>
  `{ let block = transpose(${rows}Four(${first} + 4u * i4, d + 4u * j4));
  ${each(4, (r) => `${to}[(4u * j4 + ${r}u) * 8u + i4] = block[${r}];`)} }`;

/** WGSL: a tile of `rows` at `first`, elements from `d` on, into `right` as [row][d]. */
export const straight = (rows: string, first: string, d: number): string =>
  each(
    4,
    (r) => `right[lane + ${64 * r}u] = ${rows}(${first} + lane / 8u + ${8 * r}u, ${d}u + 4u * (lane % 8u));`,
  );

/** WGSL: adds the product of `rows` and `columns` over a whole head to the matrix `to`. */
export const overHead = (to: string, rows: string, first: string, columns: string, second: string): string =>
  `for (var d = 0u; d < p.D; d += 32u) {
    ${turned("left", rows, first)}
    ${turned("right", columns, second)}
    workgroupBarrier();
    ${to} = product(${to}, i4, j4);
    workgroupBarrier();
  }`;

/** WGSL: adds the product of what is in `left` and the rows of a tile to one matrix for each chunk of the head. */
export const perChunk = (to: string, rows: string, first: string, D: number): string =>
  each(chunksOf(D), (c) =>
    `${straight(rows, first, TILE * c)}
    workgroupBarrier();
    ${to}${c} = product(${to}${c}, i4, j4);
    workgroupBarrier();`);

/** WGSL: a matrix of sums for each chunk of the head. */
export const sumsOf = (name: string, D: number): string =>
  each(chunksOf(D), (c) => `var ${name}${c} = mat4x4f();`);

/** WGSL: `keepFour(head, key, q)` gives the dropout factors of four queries, q a multiple of 4; "" without dropout. */
export const keepFour = (limit: number): string =>
  limit === 0 ? "" : `${KEEP_SCALE}
fn keepFour(head: u32, key: u32, q: u32) -> vec4f {
  let block = (head * p.T + key) * p.step + q / 4u;
  return keepScale4(vec2u(rng[0], rng[1]), p.limit, p.stream, block);
}`;

/** WGSL of the forward pass behind its preamble, which sets the private variables and `head`, `q0` and `end`. */
export const forward = (D: number, limit: number, logSums: boolean): string =>
  `let i4 = lane % 8u; let j4 = lane / 8u; let q = q0 + 4u * i4;
  var most = vec4f(-3.4e38); var sum = vec4f();
  ${sumsOf("o", D)}
  for (var k0 = 0u; k0 < end; k0 += 32u) {
    var s = mat4x4f();
    ${overHead("s", "query", "q0", "key", "k0")}
    let k = k0 + 4u * j4;
    ${each(4, (j) => `s[${j}] = select(vec4f(-3.4e38), s[${j}] * p.scale, sees(q, k + ${j}u));`)}
    partials[lane] = max(max(s[0], s[1]), max(s[2], s[3]));
    workgroupBarrier();
    let before = most;
    for (var j = 0u; j < 64u; j += 8u) { most = max(most, partials[j + i4]); }
    let fade = exp(before - most);
    ${each(4, (j) => `s[${j}] = select(vec4f(), exp(s[${j}] - most), sees(q, k + ${j}u));`)}
    sum = sum * fade + (s[0] + s[1]) + (s[2] + s[3]);
    ${limit === 0 ? "" : each(4, (j) => `s[${j}] *= keepFour(head, k + ${j}u, q);`)}
    put(s, 32u * j4 + i4);
    ${each(chunksOf(D), (c) => `o${c} = scaled(o${c}, fade);`)}
    ${perChunk("o", "value", "k0", D)}
  }
  partials[lane] = sum;
  workgroupBarrier();
  sum = partialSum(i4);
  let alive = four(q) < vec4u(live);
  let factor = select(vec4f(), 1.0 / sum, alive);
  ${each(chunksOf(D), (c) => `putYFour(q, ${TILE * c}u + 4u * j4, transpose(scaled(o${c}, factor)));`)}
  ${
    logSums
      ? `if (j4 == 0u) {
    let logs = select(vec4f(), most + log(sum), alive);
    ${each(4, (r) => `if (q + ${r}u < p.T) { logSum[head * p.T + q + ${r}u] = logs[${r}]; }`)}
  }`
      : ""
  }`;
