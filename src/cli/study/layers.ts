// What each transferred block is worth, as the left of the paper's figure 2: accuracy on dev and on training examples by
// the number of blocks taken over from the pre-trained model. Numbers in, text out.

import { summary } from "../../tasks/statistics.ts";
import { lineChart, PALETTE } from "../demo/chart.ts";
import { cellRows, cellTable, type Report } from "./ablations.ts";
import { type Cell, meanOf, namesOf } from "./cells.ts";
import { figure2Left } from "./paper.ts";
import { csv, markdown, NOTHING, points, type Table } from "./tables.ts";

/** A cell with how many of how many blocks its model took over. */
export interface LayersCell extends Cell {
  readonly layers: number;
  readonly blocks: number;
}

/** The report. `note` stands above the table. */
export function layersReport(cells: readonly LayersCell[], note = ""): Report {
  const tasks = namesOf(cells, "task"),
    sentences = tasks.flatMap((task) => sentenceOf(task, ofTask(cells, task)));
  const { MultiNLI, RACE } = figure2Left, { header, rows } = cellRows(cells);
  const md = [
    "# Layers transferred",
    note,
    "Mean over seeds, in points, on the split that the last table names.",
    markdown(layersTable(cells, tasks)).trimEnd(),
    sentences.map((line) => `- ${line}`).join("\n"),
    `The paper's figure 2 (12 blocks, dev accuracy, read off): MultiNLI about ${MultiNLI.none} with the embeddings alone and ` +
    `${MultiNLI.all} with all blocks, RACE about ${RACE.none} and ${RACE.all}; every block helps.`,
    "## Each cell",
    markdown(cellTable(cells)).trimEnd(),
  ].filter(Boolean).join("\n\n");
  return {
    md: `${md}\n`,
    csv: csv({
      header: ["layers", "blocks", ...header],
      rows: rows.map((row, i) => [cells[i].layers, cells[i].blocks, ...row]),
    }),
    json: { cells, sentences },
    svg: lineChart({
      title: "Score by the number of blocks transferred",
      description: sentences.join(" "),
      x: {
        label: "Blocks transferred",
        ticks: [...new Set(cells.map(({ layers }) => layers))].sort((a, b) => a - b),
        format: String,
      },
      y: { label: "Score (points)" },
      series: tasks.flatMap((task, i) => {
        const own = ofTask(cells, task),
          line = (split: "dev" | "train") =>
            own.map((cell) => [cell.layers, 100 * summary(cell[split]).mean] as const);
        return [
          { name: `${task}, dev`, points: line("dev"), look: { colour: i % PALETTE, dashed: false } },
          {
            name: `${task}, training examples`,
            points: line("train"),
            look: { colour: i % PALETTE, dashed: true },
          },
        ];
      }),
    }),
  };
}

const ofTask = (cells: readonly LayersCell[], task: string): LayersCell[] =>
  cells.filter((cell) => cell.task === task).sort((a, b) => a.layers - b.layers);

function layersTable(cells: readonly LayersCell[], tasks: readonly string[]): Table {
  const counts = [...new Set(cells.map(({ layers }) => layers))].sort((a, b) => a - b);
  return {
    header: ["blocks transferred", ...tasks],
    rows: counts.map((count) => [
      `${count}`,
      ...tasks.map((task) => {
        const cell = cells.find((cell) => cell.task === task && cell.layers === count);
        return cell ? points(meanOf(cell)) : NOTHING;
      }),
    ]),
  };
}

function sentenceOf(task: string, cells: readonly LayersCell[]): string[] {
  if (cells.length < 2) return [];
  const first = cells[0], last = cells[cells.length - 1], gain = 100 * (meanOf(last) - meanOf(first));
  const steps = cells.slice(1).map((cell, i) => meanOf(cell) - meanOf(cells[i]));
  const helping = steps.filter((step) => step > 0).length;
  const each = helping === steps.length
    ? "every step up helps"
    : `${helping} of ${steps.length} steps up help${helping === 1 ? "s" : ""}`;
  return [
    `${task}: from ${first.layers} to ${last.layers} of ${last.blocks} blocks ${gain < 0 ? "−" : "+"}${
      Math.abs(gain).toFixed(1)
    } points; ${each}.`,
  ];
}
