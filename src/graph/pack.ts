// Packing: from lifetimes to memory. `packSlots` gives each storage a whole buffer (WebGPU tracks usage per buffer);
// `packOffsets` packs the same lifetimes by offset into one region (linear memory). Pure functions of the lifetimes.

/** Bytes needed from step `first` to step `last`, both included. */
export interface Lifetime {
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

const overlap = (a: Lifetime, b: Lifetime): boolean => a.first <= b.last && b.first <= a.last;

/** The largest sum of bytes alive at one step: a lower bound for any packing. */
export function peakBytes(lifetimes: readonly Lifetime[]): number {
  const change = new Map<number, number>();
  for (const { bytes, first, last } of lifetimes) {
    change.set(first, (change.get(first) ?? 0) + bytes);
    change.set(last + 1, (change.get(last + 1) ?? 0) - bytes);
  }
  let alive = 0, peak = 0;
  for (const step of [...change.keys()].sort((a, b) => a - b)) {
    alive += change.get(step)!;
    peak = Math.max(peak, alive);
  }
  return peak;
}

/**
 * Assigns whole buffers. In order of first use, a storage takes the free slot that fits it best, growing the largest one
 * if none is big enough.
 */
export function packSlots(lifetimes: readonly Lifetime[]): { slots: number[]; slotOf: number[] } {
  const slots: number[] = [], slotOf: number[] = [], busyUntil: number[] = [];
  const order = lifetimes.map((_, i) => i).sort((a, b) => lifetimes[a].first - lifetimes[b].first || a - b);
  for (const i of order) {
    const { bytes, first, last } = lifetimes[i];
    const free = slots.map((_, slot) => slot).filter((slot) => busyUntil[slot] < first);
    const fitting = free.filter((slot) => slots[slot] >= bytes).sort((a, b) => slots[a] - slots[b]);
    const largest = free.sort((a, b) => slots[b] - slots[a])[0];
    const slot = fitting[0] ?? largest ?? slots.length;
    slots[slot] = Math.max(slots[slot] ?? 0, bytes);
    busyUntil[slot] = last;
    slotOf[i] = slot;
  }
  return { slots, slotOf };
}

const ATTEMPTS = 16;

/**
 * Assigns offsets in one region: largest first, each at the lowest offset free throughout its lifetime. Where that takes
 * more than is alive at once, the storage that reaches highest is placed first in another attempt, and the best counts.
 */
export function packOffsets(lifetimes: readonly Lifetime[]): { offsets: number[]; total: number } {
  let order = lifetimes.map((_, i) => i).sort((a, b) => lifetimes[b].bytes - lifetimes[a].bytes || a - b);
  let best = placeInOrder(lifetimes, order);
  const bound = peakBytes(lifetimes);
  for (let attempt = 1, { highest } = best; attempt < ATTEMPTS && best.total > bound; attempt++) {
    order = [highest, ...order.filter((i) => i !== highest)];
    const next = placeInOrder(lifetimes, order);
    if (next.total < best.total) best = next;
    highest = next.highest;
  }
  return { offsets: best.offsets, total: best.total };
}

function placeInOrder(
  lifetimes: readonly Lifetime[],
  order: readonly number[],
): { offsets: number[]; total: number; highest: number } {
  const offsets = new Array<number>(lifetimes.length).fill(0);
  const placed: number[] = []; // sorted by offset
  let total = 0, highest = 0;
  for (const i of order) {
    let offset = 0;
    for (const j of placed) {
      if (!overlap(lifetimes[i], lifetimes[j])) continue;
      if (offsets[j] >= offset + lifetimes[i].bytes) break;
      offset = Math.max(offset, offsets[j] + lifetimes[j].bytes);
    }
    offsets[i] = offset;
    if (offset + lifetimes[i].bytes > total) [total, highest] = [offset + lifetimes[i].bytes, i];
    const at = placed.findIndex((j) => offsets[j] > offset);
    placed.splice(at < 0 ? placed.length : at, 0, i);
  }
  return { offsets, total, highest };
}
