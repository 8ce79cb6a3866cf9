// What a language model can do without being fine-tuned, along its pre-training, as the right of the paper's figure 2: each
// task's score between random guess (0) and a reference (1), solid for the Transformer and dashed for the LSTM. Numbers in,
// text out; the scores themselves are recorded by `foreword zeroshot` and while pre-training.

import { NotFound, type Storage } from "../../core/storage.ts";
import { lineChart, PALETTE } from "../demo/chart.ts";
import type { Report } from "./ablations.ts";
import type { Architecture } from "./arms.ts";
import type { ZeroshotTask } from "./config.ts";
import { figure2Right, stateOfTheArt } from "./paper.ts";
import { ZERO_SHOT_FILE, type ZeroShotRecord } from "../zero_shot.ts";
import { csv, markdown, NOTHING, type Table } from "./tables.ts";

/** The records of a run; none if it has no such file. Of several of a step and a task the last counts. */
export async function readRecords(storage: Storage, run: string): Promise<ZeroShotRecord[]> {
  const path = `${run}/${ZERO_SHOT_FILE}`;
  let text: string;
  try {
    text = new TextDecoder().decode(await storage.read(path));
  } catch (error) {
    if (error instanceof NotFound) return [];
    throw error;
  }
  const records = new Map<string, ZeroShotRecord>();
  text.split("\n").forEach((line, i) => {
    if (line.trim() === "") return;
    const record = recordOf(line);
    if (!record) {
      throw new SyntaxError(
        `${storage.describe(path)}, line ${
          i + 1
        }: this is not a zero-shot record with step, task, metric, score, baseline ` +
          "and examples; take the line out, or score the run again",
      );
    }
    records.set(JSON.stringify([record.step, record.task]), record);
  });
  return [...records.values()].sort((a, b) => a.step - b.step);
}

function recordOf(line: string): ZeroShotRecord | null {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  const numbers = ["step", "score", "baseline", "examples"].every((key) => Number.isFinite(value?.[key]));
  const texts = ["task", "metric"].every((key) => typeof value?.[key] === "string");
  return numbers && texts ? value as unknown as ZeroShotRecord : null;
}

/** One line of the figure. */
export interface Curve {
  readonly name: string;
  readonly task: string;
  readonly architecture: Architecture;
  readonly metric: string;
  readonly best: number;
  readonly points: readonly {
    readonly step: number;
    readonly score: number;
    readonly baseline: number;
    readonly examples: number;
    /** 0 at random guess, 1 at `best`. */
    readonly normalised: number;
  }[];
}

/**
 * The curves of recorded tasks.
 *
 * @param tasks Which; all that are recorded if `null`.
 * @param missing What to say of a task whose reference score is not known.
 * @throws {RangeError} for a task without a reference, or with one that is what guessing gives.
 */
export function curvesOf(
  records: Readonly<Partial<Record<Architecture, readonly ZeroShotRecord[]>>>,
  tasks: readonly ZeroshotTask[] | null,
): Curve[] {
  const recorded = new Set(Object.values(records).flatMap((list) => list.map(({ task }) => task)));
  const asked = tasks ?? [...recorded].map((task): ZeroshotTask => ({ name: task, task, best: null }));
  return asked.flatMap(({ name, task, best: given }) => {
    const best = given ?? stateOfTheArt[task];
    if (best === undefined) {
      throw new RangeError(
        `Cannot normalise the scores of ${task}: the paper names no earlier best result for it; give "best" beside its ` +
          `"task" under "zeroshot"`,
      );
    }
    return (["transformer", "lstm"] as const).flatMap((architecture): Curve[] => {
      const own = (records[architecture] ?? []).filter((record) => record.task === task);
      if (own.length === 0) return [];
      const points = own.map(({ step, score, baseline, examples }) => ({
        step,
        score,
        baseline,
        examples,
        normalised: normalise(score, baseline, best, task),
      }));
      return [{ name, task, architecture, metric: own[0].metric, best, points }];
    });
  });
}

/** A score between random guess (0) and the best (1). */
export function normalise(score: number, baseline: number, best: number, task: string): number {
  if (best > baseline) return (score - baseline) / (best - baseline);
  throw new RangeError(
    `Cannot normalise the scores of ${task}: its best, ${best}, is not above what guessing gives, ${baseline}; give another ` +
      `"best"`,
  );
}

const NAMES: Readonly<Record<Architecture, string>> = { transformer: "Transformer", lstm: "LSTM" };

