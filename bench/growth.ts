// Growth: how the time of a training step and the bytes of its plan grow with the batch, the context, the layers, the
// channels and the vocabulary, each doubled from half of S to four times as much while the others stay. `--plot` draws it.

import { openWasm } from "../src/backends/wasm/device.ts";
import { configure } from "../src/models/gpt1.ts";
import { createGpt1 } from "../src/models/gpt1_model.ts";
import { trainingBytes } from "../src/train/memory.ts";
import { gpt1Optimizer } from "../src/train/update.ts";
import { plotOf, type Point } from "./growth_plot.ts";
import { alternate } from "./measure.ts";
import { remark, type Row, type Settings } from "./report.ts";
import type { Size } from "./sizes.ts";
import { training } from "./training.ts";

type Grown = "B" | "T" | "L" | "C" | "V";
type Shape = Readonly<Record<Grown, number>>;

const FACTORS = [0.5, 1, 2, 4], HEAD = 32;
const base = (quick: boolean): Shape =>
  quick ? { B: 2, T: 32, L: 2, C: 64, V: 128 } : { B: 16, T: 128, L: 4, C: 128, V: 2048 };

/** A model of some shape; heads have 32 channels. */
export function sizeOfShape({ B, T, L, C, V }: Shape): Size {
  const config = configure({ context: T, channels: C, heads: C / HEAD, layers: L }, V, { rate: 0 });
  return { name: "growth", config, batch: B };
}

async function measure(
  { config, batch }: Size,
  threads: number,
): Promise<Pick<Point, "milliseconds" | "bytes">> {
  using device = await openWasm({ threads });
  using model = await createGpt1(device, config, { seed: 1 });
  const { update, end } = training(model, batch);
  const [seconds] = await alternate([update], { seconds: 0, least: 3 });
  await end();
  const run = { batch, length: model.context, language: true };
  const { total } = trainingBytes(model.plans, run, { optimizer: gpt1Optimizer, threads });
  return { milliseconds: 1000 * seconds, bytes: total };
}

/** Time and bytes of each shape, on all threads. */
export async function* benchGrowth({ threads, quick, plot }: Settings): AsyncGenerator<Row, void, undefined> {
  const count = Math.max(...threads), shape = base(quick), points: Point[] = [];
  for (const symbol of Object.keys(shape) as Grown[]) {
    for (const factor of FACTORS) {
      const value = factor * shape[symbol], name = `growth-${symbol.toLowerCase()}-${value}`;
      const measured = await measure(sizeOfShape({ ...shape, [symbol]: value }), count);
      points.push({ symbol, factor, ...measured });
      const row = { bench: "growth", runtime: "deno", threads: count };
      yield { ...row, name, unit: "ms", value: measured.milliseconds };
      yield { ...row, name: `${name}-bytes`, unit: "MB", value: measured.bytes / 1e6 };
    }
  }
  if (plot === null) return;
  await Deno.writeTextFile(plot, plotOf(points, shape));
  remark(`plot of growth: ${plot}`);
}
