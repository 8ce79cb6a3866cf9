// `foreword zeroshot`: how well a pre-trained run does tasks that it never learnt, at one of its checkpoints or at all of
// them. Here are its flags and what it prints; the rules are src/tasks/zero_shot.ts.

import { type Command, Option } from "commander";
import type { Split } from "../../tasks/readers/datasets.ts";
import { zeroShot, zeroShotRules } from "../../tasks/zero_shot.ts";
import { appendLine, cutMetrics, listCheckpoints } from "../../train/checkpoint_folder.ts";
import {
  common,
  type CommonFlags,
  deviceOf,
  disk,
  interruptSignal,
  print,
  say,
  UsageError,
  whole,
} from "../io.ts";
import { chooseCheckpoint, openRun, plansOf, readRun, runTokenizer } from "../run_folder.ts";
import { columnFlags } from "../task_data.ts";
import {
  type NamedProblem,
  readProblem,
  recordOf,
  showZeroShot,
  ZERO_SHOT_FILE,
  type ZeroShotFlags,
  type ZeroShotRecord,
} from "../zero_shot.ts";

interface Flags extends CommonFlags, ZeroShotFlags {
  readonly model: string;
  readonly checkpoint?: string;
  readonly record?: boolean;
}

/** What is printed of one checkpoint. */
interface Result extends ZeroShotRecord {
  readonly checkpoint: string;
  readonly rule: string;
  readonly split: Split;
  readonly majority: number;
  /** For a rule with a threshold: the threshold, and on how many training examples it was chosen. */
  readonly threshold?: number;
  readonly thresholdFrom?: "train";
  readonly trainExamples?: number;
}

/** Adds the command. */
export function addZeroshot(program: Command): void {
  columnFlags(common(program.command("zeroshot")))
    .description("Score a pre-trained run on a task without fine-tuning, by how probable it finds texts")
    .requiredOption("--model <run>", "the pre-trained run")
    .option(
      "--checkpoint <name>",
      "best, last, a folder of checkpoints/, or all, by step; the best one unless given",
    )
    .option(
      "--task <name>",
      "a data set such as glue/cola, glue/sst-2, race; or classification or choice for your own file",
    )
    .requiredOption("--data <path>", "the folder of the data set, or a file of your own")
    .option(
      "--rule <name>",
      `how answers are read off, where the task does not say: ${Object.keys(zeroShotRules).join(", ")}`,
    )
    .option(
      "--train <file>",
      "beside a file of your own: the examples on which the threshold of acceptability is chosen",
    )
    .addOption(
      new Option("--split <name>", "which examples of the data set to score").choices([
        "train",
        "dev",
        "test",
      ])
        .default("dev"),
    )
    .option("--positive <label>", "the label that counts as positive; 1 or the word for it unless given")
    .option("--limit <n>", "score only so many examples, the same ones each time", whole(1))
    .option(
      "--record",
      `write the score to ${ZERO_SHOT_FILE} of the run, in place of an earlier one; so always with all`,
    )
    .addHelpText(
      "after",
      "\nRules:\n" +
        Object.values(zeroShotRules).map(({ name, description }) => `  ${name}: ${description}`).join("\n") +
        "\n\nThe threshold of acceptability is the one with the best Matthews correlation on the training examples." +
        "\nExamples:" +
        "\n  foreword zeroshot --model runs/mini --task glue/cola --data CoLA" +
        "\n  foreword zeroshot --model runs/mini --task race --data RACE --checkpoint all" +
        "\n  foreword zeroshot --model runs/mini --rule winograd --data wsc.jsonl --columns context=text,answers=names,label=right",
    )
    .action(score);
}

async function score(flags: Flags): Promise<void> {
  const { model: run, checkpoint } = flags, config = await readRun(run);
  if (config.task !== "language") {
    throw new UsageError(
      `${run} is a classifier: zero-shot scores are those of a pre-trained run; give the one that it was fine-tuned from`,
    );
  }
  const all = checkpoint === "all",
    names = all ? (await listCheckpoints(disk, run)).map(({ name }) => name) : [checkpoint];
  if (names.length === 0) {
    throw new UsageError(`${run} has no checkpoint yet: let it train for a while, or resume it`);
  }
  const tokenizer = await runTokenizer(run, config), signal = interruptSignal();
  const named = await readProblem(flags, { tokenizer, context: config.model.context });
  const first = await chooseCheckpoint(run, names[0]);
  const { context: length } = config.model, batch = Math.max(1, Math.floor(1024 / length)); // as spans are scored
  using device = await deviceOf(flags, () => [plansOf(config).scores({ batch, length, language: true })]);
  const results: Result[] = [];
  for (const name of names) {
    const checkpoint = name === names[0] ? first : await chooseCheckpoint(run, name),
      { step, folder } = checkpoint;
    using model = (await openRun(device, { config, tokenizer, checkpoint })).model;
    const outcome = await zeroShot(model, named.problem, { signal });
    const record = recordOf(step, named.task, outcome);
    if (all || flags.record) await keep(run, record);
    results.push({ ...record, checkpoint: folder, ...detailsOf(flags, named, outcome) });
    if (all) say(`step ${step}: ${showZeroShot(record)}`);
  }
  print(flags, all ? { results } : results[0], results.map(show).join("\n"));
}

function detailsOf(
  { split }: Flags,
  { problem: { rule, train = [] } }: NamedProblem,
  { majority, threshold }: Awaited<ReturnType<typeof zeroShot>>,
): Pick<Result, "rule" | "split" | "majority" | "threshold" | "thresholdFrom" | "trainExamples"> {
  const chosen = threshold === undefined
    ? {}
    : { threshold, thresholdFrom: "train" as const, trainExamples: train.length };
  return { rule: rule.name, split, majority, ...chosen };
}

// A score of the same step and task makes way.
async function keep(run: string, record: ZeroShotRecord): Promise<void> {
  const path = `${run}/${ZERO_SHOT_FILE}`;
  await cutMetrics(disk, path, ({ step, task }) => step !== record.step || task !== record.task);
  await appendLine(disk, path, record);
}

function show(result: Result): string {
  const { step, split, examples, majority, metric, threshold, trainExamples } = result;
  return `step ${step}, ${showZeroShot(result)}` +
    (metric === "matthews" ? "" : `, always the most frequent label ${(100 * majority).toFixed(1)} %`) +
    `; ${examples} ${split} examples` +
    (threshold === undefined
      ? ""
      : `; threshold ${threshold.toFixed(4)} nats a token, chosen on ${trainExamples} training examples`);
}
