// How fast a device is, in well under half a second besides what it takes to compile three kernels: its rate at a product of matrices of a middling size, what a launch
// costs that has next to nothing to do, how long a result takes to be read back. `auto` chooses by it, `foreword info` says
// by it how long a step will take. The numbers are estimates for one moment; benchmarks are in bench/.

import type { Device, Program, Store } from "./backends/backend.ts";
import { costOf, type Speed } from "./choose_device.ts";
import { BYTES } from "./core/dtype.ts";
import { Graph, type Value } from "./graph/graph.ts";
import { type Plan, plan } from "./graph/plan.ts";
import { add, project } from "./nn/layers.ts";

const LEAST_MS = 10; // of what is timed, or a clock and other work would show
const TURNS = 3; // so long, of which the fastest counts
const LONG_MS = 100; // what takes so long is timed once
const MOST_RUNS = 256;

// Rows and columns of the product, and how many of them make a run; tiny sums in a run. A GPU takes many rows at a time.
interface Sizes {
  readonly rows: number;
  readonly columns: number;
  readonly products: number;
  readonly sums: number;
}
const ROOMY = 16 * 2 ** 20; // bytes for which the sizes below need not be small
const SIZES: Readonly<Record<string, Sizes>> = {
  wasm: { rows: 480, columns: 768, products: 1, sums: 256 },
  webgpu: { rows: 1024, columns: 768, products: 4, sums: 256 },
  reference: { rows: 16, columns: 16, products: 1, sums: 4 },
};

/** Measures a device. What it held before it holds afterwards, but for temporaries of some MiB that other programs share. */
export async function measureSpeed(device: Device): Promise<Speed> {
  const { rows, columns, products, sums } = device.capacity < ROOMY
    ? SIZES.reference
    : SIZES[device.kind] ?? SIZES.wasm;
  const chain = repeated("launches", [64], sums, (x) => add(x, x));
  const product = repeated("product", [rows, columns], products, (x) => {
    return project(x, x.graph.state("w", [columns, columns]));
  });
  const pages = { x: BYTES * rows * columns, w: BYTES * columns * columns };
  const store = device.createStore(pages), programs: Program[] = [];
  const load = (of: Plan): Program => {
    const program = device.load(of, store);
    programs.push(program);
    return program;
  };
  try {
    const wait = await fastest(TURNS, () => timed(store, null, 0));
    const launch = await secondsOf(store, load(chain), wait) / sums;
    const seconds = await secondsOf(store, load(product), wait), { launches, work } = costOf([product]);
    const own = Math.max(seconds - launches * launch, seconds / 2);
    return { rate: work / own, launch, wait: wait / device.ahead };
  } finally {
    for (const program of programs) program.free();
    store.free();
  }
}

// The same step on what the one before it gave, all zeros; from a state and back into it, so that nothing is uploaded.
function repeated(name: string, shape: readonly number[], times: number, step: (x: Value) => Value): Plan {
  const graph = new Graph(name), state = graph.state("x", shape);
  let x = state;
  for (let i = 0; i < times; i++) x = step(x);
  graph.assign(state, x);
  return plan(graph, {});
}

// Seconds until so many runs are done, which a number that is read back tells.
async function timed(store: Store, program: Program | null, runs: number): Promise<number> {
  const began = performance.now();
  for (let i = 0; i < runs; i++) await program?.run({}, []);
  await store.read("x", 0, 1);
  return (performance.now() - began) / 1000;
}

async function fastest(turns: number, time: () => Promise<number>): Promise<number> {
  let best = Infinity;
  for (let i = 0; i < turns; i++) best = Math.min(best, await time());
  return best;
}

// Seconds of a run, from as many of them as take long enough to time. The first run compiles and is not timed.
async function secondsOf(store: Store, program: Program, wait: number): Promise<number> {
  await timed(store, program, 1);
  let runs = 1, taken = await timed(store, program, runs);
  while (1000 * (taken - wait) < LEAST_MS && runs < MOST_RUNS) {
    runs *= 4;
    taken = await timed(store, program, runs);
  }
  const turns = 1000 * taken < LONG_MS ? TURNS - 1 : 0;
  taken = Math.min(taken, await fastest(turns, () => timed(store, program, runs)));
  return Math.max(taken - wait, 1e-6) / runs; // a clock may be coarse
}
