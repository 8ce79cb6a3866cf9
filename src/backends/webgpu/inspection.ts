// Attention probabilities to look at: a workgroup has one query of one head, scores go to the output and are made
// probabilities there. Attention that mixes values, and is fast, is in attention.ts.

import type { inspection as family } from "../../ops/inspection.ts";
import { BUILTINS, f32, grid, GROUP, GROUP_INDEX, type Kernel, read, write } from "./kernel.ts";
import { exchange, MOST_OF_GROUP, place, reductions, SUM_OF_GROUP } from "./reduce.ts";

const attentionWeights: Kernel = ({ dims: [B, T, H, D, causal], limits }) => [{
  name: "attentionWeights",
  tensors: [read("qkv", 0), read("lengths", 1), write("weights", 2)],
  sizes: { T, H, D, C: H * D, rows: B * H * T, causal, scale: f32(1 / Math.sqrt(D)) },
  code: `${GROUP_INDEX}
${reductions(limits, SUM_OF_GROUP, MOST_OF_GROUP)}
@compute @workgroup_size(${GROUP}) fn main(${BUILTINS}${exchange(limits)}) {
  let row = groupIndex(group, groups);
  if (row >= p.rows) { return; }
  let head = row / p.T; let query = row % p.T; let b = head / p.H;
  let live = u32(clamp(lengths[b], 0, i32(p.T)));
  let end = select(0u, select(live, query + 1u, p.causal != 0u), query < live);
  let at = b * p.T * 3u * p.C + head % p.H * p.D; let from_q = at + query * 3u * p.C; let to = row * p.T;
  var most = -3.4e38;
  for (var k = lane; k < p.T; k += ${GROUP}u) {
    var score = 0.0;
    if (k < end) {
      let from_k = at + (3u * k + 1u) * p.C;
      for (var d = 0u; d < p.D; d++) { score += qkv[from_q + d] * qkv[from_k + d]; }
      score *= p.scale;
      most = max(most, score);
    }
    weights[to + k] = score;
  }
  most = mostOfGroup(most, ${place(limits)});
  var sum = 0.0;
  for (var k = lane; k < end; k += ${GROUP}u) {
    let weight = exp(weights[to + k] - most);
    weights[to + k] = weight;
    sum += weight;
  }
  sum = sumOfGroup(sum, ${place(limits)});
  for (var k = lane; k < end; k += ${GROUP}u) { weights[to + k] /= sum; }
}`,
  workgroups: grid(B * H * T),
  work: B * H * T * T * D,
}];

/** The family of src/ops/inspection.ts. */
export const inspection = { attentionWeights } satisfies Record<keyof typeof family, Kernel>;
