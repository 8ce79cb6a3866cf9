// Where WASM gives way to the GPU: the time of a training step on both devices, as `auto` predicts it and as it is, and which
// of them `auto` would take; then from how many channels on it takes the GPU, by prediction alone. Rows are called auto-…:
// auto-rate-DEVICE, auto-launch-DEVICE and auto-wait-DEVICE are what was measured to predict by, auto-SIZE-DEVICE and
// auto-SIZE-DEVICE-predicted are steps, auto-SIZE-gain and -predicted how many times as fast the GPU is.

import type { Device } from "../src/backends/backend.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { choiceBySpeed, type Cost, costOf, crossing, predicted, type Speed } from "../src/choose_device.ts";
import { measureSpeed } from "../src/measure_device.ts";
import { configure, type Gpt1Config } from "../src/models/gpt1.ts";
import { createGpt1 } from "../src/models/gpt1_model.ts";
import { gpt1Plans } from "../src/models/gpt1_plans.ts";
import { trainingPlans } from "../src/train/memory.ts";
import { gpt1Optimizer } from "../src/train/update.ts";
import { allSizes, type Size } from "./sizes.ts";
import { training } from "./training.ts";
import type { GpuRow } from "./webgpu_rows.ts";

const SECONDS = 2; // of a turn, by the prediction
const WIDTHS = [32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536]; // of models as deep and long as S

type Shape = Pick<Size, "config" | "batch">;

function costOfStep({ config, batch }: Shape): Cost {
  const run = { batch, length: config.context, language: true };
  return costOf(trainingPlans(gpt1Plans(config), run, { optimizer: gpt1Optimizer }));
}

// The faster of two turns, after one that compiles; a turn ends when its last loss was read.
async function secondsOfStep(device: Device, { config, batch }: Shape, expected: number): Promise<number> {
  const turn = Math.max(1, Math.min(30, Math.ceil(SECONDS / expected))), marks: number[] = [];
  const model = await createGpt1(device, config, { seed: 1 });
  const { update, end } = training(model, batch, turn);
  try {
    for (let step = 1; step <= 3 * turn; step++) {
      await update();
      if (step % turn === 0) marks.push(performance.now());
    }
    await end();
  } finally {
    model.close();
  }
  return Math.min(marks[1] - marks[0], marks[2] - marks[1]) / 1000 / turn;
}

const family = (): { width: number; cost: Cost }[] =>
  WIDTHS.map((width) => {
    const shape = { context: 128, channels: width, heads: width / 32, layers: 4 };
    const config: Gpt1Config = configure(shape, 2048, { rate: 0 });
    return { width, cost: costOfStep({ config, batch: 16 }) };
  });

interface Options {
  readonly quick: boolean;
  readonly remark: (text: string) => void;
}

/** Predicted and measured steps of every size on WASM, with all threads, and on a GPU. */
export async function* benchCrossing(gpu: Device, options: Options): AsyncGenerator<GpuRow> {
  const wasm = await openWasm();
  try {
    yield* crossingRows(wasm, gpu, options);
  } finally {
    wasm.close();
  }
}

// Whose clock, and on WASM how many threads, which a GPU's rows do not say.
const byOf = ({ kind, threads }: Device): Pick<GpuRow, "clock" | "threads"> =>
  kind === "wasm" ? { clock: "host", threads } : { clock: "host" };

async function* crossingRows(
  wasm: Device,
  gpu: Device,
  { quick, remark }: Options,
): AsyncGenerator<GpuRow> {
  remark(`auto: ${wasm.description} beside ${gpu.description}`);
  const devices = [wasm, gpu], speeds: Speed[] = [];
  for (const device of devices) {
    const speed = await measureSpeed(device), { kind } = device, by = byOf(device);
    speeds.push(speed);
    yield { name: `auto-rate-${kind}`, unit: "Gop/s", ...by, value: speed.rate / 1e9 };
    yield { name: `auto-launch-${kind}`, unit: "us", ...by, value: 1e6 * speed.launch };
    yield { name: `auto-wait-${kind}`, unit: "ms", ...by, value: 1000 * speed.wait };
  }
  const [onWasm, onGpu] = speeds, name = gpu.description.replace("WebGPU on ", "");
  for (const size of allSizes(quick)) {
    const cost = costOfStep(size), expected = speeds.map((speed) => predicted(speed, cost));
    const taken: number[] = [];
    for (const [i, device] of devices.entries()) {
      taken.push(await secondsOfStep(device, size, expected[i]));
      const row = `auto-${size.name}-${device.kind}`, by = byOf(device);
      yield { name: `${row}-predicted`, unit: "ms", ...by, value: 1000 * expected[i] };
      yield { name: row, unit: "ms", ...by, value: 1000 * taken[i] };
    }
    yield {
      name: `auto-${size.name}-gain-predicted`,
      unit: "x",
      clock: "host",
      value: expected[0] / expected[1],
    };
    yield { name: `auto-${size.name}-gain`, unit: "x", clock: "host", value: taken[0] / taken[1] };
    remark(`auto, ${size.name}: ${choiceBySpeed(cost, onWasm, onGpu, name).text}`);
  }
  const models = family(), first = crossing(models.map(({ cost }) => cost), onWasm, onGpu);
  if (first === 0) remark(`auto: the GPU from ${WIDTHS[0]} channels on, the narrowest that was tried`);
  else if (first === models.length) {
    remark(`auto: WASM up to ${WIDTHS.at(-1)} channels, the widest that was tried`);
  } else yield { name: "auto-crossing", unit: "channels", value: models[first].width };
}
