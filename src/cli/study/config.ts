// The file that describes a study: which pre-trained runs, or how to make them; which tasks, arms, seeds and learning
// rates; settings of fine-tuning, those of a task before those of all. Read and checked here, before anything is run.

import { NotFound } from "../../core/storage.ts";
import { finetuneFlags } from "../commands/finetune.ts";
import { type PretrainFlags, pretrainFlags } from "../commands/pretrain.ts";
import type { FineTuneFlags } from "../fine_tuning.ts";
import { disk, UsageError } from "../io.ts";
import { type Architecture, type ArmName, armNames } from "./arms.ts";
import { among, known, list, number, object, positive, some, text, whole } from "./checks.ts";
import { flagsOf, type Settings } from "./flags.ts";
import { type PaperTask, paperTaskOf, paperTasks } from "./paper.ts";

/** What the study sets for each fine-tuning itself. */
type OwnFlags = "model" | "out" | "lr" | "seed" | "device" | "precision" | "threads" | "memory";

/** A task of a study. */
export interface StudyTask {
  /** For people and, as `folder`, for paths. */
  readonly name: string;
  readonly folder: string;
  /** The column of the paper's table 5 that it is compared with. */
  readonly paper: PaperTask | null;
  readonly flags: Omit<FineTuneFlags, OwnFlags>;
  readonly arms: readonly ArmName[];
  readonly seeds: readonly number[];
  readonly learningRates: readonly number[];
  /** How many blocks to take over, each in turn; none, half and all for `"all"`. */
  readonly layers: readonly number[] | "all";
}

/** A task of the zero-shot figure. */
export interface ZeroshotTask {
  readonly name: string;
  /** As the records name it. */
  readonly task: string;
  /** The score that counts as 1; the paper's "best then" where it names one, unless given. */
  readonly best: number | null;
}

/** A study. */
export interface StudyConfig {
  /** The file. */
  readonly path: string;
  readonly out: string;
  /** Pre-trained runs that are there. */
  readonly models: Readonly<Partial<Record<Architecture, string>>>;
  /** How to make the others. */
  readonly pretrain: Readonly<Partial<Record<Architecture, Omit<PretrainFlags, "device">>>>;
  readonly tasks: readonly StudyTask[];
  /** Tasks of the zero-shot figure; `null` for all that are recorded. */
  readonly zeroshot: readonly ZeroshotTask[] | null;
}

const HERE = "out, models, pretrain, tasks, arms, seeds, learningRates, finetune, layers, zeroshot".split(
  ", ",
);
const OF_TASK = ["name", "paper", "arms", "seeds", "learningRates", "layers"];
const ON_COMMAND = "it is a flag of the command";
const RESERVED = { json: ON_COMMAND, device: ON_COMMAND, threads: ON_COMMAND, memory: ON_COMMAND };
const FINETUNE_RESERVED = {
  ...RESERVED,
  out: 'folders are made in the study\'s "out"',
  resume: "a study always goes on where it stopped",
  model: 'runs are named under "models"',
  lr: 'use "learningRates"',
  seed: 'use "seeds"',
  fromScratch: 'use "arms"',
  transferLayers: 'use "layers"',
  scoreTrain: "a study always does",
};
const PRETRAIN_RESERVED = {
  ...RESERVED,
  out: 'runs are made in the folder "pretrained" of the study\'s "out"',
  resume: "a study always goes on where it stopped",
  architecture: "both are made; settings for one alone stand in an object of its name",
};

