// The runs of a study, one after another on one device: the learning rate searched with the first seed, the other seeds
// with the one that dev chose. A run that is finished is not repeated, one that was interrupted goes on, one that was made
// with other settings is refused, or made again where that is asked for.

import type { Device } from "../../backends/backend.ts";
import type { Plan } from "../../graph/plan.ts";
import { blocksOf } from "../../tasks/fine_tune.ts";
import { sha256 } from "../../text/digest.ts";
import { NonFiniteLoss } from "../../train/trainer.ts";
import {
  type FineTuneFlags,
  fineTuneOnce,
  type Material,
  plansOfTraining,
  readBase,
  readMaterial,
  settingsOf,
  type Training,
} from "../fine_tuning.ts";
import { type DeviceFlags, deviceOfCheckpoint, disk, say, UsageError, whereOf } from "../io.ts";
import { chooseCheckpoint, difference, readRun, resumePoint } from "../run_folder.ts";
import { taskData } from "../task_data.ts";
import type { Architecture, Arm } from "./arms.ts";
import { bestRate, type Cell, cellOf, devOf } from "./cells.ts";
import type { StudyConfig, StudyTask } from "./config.ts";
import type { Settings } from "./flags.ts";
import type { Results, RunRecord } from "./results.ts";

/** Where to compute, and what becomes of what was made. */
export interface StudyFlags extends DeviceFlags {
  readonly json?: boolean;
  readonly config: string;
  readonly keepCheckpoints?: boolean;
  readonly redo?: boolean;
}

/** What is to be run of a task. */
export interface Job {
  readonly task: StudyTask;
  readonly arms: readonly Arm[];
}

/** What runs share. */
export interface Study {
  readonly config: StudyConfig;
  readonly flags: StudyFlags;
  /** Pre-trained runs, as far as they are needed. */
  readonly models: Readonly<Partial<Record<Architecture, string>>>;
  readonly results: Results;
  readonly signal: AbortSignal;
}

/** One run of a study. */
interface Planned {
  readonly folder: string;
  readonly title: string;
  readonly flags: FineTuneFlags;
  /** Everything that decides its result. */
  readonly settings: Settings;
}

/** A study with everything read and checked, and nothing run yet. */
export interface Ready {
  /** How many runs there are, and how many are finished. */
  readonly count: () => { readonly all: number; readonly finished: number };
  /** What the device was called that an unfinished run was on, else a finished one; `null` before there is a run. */
  readonly device: () => Promise<string | null>;
  /** The plans of an update of a task's first run. */
  readonly plans: (job: Job) => Promise<Plan[]>;
  /** Runs what is missing of a task. */
  readonly run: (device: Device, job: Job) => Promise<Cell[]>;
}

/** Reads every task's examples and checks what was run before, so that a mistake shows before hours of training. */
export async function prepareStudy(study: Study, jobs: readonly Job[]): Promise<Ready> {
  const plans = new Map<Job, Map<Arm, PlanOf>>(), bases = new Map<string, string>();
  for (const job of jobs) {
    const digest = await digestOf(await materialOf(study, job)), arms = new Map<Arm, PlanOf>();
    for (const arm of job.arms) {
      const key = JSON.stringify([arm.architecture, arm.flags, job.task.flags.checkpoint]);
      const base = bases.get(key) ?? await digestOfBase(study, job.task, arm);
      bases.set(key, base);
      arms.set(arm, (rate, seed) => plannedOf(study, job.task, arm, rate, seed, { base, examples: digest }));
    }
    plans.set(job, arms);
    for (const planOf of arms.values()) {
      for (const rate of job.task.learningRates) {
        for (const seed of job.task.seeds) await requireUnchanged(study, planOf(rate, seed));
      }
    }
  }
  const { results: { runs } } = study;
  const count = () => {
    let all = 0, finished = 0;
    for (const [{ task: { learningRates, seeds } }, arms] of plans) {
      for (const planOf of arms.values()) {
        const search = learningRates.map((rate) => runs.get(planOf(rate, seeds[0]).folder));
        all += learningRates.length + seeds.length - 1;
        finished += search.filter(Boolean).length;
        if (!search.every((run) => run !== undefined)) continue;
        const rate = bestRate(search.map((run, i) => ({ learningRate: learningRates[i], dev: devOf(run!) })));
        if (rate === null) continue;
        finished += seeds.slice(1).filter((seed) => runs.has(planOf(rate, seed).folder)).length;
      }
    }
    return { all, finished };
  };
  const trainings = new Map<Job, Trainings>();
  const trainingsOf = (job: Job): Trainings => {
    const known = trainings.get(job) ?? trainingsFor(study, job);
    trainings.set(job, known);
    return known;
  };
  const folders = [...plans].flatMap(([{ task: { learningRates, seeds } }, arms]) =>
    [...arms.values()].flatMap((planOf) =>
      learningRates.flatMap((rate) => seeds.map((seed) => planOf(rate, seed).folder))
    )
  );
  const deviceBefore = async (): Promise<string | null> => {
    for (const folder of folders) {
      const begun = runs.has(folder) ? null : await resumePoint(folder, true);
      if (begun) return deviceOfCheckpoint(begun);
    }
    return folders.map((folder) => runs.get(folder)?.device).find((device) => device !== undefined) ?? null;
  };
  return {
    count,
    device: deviceBefore,
    plans: async (job) => {
      const { arms: [arm], task: { learningRates: [rate], seeds: [seed] } } = job;
      const planned = plans.get(job)!.get(arm)!(rate, seed);
      return plansOfTraining(await trainingsOf(job)(planned, arm), planned.flags);
    },
    run: async (device, job) => {
      try {
        return await runJob(study, device, job, plans.get(job)!, trainingsOf(job), count);
      } finally {
        trainings.delete(job);
      }
    },
  };
}

