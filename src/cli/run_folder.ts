// A run folder as the command line sees it: `config.json` says what the run is and with which settings, `tokenizer/` is
// the tokenizer it was made with. A folder in use is refused; resuming demands the same settings.

import type { Device } from "../backends/backend.ts";
import { NotFound } from "../core/storage.ts";
import type { Gpt1Config } from "../models/gpt1.ts";
import { createGpt1, type Gpt1, type ParameterValues } from "../models/gpt1_model.ts";
import { gpt1Plans, type Gpt1Run } from "../models/gpt1_plans.ts";
import type { ModelPlans } from "../nn/model.ts";
import { merged, valuesFrom } from "../tasks/gpt1_adapters.ts";
import { outputsOf, taskNamed } from "../tasks/task.ts";
import { type AnyTokenizer, openTokenizer, saveTokenizer } from "../text/open_tokenizer.ts";
import { openParameters, parameterReader } from "../train/checkpoint.ts";
import { type Checkpoint, DamagedCheckpoint, openCheckpoint } from "../train/checkpoint_folder.ts";
import { lastCheckpoint } from "../train/run.ts";
import { disk, UsageError } from "./io.ts";
import type { DataConfig } from "./task_data.ts";

/** What `config.json` holds. */
export interface RunConfig {
  readonly format: "foreword-run-1";
  /** "language", or the name of the task that was fine-tuned on. */
  readonly task: string;
  readonly model: Gpt1Config;
  /** Labels of a classifier or points of its scale, in the order of its outputs; none for answers. */
  readonly labels: readonly string[] | null;
  /** How labelled files are read. */
  readonly data?: DataConfig;
  /** Fingerprint of the tokenizer in `tokenizer/`. */
  readonly tokenizer: string;
  /** Flags that decide what is computed; resuming with others is refused. */
  readonly settings: Readonly<Record<string, unknown>>;
}

const configPath = (run: string): string => `${run}/config.json`;

/** Reads the configuration of a run; a clear error if there is none. */
export async function readRun(run: string): Promise<RunConfig> {
  let bytes: Uint8Array;
  try {
    bytes = await disk.read(configPath(run));
  } catch (error) {
    if (!(error instanceof NotFound)) throw error;
    throw new UsageError(
      `${run} is not a run folder: it has no config.json. Give the --out folder of an earlier run`,
    );
  }
  return parseRun(bytes, configPath(run));
}

/** The configuration of a run in a file's bytes. */
export function parseRun(bytes: Uint8Array, path: string): RunConfig {
  let config: RunConfig;
  try {
    config = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new SyntaxError(`${path} is not JSON: restore it or start a new run`);
  }
  if (config?.format !== "foreword-run-1" || !config.model || typeof config.tokenizer !== "string") {
    throw new SyntaxError(`${path} is not the configuration of a Foreword run of this version`);
  }
  return config;
}

/** A run that has begun, or goes on. */
export interface Begun {
  /** Takes a new run away again if it failed before its first checkpoint, so that the same --out can be used again. */
  undo(): Promise<void>;
}

/**
 * Makes sure that a run can begin in a folder, or go on there. Nothing is written.
 *
 * @throws {UsageError} if the folder is in use and `resume` is not asked for, or was begun with other settings.
 */
export async function requireOut(
  run: string,
  settings: RunConfig["settings"],
  resume: boolean,
): Promise<void> {
  if (await disk.stat(configPath(run))) {
    if (resume) return requireSame(run, (await readRun(run)).settings, settings);
    throw new UsageError(`${run} already holds a run: choose another --out, or add --resume to continue it`);
  }
  const entries = await disk.stat(run) ? await disk.list(run) : [];
  // Nothing but what a run killed in its first moments leaves behind.
  if (entries.some(({ name }) => !["tokenizer", "data"].includes(name) && !name.startsWith(".tmp-"))) {
    throw new UsageError(
      `${run} is a folder with other things in it: choose an --out that is empty or does not exist`,
    );
  }
}

/**
 * Begins or resumes a run in a folder; a new run is set down on disk.
 *
 * @throws {UsageError} as `requireOut` does.
 */
export async function beginRun(
  run: string,
  config: RunConfig,
  tokenizer: AnyTokenizer,
  resume: boolean,
): Promise<Begun> {
  await requireOut(run, config.settings, resume);
  const existed = await disk.stat(run) !== null, begun = await disk.stat(configPath(run)) !== null;
  await sweep(run);
  if (begun) return { undo: async () => {} };
  await saveTokenizer(disk, `${run}/tokenizer`, tokenizer);
  await disk.write(configPath(run), [new TextEncoder().encode(`${JSON.stringify(config, null, 2)}\n`)]);
  const undo = async (): Promise<void> => {
    if (await disk.stat(`${run}/checkpoints.json`)) return;
    const made = existed ? (await disk.list(run)).map(({ name }) => `${run}/${name}`) : [run];
    for (const path of made) await disk.remove(path);
  };
  return { undo };
}

