// Measuring: medians of runs that alternate, because what else a machine does changes from second to second and must meet
// all that is compared alike. What is measured is up to the benchmarks.

/** The middle of some numbers. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b), middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Something to time. */
export type Job = () => Promise<unknown>;

/**
 * Median seconds of each job. The jobs take turns, after a first turn that does not count, until `seconds` have passed and
 * each has had `least` turns.
 */
export async function alternate(
  jobs: readonly Job[],
  { seconds = 1, least = 5 }: { seconds?: number; least?: number } = {},
): Promise<number[]> {
  const times = jobs.map((): number[] => []);
  for (const job of jobs) await job();
  const until = performance.now() + 1000 * seconds;
  while (performance.now() < until || times[0].length < least) {
    for (const [i, job] of jobs.entries()) {
      const began = performance.now();
      await job();
      times[i].push((performance.now() - began) / 1000);
    }
  }
  return times.map(median);
}
