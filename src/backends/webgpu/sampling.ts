// The next token from logits, one workgroup a row, and what is fed to the run after it. Limits are found by their bits
// instead of by sorting: a float's order is that of an integer key, and a threshold is built from the highest bits down,
// two at a time. Sums are taken in a fixed order, so that the same logits and chance give the same token every time.

import type { sampling as family } from "../../ops/sampling.ts";
import { BUILTINS, type GpuLimits, grid, GROUP_INDEX, i32, type Kernel, read, write } from "./kernel.ts";
import { exchange, place, type Reduction, reductions } from "./reduce.ts";

const MOST: Reduction = { name: "mostOf", type: "u32", combined: "max(a, b)" };
const COUNTS: Reduction = { name: "countsOf", type: "vec3u", combined: "a + b" };
const MASSES: Reduction = { name: "massesOf", type: "vec3f", combined: "a + b" };

// Logits are read as bits, so that no device flushes or canonicalises them before they are compared.
const sample = (limits: GpuLimits): string =>
  `${GROUP_INDEX}
${reductions(limits, MOST, COUNTS, MASSES)}
var<workgroup> limits: vec3f;
var<workgroup> tied: array<u32, 256>;
var<workgroup> shares: array<f32, 256>;

// Integers in the order of floats, both zeros the same; NaN comes above all.
fn keyAt(at: u32) -> u32 {
  let bits = logits[at];
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return 0xffffffffu; }
  if ((bits << 1u) == 0u) { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

fn valueOf(key: u32) -> f32 { return bitcast<f32>(select(~key, key & 0x7fffffffu, key >= 0x80000000u)); }

fn weight(key: u32, top: f32, temperature: f32) -> f32 {
  if (key <= 0x007fffffu) { return 0.0; } // -infinity
  return exp(max((valueOf(key) - top) / temperature, -100.0));
}

@compute @workgroup_size(256) fn main(${BUILTINS}${exchange(limits)}) {
  let row = groupIndex(group, groups);
  if (row >= p.rows) { return; }
  let base = row * p.width;
  if (lane == 0u) { limits = vec3f(settings[0], settings[1], settings[2]); }
  let chosen = workgroupUniformLoad(&limits);

  var most = 0u;
  for (var i = lane; i < p.vocab; i += 256u) { most = max(most, keyAt(base + i)); }
  most = mostOf(most, ${place(limits)});
  var first = 0u; // the complement of its number: the least is the most
  for (var i = lane; i < p.vocab; i += 256u) { if (keyAt(base + i) == most) { first = max(first, ~i); } }
  first = ~mostOf(first, ${place(limits)});
  let readable = most > 0x007fffffu && most < 0xff800000u;
  if (chosen.x == 0.0) {
    if (lane == 0u) { tokens[p.start + row] = select(-1, i32(first), readable); }
    return;
  }

  let top = valueOf(most);
  let temperature = max(chosen.x, 1e-37);
  // Kept are keys above \`edge\`, and the first \`ties\` of those at it.
  var edge = 0u;
  var ties = 0u;
  if (chosen.y < f32(p.vocab)) {
    let wanted = u32(chosen.y);
    var above = 0u;
    for (var level = 0u; level < 16u; level++) {
      let tries = vec3u(edge) | (vec3u(1u, 2u, 3u) << vec3u(30u - 2u * level));
      var counts = vec3u(0u);
      for (var i = lane; i < p.vocab; i += 256u) {
        counts += select(vec3u(0u), vec3u(1u), vec3u(keyAt(base + i)) >= tries);
      }
      counts = countsOf(counts, ${place(limits)});
      if (counts.z >= wanted) { edge = tries.z; }
      else if (counts.y >= wanted) { edge = tries.y; above = counts.z; }
      else if (counts.x >= wanted) { edge = tries.x; above = counts.y; }
      else { above = counts.x; }
    }
    ties = wanted - above;
  }
  if (chosen.z < 1.0) {
    var mass = 0.0;
    for (var i = lane; i < p.vocab; i += 256u) {
      let key = keyAt(base + i);
      if (key > edge) { mass += weight(key, top, temperature); }
    }
    mass = massesOf(vec3f(mass), ${place(limits)}).x;
    if (ties > 0u) { mass += f32(ties) * weight(edge, top, temperature); }
    let wanted = chosen.z * mass;
    var low = 0u;
    var above = 0.0;
    for (var level = 0u; level < 16u; level++) {
      let tries = vec3u(low) | (vec3u(1u, 2u, 3u) << vec3u(30u - 2u * level));
      var masses = vec3f(0.0);
      for (var i = lane; i < p.vocab; i += 256u) {
        let key = keyAt(base + i);
        if (key >= tries.x) {
          masses += select(vec3f(0.0), vec3f(weight(key, top, temperature)), vec3u(key) >= tries);
        }
      }
      masses = massesOf(masses, ${place(limits)});
      if (tries.z <= edge || masses.z >= wanted) { low = tries.z; }
      else if (tries.y <= edge || masses.y >= wanted) { low = tries.y; above = masses.z; }
      else if (tries.x <= edge || masses.x >= wanted) { low = tries.x; above = masses.y; }
      else { above = masses.x; }
    }
    let least = max(weight(low, top, temperature), 1e-37);
    let needed = u32(clamp(ceil((wanted - above) / least), 1.0, f32(p.vocab)));
    ties = select(needed, min(ties, needed), low == edge);
    edge = low;
  }

  // Each thread takes neighbouring tokens; ranks among ties and sums run on from thread to thread.
  let span = (p.vocab + 255u) / 256u;
  let begin = min(lane * span, p.vocab);
  let end = min(begin + span, p.vocab);
  var here = 0u;
  for (var i = begin; i < end; i++) { if (keyAt(base + i) == edge) { here++; } }
  tied[lane] = here;
  workgroupBarrier();
  var rank = 0u;
  for (var i = 0u; i < lane; i++) { rank += tied[i]; }
  var share = 0.0;
  var seen = rank;
  for (var i = begin; i < end; i++) {
    let key = keyAt(base + i);
    if (key > edge || (key == edge && seen < ties)) { share += weight(key, top, temperature); }
    if (key == edge) { seen++; }
  }
  shares[lane] = share;
  workgroupBarrier();
  var sum = 0.0;
  var total = 0.0;
  for (var i = 0u; i < 256u; i++) {
    if (i == lane) { sum = total; }
    total += shares[i];
  }
  // A chance may have been rounded to 1; the sum must still pass it.
  let aim = min(chances[p.start + row] * total, bitcast<f32>(bitcast<u32>(total) - 1u));
  let winner = ~mostOf(select(0u, ~lane, sum + share > aim), ${place(limits)});
  if (lane != min(winner, 255u)) { return; }
  var token = first;
  seen = rank;
  for (var i = begin; i < end; i++) {
    let key = keyAt(base + i);
    let kept = key > edge || (key == edge && seen < ties);
    if (key == edge) { seen++; }
    if (!kept) { continue; }
    let mass = weight(key, top, temperature);
    if (mass > 0.0) { token = i; }
    sum += mass;
    if (sum > aim) { break; }
  }
  tokens[p.start + row] = select(-1, i32(token), readable);
}`;

