// `foreword study`: the paper's analyses as commands. Which runs there are, and what they came to, is src/cli/study; here a
// file becomes a study, its runs are made one after another, and what is known so far is written after each task.

import type { Command } from "commander";
import { blocksOf } from "../../tasks/fine_tune.ts";
import {
  deviceFlags,
  deviceOf,
  disk,
  Interrupted,
  interruptSignal,
  jsonFlag,
  print,
  say,
  UsageError,
  whereOf,
} from "../io.ts";
import { readRun } from "../run_folder.ts";
import { ablationsReport, type Report } from "../study/ablations.ts";
import { type Architecture, armNamed, layersArm, spreadOf } from "../study/arms.ts";
import type { Cell } from "../study/cells.ts";
import { readStudy, type StudyConfig } from "../study/config.ts";
import { type LayersCell, layersReport } from "../study/layers.ts";
import { openResults } from "../study/results.ts";
import { type Job, prepareStudy, type StudyFlags } from "../study/runs.ts";
import { curvesOf, readRecords, zeroshotReport } from "../study/zeroshot.ts";
import { standalone } from "../demo/chart.ts";
import { pretrainOnce } from "./pretrain.ts";

type Kind = "ablations" | "layers" | "zeroshot";

/** Adds the command. */
export function addStudy(program: Command): void {
  const study = program.command("study").description(
    "Repeat the paper's analyses on your own tasks and models, from one file; stops and goes on",
  );
  const add = (kind: Kind, description: string, action: (flags: StudyFlags) => Promise<void>): Command =>
    deviceFlags(jsonFlag(study.command(kind)))
      .description(`${description}; writes ${kind}.md, .csv, .json and .svg`)
      .requiredOption("--config <file>", "the study in JSON; see docs/studies.md")
      .action((flags: StudyFlags) => goingOn(kind, flags, action));
  const trains = (command: Command): Command =>
    command
      .option("--keep-checkpoints", "keep those of finished runs; tables need none of them")
      .option("--redo", "make again what was made with other settings than the file now has");
  trains(
    add(
      "ablations",
      "Table 5: the model against itself without the auxiliary loss, without pre-training, and an LSTM",
      ablations,
    ),
  );
  trains(add("layers", "Figure 2, left: what each transferred block is worth", layers));
  add(
    "zeroshot",
    "Figure 2, right: what the model can do without fine-tuning, along its pre-training",
    zeroshot,
  );
}

// Whatever stops, what was finished is kept, and the same command goes on.
async function goingOn(
  kind: Kind,
  flags: StudyFlags,
  action: (flags: StudyFlags) => Promise<void>,
): Promise<void> {
  try {
    await action(flags);
  } catch (error) {
    if (!(error instanceof Error) || !(error instanceof Interrupted || error.name === "AbortError")) {
      throw error;
    }
    throw new Interrupted(
      `Stopped; what is finished is kept. To go on: foreword study ${kind} --config ${flags.config}`,
    );
  }
}

async function ablations(flags: StudyFlags): Promise<void> {
  const signal = interruptSignal(), config = await studyWithTasks(flags);
  const jobs = config.tasks.map((task): Job => ({ task, arms: task.arms.map(armNamed) }));
  const models = await modelsOf(config, jobs, flags, signal);
  await runJobs("ablations", { config, flags, models, signal }, jobs, ablationsReport);
}

async function layers(flags: StudyFlags): Promise<void> {
  const signal = interruptSignal(), config = await studyWithTasks(flags);
  const { transformer } = await modelsOf(config, [], flags, signal, ["transformer"]);
  const blocks = blocksOf((await readRun(transformer!)).model);
  const jobs = config.tasks.map((task): Job => ({
    task,
    arms: (task.layers === "all" ? spreadOf(blocks) : task.layers).map((count) => layersArm(count, blocks)),
  }));
  const countOf = ({ arm }: Cell): number => arm === "full" ? blocks : Number(arm.replace("layers-", ""));
  const report = (cells: readonly Cell[], note?: string) =>
    layersReport(cells.map((cell): LayersCell => ({ ...cell, layers: countOf(cell), blocks })), note);
  await runJobs("layers", { config, flags, models: { transformer: transformer! }, signal }, jobs, report);
}

