// Pages of a store on the GPU: each a buffer of its own, zeroed by WebGPU when it is made. Reading goes through a staging
// buffer; the order of reads and writes among runs is that of the queue.

import { BYTES } from "../../core/dtype.ts";
import type { Place } from "../../graph/graph.ts";
import type { Store } from "../backend.ts";
import { HalfCopy } from "./half_copy.ts";
import type { Memory } from "./memory.ts";
import type { Pipelines } from "./pipelines.ts";

/** The pages of one store. */
export class GpuStore implements Store {
  readonly pages: Map<string, number> = new Map();
  readonly buffers: Map<string, GPUBuffer> = new Map();
  readonly #copies = new Map<string, Map<string, HalfCopy>>(); // by page, then offset and bytes

  constructor(readonly memory: Memory, pages: Readonly<Record<string, number>>) {
    this.add(pages);
  }

  add(pages: Readonly<Record<string, number>>): void {
    const added: string[] = [];
    try {
      for (const [name, bytes] of Object.entries(pages)) {
        if (this.buffers.has(name)) throw new RangeError(`There already is a page "${name}"`);
        this.buffers.set(name, this.memory.create(bytes, `page ${name}`));
        this.pages.set(name, bytes);
        added.push(name);
      }
    } catch (error) {
      this.free(added);
      throw error;
    }
  }

  /** The buffer of a page. */
  buffer(page: string): GPUBuffer {
    const buffer = this.buffers.get(page);
    if (!buffer) {
      throw new RangeError(`The store has no page "${page}": add it before loading a plan that uses it`);
    }
    return buffer;
  }

  /** The copy as halves of weights in a page, made when first asked for; it goes with the page. */
  halfCopy(
    { page, offset }: Place,
    bytes: number,
    { pipelines, bindingBytes }: { pipelines: Pipelines; bindingBytes: number },
  ): HalfCopy {
    const copies = this.#copies.get(page) ?? new Map<string, HalfCopy>(), key = `${offset} ${bytes}`;
    this.#copies.set(page, copies);
    let copy = copies.get(key);
    if (!copy) {
      copy = new HalfCopy(this.memory, pipelines, bindingBytes, { buffer: this.buffer(page), offset, bytes });
      copies.set(key, copy);
    }
    return copy;
  }

  /** To be called when a run or the host has written to a page. */
  changed(page: string): void {
    this.#copies.get(page)?.forEach((copy) => copy.outdate());
  }

  async read(page: string, offset: number, length: number): Promise<Float32Array> {
    this.#check(page, offset, length);
    return new Float32Array(await this.memory.read(this.buffer(page), offset, length * BYTES));
  }

  async write(page: string, offset: number, data: ArrayLike<number>): Promise<void> {
    this.#check(page, offset, data.length);
    await this.memory.write(this.buffer(page), offset, Float32Array.from(data));
    this.changed(page);
  }

  #check(page: string, offset: number, length: number): void {
    this.buffer(page);
    const bytes = this.pages.get(page)!;
    if (offset >= 0 && offset + length * BYTES <= bytes) return;
    throw new RangeError(
      `Cannot reach ${length} numbers at byte ${offset} of page "${page}": it has ${bytes} bytes`,
    );
  }

  free(names: readonly string[] = [...this.pages.keys()]): void {
    for (const name of names) {
      const buffer = this.buffers.get(name);
      this.buffers.delete(name);
      this.pages.delete(name);
      if (buffer) this.memory.destroy(buffer);
      this.#copies.get(name)?.forEach((copy) => this.memory.destroy(copy.buffer));
      this.#copies.delete(name);
    }
  }
}
