// Zero-shot scores on the command line: from flags and files to a problem for a run's tokenizer and context, and from a score
// to the record that `zeroshot.jsonl` holds. The rules are src/tasks/zero_shot.ts; flags are declared by the commands.

import { Random } from "../core/random.ts";
import type { Gpt1 } from "../models/gpt1_model.ts";
import type { MetricName } from "../tasks/score.ts";
import { datasetName, type Split } from "../tasks/readers/datasets.ts";
import type { Example } from "../tasks/task.ts";
import {
  positiveLabel,
  prepareZeroShot,
  zeroShot,
  type ZeroShotProblem,
  type ZeroShotRule,
  zeroShotRule,
  zeroShotRules,
  type ZeroShotScore,
} from "../tasks/zero_shot.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { Observer } from "../train/run.ts";
import { say, UsageError } from "./io.ts";
import { type ColumnFlags, readData, taskData } from "./task_data.ts";
import { showMetric, titles } from "./task_results.ts";

/** The file of a run folder that holds zero-shot scores along its training, one record a line. */
export const ZERO_SHOT_FILE = "zeroshot.jsonl";

/** What is asked of a run, in flags. */
export interface ZeroShotFlags extends ColumnFlags {
  readonly task?: string;
  readonly rule?: string;
  readonly data: string;
  readonly train?: string;
  readonly split: Split;
  readonly positive?: string;
  readonly limit?: number;
}

/** A problem with the name under which it is recorded. */
export interface NamedProblem {
  readonly task: string;
  readonly problem: ZeroShotProblem;
}

/** One line of `zeroshot.jsonl`. */
export interface ZeroShotRecord {
  readonly step: number;
  readonly task: string;
  readonly metric: MetricName;
  readonly score: number;
  /** What guessing at random gives. */
  readonly baseline: number;
  readonly examples: number;
}

/** What a run is asked with. */
export interface Reader {
  readonly tokenizer: Tokenizer;
  /** Its context, in tokens. */
  readonly context: number;
}

/** Reads what the flags name and prepares it; says on stderr what does not fit the context. */
export async function readProblem(flags: ZeroShotFlags, reader: Reader): Promise<NamedProblem> {
  const asked = flags.rule === undefined ? null : zeroShotRule(flags.rule), name = flags.task ?? asked?.form;
  if (name === undefined) throw new UsageError("Give --task, a data set or a form of examples; or --rule");
  const data = taskData({ ...flags, task: name }), { dataset, task } = data;
  const usual = dataset?.zeroShot ?? task.zeroShot, rule = asked ?? (usual ? zeroShotRules[usual] : null);
  if (!rule) throw new UsageError(withoutRule(name, task.name));
  if (rule.form !== task.name) {
    throw new UsageError(
      `The rule ${rule.name} reads examples of the task ${rule.form}, not of ${task.name}: give another --rule or --task`,
    );
  }
  if (dataset && flags.train !== undefined) {
    throw new UsageError(`${name} brings its own training examples: leave --train out`);
  }
  const prepare = (examples: readonly Example[], path: string) => {
    const chosen = limited(examples, flags.limit);
    const positive = positiveLabel(rule, examples, flags.positive);
    const prepared = prepareZeroShot(rule, reader.tokenizer, reader.context, chosen, positive);
    const cut = prepared.filter((example) => example.cut).length;
    if (cut > 0) say(noteOf(cut, prepared.length, path, reader.context, rule));
    return prepared;
  };
  const examples = prepare(await readData(data, flags.data, flags.split), flags.data);
  const from = dataset ? flags.data : flags.train;
  if (rule.threshold && from === undefined) {
    throw new UsageError(
      `Give --train with a file of examples: the threshold of ${rule.name} is chosen on them`,
    );
  }
  return {
    task: dataset ? datasetName(name)! : rule.name,
    problem: {
      rule,
      examples,
      ...(rule.threshold ? { train: prepare(await readData(data, from!, "train"), from!) } : {}),
    },
  };
}

function withoutRule(name: string, form: string): string {
  const fitting = Object.values(zeroShotRules).filter((rule) => rule.form === form);
  return fitting.length > 0
    ? `Give --rule for ${name}: ${fitting.map((rule) => rule.name).join(" or ")}`
    : `There is no zero-shot rule for ${name}, which is read as ${form}: the rules are ${
      Object.values(zeroShotRules).map((rule) => `${rule.name} (for ${rule.form})`).join(", ")
    }`;
}

function noteOf(cut: number, all: number, path: string, context: number, { name }: ZeroShotRule): string {
  return `note: ${cut} of ${all} examples of ${path} are longer than the context of ${context} tokens: ` +
    (name === "acceptability"
      ? "only their beginnings count"
      : "the beginning of what comes before the answer gives way");
}

// The same ones for every run and seed, in their order, so that scores can be compared.
function limited(examples: readonly Example[], limit = Infinity): readonly Example[] {
  if (examples.length <= limit) return examples;
  const chosen = new Random(0, "zero-shot").shuffle(examples.map((_, i) => i)).slice(0, limit);
  return chosen.sort((a, b) => a - b).map((i) => examples[i]);
}

/** The record of a score. */
export function recordOf(
  step: number,
  task: string,
  { metric, score, baseline, examples }: ZeroShotScore,
): ZeroShotRecord {
  return { step, task, metric, score, baseline, examples };
}

/** A score in words: `glue/cola: Matthews 0.031, by chance 0.000`. */
export const showZeroShot = ({ task, metric, score, baseline }: Omit<ZeroShotRecord, "step">): string =>
  `${task}: ${titles[metric]} ${showMetric(metric, score)}, by chance ${showMetric(metric, baseline)}`;

/** Records scores along a training; without problems it only keeps the file in step with what is resumed. */
export function zeroShotObserver(
  model: Gpt1,
  problems: readonly NamedProblem[],
  every: number,
  signal: AbortSignal,
): Observer {
  return {
    every,
    file: ZERO_SHOT_FILE,
    async at(step) {
      const records: ZeroShotRecord[] = [];
      for (const { task, problem } of problems) {
        records.push(recordOf(step, task, await zeroShot(model, problem, { signal })));
      }
      return { records, summary: records.map(showZeroShot).join("; ") };
    },
  };
}
