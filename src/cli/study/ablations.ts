// The ablations as the paper's table 5 lays them out: an arm on each line, the average and the tasks across; beneath it the
// paper's own lines, and whether the order of the arms is the paper's. Numbers in, text out.

import { macroAverage, summary } from "../../tasks/statistics.ts";
import { type Cell, cellAt, meanOf, namesOf } from "./cells.ts";
import { type ArmName, armNames } from "./arms.ts";
import { dotChart } from "./dot_chart.ts";
import { type Compared, orderingSentence } from "./orderings.ts";
import { type PaperTask, table5 } from "./paper.ts";
import { csv, markdown, NOTHING, points, pointsOf, type Table } from "./tables.ts";

/** A report by the extensions of its files. */
export interface Report {
  readonly md: string;
  readonly csv: string;
  readonly json: object;
  readonly svg: string;
}

/** The report. `note` stands above the table, such as how much is still to be run. */
export function ablationsReport(cells: readonly Cell[], note = ""): Report {
  const tasks = namesOf(cells, "task"),
    arms = armNames.filter((arm) => cells.some((cell) => cell.arm === arm));
  const shared = tasks.filter((task) => arms.every((arm) => cellAt(cells, task, arm)));
  const sentences = comparisons(cells, tasks, arms, shared);
  const paper = paperTable(cells, tasks, arms, shared);
  const md = [
    "# Ablations",
    note,
    "Mean over seeds, in points. " + averageNote(tasks, shared),
    markdown(armTable(cells, tasks, arms, shared)).trimEnd(),
    ...(paper
      ? [
        "The paper's own lines (table 5: 117 million parameters, all labels of each set; averages over the same columns):",
        markdown(paper).trimEnd(),
      ]
      : []),
    ...(sentences.length > 0
      ? ["## In the paper's order?", sentences.map((line) => `- ${line}`).join("\n")]
      : []),
    "## Each cell",
    "Learning rates are chosen on dev with the first seed, for each task and arm on its own. The baseline always gives the " +
    "same answer, the one that does best on the training examples.",
    markdown(cellTable(cells)).trimEnd(),
  ].filter(Boolean).join("\n\n");
  return {
    md: `${md}\n`,
    csv: csv(cellRows(cells)),
    json: {
      cells,
      averages: Object.fromEntries(arms.map((arm) => [arm, averageOf(cells, shared, arm)])),
      averagedTasks: shared,
      orderings: sentences,
    },
    svg: dotChart({
      title: "Ablations: score by task and arm",
      description: sentences.join(" ") || "A dot for the mean over seeds, a line for their range.",
      y: "Score (points)",
      groups: tasks,
      series: arms.map((arm) => ({
        name: titleOf(cells, arm),
        marks: tasks.map((task) => {
          const cell = cellAt(cells, task, arm);
          if (!cell) return null;
          const { mean, least, most } = summary(cell.scores);
          return { value: 100 * mean, least: 100 * least, most: 100 * most };
        }),
      })),
      baselines: tasks.map((task) => 100 * cells.find((cell) => cell.task === task)!.baseline),
    }),
  };
}

const titleOf = (cells: readonly Cell[], arm: string): string =>
  cells.find((cell) => cell.arm === arm)!.title;

function averageNote(tasks: readonly string[], shared: readonly string[]): string {
  if (shared.length === tasks.length) return "The average is over all tasks.";
  return shared.length === 0
    ? "No task has every arm, so there is no average."
    : `The average is over the tasks that have every arm: ${shared.join(", ")}.`;
}

function averageOf(cells: readonly Cell[], shared: readonly string[], arm: string): number | null {
  if (shared.length === 0) return null;
  return macroAverage(shared.map((task) => [meanOf(cellAt(cells, task, arm)!)]));
}

function armTable(
  cells: readonly Cell[],
  tasks: readonly string[],
  arms: readonly ArmName[],
  shared: readonly string[],
): Table {
  return {
    header: ["", "avg", ...tasks],
    rows: arms.map((arm) => [
      titleOf(cells, arm),
      points(averageOf(cells, shared, arm)),
      ...tasks.map((task) => {
        const cell = cellAt(cells, task, arm);
        return cell ? points(meanOf(cell)) : NOTHING;
      }),
    ]),
  };
}