/** The report. */
export function zeroshotReport(curves: readonly Curve[]): Report {
  const titles = curves.map(({ name, architecture }) => `${name}, ${NAMES[architecture]}`);
  const tasks = [...new Set(curves.map(({ name }) => name))], sentences = curves.map(sentenceOf);
  const paper = Object.entries(figure2Right).map(([name, value]) => `${name} ${value}`).join(", ");
  const md = [
    "# Zero-shot performance along pre-training",
    "0 is random guess, 1 the reference score in the second table.",
    markdown(stepsTable(curves, titles)).trimEnd(),
    `The paper's Transformer ends near these, read off figure 2 after a million updates: ${paper}; its LSTM is lower and varies more.`,
    "## Each line",
    markdown({
      header: [
        "task",
        "model",
        "metric",
        "first",
        "last",
        "best of the run",
        "random guess",
        "reference",
        "examples",
      ],
      rows: curves.map(({ name, architecture, metric, best, points }) => {
        const last = points[points.length - 1], scores = points.map(({ score }) => score);
        return [
          name,
          NAMES[architecture],
          metric,
          scores[0].toFixed(3),
          last.score.toFixed(3),
          Math.max(...scores).toFixed(3),
          last.baseline.toFixed(3),
          best,
          last.examples,
        ];
      }),
    }).trimEnd(),
    sentences.map((line) => `- ${line}`).join("\n"),
  ].join("\n\n");
  return {
    md: `${md}\n`,
    csv: csv({
      header: [
        "task",
        "dataset",
        "model",
        "step",
        "metric",
        "score",
        "baseline",
        "best",
        "normalised",
        "examples",
      ],
      rows: curves.flatMap(({ name, task, architecture, metric, best, points }) =>
        points.map(({ step, score, baseline, normalised, examples }) => [
          name,
          task,
          architecture,
          step,
          metric,
          score,
          baseline,
          best,
          normalised,
          examples,
        ])
      ),
    }),
    json: { curves },
    svg: lineChart({
      title: "Zero-shot performance along pre-training",
      description: sentences.join(" "),
      x: {
        label: "Updates of pre-training",
        log: true,
        format: (value) => value.toLocaleString("en"),
        ...ticksOf(curves),
      },
      y: { label: "0: random guess, 1: the reference" },
      series: curves.map(({ name, architecture, points }, i) => ({
        name: titles[i],
        // A logarithmic axis has no place for the untrained model.
        points: points.filter(({ step }) => step > 0).map(({ step, normalised }) =>
          [step, normalised] as const
        ),
        look: { colour: tasks.indexOf(name) % PALETTE, dashed: architecture === "lstm" },
      })),
      references: [{ name: "", value: 0 }],
    }),
  };
}

// 1, 2 and 5 times the powers of ten, and thinned out over more than two of them.
function ticksOf(curves: readonly Curve[]): { readonly ticks: number[] } {
  const steps = curves.flatMap(({ points }) => points.map(({ step }) => step)).filter((step) => step > 0);
  const least = Math.min(...steps), most = Math.max(...steps), factors = most / least > 300 ? [1] : [1, 2, 5];
  const ticks = [];
  for (let power = 1; power <= most; power *= 10) {
    for (const factor of factors) {
      if (power * factor >= least && power * factor <= most) ticks.push(power * factor);
    }
  }
  return { ticks };
}

function stepsTable(curves: readonly Curve[], titles: readonly string[]): Table {
  const steps = [...new Set(curves.flatMap(({ points }) => points.map(({ step }) => step)))].sort((a, b) =>
    a - b
  );
  return {
    header: ["updates", ...titles],
    rows: steps.map((step) => [
      step.toLocaleString("en"),
      ...curves.map(({ points }) =>
        points.find((point) => point.step === step)?.normalised.toFixed(2) ?? NOTHING
      ),
    ]),
  };
}

function sentenceOf({ name, architecture, points }: Curve): string {
  const first = points[0], last = points[points.length - 1];
  const start = `${name}, ${NAMES[architecture]}: `;
  if (points.length === 1) {
    return `${start}${last.normalised.toFixed(2)} at ${last.step.toLocaleString("en")} updates.`;
  }
  return `${start}from ${first.normalised.toFixed(2)} at ${first.step.toLocaleString("en")} updates to ` +
    `${last.normalised.toFixed(2)} at ${last.step.toLocaleString("en")}.`;
}
