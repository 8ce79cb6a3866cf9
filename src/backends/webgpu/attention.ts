// Attention over packed projections and its gradient; a workgroup of 64 threads has a block of 32 queries or keys of one
// head and walks over tiles of 32 keys or queries (attention_tiles.ts). The forward pass keeps a running maximum and sum;
// the gradient takes probabilities from the log sums, first for dq by blocks of queries (which also leaves dy . y in
// scratch), then for dk and dv by blocks of keys, so that no two workgroups add to one number. Attention over a cache is
// in cached_attention.ts.

import type { attentions as family } from "../../ops/attention.ts";
import {
  chunksOf,
  each,
  elementOf,
  forward,
  keepFour,
  overHead,
  perChunk,
  rowReader,
  rowWriter,
  SEES,
  sumsOf,
  TILE,
  TILE_THREADS,
  TILES,
} from "./attention_tiles.ts";
import { cachedAttention } from "./cached_attention.ts";
import { BUILTINS, f32, grid, GROUP_INDEX, type Kernel, type Launch, read, write } from "./kernel.ts";

/** Where row t of a part of qkv (0 queries, 1 keys, 2 values) starts. */
const packed = (part: number): string => `((start + t) * 3u + ${part}u) * p.C + column`;
const single = "(start + t) * p.C + column";

const readers = (D: number): string =>
  ["query", "key", "value"].map((name, part) => rowReader(name, "qkv", packed(part), "live", D)).join("\n");

const sizesOf = ([B, T, H, D, causal, limit, stream]: readonly number[]): Launch["sizes"] => ({
  T,
  H,
  D,
  C: H * D,
  BH: B * H,
  blocks: Math.ceil(T / TILE),
  causal,
  scale: f32(1 / Math.sqrt(D)),
  limit,
  stream: stream >>> 0,
  step: 4 * Math.ceil(T / 16),
});

// The block's number is `block`; those with most work come first if blocks are counted `down`.
const preamble = (down: boolean): string =>
  `let index = groupIndex(group, groups);
  if (index >= p.BH * p.blocks) { return; }
  let head = index % p.BH; let block = ${down ? "p.blocks - 1u - index / p.BH" : "index / p.BH"};
  if (lane == 0u) { extent = vec2u(0u, u32(clamp(lengths[head / p.H], 0, i32(p.T)))); }
  let count = workgroupUniformLoad(&extent).y;
  start = head / p.H * p.T; column = head % p.H * p.D; live = count; seen = count; shift = 0u;`;

// Over the keys that a block of queries sees.
const END = `let q0 = block * 32u;
  let end = select(0u, select(count, min(count, q0 + 32u), p.causal != 0u), q0 < count);`;

const groupsOf = ([B, T, H]: readonly number[]): [number, number, number] =>
  grid(B * H * Math.ceil(T / TILE));

const workOf = ([B, T, H, D, causal]: readonly number[], products: number): number =>
  products * B * H * T * T * D / (causal ? 2 : 1);

const main = (body: string): string =>
  `@compute @workgroup_size(${TILE_THREADS}) fn main(${BUILTINS}) {
  ${body}
}`;

// A launch of the family: what all of them bind, are given and call, and what is a launch's own.
const launchOf = (
  dims: readonly number[],
  { name, tensors, functions, body, products }: {
    readonly name: string;
    /** Behind qkv, lengths and, with dropout, the random words. */
    readonly tensors: Launch["tensors"];
    readonly functions: readonly string[];
    readonly body: string;
    /** Products over a head that it is worth. */
    readonly products: number;
  },
): Launch => {
  const [, , , D, , limit] = dims;
  return {
    name,
    tensors: [
      read("qkv", 0, { as: elementOf(D) }),
      read("lengths", 1),
      ...(limit ? [read("rng", 2, { as: "u32" })] : []),
      ...tensors,
    ],
    sizes: sizesOf(dims),
    code: [TILES, SEES, GROUP_INDEX, keepFour(limit), readers(D), ...functions, main(body)].join("\n"),
    workgroups: groupsOf(dims),
    work: workOf(dims, products),
  };
};

const attention: Kernel = ({ dims }) => {
  const [, , , D, , limit] = dims, as = elementOf(D);
  return [launchOf(dims, {
    name: "attention",
    tensors: [write("y", 3, { as }), write("logSum", 4)],
    functions: [rowWriter("putY", "y", single, "p.T", D)],
    body: `${preamble(true)}
  ${END}
  ${forward(D, limit, true)}`,
    products: 2,
  })];
};

