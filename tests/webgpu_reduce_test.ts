// Reductions over threads: which kernels exchange values within subgroups and what their modules say of it; the text itself,
// run with made-up subgroups of every size and order, of which an adapter has one; and ops on the adapter's own. Other hosts
// run those in hosts/op_suite.ts.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { type GpuLimits, type Launch, PORTABLE, read, write } from "../src/backends/webgpu/kernel.ts";
import { launchesOf } from "../src/backends/webgpu/launches.ts";
import { shaderModule } from "../src/backends/webgpu/module.ts";
import {
  MOST_OF_GROUP,
  place,
  type Reduction,
  reductions,
  SUM_OF_GROUP,
} from "../src/backends/webgpu/reduce.ts";
import { Random } from "../src/core/random.ts";
import { openWebGpu } from "../src/backends/webgpu/device.ts";
import { assertRepeats, hasSubgroups } from "./hosts/op_suite.ts";
import { reductionJobs } from "./hosts/reduction_jobs.ts";
import { jobs } from "./op_jobs.ts";
import { type RunLaunches, withLaunches } from "./webgpu_launch_support.ts";
import { webGpuTest } from "./webgpu_support.ts";

const EXCHANGED: GpuLimits = { ...PORTABLE, subgroups: true };

const launchesOn = (limits: GpuLimits) => jobs.flatMap(({ plan }) => launchesOf(plan, limits));

const codeOf = (launch: Launch, half = false): string =>
  shaderModule(
    launch,
    launch.tensors.map(({ as }, i) => ({ buffer: i, offset: 0, bytes: 256, element: as ?? "f32", half })),
  ).code;

webGpuTest(
  "ops that reduce agree with the reference where the adapter has subgroups, run by run",
  async () => {
    using device = await openWebGpu({ poison: true });
    assert(hasSubgroups(device), "lavapipe has subgroups of eight");
    for (const job of reductionJobs) await assertRepeats(device, job);
  },
);

Deno.test("without the feature no module knows of subgroups", () => {
  for (const launch of launchesOn(PORTABLE)) assert(!/subgroup/i.test(codeOf(launch)), launch.name);
});

