// Two clocks for work on a GPU. The host's clock sees all, waiting and starting included; the GPU's timestamps see how long
// its compute passes took. Rows say which one they come from. What is timed is up to the benchmarks.

import type { GpuTimer } from "../src/backends/webgpu/timer.ts";
import { median } from "./measure.ts";

/** Where seconds come from: timestamps of the GPU, or the clock of the host. */
export type Clock = "gpu" | "host";

/** Seconds that some work took. */
export interface Spent {
  /** By the host's clock, from the first command to the last result. */
  readonly wall: number;
  /** Of all compute passes together, by the GPU's timestamps; `null` without any of use. */
  readonly busy: number | null;
}

/** Seconds with where they come from. */
export interface Seconds {
  readonly seconds: number;
  readonly clock: Clock;
}

/** Does some work, which ends with a wait for the GPU, and takes its time by both clocks. */
export async function spent(timer: GpuTimer | null, work: () => Promise<unknown>): Promise<Spent> {
  timer?.start();
  const began = performance.now();
  await work();
  const wall = (performance.now() - began) / 1000, busy = await timer?.stop() ?? null;
  return { wall, busy: busy && busy.nanoseconds / 1e9 };
}

/** The median of several. */
export function middle(all: readonly Spent[]): Spent {
  const busy = all.map(({ busy }) => busy);
  return {
    wall: median(all.map(({ wall }) => wall)),
    busy: busy.every((seconds) => seconds !== null) ? median(busy) : null,
  };
}

/** By the GPU's timestamps, or by the host's clock where there are none. */
export const clocked = ({ wall, busy }: Spent): Seconds =>
  busy === null ? { seconds: wall, clock: "host" } : { seconds: busy, clock: "gpu" };

const TURNS = 3, MOST = 2000; // runs between two waits at most

/**
 * Seconds of one run, from batches of runs long enough to time: runs follow each other without waiting. The host's clock
 * is corrected by what a batch of none takes, since a wait alone takes 11 ms in Deno.
 *
 * @param batch Starts so many runs and waits for the last.
 * @param least Seconds that a batch should take.
 */
export async function spentOnRun(
  timer: GpuTimer | null,
  batch: (runs: number) => Promise<unknown>,
  least: number,
): Promise<Spent> {
  const wallOf = async (runs: number) => (await spent(null, () => batch(runs))).wall;
  await batch(1);
  const one = Math.max(1e-6, await wallOf(1) - await wallOf(0));
  const few = Math.max(1, Math.min(MOST, Math.ceil(least / 10 / one))); // one alone may be nothing but a wait
  const each = Math.max(1e-6, (await wallOf(few) - await wallOf(0)) / few);
  const runs = Math.max(1, Math.min(MOST, Math.ceil(least / each)));
  const all: Spent[] = [];
  for (let i = 0; i < TURNS; i++) {
    const { wall, busy } = await spent(timer, () => batch(runs)), none = await wallOf(0);
    all.push({ wall: Math.max(1e-9, wall - none) / runs, busy: busy && busy / runs });
  }
  return middle(all);
}

/**
 * Whether timestamps of the GPU can be believed, by something that keeps it busy all the time: some runtimes hand out
 * the driver's ticks in place of nanoseconds.
 */
export const believable = ({ wall, busy }: Spent): boolean =>
  busy !== null && busy < 2 * wall && wall < 2 * busy;
