// The optimizer over flat pages, which may be larger than one binding. Squares are summed in two stages through scratch, in
// an order that depends on the sizes only. Adam is one thread for each element, which finds its segment by bisection.

import type { optimizer as family } from "../../ops/optimizer.ts";
import {
  BUILTINS,
  elementwise,
  f32,
  grid,
  GROUP_INDEX,
  type Kernel,
  type Launch,
  read,
  write,
} from "./kernel.ts";
import { exchange, place, reductions, SUM_OF_GROUP } from "./reduce.ts";

const PARTIAL = 16384; // elements of a partial sum: 64 for each thread

const sumSquares: Kernel = ({ dims: [n], limits }) => {
  const most = Math.floor(limits.bindingBytes / 256) * 64,
    window = most > PARTIAL ? most - most % PARTIAL : most;
  const partials = Math.ceil(n / window) * Math.ceil(Math.min(n, window) / PARTIAL);
  const scratch = { bytes: 4 * partials }, launches: Launch[] = [];
  let first = 0;
  for (let start = 0; start < n; start += window) {
    const count = Math.min(window, n - start), groups = Math.ceil(count / PARTIAL);
    launches.push({
      name: "sumSquares",
      tensors: [read("x", 0, { offset: 4 * start, bytes: 4 * count }), write("partials", "scratch", scratch)],
      sizes: { n: count, groups, first },
      code: `${reductions(limits, SUM_OF_GROUP)}
${GROUP_INDEX}
@compute @workgroup_size(256) fn main(${BUILTINS}${exchange(limits)}) {
  let part = groupIndex(group, groups);
  let end = min((part + 1u) * ${PARTIAL}u, p.n);
  var sum = 0.0;
  for (var i = part * ${PARTIAL}u + lane; i < end; i += 256u) { sum += x[i] * x[i]; }
  sum = sumOfGroup(sum, ${place(limits)});
  if (lane == 0u && part < p.groups) { partials[p.first + part] = sum; }
}`,
      workgroups: grid(groups),
      work: 2 * count,
    });
    first += groups;
  }
  launches.push({
    name: "sumSquares: partial sums",
    tensors: [read("partials", "scratch", scratch), write("y", 1)],
    sizes: { n: first },
    code: `${reductions(limits, SUM_OF_GROUP)}
@compute @workgroup_size(256) fn main(@builtin(local_invocation_index) lane: u32${exchange(limits)}) {
  var sum = 0.0;
  for (var i = lane; i < p.n; i += 256u) { sum += partials[i]; }
  sum = sumOfGroup(sum, ${place(limits)});
  if (lane == 0u) { y[0] = sum; }
}`,
    workgroups: [1, 1, 1],
    work: 4 * first,
  });
  return launches;
};

// `s` counts the segments that begin at or before the element. Whether the norm is finite is read from its bits, because
// compilers may take for granted that no number is infinite.
const STEP = `let e = i32(p.start + i);
  let d = g[i];
  g[i] = 0.0;
  if ((bitcast<u32>(squared[0]) & 0x7f800000u) == 0x7f800000u) { return; }
  var s = 0u;
  var after = p.segments;
  while (s < after) {
    let middle = (s + after) / 2u;
    if (segments[3u * middle] <= e) { s = middle + 1u; } else { after = middle; }
  }
  if (s == 0u || e >= segments[3u * s - 2u]) { return; }
  let row = 4u * u32(segments[3u * s - 1u]);
  if (rates[row + 2u] == 0.0) { return; }
  var clip = 1.0;
  if (p.maxNorm > 0.0) { clip = p.maxNorm / max(sqrt(squared[0]), p.maxNorm); }
  let slope = d * (clip * rates[row + 3u]);
  let first = p.beta1 * m[i] + p.rest1 * slope;
  let second = p.beta2 * v[i] + p.rest2 * slope * slope;
  m[i] = first;
  v[i] = second;
  w[i] -= rates[row] * (first / (sqrt(second) + p.epsilon) + rates[row + 1u] * w[i]);`;

const adam: Kernel = (
  { dims: [n, segments], floats: [beta1, rest1, beta2, rest2, epsilon, maxNorm], limits },
) =>
  elementwise({
    name: "adam",
    n,
    tensors: [
      ...[read("segments", 0), read("rates", 1), read("squared", 2)].map((one) => ({ ...one, whole: true })),
      write("w", 3),
      write("g", 4),
      write("m", 5),
      write("v", 6),
    ],
    body: STEP,
    sizes: {
      segments,
      beta1: f32(beta1),
      rest1: f32(rest1),
      beta2: f32(beta2),
      rest2: f32(rest2),
      epsilon: f32(epsilon),
      maxNorm: f32(maxNorm),
    },
  }, limits);

// The scale is a power of two, whose inverse is exact if it is made from its exponent: devices divide with an error.
const unscale: Kernel = ({ dims: [G, interval] }) => [{
  name: "unscale",
  tensors: [
    read("squared", 0),
    read("groups", 1),
    write("norm", 2),
    write("block", 3),
    write("scale", 4),
    write("streak", 5),
  ],
  sizes: { G, interval },
  code: `@compute @workgroup_size(1) fn main() {
  let by = scale[0];
  let inverse = bitcast<f32>(0x7f000000u - bitcast<u32>(by));
  var good = streak[0] + 1.0;
  if ((bitcast<u32>(squared[0]) & 0x7f800000u) == 0x7f800000u) { good = 0.0; }
  let grows = good >= f32(p.interval);
  norm[0] = squared[0] * inverse * inverse;
  for (var i = 0u; i < 4u * p.G; i++) { block[i] = groups[i] * select(1.0, inverse, i % 4u == 3u); }
  streak[0] = select(good, 0.0, grows);
  if (good == 0.0) { scale[0] = max(0.5 * by, 1.0); } else if (grows) { scale[0] = min(2.0 * by, 16777216.0); }
}`,
  workgroups: [1, 1, 1],
  work: 8 * G,
}];

/** The family of src/ops/optimizer.ts. */
export const optimizer = { sumSquares, adam, unscale } satisfies Record<keyof typeof family, Kernel>;
