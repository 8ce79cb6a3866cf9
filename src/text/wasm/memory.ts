// The linear memory of one tokenizer: blocks that stay, then one work area behind them that grows. Nothing is freed
// but all at once, with the tokenizer. Views are made anew for every use, because growing takes the old ones away.

const PAGE = 65536, ALIGNMENT = 64;

/** Linear memory with an allocator that only moves up. */
export class TextMemory {
  /** The memory itself, to instantiate the module on. */
  readonly wasm = new WebAssembly.Memory({ initial: 1 });
  #top = ALIGNMENT; // address 0 stands for nothing

  /** The address of the work area: everything above the blocks. Final once no more blocks are allocated. */
  get work(): number {
    return this.#top;
  }

  /** A block of zero bytes, aligned to a cache line. */
  allocate(bytes: number): number {
    const address = this.#top;
    this.#top = Math.ceil((address + bytes) / ALIGNMENT) * ALIGNMENT;
    this.#reach(this.#top);
    return address;
  }

  /** Makes the work area at least so large. What it holds stays. */
  reserve(bytes: number): void {
    this.#reach(this.#top + bytes);
  }

  /** Bytes at an address. */
  bytes(address: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.wasm.buffer as ArrayBuffer, address, length);
  }

  /** 32-bit numbers at an address. */
  words(address: number, length: number): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.wasm.buffer as ArrayBuffer, address, length);
  }

  /** 16-bit numbers at an address. */
  halves(address: number, length: number): Uint16Array<ArrayBuffer> {
    return new Uint16Array(this.wasm.buffer as ArrayBuffer, address, length);
  }

  #reach(end: number): void {
    const missing = Math.ceil((end - this.wasm.buffer.byteLength) / PAGE);
    if (missing <= 0) return;
    try {
      this.wasm.grow(missing);
    } catch (error) {
      throw new RangeError(
        `Cannot grow a tokenizer's memory to ${
          Math.ceil(end / 2 ** 20)
        } MiB: encode the text in smaller parts`,
        { cause: error },
      );
    }
  }
}
