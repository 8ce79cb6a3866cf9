// Attention of new tokens over a cache: one launch writes their keys and values, one attends. Several queries are taken in
// tiles like those of attention.ts; for a few, as in decoding, a workgroup has one query of one head and its threads share
// the keys out: a score each, then a part of the head for a share of the values.

import {
  elementOf,
  forward,
  PLACE,
  rowReader,
  rowWriter,
  SEES,
  TILE,
  TILE_THREADS,
  TILES,
} from "./attention_tiles.ts";
import {
  BUILTINS,
  f32,
  type GpuLimits,
  grid,
  GROUP,
  GROUP_INDEX,
  type Kernel,
  type Launch,
  read,
  write,
} from "./kernel.ts";
import { exchange, MOST_OF_GROUP, place, reductions, SUM_OF_GROUP } from "./reduce.ts";

const FEW = 8; // queries

// As the op has it: live tokens are those that there is room for. [offset, count].
const EXTENT = `fn extentOf(b: u32) -> vec2u {
  let offset = clamp(extents[2u * b], 0, i32(p.N));
  return vec2u(u32(offset), u32(clamp(extents[2u * b + 1u], 0, min(i32(p.T), i32(p.N) - offset))));
}`;

const fill = ([B, T, N, H, D]: readonly number[]): Launch => {
  const four = H * D % 4 === 0, C = four ? H * D / 4 : H * D, as = four ? "vec4f" : "f32";
  return {
    name: "cachedAttention, caches",
    tensors: [
      read("qkv", 0, { as }),
      read("extents", 1),
      write("keys", 3, { as }),
      write("values", 4, { as }),
    ],
    sizes: { n: B * T * C, T, N, C },
    code: `${EXTENT}
@compute @workgroup_size(${GROUP}) fn main(
  @builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
) {
  let i = id.y * groups.x * ${GROUP}u + id.x;
  if (i >= p.n) { return; }
  let row = i / p.C; let c = i % p.C; let b = row / p.T; let t = row % p.T;
  let extent = extentOf(b);
  if (t >= extent.y) { return; }
  let to = (b * p.N + extent.x + t) * p.C + c;
  keys[to] = qkv[(3u * row + 1u) * p.C + c];
  values[to] = qkv[(3u * row + 2u) * p.C + c];
}`,
    workgroups: grid(Math.ceil(B * T * C / GROUP)),
  };
};

const readers = (D: number): string =>
  [
    rowReader("query", "qkv", "(start + t) * 3u * p.C + column", "live", D),
    rowReader("key", "keys", "(cached + t) * p.C + column", "seen", D),
    rowReader("value", "values", "(cached + t) * p.C + column", "seen", D),
    rowWriter("putY", "y", "(start + t) * p.C + column", "p.T", D),
  ].join("\n");

const tensorsOf = (D: number): Launch["tensors"] => {
  const as = elementOf(D);
  return [
    read("qkv", 0, { as }),
    read("extents", 1),
    read("keys", 3, { as }),
    read("values", 4, { as }),
    write("y", 2, { as }),
  ];
};

const sizesOf = ([B, T, N, H, D]: readonly number[], blocks: number): Launch["sizes"] => ({
  T,
  N,
  H,
  D,
  C: H * D,
  BH: B * H,
  blocks,
  causal: 1,
  scale: f32(1 / Math.sqrt(D)),
});

// Sets the private variables of a workgroup with a block of queries; `count` and `offset` are uniform.
const PREAMBLE = `let index = groupIndex(group, groups);
  if (index >= p.BH * p.blocks) { return; }
  let head = index % p.BH; let block = index / p.BH; let b = head / p.H;
  if (lane == 0u) { extent = extentOf(b); }
  let placed = workgroupUniformLoad(&extent); let offset = placed.x; let count = placed.y;
  start = b * p.T; cached = b * p.N; column = head % p.H * p.D;
  live = count; shift = offset; seen = offset + count;`;

const several = (dims: readonly number[]): Launch => {
  const [B, T, N, H, D] = dims, blocks = Math.ceil(T / TILE);
  return {
    name: "cachedAttention",
    tensors: tensorsOf(D),
    sizes: sizesOf(dims, blocks),
    code: `${TILES}
var<private> cached: u32;
${SEES}
${GROUP_INDEX}
${EXTENT}
${readers(D)}
@compute @workgroup_size(${TILE_THREADS}) fn main(${BUILTINS}) {
  ${PREAMBLE}
  let q0 = block * 32u;
  let end = select(0u, offset + min(count, q0 + 32u), q0 < count);
  ${forward(D, 0, false)}
}`,
    workgroups: grid(B * H * blocks),
    work: 2 * B * H * T * N * D,
  };
};

const few = (dims: readonly number[], limits: GpuLimits): Launch => {
  const [B, T, N, H, D] = dims, quarters = Math.ceil(D / 4);
  return {
    name: "cachedAttention, few queries",
    tensors: tensorsOf(D),
    sizes: sizesOf(dims, T),
    code: `const QUARTERS = ${quarters}u;
const SHARES = ${Math.max(1, Math.floor(GROUP / quarters))}u;
${PLACE}
var<private> cached: u32;
var<workgroup> asked: array<vec4f, ${quarters}>;
var<workgroup> weights: array<f32, ${GROUP}>;
var<workgroup> mixed: array<vec4f, ${GROUP}>;
${GROUP_INDEX}
${EXTENT}
${readers(D)}
${reductions(limits, SUM_OF_GROUP, MOST_OF_GROUP)}
@compute @workgroup_size(${GROUP}) fn main(${BUILTINS}${exchange(limits)}) {
  ${PREAMBLE}
  if (lane < QUARTERS) { asked[lane] = query(block, 4u * lane); }
  workgroupBarrier();
  let end = select(0u, offset + block + 1u, block < count);
  let part = 4u * (lane % QUARTERS); let share = lane / QUARTERS;
  var most = -3.4e38; var sum = 0.0; var mixture = vec4f();
  for (var k0 = 0u; k0 < end; k0 += ${GROUP}u) {
    let k = k0 + lane;
    var score = -3.4e38;
    if (k < end) {
      var s = vec4f();
      for (var d = 0u; d < QUARTERS; d++) { s += asked[d] * key(k, 4u * d); }
      score = ((s.x + s.y) + (s.z + s.w)) * p.scale;
    }
    let before = most;
    most = max(most, mostOfGroup(score, ${place(limits)}));
    let weight = select(0.0, exp(score - most), k < end); let fade = exp(before - most);
    sum = sum * fade + weight;
    weights[lane] = weight;
    workgroupBarrier();
    mixture *= fade;
    if (share < SHARES) {
      let size = min(${GROUP}u, end - k0);
      for (var i = share; i < size; i += SHARES) { mixture += weights[i] * value(k0 + i, part); }
    }
    workgroupBarrier();
  }
  sum = sumOfGroup(sum, ${place(limits)});
  mixed[lane] = mixture;
  workgroupBarrier();
  if (share == 0u) {
    var total = vec4f();
    for (var i = 0u; i < SHARES; i++) { total += mixed[i * QUARTERS + lane]; }
    putY(block, part, select(vec4f(), total / sum, block < count));
  }
}`,
    workgroups: grid(B * H * T),
    work: 2 * B * H * T * N * D,
  };
};

/** The kernel of `cachedAttention`. */
export const cachedAttention: Kernel = ({ dims, limits }) => {
  const [, T, , , D] = dims;
  return [fill(dims), T < FEW && D <= 4 * GROUP ? few(dims, limits) : several(dims)];
};
