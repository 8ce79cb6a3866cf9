// Ids in typed arrays: of 16 bits where all ids of a tokenizer fit, else of 32. Collected part by part, so that how
// many there will be need not be known.

/** Ids of a text. 16 bits wide if the tokenizer has at most 65,536 ids. */
export type IdArray = Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** An array for `length` ids below `size`. */
export function idArray(size: number, length: number): IdArray {
  return size <= 2 ** 16 ? new Uint16Array(length) : new Uint32Array(length);
}

/** Collects ids part by part. */
export class IdBuffer {
  #ids: IdArray;
  #length = 0;

  /** For ids below `size`. */
  constructor(readonly size: number) {
    this.#ids = idArray(size, 0);
  }

  /** How many there are. */
  get length(): number {
    return this.#length;
  }

  /** Adds ids; `expected` is how many there may be in the end, so that room is found once. */
  append(ids: ArrayLike<number>, expected = 0): void {
    const length = this.#length + ids.length;
    if (length > this.#ids.length) {
      const grown = idArray(this.size, Math.max(length, Math.ceil(expected), Math.ceil(this.#length * 1.5)));
      grown.set(this.#ids.subarray(0, this.#length));
      this.#ids = grown;
    }
    this.#ids.set(ids, this.#length);
    this.#length = length;
  }

  /** All ids. At most an eighth more memory stays with them. */
  take(): IdArray {
    const used = this.#ids.subarray(0, this.#length);
    return this.#length < this.#ids.length * 7 / 8 ? used.slice() : used;
  }
}
