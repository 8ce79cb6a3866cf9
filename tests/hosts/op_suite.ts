// The op suite as something any host can run: every op x case on the host's WebGPU against the float64 reference, a check
// that running holds no memory, and reductions with and without the features that change them. It is bundled for Node and
// for browsers, so it uses nothing of a runtime's own.

import { assert, assertEquals } from "@std/assert";
import type { Device } from "../../src/backends/backend.ts";
import { openWebGpu } from "../../src/backends/webgpu/device.ts";
import { assertAgrees, type Job, jobs, runJob } from "../op_jobs.ts";
import { pagesOf } from "../op_cases.ts";
import { reductionJobs } from "./reduction_jobs.ts";

/** What to run, and on what. */
export interface SuiteOptions {
  /** Where to look for an adapter; what the library finds unless given. */
  readonly gpu?: GPU;
  /** Run only jobs whose ops are all among these. */
  readonly ops?: readonly string[];
  /** Of each op's forward and gradient jobs, run the first and then each so many-th; all unless given. */
  readonly every?: number;
  /** Whether to do with the least that WebGPU offers. */
  readonly portable?: boolean;
}

/** How a suite went; plain data. */
export interface SuiteResult {
  /** The adapter, as the device describes it. */
  readonly adapter: string;
  /** Whether the device that the jobs ran on has subgroups. */
  readonly subgroups: boolean;
  /** Jobs that agreed with the reference, and checks that held. */
  readonly passed: number;
  /** One sentence for each that did not. */
  readonly failures: readonly string[];
}

const MOST_FAILURES = 20; // a device that gets everything wrong need not say so 400 times
const RUNS = 1000, BURST = 50;

/** Jobs of a sample of the cases in which every op has a part, forward and gradient. */
export function sampled({ ops, every = 1 }: SuiteOptions): Job[] {
  const seen = new Map<string, number>();
  return jobs.filter(({ plan, sample, parameters }) => {
    if (ops && !plan.steps.every(({ op }) => ops.includes(op))) return false;
    const kind = `${sample.op.name} ${parameters.length > 0}`, index = seen.get(kind) ?? 0;
    seen.set(kind, index + 1);
    return index % every === 0;
  });
}

/** How many checks a suite makes. */
export const checksOf = (options: SuiteOptions): number =>
  1 + sampled(options).length + 2 * reductionJobs.length;

const labelOf = ({ sample: { label }, parameters }: Job): string =>
  `${label}${parameters.length > 0 ? ", gradient" : ""}`;

/** Whether a device has subgroups. */
export const hasSubgroups = (device: Device): boolean =>
  (device as unknown as { gpu: GPUDevice }).gpu.features.has("subgroups" as GPUFeatureName);

/** Runs the suite. Throws only if there is no device to run it on. */
export async function runOpSuite(options: SuiteOptions = {}): Promise<SuiteResult> {
  const { gpu } = options;
  let portable = options.portable ?? false;
  const open = (poison: boolean): Promise<Device> =>
    openWebGpu({ portable, poison, ...(gpu ? { gpu } : {}) });
  let device = await open(false), passed = 0;
  const failures: string[] = [], adapter = device.description, subgroups = hasSubgroups(device);
  const check = async (label: string, body: () => Promise<void>): Promise<void> => {
    if (failures.length === MOST_FAILURES) return;
    try {
      await body();
      passed++;
    } catch (error) {
      failures.push(`${label}: ${(error as Error).message}`);
      device.close(); // after an error of the GPU a device does nothing any more
      device = await open(true);
    }
  };
  await check("memory", () => assertRunsHoldNothing(device));
  device.close();
  device = await open(true);
  for (const job of sampled(options)) {
    await check(labelOf(job), () => assertAgrees(device, job));
  }
  for (const job of reductionJobs) await check(`${labelOf(job)}, again`, () => assertRepeats(device, job));
  device.close();
  portable = true;
  device = await open(true);
  for (const job of reductionJobs) await check(`${labelOf(job)}, portable`, () => assertAgrees(device, job));
  device.close();
  return { adapter, subgroups, passed, failures };
}

/** Asserts that a job agrees with the reference, and gives the same bits when it is run again. */
export async function assertRepeats(device: Device, job: Job): Promise<void> {
  await assertAgrees(device, job);
  assertEquals(await runJob(device, job), await runJob(device, job));
}

/**
 * Asserts that 1,000 runs of a small program make a device hold nothing more. Most runs read nothing back: one that
 * does needs a buffer for as long as it is under way, and how many are would depend on time.
 */
export async function assertRunsHoldNothing(device: Device): Promise<void> {
  const { plan, sample: { feeds } } = jobs.find(({ sample }) => sample.op.name === "add")!;
  const store = device.createStore(pagesOf(plan)), program = device.load(plan, store);
  const burst = async (): Promise<number> => {
    for (let run = 1; run < BURST; run++) await program.run(feeds, []);
    await program.run(feeds);
    return device.bytes();
  };
  const held = await burst();
  for (let done = 0; done < RUNS; done += BURST) {
    const now = await burst();
    assert(now === held, `after ${done + BURST} runs it holds ${now} bytes, not ${held}`);
  }
  program.free();
  store.free();
}