const paperOf = (cells: readonly Cell[], task: string): PaperTask | null =>
  cells.find((cell) => cell.task === task)!.paper;

// The paper's average over the same columns, where it has them.
function paperTable(
  cells: readonly Cell[],
  tasks: readonly string[],
  arms: readonly ArmName[],
  shared: readonly string[],
): Table | null {
  if (!tasks.some((task) => paperOf(cells, task))) return null;
  const averaged = shared.map((task) => paperOf(cells, task)),
    whole = averaged.length > 0 && averaged.every((task) => task !== null);
  return {
    header: ["paper", "avg", ...tasks],
    rows: arms.map((arm) => {
      const score = (task: PaperTask | null) => task ? table5[arm][task].toFixed(1) : NOTHING;
      return [
        titleOf(cells, arm),
        whole ? summary(averaged.map((task) => table5[arm][task!])).mean.toFixed(1) : NOTHING,
        ...tasks.map((task) => score(paperOf(cells, task))),
      ];
    }),
  };
}

function comparisons(
  cells: readonly Cell[],
  tasks: readonly string[],
  arms: readonly ArmName[],
  shared: readonly string[],
): string[] {
  const sentences = tasks.flatMap((task) => {
    const paper = paperOf(cells, task), own = arms.flatMap((arm) => cellAt(cells, task, arm) ?? []);
    if (!paper || own.length < 2) return [];
    const compared = own.map((cell): Compared => ({
      title: cell.title,
      score: meanOf(cell),
      ...summary(cell.scores),
      paper: table5[cell.arm as ArmName][paper],
    }));
    return [orderingSentence(task, compared, Math.min(...own.map(({ seeds }) => seeds.length)))];
  });
  const columns = shared.flatMap((task) => paperOf(cells, task) ?? []);
  if (columns.length < 2 || columns.length < shared.length || arms.length < 2) return sentences;
  const averages = arms.map((arm): Compared => {
    const score = averageOf(cells, shared, arm)!;
    const paper = summary(columns.map((task) => table5[arm][task])).mean;
    return { title: titleOf(cells, arm), score, least: score, most: score, paper };
  });
  return [...sentences, orderingSentence("Average", averages)];
}

/** Every cell in short, in points. */
export function cellTable(cells: readonly Cell[]): Table {
  return {
    header: [
      "task",
      "arm",
      "metric",
      "on",
      "mean (range)",
      "dev",
      "learning rate",
      "seeds",
      "training examples",
      "scored",
      "baseline",
    ],
    rows: cells.map((cell) => [
      cell.task,
      cell.title,
      cell.metric,
      cell.split,
      pointsOf(cell.scores, summary(cell.scores)),
      points(summary(cell.dev).mean),
      cell.learningRate,
      cell.seeds.join(" "),
      cell.trained,
      cell.scored,
      points(cell.baseline),
    ]),
  };
}

/** A line of CSV for each cell, in shares and correlations. */
export function cellRows(cells: readonly Cell[]): Table {
  return {
    header: [
      "task",
      "dataset",
      "arm",
      "metric",
      "split",
      "mean",
      "median",
      "least",
      "most",
      "dev_mean",
      "train_mean",
      "learning_rate",
      "seeds",
      "training_examples",
      "scored_examples",
      "baseline",
      "paper_points",
    ],
    rows: cells.map((cell) => {
      const { mean, median, least, most } = summary(cell.scores);
      const paper = cell.paper && table5[cell.arm as ArmName]?.[cell.paper];
      return [
        cell.task,
        cell.dataset,
        cell.arm,
        cell.metric,
        cell.split,
        mean,
        median,
        least,
        most,
        summary(cell.dev).mean,
        summary(cell.train).mean,
        cell.learningRate,
        cell.seeds.join(" "),
        cell.trained,
        cell.scored,
        cell.baseline,
        paper ?? "",
      ];
    }),
  };
}