Deno.test("with the feature reductions exchange values, and such modules begin by enabling it", () => {
  const names = new Set<string>();
  for (const launch of launchesOn(EXCHANGED)) {
    const code = codeOf(launch), exchanging = /subgroup[A-Z]/.test(launch.code);
    assertEquals(code.startsWith("enable subgroups;\n"), exchanging, launch.name);
    assertEquals(code.split("enable ").length, exchanging ? 2 : 1, launch.name);
    assertEquals(/@builtin\(subgroup_/.test(launch.code), exchanging, launch.name);
    if (exchanging) names.add(launch.step.op);
  }
  assertEquals([...names].sort(), [
    "addLayerNorm",
    "attentionWeights",
    "cachedAttention",
    "columnSumInto",
    "crossEntropy",
    "crossEntropyGrad",
    "dot",
    "layerNormGrad",
    "linear",
    "linearCrossEntropy",
    "linearCrossEntropyTrain",
    "matmul",
    "matmulInto",
    "sampleTokens",
    "sumSquares",
  ]);
});

Deno.test("directives stand before everything else, also beside that of halves", () => {
  const launch = launchesOn(EXCHANGED).find(({ name }) => name === "dot")!;
  assertMatch(codeOf(launch), /^enable subgroups;\nstruct Sizes {/);
  assertMatch(codeOf(launch, true), /^enable f16;\nenable subgroups;\n(?!enable)/);
});

/** How the 256 threads of a workgroup are made into subgroups: of each its subgroup and its place there. */
interface Layout {
  readonly name: string;
  /** What the builtin `subgroup_size` is. */
  readonly peers: number;
  readonly seat: (lane: number) => readonly [subgroup: number, peer: number];
}

const runs = (count: number, peers = count): Layout => ({
  name: `runs of ${count}, called ${peers}`,
  peers,
  seat: (lane) => [Math.floor(lane / count), lane % count],
});

const layouts: readonly Layout[] = [
  ...[1, 2, 4, 8, 16, 32, 64, 128].map((count) => runs(count)),
  runs(16, 32), // half of the places are empty
  runs(8, 128),
  runs(5, 8), // the last of them is one thread
  {
    name: "runs that begin between multiples",
    peers: 8,
    seat: (lane) => [Math.floor((lane + 4) % 256 / 8), (lane + 4) % 8],
  },
  { name: "every eighth", peers: 32, seat: (lane) => [lane % 8, Math.floor(lane / 8)] },
  { name: "backwards", peers: 32, seat: (lane) => [Math.floor(lane / 32), 31 - lane % 32] },
  { name: "pairs of runs swapped", peers: 8, seat: (lane) => [Math.floor(lane / 8), (lane % 8) ^ 4] },
  {
    name: "quads of 2 x 2 in rows of 16",
    peers: 4,
    seat: (lane) => [
      Math.floor(lane / 32) * 8 + Math.floor(lane % 16 / 2),
      lane % 2 + 2 * (Math.floor(lane / 16) % 2),
    ],
  },
];

// The functions of subgroups, by way of workgroup memory. `homes` has the thread at each place of each subgroup, -1 where
// there is none; an exchange with nobody gives a number that must not show.
const exchangeOf = (type: string): string =>
  `var<workgroup> held: array<${type}, 256>;
fn madeUpShuffleXor(value: ${type}, mask: u32) -> ${type} {
  held[me] = value;
  workgroupBarrier();
  let home = homes[u32(seats[me]) ^ mask];
  var got = ${type}(12345678);
  if (home >= 0) { got = held[home]; }
  workgroupBarrier();
  return got;
}`;

const MADE_UP = `var<private> me: u32;
var<workgroup> said: array<u32, 256>;
fn madeUpBroadcastFirst(value: u32) -> u32 {
  said[me] = value;
  workgroupBarrier();
  let base = u32(seats[me]) / 128u * 128u;
  var got = 0u;
  for (var i = 0u; i < 128u; i++) { if (homes[base + i] >= 0) { got = said[homes[base + i]]; break; } }
  workgroupBarrier();
  return got;
}
fn madeUpAdd(value: u32) -> u32 {
  said[me] = value;
  workgroupBarrier();
  let base = u32(seats[me]) / 128u * 128u;
  var sum = 0u;
  for (var i = 0u; i < 128u; i++) { if (homes[base + i] >= 0) { sum += said[homes[base + i]]; } }
  workgroupBarrier();
  return sum;
}
fn madeUpAll(value: bool) -> bool { return madeUpAdd(select(1u, 0u, value)) == 0u; }
`;

/** A reduction with what each thread gives, from its number `v`, and what is looked at of the result `r`. */
interface Trial {
  readonly reduction: Reduction;
  readonly value: string;
  readonly shown: string;
  readonly host: (values: readonly number[]) => number;
}

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
const add = "a + b", counted = (v: number): number => Math.floor(Math.fround(1000 * v + 8000));
const trials: readonly Trial[] = [
  { reduction: SUM_OF_GROUP, value: "v", shown: "r", host: sum },
  { reduction: MOST_OF_GROUP, value: "v", shown: "r", host: (values) => Math.max(...values) },
  {
    reduction: { name: "countOf", type: "vec3u", combined: add },
    value: "vec3u(vec2u(1u), u32(1000.0 * v + 8000.0))",
    shown: "f32(r.z - r.x)",
    host: (values) => sum(values.map(counted)) - 256,
  },
  ...[8, 64, 128].map((team): Trial => ({
    reduction: { name: "sumOfTeam", type: "vec2f", combined: add, team },
    value: "vec2f(v, 2.0 * v)",
    shown: "r.x + r.y",
    host: (values) => 3 * sum(values),
  })),
  { reduction: { name: "sumOf", type: "f32", combined: add, team: 32 }, value: "v", shown: "r", host: sum },
  { reduction: { name: "sumOf", type: "f32", combined: add, step: 16 }, value: "v", shown: "r", host: sum },
  {
    reduction: { name: "sumOf", type: "vec4f", combined: add, step: 4 },
    value: "vec4f(v)",
    shown: "dot(r, vec4f(1.0))",
    host: (values) => 4 * sum(values),
  },
];

const random = new Random(3, "reductions"), numbers = Array.from({ length: 256 }, () => random.normal());

// The reduction is taken twice, the second time of the numbers by the complement of the lane: memory is used again.
async function take(run: RunLaunches, { reduction, value, shown }: Trial, layout?: Layout) {
  const limits = layout ? EXCHANGED : PORTABLE, { name, type } = reduction;
  const seats = new Int32Array(256), homes = new Int32Array(256 * 128).fill(-1);
  for (let lane = 0; lane < 256 && layout; lane++) {
    const [subgroup, peer] = layout.seat(lane);
    seats[lane] = 128 * subgroup + peer;
    homes[seats[lane]] = lane;
  }
  const code = `${layout ? MADE_UP + exchangeOf(type) : ""}
${reductions(limits, reduction).replaceAll(/\bsubgroup(?=[A-Z])/g, "madeUp")}
@compute @workgroup_size(256) fn main(@builtin(local_invocation_index) lane: u32) {
  ${layout ? "me = lane; let peers = p.peers; let peer = u32(seats[lane]) % 128u;" : ""}
  for (var turn = 0u; turn < 2u; turn++) {
    let v = x[select(lane, 255u - lane, turn == 1u)];
    let r = ${name}(${value}, ${place(limits)});
    y[256u * turn + lane] = ${shown};
  }
}`;
  const launch: Launch = {
    name,
    tensors: [read("x", 0), write("y", 1), ...(layout ? [read("seats", 2), read("homes", 3)] : [])],
    sizes: { peers: layout?.peers ?? 1 },
    code,
    workgroups: [1, 1, 1],
  };
  const [y] = await run(
    [launch],
    [Float32Array.from(numbers), new Float32Array(512).fill(NaN), seats, homes],
    [1],
  );
  return y;
}

webGpuTest(
  "reductions are right for every size and order of subgroups, and the same in all of a team",
  () =>
    withLaunches(async (run) => {
      for (const layout of [undefined, ...layouts]) {
        for (const trial of trials) {
          const { reduction: { name, type, team = 256, step = 1 }, host } = trial;
          const what = `${name} of ${type}, teams of ${team}, steps of ${step}, ${
            layout?.name ?? "portable"
          }`;
          const got = await take(run, trial, layout);
          for (let i = 0; i < 512; i++) {
            const lane = i % 256, mates: number[] = [];
            for (let j = lane % step; j < team; j += step) {
              const mate = Math.floor(lane / team) * team + j;
              mates.push(Math.fround(numbers[i < 256 ? mate : 255 - mate]));
            }
            const want = host(mates), error = Math.abs(got[i] - want);
            assert(
              error <= 1e-5 * Math.max(Math.abs(want), 100),
              `${what}: [${i}] is ${got[i]}, not ${want}`,
            );
            const first = i - i % team + i % step; // the first of those that combine
            assertEquals(got[i], got[first], `${what}: [${i}] and [${first}]`);
          }
          assertEquals(await take(run, trial, layout), got, `${what}: a second time`);
        }
      }
    }),
);