async function zeroshot(flags: StudyFlags): Promise<void> {
  const config = await readStudy(flags.config);
  const models = await modelsOf(config, [], flags, interruptSignal(), ["transformer", "lstm"], true);
  const records: Partial<Record<Architecture, Awaited<ReturnType<typeof readRecords>>>> = {};
  for (const [architecture, run] of Object.entries(models)) {
    records[architecture as Architecture] = await readRecords(disk, run);
  }
  const curves = curvesOf(records, config.zeroshot);
  if (curves.length === 0) {
    throw new UsageError(
      `${Object.values(models).join(" and ")} hold${
        Object.keys(models).length > 1 ? "" : "s"
      } no zeroshot.jsonl with ` +
        "records of these tasks: score them while they pre-train (`pretrain --zeroshot`), or their checkpoints afterwards " +
        "(`zeroshot --checkpoint all`)",
    );
  }
  await write(config, "zeroshot", zeroshotReport(curves), flags);
}

async function studyWithTasks({ config: path }: StudyFlags): Promise<StudyConfig> {
  const config = await readStudy(path);
  if (config.tasks.length === 0) {
    throw new UsageError(`${path}: "tasks" is missing or empty: name at least one`);
  }
  return config;
}

type Models = Partial<Record<Architecture, string>>;

// Pre-trained runs that are named, and those that are still to be made.
async function modelsOf(
  { path, models, pretrain }: StudyConfig,
  jobs: readonly Job[],
  flags: StudyFlags,
  signal: AbortSignal,
  needed: readonly Architecture[] = [
    ...new Set(jobs.flatMap(({ arms }) => arms.map(({ architecture }) => architecture))),
  ],
  optional = false,
): Promise<Models> {
  const found: Models = {};
  for (const architecture of needed) {
    const run = models[architecture], recipe = pretrain[architecture];
    if (run !== undefined) found[architecture] = run;
    else if (recipe) {
      say(`pre-training the ${architecture} in ${recipe.out}`);
      await pretrainOnce({ ...recipe, ...whereOf(flags) }, signal);
      found[architecture] = recipe.out;
    } else if (!optional || needed.at(-1) === architecture && Object.keys(found).length === 0) {
      throw new UsageError(
        `${path}: there is no pre-trained ${architecture}: name its run under "models", or say under "pretrain" how to make it`,
      );
    }
  }
  return found;
}

async function runJobs(
  kind: Kind,
  study: Omit<Parameters<typeof prepareStudy>[0], "results">,
  jobs: readonly Job[],
  report: (cells: readonly Cell[], note?: string) => Report,
): Promise<void> {
  const { config, flags } = study, results = await openResults(config.out);
  const ready = await prepareStudy({ ...study, results }, jobs), { all, finished } = ready.count();
  say(
    `${all} runs of ${jobs.length} task${jobs.length === 1 ? "" : "s"}, ${finished} of them finished before`,
  );
  const nothing = finished === all && "nothing is left to run";
  using device = await deviceOf(
    flags,
    nothing || (() => ready.plans(jobs[0])),
    nothing ? null : await ready.device(),
  );
  const cells: Cell[] = [];
  for (const [i, job] of jobs.entries()) {
    cells.push(...await ready.run(device, job));
    if (i < jobs.length - 1) {
      await writeReport(
        config,
        kind,
        report(cells, `Not finished: ${i + 1} of ${jobs.length} tasks so far.`),
      );
    }
  }
  await write(config, kind, report(cells), flags);
}

async function write(config: StudyConfig, kind: Kind, report: Report, flags: StudyFlags): Promise<void> {
  await writeReport(config, kind, report);
  const files = Object.fromEntries(
    Object.keys(report).map((extension) => [extension, `${config.out}/${kind}.${extension}`]),
  );
  print(
    flags,
    { out: config.out, files, ...report.json },
    `${report.md}\nwritten: ${Object.values(files).join(", ")}`,
  );
}

async function writeReport({ out }: StudyConfig, kind: Kind, { md, csv, json, svg }: Report): Promise<void> {
  await disk.makeFolder(out);
  const contents = { md, csv, json: `${JSON.stringify(json, null, 2)}\n`, svg: standalone(svg) };
  for (const [extension, content] of Object.entries(contents)) {
    await disk.write(`${out}/${kind}.${extension}`, [new TextEncoder().encode(content)]);
  }
}
