// A GPT-1 small enough for tests, and what several of them need around it: weights large enough that every figure depends
// on every one of them, tokens from a seed, all parameters as numbers, a source that replays given updates.

import type { Device } from "../src/backends/backend.ts";
import { Random } from "../src/core/random.ts";
import { sizeOf } from "../src/core/shape.ts";
import { configure, type Gpt1Config } from "../src/models/gpt1.ts";
import { createGpt1, type Gpt1, type Gpt1Options } from "../src/models/gpt1_model.ts";
import type { Gpt1Run } from "../src/models/gpt1_plans.ts";
import { mirror, type MIRRORS, type ParameterSpec } from "../src/nn/parameters.ts";
import type { TrainingSource, UpdateBatch } from "../src/train/trainer.ts";

/** 2 layers, 2 heads, 8 channels, 23 tokens, 16 positions. */
export function tinyConfig({ specials = 0, rate = 0, context = 16 } = {}): Gpt1Config {
  return configure({ context, channels: 8, heads: 2, layers: 2 }, 23, { specials, rate });
}

/** Weights from N(0, 0.3²), biases alike, gains around 1. */
export function strongValues({ name, shape }: ParameterSpec): Float64Array {
  const random = new Random(1, name), mean = name.endsWith("/g") ? 1 : 0;
  return Float64Array.from({ length: sizeOf(shape) }, () => mean + 0.3 * random.normal());
}

/** A model with strong weights. */
export function tinyModel(device: Device, config: Gpt1Config, options: Gpt1Options = {}): Promise<Gpt1> {
  return createGpt1(device, config, { values: strongValues, ...options });
}

/** Tokens of the tiny vocabulary. */
export function someTokens(count: number, seed: number): Uint16Array {
  const random = new Random(seed, "tokens");
  return Uint16Array.from({ length: count }, () => random.below(23));
}

/** All parameters by name, or their gradients or moments; frozen ones only as parameters. */
export async function numbersOf(
  { layout, store }: Gpt1,
  kind: (typeof MIRRORS)[number] | "parameters" = "parameters",
): Promise<Record<string, number[]>> {
  const result: Record<string, number[]> = {};
  for (const { name, shape, place, frozen } of layout.segments) {
    if (frozen && kind !== "parameters") continue;
    const page = kind === "parameters" ? place.page : mirror(place.page, kind);
    result[name] = [...await store.read(page, place.offset, sizeOf(shape))];
  }
  return result;
}

/** Largest difference between two sets of numbers, relative to `max(1, |x|)`; infinite where one is not a number. */
export function distance(
  a: Readonly<Record<string, readonly number[]>>,
  b: Readonly<Record<string, readonly number[]>>,
): number {
  const pairs = Object.entries(a).flatMap(([name, values]) => values.map((x, i) => [x, b[name][i]]));
  const errors = pairs.map(([x, y]) => Math.abs(x - y) / Math.max(1, Math.abs(x)));
  return errors.reduce((worst, error) => Number.isNaN(error) ? Infinity : Math.max(worst, error), 0);
}

/** A source that gives these updates over and over. */
export function replaying(...updates: readonly UpdateBatch<Gpt1Run>[]): TrainingSource<Gpt1Run> {
  let at = 0;
  return {
    get cursor() {
      return at;
    },
    seek: (cursor) => void (at = Number(cursor)),
    next: () => updates[at++ % updates.length],
  };
}

/** Everything that a generator yields. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}
