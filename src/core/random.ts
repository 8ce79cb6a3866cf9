// Counter-based random numbers: Threefry-2x32 with 13 rounds (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", 2011). The same (key, counter) gives the same bits here, in AssemblyScript and in WGSL, so a dropout mask
// is recomputed instead of stored, and a run can be resumed from two integers. `Random` walks the counter for host
// code that wants a sequence: initialisation, shuffling, sampling.

const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24] as const;
const PARITY = 0x1bd11bda;

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
  const keys = [key0 | 0, key1 | 0, PARITY ^ key0 ^ key1];
  let x = (counter0 + key0) | 0, y = (counter1 + key1) | 0;
  for (let round = 0; round < 13; round++) {
    const r = ROTATIONS[round % 8];
    x = (x + y) | 0;
    y = ((y << r) | (y >>> (32 - r))) ^ x;
    if (round % 4 === 3) {
      const s = (round >> 2) + 1;
      x = (x + keys[s % 3]) | 0;
      y = (y + keys[(s + 1) % 3] + s) | 0;
    }
  }
  return [x >>> 0, y >>> 0];
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
    const n = this.#draws++;
    const [a, b] = threefry(this.#seed, this.#stream, n >>> 0, Math.floor(n / 2 ** 32));
    return ((a >>> 5) * 2 ** 26 + (b >>> 6)) / 2 ** 53;
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

  /** Puts `items` into a random order, in place (Fisher-Yates), and returns it. */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
    return items;
  }
}