// What the runs of a task are trained on, each read when first asked for.
type Trainings = (planned: Planned, arm: Arm) => Promise<Training>;

function trainingsFor(study: Study, job: Job): Trainings {
  const trainings = new Map<Architecture, Training>();
  let material: Material | null = null;
  return async (planned, { architecture }) => {
    const known = trainings.get(architecture);
    if (known) return known;
    material ??= await materialOf(study, job);
    const made = { ...material, ...await readBase(planned.flags), sequences: new Map() };
    trainings.set(architecture, made);
    return made;
  };
}

type PlanOf = (rate: number, seed: number) => Planned;

async function runJob(
  study: Study,
  device: Device,
  job: Job,
  plans: ReadonlyMap<Arm, PlanOf>,
  trainingOf: Trainings,
  count: Ready["count"],
): Promise<Cell[]> {
  const { task } = job, cells: Cell[] = [];
  const run = async (arm: Arm, rate: number, seed: number): Promise<RunRecord> => {
    const planned = plans.get(arm)!(rate, seed), { results, flags } = study;
    let record = results.runs.get(planned.folder);
    if (!record) {
      study.signal.throwIfAborted();
      const { all, finished } = count();
      say(`[${finished + 1} of ${all}] ${planned.title}`);
      record = await runOnce(device, await trainingOf(planned, arm), planned, study.signal);
      await results.put(planned.folder, record);
    }
    if (!flags.keepCheckpoints) await removeCheckpoints(planned.folder);
    return record;
  };
  const [first, ...others] = task.seeds;
  for (const arm of job.arms) {
    const search: [number, RunRecord][] = [];
    for (const rate of task.learningRates) search.push([rate, await run(arm, rate, first)]);
    const tried = search.map(([learningRate, record]) => ({ learningRate, dev: devOf(record) }));
    const rate = bestRate(tried);
    if (rate === null) {
      throw new UsageError(
        `${task.name}, ${arm.title}: the loss was not finite with any of the learning rates ${
          task.learningRates.join(", ")
        }: give a lower one under "learningRates"`,
      );
    }
    const runs = [search.find(([tried]) => tried === rate)![1]];
    for (const seed of others) {
      const record = await run(arm, rate, seed);
      if (!record.dev) {
        throw new UsageError(
          `${task.name}, ${arm.title}: the loss was not finite with the learning rate ${rate} and seed ${seed}: take ` +
            `this rate out of "learningRates"`,
        );
      }
      runs.push(record);
    }
    cells.push(cellOf(task, arm, rate, tried, runs));
  }
  return cells;
}