// Takes away what processes that were killed had not finished writing. Checkpoints do so for themselves.
async function sweep(run: string): Promise<void> {
  for (const folder of [run, `${run}/tokenizer`, `${run}/data`]) {
    if (!await disk.stat(folder)) continue;
    for (const { name } of await disk.list(folder)) {
      if (name.startsWith(".tmp-")) await disk.remove(`${folder}/${name}`);
    }
  }
}

function requireSame(run: string, before: RunConfig["settings"], now: RunConfig["settings"]): void {
  const found = difference(before, now);
  if (!found) return;
  throw new UsageError(
    `Cannot resume ${run} with ${found.name} ${found.now}: it was begun with ${found.before}. Give the same flags`,
  );
}

/** The first setting in which two runs differ, with what each has in JSON; `null` if there is none. */
export function difference(
  before: RunConfig["settings"],
  now: RunConfig["settings"],
): { readonly name: string; readonly before: string; readonly now: string } | null {
  for (const name of new Set([...Object.keys(before), ...Object.keys(now)])) {
    const [old, asked] = [before[name], now[name]].map((value) => JSON.stringify(value) ?? "nothing");
    if (old !== asked) return { name, before: old, now: asked };
  }
  return null;
}

/** Outputs of a run's classifier, `null` for a language model. */
export const classifierOf = ({ task, labels }: RunConfig): number | null =>
  task === "language" ? null : outputsOf(taskNamed(task), labels ?? []);

/** The tokenizer of a run, checked against the one it was trained with. */
export async function runTokenizer(run: string, config: RunConfig): Promise<AnyTokenizer> {
  const tokenizer = await openTokenizer(disk, `${run}/tokenizer`);
  if (tokenizer.fingerprint !== config.tokenizer) {
    throw new SyntaxError(
      `The tokenizer in ${run}/tokenizer is not the one this run was trained with: restore its files`,
    );
  }
  return tokenizer;
}

/** What a run is, reads and holds, before it is on a device. */
export interface FoundRun {
  readonly config: RunConfig;
  readonly tokenizer: AnyTokenizer;
  readonly checkpoint: Checkpoint;
}

/** A run opened for use. */
export interface OpenRun extends FoundRun {
  readonly model: Gpt1;
}

/** Finds the checkpoint of a name in a run, else its best one, or its last one if it was never validated. */
export async function findRun(run: string, which?: string): Promise<FoundRun> {
  const config = await readRun(run), tokenizer = await runTokenizer(run, config);
  return { config, tokenizer, checkpoint: await chooseCheckpoint(run, which) };
}

/** Makes the model of a run on a device. */
export async function openRun(device: Device, found: FoundRun): Promise<OpenRun> {
  const { config, checkpoint } = found, values = await parameterReader(disk, checkpoint);
  const model = await createGpt1(device, config.model, { classifier: classifierOf(config), values });
  return { ...found, model };
}

/** The plans of a run's model, before there is one on a device. */
export const plansOf = (config: RunConfig): ModelPlans<Gpt1Run> =>
  gpt1Plans(config.model, { classifier: classifierOf(config) });

/** The parameters of a run's checkpoint for another model to start from, with what was trained beside them merged. */
export async function baseValues(run: string, which?: string): Promise<ParameterValues> {
  const { model } = await readRun(run), checkpoint = await chooseCheckpoint(run, which);
  if (!model.lora && model.frozenLayers === undefined) return await parameterReader(disk, checkpoint);
  return valuesFrom(merged(model, await openParameters(disk, checkpoint)).parameters);
}

/**
 * Where a run goes on when `--resume` is given, perhaps with the name of a checkpoint: `null` if it has none yet.
 *
 * @throws {DamagedCheckpoint} with the remedy in terms of `--resume`.
 */
export async function resumePoint(run: string, resume: boolean | string): Promise<Checkpoint | null> {
  try {
    return await lastCheckpoint(disk, run, typeof resume === "string" ? resume : "last");
  } catch (error) {
    if (error instanceof DamagedCheckpoint) error.message = error.message.replace("--checkpoint", "--resume");
    throw error;
  }
}

/** The checkpoint of a name; the best one, else the last one, unless named. */
export async function chooseCheckpoint(run: string, which?: string): Promise<Checkpoint> {
  if (!await disk.stat(`${run}/checkpoints.json`)) {
    throw new UsageError(`${run} has no checkpoint yet: let it train for a while, or resume it`);
  }
  if (which) return await openCheckpoint(disk, run, which);
  try {
    return await openCheckpoint(disk, run, "best");
  } catch (error) {
    if (error instanceof NotFound) return await openCheckpoint(disk, run, "last");
    throw error;
  }
}
