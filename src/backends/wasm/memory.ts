// Linear memory and who owns which bytes of it. Blocks are 256-byte aligned, found first-fit, and given back to their
// neighbours when freed; the memory grows by what is missing, up to a limit. Addresses are unsigned and may lie above
// 2 GiB.

import { ALIGNMENT } from "../../graph/plan.ts";
import { OutOfMemory } from "../backend.ts";

const PAGE = 65536, MAX_PAGES = 65536; // 4 GiB: all that 32-bit addresses reach

/** A part of linear memory. */
export interface Block {
  readonly address: number;
  readonly bytes: number;
}

/** Linear memory with an allocator. */
export class Memory {
  readonly wasm: WebAssembly.Memory;
  #free: Block[] = []; // sorted by address, no two adjacent
  #end: number;
  readonly #most: number; // pages
  readonly #bottom: number;

  /** `reserved` bytes at the bottom are left alone. */
  constructor(readonly shared: boolean, reserved: number, maxBytes: number = MAX_PAGES * PAGE) {
    const initial = Math.ceil(reserved / PAGE) + 1;
    this.#most = Math.min(MAX_PAGES, Math.floor(maxBytes / PAGE));
    if (!(this.#most >= initial)) {
      throw new RangeError(
        `Cannot work in ${maxBytes} bytes of memory: at least ${initial * PAGE} are needed`,
      );
    }
    this.wasm = new WebAssembly.Memory({ initial, maximum: this.#most, shared });
    this.#end = initial * PAGE;
    this.#bottom = Math.ceil(reserved / ALIGNMENT) * ALIGNMENT;
    this.#free = [{ address: this.#bottom, bytes: this.#end - this.#bottom }];
  }

  /** Most bytes that blocks can take together. */
  get capacity(): number {
    return this.#most * PAGE - this.#bottom;
  }

  /** Bytes of linear memory, used or not. */
  get bytes(): number {
    return this.#end;
  }

  /** Bytes in blocks that are not free. */
  get used(): number {
    return this.#end - this.#free.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** A block of at least `size` bytes, its contents unspecified. `purpose` completes the error. */
  allocate(size: number, purpose: string): Block {
    const bytes = Math.max(ALIGNMENT, Math.ceil(size / ALIGNMENT) * ALIGNMENT);
    let at = this.#free.findIndex((block) => block.bytes >= bytes);
    if (at < 0) {
      this.#grow(bytes, purpose);
      at = this.#free.length - 1;
    }
    const { address, bytes: room } = this.#free[at];
    if (room === bytes) this.#free.splice(at, 1);
    else this.#free[at] = { address: address + bytes, bytes: room - bytes };
    return { address, bytes };
  }

  /** Gives a block back. */
  release({ address, bytes }: Block): void {
    let at = this.#free.findIndex((block) => block.address > address);
    if (at < 0) at = this.#free.length;
    const before = this.#free[at - 1], after = this.#free[at];
    const joinsBefore = before !== undefined && before.address + before.bytes === address;
    const joinsAfter = after !== undefined && address + bytes === after.address;
    const start = joinsBefore ? before.address : address;
    const end = joinsAfter ? after.address + after.bytes : address + bytes;
    const from = joinsBefore ? at - 1 : at;
    this.#free.splice(from, Number(joinsBefore) + Number(joinsAfter), { address: start, bytes: end - start });
  }

  /** Numbers at an address. The view is lost when the memory grows: do not keep it. */
  floats(address: number, length: number): Float32Array {
    return new Float32Array(this.wasm.buffer, address, length);
  }

  /** Integers at an address. The view is lost when the memory grows: do not keep it. */
  ints(address: number, length: number): Int32Array {
    return new Int32Array(this.wasm.buffer, address, length);
  }

  // Makes the last free block reach `bytes`, and moves it to the end of the list, where it already is by address.
  #grow(bytes: number, purpose: string): void {
    const last = this.#free.at(-1);
    const tail = last && last.address + last.bytes === this.#end ? last.bytes : 0;
    const pages = Math.ceil((bytes - tail) / PAGE);
    const room = this.#most * PAGE - this.#end + tail;
    try {
      if (bytes > room) throw new RangeError();
      this.wasm.grow(pages);
    } catch {
      const mib = (n: number) => `${Math.floor(n / 2 ** 20)} MiB`;
      throw new OutOfMemory(
        `Cannot allocate ${mib(bytes)} for ${purpose}: ${mib(this.used)} are in use and at most ${
          mib(room)
        } more may fit. ` +
          `Use a smaller model, a shorter context, or smaller batches with more accumulation or recomputation.`,
      );
    }
    const grown = { address: this.#end - tail, bytes: tail + pages * PAGE };
    if (tail > 0) this.#free.pop();
    this.#free.push(grown);
    this.#end += pages * PAGE;
  }
}
