// Starting up, and what it takes: fresh processes that load the library, make the model and train on one batch. The first
// update's end is counted from the start of the process, runtime and compilation included; the later ones are beside it.
// The same processes tell how much memory they hold, next to what the plans say and the size of the linear memory.

import { openWasm } from "../src/backends/wasm/device.ts";
import { createGpt1 } from "../src/models/gpt1_model.ts";
import { trainingBytes } from "../src/train/memory.ts";
import { gpt1Optimizer, updatePlan } from "../src/train/update.ts";
import { prepareTraining } from "../src/train/trainer.ts";
import { enter } from "./contest.ts";
import { modelJob, withJob } from "./jobs.ts";
import { median } from "./measure.ts";
import { race } from "./race.ts";
import type { Row, Settings } from "./report.ts";
import { findRuntimes } from "./runtimes.ts";
import { type Size, sizes } from "./sizes.ts";

const FRESH = 3; // processes

// What the plans of a size say, and the linear memory of a device that has loaded them.
async function memoryOf(
  { config, batch }: Size,
  threads: number,
): Promise<{ planned: number; linear: number }> {
  using device = await openWasm({ threads });
  using model = await createGpt1(device, config, { seed: 1 });
  const run = { batch, length: model.context, language: true };
  await prepareTraining(model);
  model.gradient(run);
  const planned = trainingBytes(model.plans, run, { optimizer: gpt1Optimizer, threads }).total;
  device.load(updatePlan(model.layout, gpt1Optimizer), model.store);
  return { planned, linear: device.bytes() };
}

/** Startup of S and M in every runtime, and memory beside it. */
export async function* benchStartup(
  { threads, quick, node, note }: Settings,
): AsyncGenerator<Row, void, undefined> {
  await using runtimes = await findRuntimes(node);
  note(runtimes.versions);
  const count = Math.max(...threads), plain = runtimes.entrants.filter(({ name }) => !name.includes(" "));
  for (const size of sizes(quick)) {
    const memory = await memoryOf(size, count), name = `startup-${size.name}`;
    for (const entrant of plain) {
      const row = { bench: "startup", runtime: entrant.name, threads: count };
      const starts: number[] = [], later: number[] = [], resident: number[] = [];
      await withJob(modelJob(size, "train", count), async (folder) => {
        for (let i = 0; i < FRESH; i++) {
          await using contestant = await enter(entrant, folder);
          starts.push(contestant.startup);
          later.push(...await race([contestant], { warm: 1, least: 3 }));
          resident.push((await contestant.turn()).resident);
        }
      });
      yield { ...row, name, unit: "s", value: median(starts) };
      yield { ...row, name: `${name}-later-step`, unit: "ms", value: 1000 * median(later) };
      for (const [kind, bytes] of Object.entries({ ...memory, resident: median(resident) })) {
        yield { ...row, name: `memory-${size.name}-${kind}`, unit: "MB", value: bytes / 1e6 };
      }
    }
  }
}
