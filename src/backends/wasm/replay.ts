// Replaying a step on one thread among several. `replayStep` runs on the calling thread and, as source text, in every
// worker, so it must not refer to anything outside itself. A thread takes its share of the rows of every pass; a barrier
// in shared memory separates passes: spin first, then sleep.

/** A step with addresses in place of names. */
export interface BoundStep {
  readonly kernel: string;
  /** Pointers, dims and floats, then three places that replay fills: pass, begin, end. */
  readonly args: number[];
  readonly rows: readonly number[];
  /** Where in `args` the thread's own workspace goes, or -1. */
  readonly workspaceAt: number;
}

/** Exported kernels by name. */
export type Kernels = Readonly<Record<string, (...args: number[]) => void>>;

/** Words of the control block in shared memory: threads at the barrier, barriers passed, and whether a thread failed. */
export const CONTROL_WORDS = 3;

/**
 * Runs one step on thread `thread` of `threads`; whether to go on: not after another thread has failed. A single thread
 * never touches `control`.
 */
export function replayStep(
  kernels: Kernels,
  { kernel, args, rows }: BoundStep,
  thread: number,
  threads: number,
  control: Int32Array,
): boolean {
  const run = kernels[kernel], at = args.length - 3;
  for (let pass = 0; pass < rows.length; pass++) {
    const begin = Math.floor(rows[pass] * thread / threads),
      end = Math.floor(rows[pass] * (thread + 1) / threads);
    if (begin < end) {
      args[at] = pass;
      args[at + 1] = begin;
      args[at + 2] = end;
      run(...args);
    }
    if (threads === 1) continue;
    const generation = Atomics.load(control, 1);
    if (Atomics.add(control, 0, 1) === threads - 1) {
      Atomics.store(control, 0, 0);
      Atomics.add(control, 1, 1);
      Atomics.notify(control, 1);
      continue;
    }
    for (let spin = 0; spin < 4000 && Atomics.load(control, 1) === generation; spin++);
    while (Atomics.load(control, 1) === generation) {
      if (Atomics.load(control, 2) !== 0) return false;
      Atomics.wait(control, 1, generation, 500);
    }
  }
  return true;
}