async function runOnce(
  device: Device,
  training: Training,
  { flags, settings, title }: Planned,
  signal: AbortSignal,
): Promise<RunRecord> {
  const metric = settings.metric as RunRecord["metric"];
  try {
    const { best, baseline, trained, steps } = await fineTuneOnce(device, training, flags, signal);
    const { train = null, dev, test } = best;
    say(
      `${title}: ${metric} ${
        [dev, test].filter(Boolean).map((score) => score![metric]!.toFixed(4)).join(" on dev, ")
      }${test ? " on test" : " on dev"}`,
    );
    return { settings, metric, train, dev, test, baseline, trained, steps, device: device.description };
  } catch (error) {
    if (!(error instanceof Error && error.cause instanceof NonFiniteLoss)) throw error;
    say(`${title}: the loss was not finite at step ${error.cause.step}; this learning rate is passed over`);
    return {
      settings,
      metric,
      train: null,
      dev: null,
      test: null,
      baseline: 0,
      trained: 0,
      steps: error.cause.step,
      device: device.description,
    };
  }
}

function plannedOf(
  { config, flags: where, models }: Study,
  task: StudyTask,
  arm: Arm,
  rate: number,
  seed: number,
  digests: { readonly base: string; readonly examples: string },
): Planned {
  const folder = `${config.out}/runs/${task.folder}/${arm.name}/lr-${rate}/seed-${seed}`;
  const flags: FineTuneFlags = {
    ...task.flags,
    ...arm.flags,
    ...whereOf(where),
    model: models[arm.architecture]!,
    out: folder,
    lr: rate,
    seed,
    resume: true,
    scoreTrain: true,
  };
  // Where things lie decides nothing; what they are does.
  const { base: _, data: _data, train: _train, dev: _dev, ...settings } = settingsOf(flags, taskData(flags));
  return {
    folder,
    title: `${task.name}, ${arm.title}, learning rate ${rate}, seed ${seed}`,
    flags,
    settings: { ...settings, ...digests },
  };
}

const WORDS: Readonly<Record<string, string>> = {
  base: "another pre-trained run, or another checkpoint of it,",
  examples: "other examples",
};

// A run that was made with other settings. One that was interrupted knows nothing of digests.
async function requireUnchanged({ config, flags, results }: Study, planned: Planned): Promise<void> {
  const { folder, settings } = planned, record = results.runs.get(folder);
  let found = record ? difference(record.settings, settings) : null;
  if (!record && await disk.stat(`${folder}/config.json`)) {
    found = difference((await readRun(folder)).settings, settingsOf(planned.flags, taskData(planned.flags)));
  }
  if (!found) return;
  if (flags.redo) {
    say(`${folder} is made again`);
    await results.remove(folder);
    await disk.remove(folder);
    return;
  }
  const what = record && WORDS[found.name] ||
    `${found.name} ${found.before} where ${config.path} now has ${found.now}`;
  throw new UsageError(
    `${folder} was made with ${what}: undo the change, choose another "out", or add --redo to make again what changed`,
  );
}

/** Reads a task's examples; test examples only if they have labels. */
async function materialOf({ models, flags }: Study, { task, arms: [arm] }: Job): Promise<Material> {
  const any = {
    ...task.flags,
    ...whereOf(flags),
    model: models[arm.architecture]!,
    out: "",
    lr: 0,
    seed: 0,
  };
  const material = await readMaterial(any), { test } = material.examples;
  if (!test || test.every(({ label }) => label !== null)) return material;
  return { ...material, examples: { ...material.examples, test: null } };
}

async function digestOf({ examples }: Material): Promise<string> {
  const content = Object.values(examples).map((list) =>
    list && list.map(({ texts, answers, label }) => [texts, answers, label])
  );
  return (await digest(content)).slice(0, 16);
}

// From scratch only sizes and tokenizer matter, else the parameters.
async function digestOfBase({ models }: Study, { flags }: StudyTask, arm: Arm): Promise<string> {
  const run = models[arm.architecture]!, { model, tokenizer } = await readRun(run);
  const { transferLayers } = arm.flags;
  if (transferLayers !== undefined && transferLayers > blocksOf(model)) {
    throw new UsageError(
      `Cannot transfer ${transferLayers} blocks of ${run}, which has ${
        blocksOf(model)
      }: give "layers" from 0 to ${blocksOf(model)}`,
    );
  }
  if (arm.flags.fromScratch) return (await digest([model, tokenizer])).slice(0, 16);
  const { folder } = await chooseCheckpoint(run, flags.checkpoint);
  return (await sha256((await disk.read(`${folder}/checkpoint.json`)).slice())).slice(0, 16);
}

const digest = (content: unknown): Promise<string> =>
  sha256(new TextEncoder().encode(JSON.stringify(content)));

async function removeCheckpoints(folder: string): Promise<void> {
  await disk.remove(`${folder}/checkpoints.json`);
  await disk.remove(`${folder}/checkpoints`);
}
