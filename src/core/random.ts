// Counter-based random numbers: Threefry-2x32 with 13 rounds (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", 2011). The same (key, counter) gives the same bits here, in AssemblyScript and in WGSL, so a dropout mask
// is recomputed instead of stored, and a run can be resumed from two integers. `Random` walks the counter for host
// code that wants a sequence: initialisation, shuffling, sampling.

const PARITY = 0x1bd11bda;

// The words of the last block. Model initialisation draws hundreds of millions: nothing is allocated, rounds are unrolled.
let word0 = 0, word1 = 0;

function draw(k0: number, k1: number, counter0: number, counter1: number): void {
  const k2 = PARITY ^ k0 ^ k1;
  let x = (counter0 + k0) | 0, y = (counter1 + k1) | 0;
  x = (x + y) | 0, y = ((y << 13) | (y >>> 19)) ^ x;
  x = (x + y) | 0, y = ((y << 15) | (y >>> 17)) ^ x;
  x = (x + y) | 0, y = ((y << 26) | (y >>> 6)) ^ x;
  x = (x + y) | 0, y = ((y << 6) | (y >>> 26)) ^ x;
  x = (x + k1) | 0, y = (y + k2 + 1) | 0;
  x = (x + y) | 0, y = ((y << 17) | (y >>> 15)) ^ x;
  x = (x + y) | 0, y = ((y << 29) | (y >>> 3)) ^ x;
  x = (x + y) | 0, y = ((y << 16) | (y >>> 16)) ^ x;
  x = (x + y) | 0, y = ((y << 24) | (y >>> 8)) ^ x;
  x = (x + k2) | 0, y = (y + k0 + 2) | 0;
  x = (x + y) | 0, y = ((y << 13) | (y >>> 19)) ^ x;
  x = (x + y) | 0, y = ((y << 15) | (y >>> 17)) ^ x;
  x = (x + y) | 0, y = ((y << 26) | (y >>> 6)) ^ x;
  x = (x + y) | 0, y = ((y << 6) | (y >>> 26)) ^ x;
  x = (x + k0) | 0, y = (y + k1 + 3) | 0;
  x = (x + y) | 0, y = ((y << 17) | (y >>> 15)) ^ x;
  word0 = x;
  word1 = y;
}

/**
 * One Threefry-2x32-13 block: two 32-bit words (as unsigned numbers) from a 64-bit key and a 64-bit counter.
 *
 * @example
 * ```ts
 * import { threefry } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * assertEquals(threefry(0, 0, 0, 0), [0x9d1c5ec6, 0x8bd50731]);
 * ```
 */
export function threefry(key0: number, key1: number, counter0: number, counter1: number): [number, number] {
  draw(key0 | 0, key1 | 0, counter0, counter1);
  return [word0 >>> 0, word1 >>> 0];
}

// Draw number n of a sequence: 53 random bits in [0, 1).
function uniform(seed: number, stream: number, n: number): number {
  draw(seed | 0, stream | 0, n | 0, Math.floor(n / 2 ** 32));
  return ((word0 >>> 5) * 2 ** 26 + (word1 >>> 6)) / 2 ** 53;
}

/** The stream number of a scope name: its 32-bit FNV-1a hash over UTF-8 bytes, unsigned. */
export function streamOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/**
 * A sequence of random numbers for host code. Its whole state is (seed, stream name, draws so far).
 *
 * @example
 * ```ts
 * import { Random } from "@foreword/foreword";
 * const random = new Random(1, "example");
 * const die = 1 + random.below(6);
 * const deck = random.shuffle([1, 2, 3]);
 * ```
 */
export class Random {
  readonly #seed: number;
  readonly #stream: number;
  #draws = 0;
  #spare: number | null = null;

  /** Starts at draw 0. The seed counts modulo 2^32; another stream name gives other numbers. */
  constructor(seed: number, stream: string) {
    this.#seed = seed >>> 0;
    this.#stream = streamOf(stream);
  }

  /** A uniform number in [0, 1) with 53 random bits. */
  next(): number {
    return uniform(this.#seed, this.#stream, this.#draws++);
  }

  /** A uniform integer in [0, n). */
  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  /** A normal number with mean 0 and variance 1 (Box-Muller, both halves used). */
  normal(): number {
    if (this.#spare !== null) {
      const value = this.#spare;
      this.#spare = null;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.next())), angle = 2 * Math.PI * this.next();
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** Fills an array with the numbers that as many calls of `normal` would give, times a deviation; faster than those. */
  fillNormal(values: Float32Array, deviation: number): Float32Array {
    const seed = this.#seed, stream = this.#stream, first = this.#draws;
    const paired = this.#spare === null ? values.length - values.length % 2 : 0;
    for (let i = 0; i < paired; i += 2) {
      const radius = Math.sqrt(-2 * Math.log(1 - uniform(seed, stream, first + i)));
      const angle = 2 * Math.PI * uniform(seed, stream, first + i + 1);
      values[i] = deviation * (radius * Math.cos(angle));
      values[i + 1] = deviation * (radius * Math.sin(angle));
    }
    this.#draws += paired;
    for (let i = paired; i < values.length; i++) values[i] = deviation * this.normal();
    return values;
  }

  /** Puts `items` into a random order, in place (Fisher-Yates), and returns it. */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
    return items;
  }
}
