// Sums over a workgroup in workgroup memory, in a fixed tree: portable WGSL has no subgroups. Kernels put these functions
// before their code; every thread of the group must call them.

/** WGSL: `sumOfGroup(value, lane)` gives every one of 256 threads the sum of all their values. */
export const SUM_OF_GROUP = `var<workgroup> sums: array<f32, 256>;
fn sumOfGroup(value: f32, lane: u32) -> f32 {
  sums[lane] = value;
  workgroupBarrier();
  for (var span = 128u; span > 0u; span >>= 1u) {
    if (lane < span) { sums[lane] += sums[lane + span]; }
    workgroupBarrier();
  }
  let total = sums[0];
  workgroupBarrier();
  return total;
}`;

/** WGSL: `mostOfGroup(value, lane)` gives every one of 256 threads the largest of their values. */
export const MOST_OF_GROUP = `var<workgroup> mosts: array<f32, 256>;
fn mostOfGroup(value: f32, lane: u32) -> f32 {
  mosts[lane] = value;
  workgroupBarrier();
  for (var span = 128u; span > 0u; span >>= 1u) {
    if (lane < span) { mosts[lane] = max(mosts[lane], mosts[lane + span]); }
    workgroupBarrier();
  }
  let most = mosts[0];
  workgroupBarrier();
  return most;
}`;