// dq of a block of queries, and delta = dy . y of each query.
const queryGrad = (dims: readonly number[], deltas: number): Launch => {
  const [, , , D, , limit] = dims, as = elementOf(D);
  return launchOf(dims, {
    name: "attentionGrad, queries",
    tensors: [
      read("y", 3, { as }),
      read("logSum", 4),
      read("dy", 5, { as }),
      write("dqkv", 6, { as }),
      write("deltas", "scratch", { bytes: deltas }),
    ],
    functions: [
      rowReader("out", "y", single, "live", D),
      rowReader("dOut", "dy", single, "live", D),
      rowWriter("putDq", "dqkv", packed(0), "p.T", D),
    ],
    body: `${preamble(true)}
  ${END}
  let i4 = lane % 8u; let j4 = lane / 8u; let q = q0 + 4u * i4;
  var delta = vec4f();
  for (var d = 4u * j4; d < p.D; d += 32u) {
    let y4 = transpose(outFour(q, d)); let dy4 = transpose(dOutFour(q, d));
    delta += (y4[0] * dy4[0] + y4[1] * dy4[1]) + (y4[2] * dy4[2] + y4[3] * dy4[3]);
  }
  partials[lane] = delta;
  workgroupBarrier();
  delta = partialSum(i4);
  var logs = vec4f();
  ${
      each(4, (r) =>
        `if (q + ${r}u < p.T) {
    logs[${r}] = logSum[head * p.T + q + ${r}u];
    if (j4 == 0u) { deltas[head * p.T + q + ${r}u] = delta[${r}]; }
  }`)
    }
  ${sumsOf("o", D)}
  for (var k0 = 0u; k0 < end; k0 += 32u) {
    let k = k0 + 4u * j4;
    var s = mat4x4f(); var ds = mat4x4f();
    ${overHead("s", "query", "q0", "key", "k0")}
    ${overHead("ds", "dOut", "q0", "value", "k0")}
    ${
      each(4, (j) =>
        `s[${j}] = select(vec4f(), exp(s[${j}] * p.scale - logs), sees(q, k + ${j}u));
    ${limit ? `ds[${j}] *= keepFour(head, k + ${j}u, q);` : ""}
    ds[${j}] = s[${j}] * (ds[${j}] - delta) * p.scale;`)
    }
    put(ds, 32u * j4 + i4);
    ${perChunk("o", "key", "k0", D)}
  }
  ${each(chunksOf(D), (c) => `putDqFour(q, ${TILE * c}u + 4u * j4, transpose(o${c}));`)}`,
    products: 3,
  });
};

// dk and dv of a block of keys: here threads have four keys by four queries, so that sums over queries are products.
const keyGrad = (dims: readonly number[], deltas: number): Launch => {
  const [, , , D, , limit] = dims, as = elementOf(D);
  return launchOf(dims, {
    name: "attentionGrad, keys",
    tensors: [
      read("logSum", 4),
      read("dy", 5, { as }),
      write("dqkv", 6, { as }),
      read("deltas", "scratch", { bytes: deltas }),
    ],
    functions: [
      rowReader("dOut", "dy", single, "live", D),
      rowWriter("putDk", "dqkv", packed(1), "p.T", D),
      rowWriter("putDv", "dqkv", packed(2), "p.T", D),
    ],
    body: `${preamble(false)}
  let i4 = lane % 8u; let j4 = lane / 8u; let k0 = block * 32u; let k = k0 + 4u * i4;
  let end = select(0u, count, k0 < count);
  ${sumsOf("dk", D)}
  ${sumsOf("dv", D)}
  for (var q0 = select(0u, k0, p.causal != 0u); q0 < end; q0 += 32u) {
    let q = q0 + 4u * j4;
    var s = mat4x4f(); var ds = mat4x4f();
    ${overHead("s", "key", "k0", "query", "q0")}
    ${overHead("ds", "value", "k0", "dOut", "q0")}
    ${
      limit
        ? `let keep = transpose(mat4x4f(
      keepFour(head, k, q), keepFour(head, k + 1u, q), keepFour(head, k + 2u, q), keepFour(head, k + 3u, q),
    ));`
        : ""
    }
    ${
      each(4, (j) =>
        `if (q + ${j}u < count) {
      let last = select(count - 1u, q + ${j}u, p.causal != 0u); let at = head * p.T + q + ${j}u;
      let weight = select(vec4f(), exp(s[${j}] * p.scale - logSum[at]), four(k) <= vec4u(min(last, count - 1u)));
      s[${j}] = weight${limit ? ` * keep[${j}]` : ""};
      ds[${j}] = weight * (ds[${j}]${limit ? ` * keep[${j}]` : ""} - deltas[at]) * p.scale;
    } else { s[${j}] = vec4f(); ds[${j}] = vec4f(); }`)
    }
    put(s, 32u * j4 + i4);
    ${perChunk("dv", "dOut", "q0", D)}
    put(ds, 32u * j4 + i4);
    ${perChunk("dk", "query", "q0", D)}
  }
  ${
      each(chunksOf(D), (c) =>
        `putDkFour(k, ${TILE * c}u + 4u * j4, transpose(dk${c}));
  putDvFour(k, ${TILE * c}u + 4u * j4, transpose(dv${c}));`)
    }`,
    products: 4,
  });
};

const attentionGrad: Kernel = ({ dims }) => {
  const [B, T, H] = dims, deltas = 4 * B * H * T;
  return [queryGrad(dims, deltas), keyGrad(dims, deltas)];
};

/** The family of src/ops/attention.ts. */
export const attentions = { attention, attentionGrad, cachedAttention } satisfies Record<
  keyof typeof family,
  Kernel
>;
