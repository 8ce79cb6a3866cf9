// Sums and the like over threads of a workgroup, as functions in WGSL that kernels put before their code; every thread of
// the group must call them. Portable WGSL halves in workgroup memory, with a barrier for each halving. Where there are
// subgroups their threads combine by exchanging values first, and memory is only between subgroups. Either is a fixed tree.

import { type GpuLimits, GROUP } from "./kernel.ts";

/** What combines the values of threads. */
export interface Reduction {
  /** Name of the function: `name(value, ...)` gives each thread what the values of its team combine to. */
  readonly name: string;
  /** WGSL type of a value: a number or a vector. */
  readonly type: string;
  /** WGSL of what `a` and `b` combine to, whichever comes first. */
  readonly combined: string;
  /** Threads of a team, a power of two: neighbours. All 256 of the workgroup unless given. */
  readonly team?: number;
  /** Of a team, threads this far apart combine, a power of two; all of the team (1) unless given. */
  readonly step?: number;
}

/** `sumOfGroup` of f32 over a workgroup. */
export const SUM_OF_GROUP: Reduction = { name: "sumOfGroup", type: "f32", combined: "a + b" };

/** `mostOfGroup` of f32 over a workgroup. */
export const MOST_OF_GROUP: Reduction = { name: "mostOfGroup", type: "f32", combined: "max(a, b)" };

/** Parameters of an entry point that reductions need, behind others of which one is `lane`, the local invocation index. */
export const exchange = ({ subgroups }: GpuLimits): string =>
  subgroups ? ", @builtin(subgroup_size) peers: u32, @builtin(subgroup_invocation_id) peer: u32" : "";

/** Arguments of a reduction behind the value. */
export const place = ({ subgroups }: GpuLimits): string => subgroups ? "lane, peers, peer" : "lane";

/** WGSL of reductions for entry points of 256 threads. */
export const reductions = ({ subgroups }: GpuLimits, ...list: readonly Reduction[]): string =>
  [...(subgroups ? [REACH] : []), ...list.map(subgroups ? byExchange : inMemory)].join("\n");

const inMemory = ({ name, type, combined, team = GROUP, step = 1 }: Reduction): string =>
  `var<workgroup> ${name}Values: array<${type}, ${GROUP}>;
fn ${name}(value: ${type}, lane: u32) -> ${type} {
  ${name}Values[lane] = value;
  workgroupBarrier();
  for (var span = ${team / 2}u; span >= ${step}u; span >>= 1u) {
    if (lane % ${team}u < span) {
      let a = ${name}Values[lane];
      let b = ${name}Values[lane + span];
      ${name}Values[lane] = ${combined};
    }
    workgroupBarrier();
  }
  let all = ${name}Values[lane / ${team}u * ${team}u + lane % ${step}u];
  workgroupBarrier();
  return all;
}`;

// How many threads combine by exchanging values. WGSL does not say which threads are a subgroup, nor that all its places are
// taken. Whether they are a run of neighbours that begins at a multiple of their number, as drivers make them, is looked at
// here; else each thread stands for itself. A workgroup's subgroups are taken to be alike, as WGSL has it of their size.
const REACH = `fn reachOf(lane: u32, peer: u32) -> u32 {
  let first = subgroupBroadcastFirst(lane);
  let count = subgroupAdd(1u);
  let run = subgroupAll(lane == first + peer && peer < count);
  return select(1u, count, run && countOneBits(count) == 1u && first % count == 0u);
}`;

// Each round of a butterfly adds the same two numbers on both sides, so that all threads of a run hold the same; one of
// them for each step writes it, and every thread combines what the runs of its team wrote, first to last.
const byExchange = ({ name, type, combined, team = GROUP, step = 1 }: Reduction): string =>
  `var<workgroup> ${name}Values: array<${type}, ${GROUP}>;
fn ${name}(value: ${type}, lane: u32, peers: u32, peer: u32) -> ${type} {
  let reach = clamp(reachOf(lane, peer), ${step}u, ${team}u);
  var all = value;
  for (var mask = ${step}u; mask < min(peers, ${team}u); mask <<= 1u) {
    let a = all;
    let b = subgroupShuffleXor(all, mask);
    if (mask < reach) { all = ${combined}; }
  }
  if (lane % reach < ${step}u) { ${name}Values[lane] = all; }
  workgroupBarrier();
  let first = lane / ${team}u * ${team}u + lane % ${step}u;
  all = ${name}Values[first];
  for (var i = reach; i < ${team}u; i += reach) {
    let a = all;
    let b = ${name}Values[first + i];
    all = ${combined};
  }
  workgroupBarrier();
  return all;
}`;
