// Which texts are nearly the same: MinHash signatures of word 5-grams (Broder, "On the resemblance and containment of
// documents", 1997), found by locality-sensitive hashing in bands. Memory is about 1.5 KB a document. Exact copies are
// found without this, in filters.ts.

const HASHES = 128, SHINGLE = 5;
// 16 bands of 8 rows: a pair with resemblance s shares a band with probability 1 - (1 - s^8)^16; half of those at 0.7 do.
const ROWS = 8, BANDS = HASHES / ROWS;
const WORDS = /[\p{L}\p{M}\p{N}]+/gu;

// Odd multipliers and offsets of the hash family h -> h * multiplier + offset, from a fixed linear congruential series.
const MULTIPLIERS = new Uint32Array(HASHES), OFFSETS = new Uint32Array(HASHES);
for (let i = 0, state = 0x2545f491; i < HASHES; i++) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  MULTIPLIERS[i] = state | 1;
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  OFFSETS[i] = state;
}

/** The signature of one text that comes in pieces. Pieces may end anywhere but inside a word. */
export class Signature {
  readonly #least: Uint32Array = new Uint32Array(HASHES).fill(0xffffffff);
  readonly #last: number[] = [];
  #shingles = 0;

  /** Adds the words of a piece. */
  add(text: string): void {
    for (const [word] of text.toLowerCase().matchAll(WORDS)) {
      this.#last.push(hashOf(word));
      if (this.#last.length < SHINGLE) continue;
      this.#take();
      this.#last.shift();
    }
  }

  /** The 128 values, or null for a text without words. Fewer than five words are one shingle. */
  values(): Uint32Array | null {
    if (this.#shingles === 0 && this.#last.length > 0) this.#take();
    return this.#shingles > 0 ? this.#least : null;
  }

  #take(): void {
    let hash = 0;
    for (const word of this.#last) hash = Math.imul(hash ^ word, 0x9e3779b1) ^ (hash >>> 15);
    this.#shingles++;
    const least = this.#least;
    for (let i = 0; i < HASHES; i++) {
      // The high bits of a product are the well-mixed ones; the shift brings them into the comparison of all bits.
      const value = Math.imul(hash, MULTIPLIERS[i]) + OFFSETS[i], mixed = (value ^ (value >>> 16)) >>> 0;
      if (mixed < least[i]) least[i] = mixed;
    }
  }
}

/** FNV-1a over UTF-16 units. */
function hashOf(word: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < word.length; i++) hash = Math.imul(hash ^ word.charCodeAt(i), 0x01000193);
  return hash ^ (hash >>> 13);
}

/** The share of equal values, which estimates the resemblance: |A ∩ B| / |A ∪ B| of the shingles, give or take 0.04. */
export function resemblance(a: Uint32Array, b: Uint32Array): number {
  let equal = 0;
  for (let i = 0; i < HASHES; i++) equal += Number(a[i] === b[i]);
  return equal / HASHES;
}

/** Documents seen so far, found again by their signatures. */
export class NearDuplicates {
  readonly #bands: Map<string, number[]>[] = Array.from({ length: BANDS }, () => new Map());
  readonly #signatures: Uint32Array[] = [];

  /** `threshold`: the least resemblance that counts as a duplicate, above 0.5, below which bands would miss most. */
  constructor(readonly threshold: number) {
    if (!(threshold > 0.5 && threshold <= 1)) {
      throw new RangeError(
        `Cannot look for near duplicates above ${threshold}: give a number above 0.5, at most 1`,
      );
    }
  }

  /** Whether an earlier document is nearly the same. If not, this one counts from now on. */
  has(signature: Uint32Array): boolean {
    const keys = this.#bands.map((_, band) => String.fromCharCode(...halves(signature, band)));
    for (const [band, key] of keys.entries()) {
      for (const index of this.#bands[band].get(key) ?? []) {
        if (resemblance(this.#signatures[index], signature) >= this.threshold) return true;
      }
    }
    const index = this.#signatures.push(signature) - 1;
    for (const [band, key] of keys.entries()) {
      const indices = this.#bands[band].get(key);
      if (indices) indices.push(index);
      else this.#bands[band].set(key, [index]);
    }
    return false;
  }
}

/** The rows of a band as 16-bit numbers, for a key. */
function halves(signature: Uint32Array, band: number): number[] {
  const numbers: number[] = [];
  for (let i = band * ROWS; i < (band + 1) * ROWS; i++) {
    numbers.push(signature[i] >>> 16, signature[i] & 0xffff);
  }
  return numbers;
}
