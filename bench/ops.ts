// The ops, one by one: each case is compared with the float64 reference, then timed. Feeding inputs and handing back
// outputs is not the kernel's time: a run of few steps is timed beside a run of many and taken off. Ops that calculate
// are given in GFLOP/s, the others in GB/s of what they must move, as a share of copying within the same working set;
// that is a yardstick and no bound: an op that writes over its input can pass it. Other runtimes compete in the product.

import type { Device, Results } from "../src/backends/backend.ts";
import { openReference } from "../src/backends/reference.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { PRODUCT, productFlops, productJob, withJob } from "./jobs.ts";
import { alternate } from "./measure.ts";
import { type Check, type Timed, timedCases } from "./op_cases.ts";
import { openPeak, type Peak } from "./peak.ts";
import { raceAll } from "./race.ts";
import { remark, type Row, type Settings } from "./report.ts";
import { findRuntimes, flagRatio } from "./runtimes.ts";

async function run(device: Device, { plan, feeds }: Check): Promise<Results> {
  const program = device.load(plan, device.createStore({})), results = await program.run(feeds);
  program.free();
  return results;
}

/** Throws unless a device computes what the reference computes. */
export async function requireCorrect(device: Device, check: Check): Promise<void> {
  const got = await run(device, check), want = await run(openReference(), check);
  for (const [name, values] of Object.entries(want)) {
    let scale = 1;
    for (const value of values) scale = Math.max(scale, Math.abs(value));
    const wrong = values.findIndex((value, i) =>
      !(Math.abs(value - got[name][i]) <= check.tolerance * scale)
    );
    if (wrong < 0) continue;
    throw new Error(
      `${check.label}: ${name}[${wrong}] is ${got[name][wrong]}, not ${values[wrong]}: not timed`,
    );
  }
}

// Seconds of the repeated steps of a case.
async function secondsOf(device: Device, { plan, feeds, repeated }: Timed, quick: boolean): Promise<number> {
  const store = device.createStore({}), steps = repeated ?? plan.steps;
  const programOf = (times: number) =>
    device.load(
      { ...plan, steps: [...plan.steps, ...Array.from({ length: times }, () => steps).flat()] },
      store,
    );
  const once = programOf(0), twice = programOf(1);
  const few = { seconds: 0, least: 3 };
  const [first, second] = await alternate([() => once.run(feeds), () => twice.run(feeds)], few);
  const repeats = quick ? 10 : Math.max(1, Math.min(50, Math.ceil(0.1 / Math.max(second - first, 1e-3))));
  const many = programOf(repeats);
  const [without, total] = await alternate([() => once.run(feeds), () => many.run(feeds)], quick ? few : {});
  for (const program of [once, twice, many]) program.free();
  return Math.max(total - without, 1e-9) / repeats;
}

async function* benchCases(
  threads: number,
  peak: Peak,
  quick: boolean,
): AsyncGenerator<Row, void, undefined> {
  const at = { bench: "ops", runtime: "deno", threads } as const, flops = await peak.flops();
  const copies = new Map<number, number>(), rates = new Map<string, number>();
  yield { ...at, name: "peak-multiply-add", unit: "GFLOP/s", value: flops / 1e9 };
  using device = await openWasm({ threads });
  for (const timed of timedCases(quick)) {
    const { name, flops: work, moved, workingSet } = timed;
    for (const check of timed.checks) await requireCorrect(device, check);
    const seconds = await secondsOf(device, timed, quick);
    if (work > 0) {
      rates.set(name, work / seconds);
      yield { ...at, name, unit: "GFLOP/s", value: work / seconds / 1e9, peakShare: work / seconds / flops };
      continue;
    }
    const kib = Math.ceil(workingSet / 1024);
    if (!copies.has(kib)) {
      copies.set(kib, await peak.copy(1024 * kib));
      yield { ...at, name: `peak-copy-${kib}-kib`, unit: "GB/s", value: copies.get(kib)! / 1e9 };
    }
    const rate = moved / seconds;
    yield { ...at, name, unit: "GB/s", value: rate / 1e9, peakShare: rate / copies.get(kib)! };
  }
  for (const [name, rate] of rates) {
    if (!name.startsWith("attention")) continue;
    yield { ...at, name: `${name}-gemm-share`, unit: "%", value: 100 * rate / rates.get(PRODUCT.name)! };
  }
}

// The product in every runtime, in turns; with revectorisation as a ratio to the same runtime without.
async function* benchRuntimes(
  { threads, quick, node, note }: Settings,
): AsyncGenerator<Row, void, undefined> {
  await using runtimes = await findRuntimes(node);
  const { entrants, versions } = runtimes;
  note(versions);
  const repeats = quick ? 2 : 20;
  for (const count of threads) {
    const options = quick ? {} : { seconds: 4 };
    const found = await withJob(
      productJob(PRODUCT, count, repeats),
      (folder) => raceAll(entrants, folder, options),
    );
    for (const [runtime, seconds] of found) {
      const row = {
        bench: "ops",
        name: `${PRODUCT.name}-in-turns`,
        runtime,
        threads: count,
        unit: "GFLOP/s",
      };
      yield { ...row, value: repeats * productFlops(PRODUCT) / seconds / 1e9, ...flagRatio(found, runtime) };
    }
  }
}

/** Throughput of every case, then of the product in other runtimes. */
export async function* benchOps(settings: Settings): AsyncGenerator<Row, void, undefined> {
  for (const threads of settings.threads) {
    remark(`ops on ${threads} thread${threads === 1 ? "" : "s"}, each compared with the reference first`);
    using peak = await openPeak(threads);
    yield* benchCases(threads, peak, settings.quick);
  }
  yield* benchRuntimes(settings);
}
