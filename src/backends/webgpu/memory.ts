// Buffers of a GPU device: made, counted and destroyed here, with the errors that go with it. Temporaries of all programs
// share slots, ranked by size, because one program runs at a time: the first slot of a plan is the largest of every plan.

import { DeviceLost, OutOfMemory } from "../backend.ts";
import { bufferUsage, mapMode } from "./flags.ts";
import { bufferBytes } from "./launches.ts";

const LOSS_MS = 200;
const NANS = 0xffffffff; // not a number, read as f32 or as two halves

/** The buffers of one device. */
export class Memory {
  /** Bytes of all buffers now. */
  bytes = 0;
  /** How often a slot was replaced; programs bound before must bind again. */
  version = 0;
  /** Shared temporaries, by rank. A place is empty after its replacement was refused, and filled by the next `reserve`. */
  readonly slots: (GPUBuffer | null)[] = [];
  #scratch: GPUBuffer | null = null;
  #failure: Error | null = null;
  #closed = false;
  readonly #pending = new Set<Promise<unknown>>();

  constructor(readonly device: GPUDevice, readonly capacity: number, poison: boolean) {
    this.#poison = poison;
    device.lost.then(({ reason, message }) => {
      if (this.#closed) return;
      this.fail(
        new DeviceLost(
          `The GPU device was lost (${
            message || reason
          }): open the device again and resume from the last checkpoint, on the command line with --resume`,
        ),
      );
    });
    device.addEventListener("uncapturederror", (event) => {
      const { error } = event as GPUUncapturedErrorEvent;
      this.fail(new Error(`The GPU refused a command: ${error.message}`));
    });
  }

  readonly #poison: boolean;

  /** Remembers the first error; everything that waits for the device rejects with it from then on. */
  fail(error: Error): void {
    this.#failure ??= error;
  }

  /** Waits for the checks of all buffers and pipelines made so far. Throws what was wrong with one. */
  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
    if (this.#failure) throw this.#failure;
  }

  /** Runs something that makes GPU objects; what WebGPU finds wrong with them is thrown by `settled`. */
  checked<T>(what: string, make: () => T): T {
    this.device.pushErrorScope("validation");
    this.device.pushErrorScope("out-of-memory");
    try {
      return make();
    } finally {
      this.#expect(this.device.popErrorScope(), (message) =>
        new OutOfMemory(
          `The GPU has no room for ${what} (${
            showMiB(this.bytes)
          } are in use): use smaller batches, --recompute or a ` +
            `smaller model. It says: ${message}`,
        ));
      this.#expect(
        this.device.popErrorScope(),
        (message) => new Error(`The GPU refused ${what}: ${message}`),
      );
    }
  }

  #expect(scope: Promise<GPUError | null>, error: (message: string) => Error): void {
    const check = scope.then((found) => {
      if (found) this.fail(error(found.message));
    }, (reason) => this.fail(reason)).finally(() => this.#pending.delete(check));
    this.#pending.add(check);
  }

  /** A zeroed buffer for storage. Throws `OutOfMemory` for more than the device takes in one buffer or in all. */
  create(bytes: number, what: string, usage: number = bufferUsage.storage): GPUBuffer {
    if (this.#failure) throw this.#failure;
    const size = bufferBytes(bytes), { maxBufferSize } = this.device.limits;
    if (size > maxBufferSize) {
      throw new OutOfMemory(
        `Cannot make ${what} of ${showMiB(size)}: a buffer of this device has at most ${
          showMiB(maxBufferSize)
        } ` +
          `(maxBufferSize); use smaller batches or a smaller model`,
      );
    }
    if (this.bytes + size > this.capacity) {
      throw new OutOfMemory(
        `Cannot make ${what} of ${showMiB(size)}: ${showMiB(this.bytes)} of ${
          showMiB(this.capacity)
        } are in use`,
      );
    }
    const buffer = this.checked(`${what} of ${showMiB(size)}`, () =>
      this.device.createBuffer({
        label: what,
        size,
        usage: usage | bufferUsage.copySource | bufferUsage.copyTarget,
      }));
    this.bytes += size;
    return buffer;
  }

  /** A buffer that is read on the host. */
  staging(bytes: number, what: string): GPUBuffer {
    const size = bufferBytes(bytes);
    this.bytes += size;
    return this.checked(
      what,
      () =>
        this.device.createBuffer({
          label: what,
          size,
          usage: bufferUsage.mapRead | bufferUsage.copyTarget,
        }),
    );
  }

  /** Gives a buffer back; work that was submitted still sees it. */
  destroy(buffer: GPUBuffer): void {
    this.bytes -= buffer.size;
    buffer.destroy();
  }

  /** Copies bytes out. */
  async read(buffer: GPUBuffer, offset: number, bytes: number): Promise<ArrayBuffer> {
    await this.settled();
    const staging = this.staging(bytes, "reading back");
    try {
      const encoder = this.device.createCommandEncoder();
      if (bytes > 0) encoder.copyBufferToBuffer(buffer, offset, staging, 0, bytes);
      this.device.queue.submit([encoder.finish()]);
      return await this.mapped(staging, bytes);
    } finally {
      this.destroy(staging);
    }
  }

  /** What a staging buffer holds once the GPU has come to it. */
  async mapped(staging: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    try {
      await staging.mapAsync(mapMode.read);
    } catch (error) {
      // A device that is lost may say so a moment later.
      await Promise.race([this.device.lost, new Promise((resolve) => setTimeout(resolve, LOSS_MS))]);
      await this.settled();
      throw error;
    }
    const copy = staging.getMappedRange(0, Math.max(4, bytes)).slice(0, bytes);
    staging.unmap();
    await this.settled();
    return copy;
  }

  /** Copies bytes in, in the order of the queue. */
  async write(buffer: GPUBuffer, offset: number, data: Float32Array<ArrayBuffer>): Promise<void> {
    await this.settled();
    this.device.queue.writeBuffer(buffer, offset, data);
  }

  /** Makes the shared slots as large as a plan needs them. Sizes by rank, largest first. */
  reserve(sizes: readonly number[], scratch: number, user: string): void {
    sizes.forEach((bytes, rank) => {
      const slot = this.slots[rank];
      if (slot && slot.size >= bufferBytes(bytes)) return;
      this.slots[rank] = null;
      this.slots[rank] = this.#replace(slot, bytes, `temporaries of ${user}`);
    });
    const old = this.#scratch;
    if (scratch > (old?.size ?? 0)) {
      this.#scratch = null;
      this.#scratch = this.#replace(old, scratch, `scratch of ${user}`);
    }
  }

  /** What kernels share between their launches. */
  get scratch(): GPUBuffer {
    return this.#scratch ??= this.create(256, "scratch");
  }

  #replace(old: GPUBuffer | null | undefined, bytes: number, what: string): GPUBuffer {
    if (old) this.destroy(old);
    this.version++;
    return this.create(bytes, what);
  }

  /** Fills temporaries with NaN, for tests: reading what nobody wrote shows. */
  poison(): void {
    if (!this.#poison) return;
    for (const buffer of [...this.slots, this.scratch]) {
      if (buffer) this.device.queue.writeBuffer(buffer, 0, new Uint32Array(buffer.size / 4).fill(NANS));
    }
  }

  /** Destroys what is shared; nothing can be made or run any more. */
  close(): void {
    this.#closed = true;
    this.fail(new Error("The device is closed"));
    for (const buffer of [...this.slots, this.#scratch]) if (buffer) this.destroy(buffer);
    this.slots.length = 0;
    this.#scratch = null;
  }
}

const showMiB = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
