// Every op x case on WASM: both builds against the float64 reference, forward and gradient, with temporaries filled with
// NaN before each run; and the same bits on 1, 2 and 3 threads.

import { assert, assertEquals } from "@std/assert";
import type { Device, Feeds, Results } from "../src/backends/backend.ts";
import { openReference } from "../src/backends/reference.ts";
import type { BuildName } from "../src/backends/wasm/builds.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import type { Plan } from "../src/graph/plan.ts";
import { forwardPlan, gradientPlans, pagesOf, type Sample, samples } from "./op_cases.ts";

interface Job {
  readonly sample: Sample;
  readonly plan: Plan;
  /** States to write before the run, and to read after it. */
  readonly parameters: readonly string[];
}

const jobs: Job[] = samples().flatMap((sample) => {
  const gradients = gradientPlans(sample);
  return [
    { sample, plan: forwardPlan(sample), parameters: [] },
    ...(gradients ? [{ sample, plan: gradients.gradient, parameters: gradients.parameters }] : []),
  ];
});

// Outputs and gradients of one job, by name.
async function run(device: Device, { sample, plan, parameters }: Job): Promise<Results> {
  const store = device.createStore(pagesOf(plan));
  for (const name of parameters) await store.write(name, 0, sample.feeds[name]);
  const feeds: Feeds = Object.fromEntries(plan.inputs.map(({ name }) => [name, sample.feeds[name]]));
  const program = device.load(plan, store);
  const results: Record<string, Results[string]> = { ...await program.run(feeds) };
  for (const name of parameters) {
    results[`d${name}`] = await store.read(`d${name}`, 0, sample.feeds[name].length);
  }
  program.free();
  store.free();
  return results;
}

for (const build of ["relaxed", "simd"] satisfies BuildName[]) {
  Deno.test(`the ${build} build agrees with the reference`, async () => {
    using device = await openWasm({ build, threads: 1, poison: true });
    const reference = openReference();
    for (const job of jobs) {
      const got = await run(device, job), want = await run(reference, job);
      for (const [name, values] of Object.entries(want)) {
        const scale = Math.max(1, ...Array.from(values, Math.abs));
        const tolerance = (job.sample.op.tolerance ?? 1e-5) * scale;
        values.forEach((value, i) => {
          const error = Math.abs(value - got[name][i]);
          assert(error <= tolerance, `${job.sample.label}: ${name}[${i}] is ${got[name][i]}, not ${value}`);
        });
      }
    }
  });

  Deno.test(`the ${build} build gives the same bits on 1, 2 and 3 threads`, async () => {
    using one = await openWasm({ build, threads: 1 });
    using two = await openWasm({ build, threads: 2, poison: true });
    using three = await openWasm({ build, threads: 3, poison: true });
    for (const job of jobs) {
      const want = await run(one, job);
      for (const device of [two, three]) {
        const got = await run(device, job);
        for (const name of Object.keys(want)) {
          assertEquals(got[name], want[name], `${job.sample.label}: ${name}`);
        }
      }
    }
  });
}
