// Looking up rows of a table that may be larger than one binding: it is bound in windows of rows, one launch for each, and
// ids outside a window are passed over. The gradient sums for each id before it adds. First every occurrence is linked to
// the next one of the same id (a scan of all ids in tiles: n^2 comparisons, which is little for tens of thousands); then the
// first occurrence of an id gets a workgroup, which walks along the links. No atomics, and always the same order.

import type { embeddings as family } from "../../ops/embedding.ts";
import {
  BUILTINS,
  elementwise,
  type GpuLimits,
  grid,
  GROUP,
  GROUP_INDEX,
  type Kernel,
  read,
  WINDOW,
  write,
} from "./kernel.ts";

// Windows of whole rows (R,C) that begin where a binding may.
function windows(R: number, C: number, { bindingBytes }: GpuLimits) {
  let unit = 1; // rows
  while (unit * C % WINDOW !== 0) unit *= 2;
  const most = Math.max(unit, Math.floor(bindingBytes / (4 * C * unit)) * unit);
  return Array.from({ length: Math.ceil(R / most) }, (_, i) => {
    const begin = i * most, end = Math.min(R, begin + most);
    return { begin, end, place: { offset: 4 * C * begin, bytes: 4 * C * (end - begin) } };
  });
}

const embedding: Kernel = ({ dims: [n, K, C], shapes: [[R]], limits }) => {
  const [as, width] = C % 4 === 0 ? ["vec4f", 4] as const : ["f32", 1] as const;
  return windows(R, C, limits).flatMap(({ begin, end, place }) =>
    elementwise({
      name: "embedding",
      n: n * C / width,
      bytes: 4 * width,
      tensors: [
        { ...read("table", 0, { ...place, as }), whole: true },
        { ...read("ids", 1), whole: true },
        write("y", 2, { as }),
      ],
      body: `let row = (p.start + i) / p.C;
  let c = (p.start + i) % p.C;
  var sum = ${as}(0.0);
  for (var k = row * p.K; k < (row + 1u) * p.K; k++) {
    let id = u32(ids[k]);
    if (id >= p.begin && id < p.end) { sum += table[(id - p.begin) * p.C + c]; }
  }
  y[i] ${begin === 0 ? "=" : "+="} sum;`,
      sizes: { K, C: C / width, begin, end },
    }, limits)
  );
};

// A link is the next occurrence, or `n` behind the last one; the upper bit marks those that are not the first.
const LINK = `var<workgroup> tile: array<i32, ${GROUP}>;
@compute @workgroup_size(${GROUP}) fn main(
  @builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) lane: u32,
) {
  let i = id.x;
  let mine = ids[min(i, p.n - 1u)];
  var next = p.n;
  var earlier = false;
  for (var start = 0u; start < p.n; start += ${GROUP}u) {
    workgroupBarrier();
    if (start + lane < p.n) { tile[lane] = ids[start + lane]; }
    workgroupBarrier();
    let count = min(${GROUP}u, p.n - start);
    for (var k = 0u; k < count; k++) {
      if (tile[k] == mine) {
        earlier = earlier || start + k < i;
        if (start + k > i) { next = min(next, start + k); }
      }
    }
  }
  if (i < p.n) { links[i] = next | select(0u, 0x80000000u, earlier); }
}`;

const embeddingGradInto: Kernel = ({ dims: [n, K, C], shapes: [, , [R]], limits }) => {
  const [as, width] = C % 4 === 0 ? ["vec4f", 4] as const : ["f32", 1] as const, ids = n * K;
  const scratch = { as: "u32", bytes: 4 * ids } as const;
  return [
    {
      name: "embeddingGradInto: links",
      tensors: [read("ids", 1), write("links", "scratch", scratch)],
      sizes: { n: ids },
      code: LINK,
      workgroups: [Math.ceil(ids / GROUP), 1, 1],
      work: ids * ids,
    },
    ...windows(R, C, limits).map(({ begin, end, place }) => ({
      name: "embeddingGradInto",
      tensors: [
        read("d", 0, { as }),
        read("ids", 1),
        read("links", "scratch", scratch),
        write("table", 2, { ...place, as }),
      ],
      sizes: { n: ids, K, C: C / width, begin, end },
      code: `${GROUP_INDEX}
@compute @workgroup_size(${GROUP}) fn main(${BUILTINS}) {
  let first = groupIndex(group, groups);
  if (first >= p.n || links[first] >= 0x80000000u) { return; }
  let id = u32(ids[first]);
  if (id < p.begin || id >= p.end) { return; }
  for (var c = lane; c < p.C; c += ${GROUP}u) {
    var sum = d[first / p.K * p.C + c];
    for (var i = links[first]; i < p.n; i = links[i] & 0x7fffffffu) { sum += d[i / p.K * p.C + c]; }
    table[(id - p.begin) * p.C + c] += sum;
  }
}`,
      workgroups: grid(ids),
      work: 4 * ids * C,
    })),
  ];
};

/** The family of src/ops/embedding.ts. */
export const embeddings = { embedding, embeddingGradInto } satisfies Record<keyof typeof family, Kernel>;