/** Reads and checks the file. */
export async function readStudy(path: string): Promise<StudyConfig> {
  let text: string;
  try {
    text = new TextDecoder().decode(await disk.read(path));
  } catch (error) {
    if (!(error instanceof NotFound)) throw error;
    throw new UsageError(`There is no file ${path}: give --config with the JSON file of the study`);
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${path} is not JSON: ${(error as Error).message}`);
  }
  return studyOf(path, content);
}

/** The study that the content of a file describes. */
export function studyOf(path: string, content: unknown): StudyConfig {
  const at = (key: string) => `${path}: "${key}"`;
  const top = object(content, `${path}`);
  known(top, HERE, at);
  const out = text(top.out, at("out")).replace(/\/+$/, ""), models = object(top.models ?? {}, at("models"));
  known(models, ["transformer", "lstm"], (key) => at(`models.${key}`));
  for (const [key, value] of Object.entries(models)) text(value, at(`models.${key}`));
  const tasks = list(
    top.tasks ?? [],
    at("tasks"),
    "tasks",
    (task, key) => taskOf(object(task, at(key)), top, key, at),
  );
  const twice = tasks.find(({ folder }, i) => tasks.findIndex((other) => other.folder === folder) !== i);
  if (twice) {
    throw new UsageError(
      `${at("tasks")} holds "${twice.name}" twice: give each a "name" of its own, by its letters and digits`,
    );
  }
  return {
    path,
    out,
    models: models as StudyConfig["models"],
    pretrain: top.pretrain === undefined ? {} : pretrainOf(object(top.pretrain, at("pretrain")), out, at),
    tasks,
    zeroshot: top.zeroshot === undefined ? null : zeroshotOf(object(top.zeroshot, at("zeroshot")), at),
  };
}

type At = (key: string) => string;

function taskOf(own: Settings, study: Settings, key: string, at: At): StudyTask {
  const shared = object(study.finetune ?? {}, at("finetune"));
  const flags = Object.fromEntries(Object.entries(own).filter(([name]) => !OF_TASK.includes(name)));
  const where = (name: string) =>
    at(name in flags || !(name in shared) ? `${key}.${name}` : `finetune.${name}`);
  const read = flagsOf(
    { declare: finetuneFlags, where, reserved: FINETUNE_RESERVED, beside: OF_TASK },
    { ...shared, ...flags },
  ) as unknown as StudyTask["flags"];
  // A setting of the task, or else of the study.
  const setting = <T>(name: string, fallback: T, check: (value: unknown, where: string) => T): T => {
    const [value, path] = name in own ? [own[name], `${key}.${name}`] : [study[name], name];
    return value === undefined ? fallback : check(value, at(path));
  };
  const name = own.name === undefined ? read.task : text(own.name, at(`${key}.name`));
  return {
    name,
    folder: name.replaceAll(/[^A-Za-z0-9.-]+/g, "-").replace(/^[.-]+/, ""),
    paper: own.paper === undefined
      ? paperTaskOf(name) ?? paperTaskOf(read.task)
      : among(paperTasks)(own.paper, at(`${key}.paper`)),
    flags: read,
    arms: setting("arms", armNames, some(among(armNames))),
    seeds: setting("seeds", [1], some(whole)),
    learningRates: setting("learningRates", [6.25e-5], some(positive)),
    layers: setting<StudyTask["layers"]>(
      "layers",
      "all",
      (value, where) => value === "all" ? "all" : some(whole)(value, where),
    ),
  };
}

function pretrainOf(settings: Settings, out: string, at: At): StudyConfig["pretrain"] {
  const { transformer = {}, lstm = {}, ...shared } = settings;
  const of = (architecture: Architecture, more: unknown) => {
    const own = object(more, at(`pretrain.${architecture}`));
    const where = (name: string) => at(name in own ? `pretrain.${architecture}.${name}` : `pretrain.${name}`);
    const reading = {
      declare: pretrainFlags,
      where,
      reserved: PRETRAIN_RESERVED,
      beside: ["transformer", "lstm"],
    };
    const flags = flagsOf(reading, { ...shared, ...own });
    return {
      ...flags,
      architecture,
      out: `${out}/pretrained/${architecture}`,
      resume: true,
    } as unknown as Omit<PretrainFlags, "device">;
  };
  return { transformer: of("transformer", transformer), lstm: of("lstm", lstm) };
}

function zeroshotOf(settings: Settings, at: At): ZeroshotTask[] {
  known(settings, ["tasks"], (key) => at(`zeroshot.${key}`));
  return list(settings.tasks, at("zeroshot.tasks"), "zeroshot.tasks", (content, path) => {
    const own = object(content, at(path));
    known(own, ["task", "name", "best"], (name) => at(`${path}.${name}`));
    const task = text(own.task, at(`${path}.task`));
    return {
      task,
      name: own.name === undefined ? task : text(own.name, at(`${path}.name`)),
      best: own.best === undefined ? null : number(own.best, at(`${path}.best`)),
    };
  });
}
