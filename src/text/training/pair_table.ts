// Pairs of symbols found by both halves: a hash table with open addressing over typed arrays, because a Map would need
// one key for both and slows down once keys leave 31 bits.

/** Two symbols that stand side by side somewhere. */
export interface Pair {
  readonly left: number;
  readonly right: number;
  /** Occurrences now. */
  count: number;
  /** Occurrences when it last entered the queue; never less than `count`, once a round of merging is over. */
  queued: number;
  /** Places of its left symbol, now or once. */
  readonly places: number[];
}

/** All pairs seen so far. */
export class PairTable {
  readonly #pairs: Pair[] = [];
  #slots = new Int32Array(2 ** 12); // index of a pair plus 1, or 0

  /** The pair of these symbols; a new one, without occurrences, if it was never asked for. */
  at(left: number, right: number): Pair {
    const mask = this.#slots.length - 1;
    let slot = hash(left, right) & mask;
    for (let index = this.#slots[slot]; index > 0; index = this.#slots[slot]) {
      const pair = this.#pairs[index - 1];
      if (pair.left === left && pair.right === right) return pair;
      slot = (slot + 1) & mask;
    }
    const pair: Pair = { left, right, count: 0, queued: 0, places: [] };
    this.#slots[slot] = this.#pairs.push(pair);
    if (2 * this.#pairs.length > this.#slots.length) this.#grow();
    return pair;
  }

  #grow(): void {
    const slots = new Int32Array(4 * this.#slots.length), mask = slots.length - 1;
    for (const [index, { left, right }] of this.#pairs.entries()) {
      let slot = hash(left, right) & mask;
      while (slots[slot] > 0) slot = (slot + 1) & mask;
      slots[slot] = index + 1;
    }
    this.#slots = slots;
  }
}

function hash(left: number, right: number): number {
  const mixed = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
