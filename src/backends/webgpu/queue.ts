// Submitting runs in order and by time. A command buffer holds about 50 ms of estimated work, because a longer one freezes a
// page or trips the driver's watchdog; at most about 100 ms are queued before the next run waits. Estimates become times by
// a rate that is measured while the device has something to do. In Deno a wait costs 11 ms, so runs do not wait for each
// other otherwise.

import type { Memory } from "./memory.ts";
import type { GpuTimer } from "./timer.ts";

/** Something to dispatch. */
export interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
  /** Estimated operations. */
  readonly work: number;
}

/** A run, encoded when its turn comes. */
export interface Run<T> {
  /** Handed back once the run is submitted. */
  readonly value: T;
  readonly before: (encoder: GPUCommandEncoder) => void;
  readonly launches: readonly Dispatch[];
  readonly after: (encoder: GPUCommandEncoder) => void;
}

const SUBMIT_MS = 50, QUEUE_MS = 100;

/** The queue of a device. */
export class Queue {
  /** Command buffers submitted so far. */
  submits = 0;
  #last: Promise<unknown> = Promise.resolve();
  #queued: { readonly work: number; readonly done: Promise<void> }[] = [];
  #rate: number; // operations in a millisecond
  #since = 0; // when the device last got something to do, and what it has done since
  #done = 0;

  constructor(
    readonly memory: Memory,
    software: boolean,
    readonly timer: GpuTimer | null = null,
    readonly now: () => number = () => performance.now(),
  ) {
    this.#rate = software ? 1e6 : 1e9;
  }

  /** Does something after all that came before was submitted. */
  then(action: () => void): void {
    this.#last = this.#last.then(action, action);
  }

  /** Encodes and submits a run after those before it; resolves once it is submitted. */
  run<T>(encode: () => Run<T>): Promise<T> {
    const turn = this.#last.then(async () => {
      await this.#room();
      const { value, before, launches, after } = encode();
      await this.memory.settled();
      this.#submit(before, launches, after);
      return value;
    });
    this.#last = turn.catch(() => {});
    return turn;
  }

  // Waits until no more than QUEUE_MS of work is under way.
  async #room(): Promise<void> {
    const total = () => this.#queued.reduce((sum, { work }) => sum + work, 0);
    while (this.#queued.length > 0 && total() > QUEUE_MS * this.#rate) await this.#queued[0].done;
  }

  #submit(
    before: Run<unknown>["before"],
    launches: readonly Dispatch[],
    after: Run<unknown>["after"],
  ): void {
    const { device } = this.memory, limit = SUBMIT_MS * this.#rate;
    if (this.#queued.length === 0) {
      this.#since = this.now();
      this.#done = 0;
    }
    let encoder = device.createCommandEncoder(), pass: GPUComputePassEncoder | null = null;
    let held = 0, total = 0;
    const flush = (): void => {
      pass?.end();
      pass = null;
      device.queue.submit([encoder.finish()]);
      this.submits++;
      held = 0;
    };
    before(encoder);
    for (const { pipeline, group, workgroups: [x, y, z], work } of launches) {
      if (held > 0 && held + work > limit) {
        flush();
        encoder = device.createCommandEncoder();
      }
      pass ??= encoder.beginComputePass(this.timer?.pass(encoder));
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(x, y, z);
      held += work;
      total += work;
    }
    pass?.end();
    pass = null;
    after(encoder);
    flush();
    const entry = {
      work: total,
      done: device.queue.onSubmittedWorkDone().then(() => {
        this.#queued = this.#queued.filter((other) => other !== entry);
        this.#measure(total);
      }, () => {}),
    };
    this.#queued.push(entry);
  }

  // Work that is done in a while is a rate that the device has at least: one that is fast is found out by it however short
  // its runs are, one that is slow once it has taken longer than a wait does. Half of what is long ago is forgotten.
  #measure(work: number): void {
    this.#done += work;
    const elapsed = Math.max(1, this.now() - this.#since), seen = this.#done / elapsed;
    if (seen > this.#rate || elapsed > QUEUE_MS / 4) this.#rate = seen;
    if (elapsed < 10 * QUEUE_MS) return;
    this.#since += elapsed / 2;
    this.#done /= 2;
  }
}
