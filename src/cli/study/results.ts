// What finished runs of a study came to, in one file that is written anew after each, so that nothing is run twice: by the
// run's folder, with everything that decided the result.

import { NotFound } from "../../core/storage.ts";
import type { MetricName, Score } from "../../tasks/score.ts";
import { disk } from "../io.ts";
import type { Settings } from "./flags.ts";

/** A finished run. */
export interface RunRecord {
  /** Everything that decided the result: settings, and digests of the pre-trained run and of the examples. */
  readonly settings: Settings;
  /** What decided the best epoch, and what the study reports. */
  readonly metric: MetricName;
  /** Scores of the best epoch, on training examples as many as on dev; none of a run whose loss was not finite. */
  readonly train: Score | null;
  readonly dev: Score | null;
  readonly test: Score | null;
  /** What always saying the same comes to. */
  readonly baseline: number;
  /** Training examples. */
  readonly trained: number;
  readonly steps: number;
  /** The description of the device that it was made on; earlier versions kept none. */
  readonly device?: string;
}

/** The finished runs of a study. */
export interface Results {
  readonly runs: ReadonlyMap<string, RunRecord>;
  put(folder: string, record: RunRecord): Promise<void>;
  remove(folder: string): Promise<void>;
}

interface ResultsFile {
  readonly format: "foreword-study-1";
  readonly runs: Readonly<Record<string, RunRecord>>;
}

/** Reads the results in a study's folder; there are none yet if it has no such file. */
export async function openResults(out: string): Promise<Results> {
  const path = `${out}/runs.json`, runs = new Map(Object.entries(await readRuns(path)));
  const write = async (): Promise<void> => {
    const content: ResultsFile = { format: "foreword-study-1", runs: Object.fromEntries(runs) };
    await disk.makeFolder(out);
    await disk.write(path, [new TextEncoder().encode(`${JSON.stringify(content, null, 2)}\n`)]);
  };
  return {
    runs,
    async put(folder, record) {
      runs.set(folder, record);
      await write();
    },
    async remove(folder) {
      if (runs.delete(folder)) await write();
    },
  };
}

async function readRuns(path: string): Promise<ResultsFile["runs"]> {
  let text: string;
  try {
    text = new TextDecoder().decode(await disk.read(path));
  } catch (error) {
    if (error instanceof NotFound) return {};
    throw error;
  }
  const wrong =
    `${path} is not the results of a study of this version: restore it, or take it away to run all anew`;
  let content: ResultsFile;
  try {
    content = JSON.parse(text);
  } catch {
    throw new SyntaxError(wrong);
  }
  if (content?.format !== "foreword-study-1" || typeof content.runs !== "object") {
    throw new SyntaxError(wrong);
  }
  return content.runs;
}