// Rows of logits that one binding holds; a window starts at a multiple of 256 bytes.
function rowsOfWindow(rows: number, width: number, { bindingBytes }: GpuLimits): number {
  const most = Math.floor(bindingBytes / (4 * width));
  return rows <= most ? rows : Math.max(64, Math.floor(most / 64) * 64);
}

const sampleTokens: Kernel = ({ dims: [B, R, V], limits }) => {
  const window = rowsOfWindow(B, R, limits);
  return Array.from({ length: Math.ceil(B / window) }, (_, i) => {
    const start = i * window, rows = Math.min(window, B - start);
    return {
      name: "sampleTokens",
      tensors: [
        read("logits", 0, { as: "u32", offset: 4 * start * R, bytes: 4 * rows * R }),
        read("settings", 1),
        read("chances", 2),
        write("tokens", 3),
      ],
      sizes: { rows, start, width: R, vocab: V },
      code: sample(limits),
      workgroups: grid(rows),
      work: 200 * rows * V,
    };
  });
};

const nextInputs: Kernel = ({ dims: [B, first, context] }) => [{
  name: "nextInputs",
  tensors: [
    read("given", 0),
    read("tokens", 1),
    read("positions", 2),
    write("ids", 3),
    write("extents", 4),
    write("next", 5),
  ],
  sizes: { rows: B, first: i32(first), context: i32(context) },
  code: `@compute @workgroup_size(256) fn main(@builtin(local_invocation_index) lane: u32) {
  for (var b = lane; b < p.rows; b += 256u) {
    let token = select(given[2u * b], tokens[b], given[2u * b] < 0);
    let place = select(given[2u * b + 1u], positions[b], given[2u * b + 1u] < 0);
    let position = min(place, p.context - 1);
    ids[2u * b] = max(0, token);
    ids[2u * b + 1u] = p.first + position;
    extents[2u * b] = position;
    extents[2u * b + 1u] = 1;
    next[b] = position + 1;
  }
}`,
  workgroups: [1, 1, 1],
}];

/** The family of src/ops/sampling.ts. */
export const sampling = { sampleTokens, nextInputs } satisfies Record<keyof typeof family, Kernel>;
