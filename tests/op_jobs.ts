// Every op x case as something to run on a device: the op alone, and its gradient. A backend's test runs them all and
// compares with the float64 reference.

import { assert } from "@std/assert";
import type { Device, Feeds, Results } from "../src/backends/backend.ts";
import { openReference } from "../src/backends/reference.ts";
import type { Plan } from "../src/graph/plan.ts";
import { forwardPlan, gradientPlans, pagesOf, type Sample, samples } from "./op_cases.ts";

/** A plan of one case. */
export interface Job {
  readonly sample: Sample;
  readonly plan: Plan;
  /** States to write before the run, and to read after it. */
  readonly parameters: readonly string[];
}

/** Forward and gradient of one case. */
export function jobsOf(sample: Sample): Job[] {
  const gradients = gradientPlans(sample);
  return [
    { sample, plan: forwardPlan(sample), parameters: [] },
    ...(gradients ? [{ sample, plan: gradients.gradient, parameters: gradients.parameters }] : []),
  ];
}

/** Forward and gradient of every case. */
export const jobs: readonly Job[] = samples().flatMap(jobsOf);

/** Outputs and gradients of one job, by name. */
export async function runJob(device: Device, { sample, plan, parameters }: Job): Promise<Results> {
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

const reference = openReference();

/** Runs a job on a device and on the reference; they may differ by the op's tolerance, relative to the largest value. */
export async function assertAgrees(device: Device, job: Job): Promise<void> {
  const got = await runJob(device, job), want = await runJob(reference, job);
  for (const [name, values] of Object.entries(want)) {
    const scale = (values as Float32Array).reduce((most, value) => Math.max(most, Math.abs(value)), 1);
    const tolerance = (job.sample.op.tolerance ?? 1e-5) * scale;
    values.forEach((value, i) => {
      const error = Math.abs(value - got[name][i]);
      assert(
        error <= tolerance || value === got[name][i],
        `${job.sample.label}: ${name}[${i}] is ${got[name][i]}, not ${value}`,
      );
    });
  }
}
