// Labelled data as the command line names it: a published data set in a folder, or files of one's own with the columns of
// the task's fields. What a run was trained on is kept in its config.json, so that later commands need not be told again.

import { type Command, InvalidArgumentError } from "commander";
import {
  type Dataset,
  datasetNamed,
  datasetNames,
  readDataset,
  type Split,
} from "../tasks/readers/datasets.ts";
import { parseColumns, readExamples, type TableLayout } from "../tasks/readers/columns.ts";
import { readLabelled } from "../tasks/readers/labelled.ts";
import { type Example, type Task, tasks } from "../tasks/task.ts";
import { disk, UsageError, whole } from "./io.ts";

/** How labelled files are laid out, in flags. */
export interface ColumnFlags {
  readonly columns?: string;
  readonly header?: boolean;
  readonly firstAnswer?: number;
}

/** Which task, in flags. */
export interface TaskFlags extends ColumnFlags {
  readonly task: string;
  readonly scale?: readonly [number, number];
}

/** How a run's examples are read, in its config.json. */
export interface DataConfig {
  /** Name of the data set. */
  readonly dataset?: string;
  /** Layout of files of one's own; `text<TAB>label` without it. */
  readonly layout?: TableLayout;
}

/** A task with how its examples are read. */
export interface TaskData {
  readonly task: Task;
  readonly config: DataConfig;
  readonly dataset: Dataset | null;
  readonly scale: readonly [number, number] | null;
}

/** Adds the flags that say how files are laid out. */
export function columnFlags(command: Command): Command {
  return command
    .option(
      "--columns <list>",
      "where fields are: FIELD=COLUMN,... by number from 1, or by name in the first line or JSON object",
    )
    .option("--header", "whether the first line is a header although columns are numbered")
    .option(
      "--first-answer <n>",
      "number of the first answer in labels that are numbers; 1 unless given",
      whole(0),
    );
}

/** Adds the flags that say what is learnt. */
export function taskFlags(command: Command): Command {
  return columnFlags(
    command.option(
      "--task <name>",
      `what to learn: ${Object.keys(tasks).join(", ")}; or a data set: ${datasetNames.join(", ")}`,
      "classification",
    ),
  ).option(
    "--scale <least-most>",
    "whole points of the scores, such as 0-5; what training scores span unless given",
    range,
  );
}

function range(text: string): [number, number] {
  const [, least, most] = /^(\d+)-(\d+)$/.exec(text) ?? [];
  if (least === undefined || Number(most) <= Number(least)) {
    throw new InvalidArgumentError("It must be two whole numbers, the smaller one first: 0-5.");
  }
  return [Number(least), Number(most)];
}

/** What the flags ask to learn, and from what. */
export function taskData(flags: TaskFlags): TaskData {
  const { task: name, scale = null } = flags;
  if (Object.hasOwn(tasks, name)) {
    const task: Task = tasks[name as keyof typeof tasks], layout = layoutOf(task, flags);
    return { task, config: layout ? { layout } : {}, dataset: null, scale };
  }
  const dataset = datasetNamed(name);
  if (!dataset) {
    throw new UsageError(
      `There is no task or data set "${name}": the tasks are ${
        Object.keys(tasks).join(", ")
      }; the data sets are ${datasetNames.join(", ")}`,
    );
  }
  const config = { dataset: name.toLowerCase() };
  return { task: tasks[dataset.task], config, dataset, scale: scale ?? dataset.scale ?? null };
}

function layoutOf(task: Task, { columns, header, firstAnswer }: ColumnFlags): TableLayout | null {
  if (columns === undefined) {
    if (task.name === "classification") return null;
    const example = [...task.fields, ...(task.head === "answers" ? ["answers"] : []), "label"];
    throw new UsageError(
      `Give --columns for the task ${task.name}, such as --columns ${
        example.map((field, i) => `${field}=${i + 1}`).join(",")
      }`,
    );
  }
  return {
    columns: parseColumns(task, columns),
    ...(header ? { header } : {}),
    ...(firstAnswer === undefined ? {} : { firstAnswer }),
  };
}

/** How the examples of a run were read, or as flags now say. */
export function dataOfRun(task: Task, config: DataConfig, flags: ColumnFlags): TaskData {
  const dataset = config.dataset === undefined ? null : datasetNamed(config.dataset);
  const given = flags.columns === undefined ? null : layoutOf(task, flags);
  return { task, config: given ? { layout: given } : config, dataset: given ? null : dataset, scale: null };
}

/** Reads a file of one's own, or a split of the data set from a folder. */
export async function readData(
  { task, config, dataset }: TaskData,
  path: string,
  split: Split,
): Promise<Example[]> {
  if (dataset) return await readDataset(disk, path, dataset, split);
  return config.layout ? await readExamples(disk, path, task, config.layout) : await readLabelled(disk, path);
}

/** The same without looking at labels, where they may be missing. */
export async function readUnlabelled(data: TaskData, path: string, split: Split): Promise<Example[]> {
  if (data.dataset) return await readData(data, path, split);
  const { label: _, ...columns } = data.config.layout?.columns ?? { text: "1" };
  return await readExamples(disk, path, data.task, { ...data.config.layout, columns });
}
