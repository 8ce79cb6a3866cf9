// Which register tile the matrix product uses. All candidates read the same packed panels and give the same bits; which is
// fastest depends on the engine: V8 with revectorization makes one 256-bit operation of two neighbouring ones, and then
// twice the columns are best, which would otherwise not fit the registers. So a small product is timed with each.

import type { Memory } from "./memory.ts";
import type { Kernels } from "./replay.ts";

/** The candidates, by rows and columns; the first is safe everywhere. */
export const TILES = ["6x8", "6x16"] as const;

/** A register tile. */
export type TileName = (typeof TILES)[number];

/** Where kernels find the index of the tile; assembly/gemm.ts knows it too. */
const TILE_ADDRESS = 3584;

/** Tells the kernels on this memory which tile to use. */
export function setTile(memory: Memory, tile: TileName): void {
  memory.ints(TILE_ADDRESS, 1)[0] = TILES.indexOf(tile);
}

// The product that is timed: about 6 microseconds once the engine has optimized it, operands and result in the L1 cache.
const M = 12, N = 64, K = 256, SCRATCH = (M + N) * K * 4, BUDGET_MS = 10, SETTLED = 40;

/**
 * The fastest tile on this engine, in at most about 10 ms, or 20 where the engine is busy. Engines run a fresh kernel
 * slowly until they have optimized it, each tile at its own time, so a candidate is preferred to the first only if it is
 * faster by a tenth, and not if it has become fast while the first has not yet. Leaves the choice to `setTile`.
 */
export function fastestTile(
  kernels: Kernels,
  memory: Memory,
  now = (): number => performance.now(),
): TileName {
  const block = memory.allocate(SCRATCH + M * N * 4, "the choice of a matrix kernel");
  const scratch = block.address, y = scratch + SCRATCH;
  memory.floats(scratch, block.bytes / 4).fill(0); // no denormal numbers
  const time = (tile: TileName): number => {
    setTile(memory, tile);
    const start = now();
    kernels.matmul(scratch, scratch, y, scratch, M, N, K, 0, 0, 1, 0, N / 8);
    return now() - start;
  };
  const begin = now();
  const trials = TILES.map((tile) => ({ tile, early: time(tile), best: Infinity })); // the very first is compiled
  const optimized = ({ early, best }: (typeof trials)[number]): boolean => best < 0.75 * early;
  for (let round = 0, settled = 0; settled < SETTLED; round++) {
    const fast = trials.filter(optimized).length, underWay = fast > 0 && fast < trials.length;
    if (now() - begin > (underWay ? 2 : 1) * BUDGET_MS) break;
    for (const trial of trials) {
      const taken = time(trial.tile);
      if (round < 4) trial.early = round === 0 ? taken : Math.min(trial.early, taken);
      trial.best = Math.min(trial.best, taken);
    }
    if (fast === trials.length) settled++;
  }
  memory.release(block);
  const [first] = trials;
  const better = trials.filter((trial) =>
    trial.best < 0.9 * first.best && (optimized(first) || !optimized(trial))
  );
  return better.reduce((best, trial) => trial.best < best.best ? trial : best, first).tile;
}
