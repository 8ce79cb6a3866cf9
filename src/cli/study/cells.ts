// A cell of a study's table: one task learnt in one way, with the learning rate that dev chose and a score for each seed.
// Made from finished runs; what is told of cells is ablations.ts and layers.ts.

import type { MetricName } from "../../tasks/score.ts";
import { summary } from "../../tasks/statistics.ts";
import type { Arm } from "./arms.ts";
import type { StudyTask } from "./config.ts";
import type { PaperTask } from "./paper.ts";
import type { RunRecord } from "./results.ts";

/** A cell. Scores are shares and correlations. */
export interface Cell {
  readonly task: string;
  /** The data set, or the kind of task that files of one's own were read for. */
  readonly dataset: string;
  readonly paper: PaperTask | null;
  readonly arm: string;
  readonly title: string;
  readonly metric: MetricName;
  /** Where `scores` were measured. */
  readonly split: "test" | "dev";
  readonly learningRate: number;
  /** What each learning rate came to on dev with the first seed; `null` where the loss was not finite. */
  readonly tried: readonly { readonly learningRate: number; readonly dev: number | null }[];
  readonly seeds: readonly number[];
  /** One for each seed, as in `dev` and `train`. */
  readonly scores: readonly number[];
  readonly dev: readonly number[];
  readonly train: readonly number[];
  /** What always saying the same comes to on `split`. */
  readonly baseline: number;
  /** Training examples. */
  readonly trained: number;
  /** Examples of `split`. */
  readonly scored: number;
}

/** The score of a run on dev, `null` if its loss was not finite. */
export const devOf = ({ dev, metric }: RunRecord): number | null => dev?.[metric] ?? null;

/** The learning rate that does best on dev, the first of equal ones; `null` if the loss was finite with none. */
export function bestRate(tried: Cell["tried"]): number | null {
  const able = tried.filter(({ dev }) => dev !== null);
  if (able.length === 0) return null;
  return able.reduce((a, b) => b.dev! > a.dev! ? b : a).learningRate;
}

/** The cell that runs come to, one for each of the task's seeds in order. */
export function cellOf(
  { name, flags, paper, seeds }: StudyTask,
  arm: Arm,
  learningRate: number,
  tried: Cell["tried"],
  runs: readonly RunRecord[],
): Cell {
  const [{ metric, test, dev, baseline, trained }] = runs;
  const of = (split: "train" | "dev" | "test") => runs.map((run) => run[split]?.[metric] ?? NaN);
  return {
    task: name,
    dataset: flags.task,
    paper,
    arm: arm.name,
    title: arm.title,
    metric,
    split: test ? "test" : "dev",
    learningRate,
    tried,
    seeds,
    scores: of(test ? "test" : "dev"),
    dev: of("dev"),
    train: of("train"),
    baseline,
    trained,
    scored: (test ?? dev)!.examples,
  };
}

/** The mean over seeds. */
export const meanOf = ({ scores }: Pick<Cell, "scores">): number => summary(scores).mean;

/** The names of tasks, or of arms, in the order of the cells. */
export const namesOf = (cells: readonly Cell[], key: "task" | "arm"): string[] => [
  ...new Set(cells.map((cell) => cell[key])),
];

/** The cell of a task and an arm, if it was run. */
export const cellAt = (cells: readonly Cell[], task: string, arm: string): Cell | undefined =>
  cells.find((cell) => cell.task === task && cell.arm === arm);
