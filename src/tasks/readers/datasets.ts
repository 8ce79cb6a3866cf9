// Published data sets by name, and how to read them from a folder that holds their files as they are distributed. What
// each set looks like is dataset_files.ts; this finds the files of a split and reads them.

import { Random } from "../../core/random.ts";
import { NotFound, type Storage } from "../../core/storage.ts";
import type { MetricName } from "../score.ts";
import type { Example, TaskName } from "../task.ts";
import { tasks } from "../task.ts";
import type { ZeroShotName } from "../zero_shot.ts";
import { readExamples, type TableLayout } from "./columns.ts";
import { datasets } from "./dataset_files.ts";
import { formatOf } from "./rows.ts";

/** What examples are for. */
export type Split = "train" | "dev" | "test";

/** A file of a split and how to read it. */
export interface SplitFile {
  /** Its path in the data set's folder; a folder where `read` takes one. */
  readonly file: string;
  /** A table, if it is one. */
  readonly layout?: TableLayout;
  /** How to read anything else. */
  readonly read?: (storage: Storage, path: string) => Promise<Example[]>;
}

/** A published data set. */
export interface Dataset {
  /** The task it poses. */
  readonly task: TaskName;
  /** What decides which epoch is best, where it is not the task's first metric. */
  readonly metric?: MetricName;
  /** The points of its scores. */
  readonly scale?: readonly [least: number, most: number];
  /** How a language model answers without having learnt the task; as its form does unless given. */
  readonly zeroShot?: ZeroShotName;
  /** What its folder is called in a collection; looked for in the folder that is given. */
  readonly folder: string;
  /** For each split the forms in which it is distributed; the first that is there and fits is read. */
  readonly splits: Readonly<Record<Split, readonly SplitFile[]>>;
  /** Whether all forms of a split that are there are read and put together, not the first one only. */
  readonly together?: boolean;
  /** How many training examples are set apart as the dev split, for a set that has none. */
  readonly held?: number;
}

/** The names of all data sets. */
export const datasetNames: readonly string[] = Object.keys(datasets);

/** How a name is listed that may be in capitals and without hyphens (`glue/SST2`); `null` if there is no such set. */
export function datasetName(name: string): string | null {
  const plain = (text: string) => text.toLowerCase().replaceAll("-", "");
  return datasetNames.find((known) => plain(known) === plain(name)) ?? null;
}

/** The data set of such a name; `null` if there is none. */
export function datasetNamed(name: string): Dataset | null {
  const found = datasetName(name);
  return found === null ? null : datasets[found];
}

/**
 * Reads a split of a data set from a folder with its files, or from a collection that has them in a folder of their own.
 *
 * @throws {NotFound} naming the files that were looked for.
 * @throws {SyntaxError} naming file and line.
 */
export async function readDataset(
  storage: Storage,
  folder: string,
  dataset: Dataset,
  split: Split,
): Promise<Example[]> {
  if (dataset.held === undefined || split === "test") return await readSplit(storage, folder, dataset, split);
  const all = new Random(0, "held out").shuffle(await readSplit(storage, folder, dataset, "train"));
  return split === "dev" ? all.slice(0, dataset.held) : all.slice(dataset.held);
}

async function readSplit(
  storage: Storage,
  folder: string,
  dataset: Dataset,
  split: Split,
): Promise<Example[]> {
  const sources = dataset.splits[split], parts: Example[][] = [];
  for (const root of [folder, `${folder}/${dataset.folder}`]) {
    for (const { file, layout, read } of sources) {
      const path = `${root}/${file}`, entry = await storage.stat(path);
      if (!entry || (layout && !await fits(storage, path, entry.bytes, layout))) continue;
      parts.push(
        layout ? await readExamples(storage, path, tasks[dataset.task], layout) : await read!(storage, path),
      );
      if (!dataset.together) return parts[0];
    }
    if (parts.length > 0) return parts.flat();
  }
  throw new NotFound(
    `Cannot find the ${split} examples in ${storage.describe(folder)}: it holds none of ` +
      `${
        [...new Set(sources.map(({ file }) => file))].join(", ")
      } in the form they are published in; give the folder ` +
      "with these files, or files of your own with --columns",
  );
}

// Whether the named columns of a layout stand in the file's first line.
async function fits(storage: Storage, path: string, bytes: number, layout: TableLayout): Promise<boolean> {
  const names = Object.values(layout.columns).flatMap((column) => column.split("+")).filter((name) =>
    !/^\d+$/.test(name)
  );
  const { format = formatOf(path) } = layout;
  if (format === "jsonl" || names.length === 0) return true;
  const start = new TextDecoder().decode(await storage.readRange(path, 0, Math.min(bytes, 1 << 16)));
  const [first] = start.split(/\r?\n/, 1), cells = first.split(format === "csv" ? "," : "\t");
  const header = new Set(cells.map((cell) => cell.trim().replace(/^"(.*)"$/, "$1")));
  return names.every((name) => header.has(name));
}
