// How long the GPU is busy, from timestamps at the borders of compute passes: for benchmarks. A device has no timer unless it
// is opened with one; then the queue asks it at every pass it begins. Nothing here knows what a pass computes. Timestamps
// may be rounded by the browser, reset by the driver or not written at all, so that what comes out is to be compared with the
// host's clock once before it is believed.

import { bufferUsage, mapMode } from "./flags.ts";

/** What the compute passes of a while took. */
export interface Busy {
  /** Of all passes together; one whose timestamps make no sense counts as the mean of the others. */
  readonly nanoseconds: number;
  /** How many passes there were. */
  readonly passes: number;
  /** How many of them had timestamps that make no sense: an end before the beginning, or a zero. */
  readonly discarded: number;
}

const PASSES = 2048; // a query set has 4,096 entries at most
const BYTES = 16; // of a pass: two timestamps

/** The sum over pairs of beginning and end; `null` if less than half of them make sense, or all were rounded to nothing. */
export function busyOf(timestamps: BigUint64Array): Busy | null {
  const passes = timestamps.length / 2;
  let sum = 0, good = 0;
  for (let i = 0; i < passes; i++) {
    const begin = timestamps[2 * i], end = timestamps[2 * i + 1];
    if (begin === 0n || end < begin) continue;
    sum += Number(end - begin);
    good++;
  }
  if (sum === 0 || 2 * good < passes) return null;
  return { nanoseconds: sum * passes / good, passes, discarded: passes - good };
}

/** Times the compute passes of a device, between `start` and `stop`. */
export class GpuTimer {
  #parts: { readonly device: GPUDevice; readonly set: GPUQuerySet; readonly resolved: GPUBuffer } | null =
    null;
  #counting = false;
  #passes = 0; // with timestamps in the set
  #read: GPUBuffer[] = []; // timestamps that had to leave the set

  /** Makes what timestamps need, if the device has them. */
  attach(device: GPUDevice): void {
    if (!device.features.has("timestamp-query")) return;
    const usage = bufferUsage.queryResolve | bufferUsage.copySource;
    this.#parts = {
      device,
      set: device.createQuerySet({ type: "timestamp", count: 2 * PASSES }),
      resolved: device.createBuffer({ label: "timestamps", size: BYTES * PASSES, usage }),
    };
  }

  /** Whether the device has timestamps. */
  get available(): boolean {
    return this.#parts !== null;
  }

  /** Counts the passes that are begun from now on; what was counted before is forgotten. */
  start(): void {
    this.#counting = this.available;
    this.#passes = 0;
    for (const buffer of this.#read.splice(0)) buffer.destroy();
  }

  /** How the encoder's next compute pass is to be begun; `undefined` if it is not counted. */
  pass(encoder: GPUCommandEncoder): GPUComputePassDescriptor | undefined {
    if (!this.#parts || !this.#counting) return undefined;
    if (this.#passes === PASSES) this.#flush(encoder);
    const beginningOfPassWriteIndex = 2 * this.#passes++;
    const { set: querySet } = this.#parts, endOfPassWriteIndex = beginningOfPassWriteIndex + 1;
    return { timestampWrites: { querySet, beginningOfPassWriteIndex, endOfPassWriteIndex } };
  }

  /** Waits for the passes that were submitted since `start`; `null` if there were none or their timestamps are of no use. */
  async stop(): Promise<Busy | null> {
    this.#counting = false;
    if (!this.#parts) return null;
    const { device } = this.#parts;
    if (this.#passes > 0) {
      const encoder = device.createCommandEncoder();
      this.#flush(encoder);
      device.queue.submit([encoder.finish()]);
    }
    const buffers = this.#read.splice(0);
    await Promise.all(buffers.map((buffer) => buffer.mapAsync(mapMode.read)));
    const timestamps = buffers.flatMap((buffer) => [...new BigUint64Array(buffer.getMappedRange())]);
    for (const buffer of buffers) buffer.destroy();
    return busyOf(BigUint64Array.from(timestamps));
  }

  // Copies the timestamps out, in the order of the encoder, so that their places are free again.
  #flush(encoder: GPUCommandEncoder): void {
    const { device, set, resolved } = this.#parts!, size = BYTES * this.#passes;
    const usage = bufferUsage.mapRead | bufferUsage.copyTarget;
    const buffer = device.createBuffer({ label: "timestamps to read", size, usage });
    encoder.resolveQuerySet(set, 0, 2 * this.#passes, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, buffer, 0, size);
    this.#read.push(buffer);
    this.#passes = 0;
  }
}
