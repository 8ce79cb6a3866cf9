// The register tiles of the matrix product: each gives the bits of the others on any number of threads, alone and inside
// the ops that are built on the product, and the probe returns one of them and keeps to its rules.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Random } from "../src/core/random.ts";
import { sizeOf } from "../src/core/shape.ts";
import type { Feeds, Results } from "../src/backends/backend.ts";
import { openReference } from "../src/backends/reference.ts";
import type { WasmOptions } from "../src/backends/wasm/builds.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { Memory } from "../src/backends/wasm/memory.ts";
import { fastestTile, type TileName, TILES } from "../src/backends/wasm/probe.ts";
import type { Kernels } from "../src/backends/wasm/replay.ts";
import { Graph } from "../src/graph/graph.ts";
import { type Plan, plan } from "../src/graph/plan.ts";
import { ops } from "../src/ops/mod.ts";
import { forwardPlan, samples } from "./op_cases.ts";

// Sizes that are no multiples of a tile, k in more than one stretch, more columns than a block of the loops holds; single
// rows, of few columns and many; and five rows, which the unpacked product takes as four and one.
const SHAPES = [
  [20, 36, 801],
  [13, 290, 9],
  [61, 49, 6],
  [12, 16, 400],
  [1, 50, 2100],
  [1, 2100, 9],
  [1, 300, 30],
  [5, 40, 30],
] as const;

function products([m, n, k]: readonly [number, number, number]): { plan: Plan; feeds: Feeds } {
  const graph = new Graph("products"), random = new Random(m, "tiles");
  const values = (size: number): Float32Array => Float32Array.from({ length: size }, () => random.normal());
  const shapes = { x: [m, k], w: [k, n], b: [n], xt: [k, m], wt: [n, k], acc: [m, n] };
  const feeds = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, values(sizeOf(shape))]),
  );
  const [x, w, b, xt, wt, acc] = Object.entries(shapes).map(([name, shape]) =>
    graph.input(name, shape, "f32")
  );
  const [linear] = graph.apply(ops.linear, [x, w, b]);
  const [product] = graph.apply(ops.matmul, [x, wt], { ta: false, tb: true });
  const [sum] = graph.apply(ops.matmulInto, [xt, w, acc], { ta: true, tb: false });
  return { plan: plan(graph, { linear, product, sum }), feeds };
}

const jobs: { plan: Plan; feeds: Feeds }[] = [
  ...SHAPES.map(products),
  ...samples().filter(({ op }) => /matmul|linear/.test(op.name)).map((sample) => ({
    plan: forwardPlan(sample),
    feeds: sample.feeds,
  })),
];

async function results(options: WasmOptions): Promise<Results[]> {
  using device = await openWasm({ ...options, poison: true });
  const found: Results[] = [];
  for (const { plan, feeds } of jobs) found.push(await device.load(plan, device.createStore({})).run(feeds));
  return found;
}

for (const build of ["relaxed", "simd"] as const) {
  Deno.test(`all tiles give the same bits in the ${build} build, on 1, 2 and 3 threads`, async () => {
    const [first] = TILES, want = await results({ build, tile: first, threads: 1 });
    for (const tile of TILES) {
      for (const threads of [1, 2, 3]) {
        if (tile !== first || threads > 1) assertEquals(await results({ build, tile, threads }), want);
      }
    }
  });
}

Deno.test("products of odd sizes agree with the reference", async () => {
  const got = await results({ tile: "6x16", threads: 2 }), reference = openReference();
  for (const [i, shape] of SHAPES.entries()) {
    const { plan, feeds } = jobs[i];
    const want = await reference.load(plan, reference.createStore({})).run(feeds);
    for (const [name, values] of Object.entries(want)) {
      values.forEach((value, k) => {
        const error = Math.abs(value - got[i][name][k]);
        assert(error < 1e-6 * shape[2] + 1e-5, `${shape}: ${name}[${k}] is ${got[i][name][k]}, not ${value}`);
      });
    }
  }
});

Deno.test("a row has the same bits alone, among few and among many", async () => {
  const [n, k] = [83, 71], random = new Random(7, "rows");
  const values = (size: number): Float32Array => Float32Array.from({ length: size }, () => random.normal());
  const x = values(9 * k), w = values(k * n), b = values(n), wt = values(n * k);
  using device = await openWasm({ threads: 2 });
  const firstRow = async (m: number): Promise<Float32Array[]> => {
    const graph = new Graph("rows"), rows = graph.input("x", [m, k], "f32");
    const [linear] = graph.apply(ops.linear, [rows, graph.constant(w, [k, n]), graph.constant(b, [n])]);
    const [product] = graph.apply(ops.matmul, [rows, graph.constant(wt, [n, k])], { ta: false, tb: true });
    const program = device.load(plan(graph, { linear, product }), device.createStore({}));
    const found = await program.run({ x: x.subarray(0, m * k) });
    return [found.linear, found.product].map((y) => (y as Float32Array).slice(0, n));
  };
  const alone = await firstRow(1);
  for (const m of [2, 5, 8, 9]) assertEquals(await firstRow(m), alone, `${m} rows`);
});

Deno.test("a device says which tile it uses: the one asked for, or one that the probe found", async () => {
  for (const tile of TILES) {
    using device = await openWasm({ tile, threads: 1 });
    assertStringIncludes(device.description, `${tile} tiles`);
  }
  using device = await openWasm({ threads: 1 });
  assert(TILES.some((tile) => device.description.includes(`${tile} tiles`)), device.description);
});

// What the probe chooses if the tiles take these times, from slow beginnings on: [before, after, calls until then].
function chosen(...times: readonly (readonly [before: number, after: number, calls: number])[]): TileName {
  const memory = new Memory(false, 4096), calls = times.map(() => 0);
  let clock = 0;
  const matmul = (): void => {
    const tile = memory.ints(3584, 1)[0], [before, after, until] = times[tile];
    clock += calls[tile]++ < until ? before : after;
  };
  const used = memory.used, tile = fastestTile({ matmul } as unknown as Kernels, memory, () => clock);
  assertEquals(memory.used, used, "what the probe took is given back");
  assert(clock < 25, `the probe took ${clock} ms`);
  return tile;
}

Deno.test("the probe prefers the fastest tile, and the first where it cannot tell", () => {
  assertEquals(chosen([0.02, 0.006, 50], [0.023, 0.008, 50]), "6x8");
  assertEquals(chosen([0.02, 0.004, 30], [0.04, 0.003, 90]), "6x16");
  assertEquals(chosen([0.02, 0.004, 30], [0.04, 0.0038, 90]), "6x8", "too close");
  assertEquals(chosen([0.02, 0.02, 0], [0.04, 0.003, 30]), "6x8", "the first has not been optimized yet");
  assertEquals(chosen([0.006, 0.006, 0], [0.003, 0.003, 0]), "6x16", "both were optimized long ago");
  assertEquals(chosen([0, 0, 0], [0.1, 0.1, 0]), "6x8", "a clock too coarse");
  assertEquals(chosen([5, 5, 0], [7, 7, 0]), "6x8", "an engine too slow");
});
