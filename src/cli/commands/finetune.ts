// `foreword finetune`: a task learnt by a pre-trained run, or by the same model from scratch for comparison, once or with
// several seeds. Here are its flags; a single training is src/cli/fine_tuning.ts, what fine-tuning means is src/tasks.

import { type Command, InvalidArgumentError, Option } from "commander";
import type { Device } from "../../backends/backend.ts";
import { schedules } from "../../train/schedule.ts";
import { LAMBDA } from "../../tasks/examples.ts";
import { metrics } from "../../tasks/score.ts";
import { summary } from "../../tasks/statistics.ts";
import {
  type FineTuneFlags,
  fineTuneOnce,
  type Outcome,
  plansOfTraining,
  prepareTraining,
  settingsOf,
  type Training,
} from "../fine_tuning.ts";
import {
  deviceOf,
  deviceOfCheckpoint,
  disk,
  interruptSignal,
  print,
  real,
  say,
  UsageError,
  whole,
} from "../io.ts";
import { requireOut, resumePoint } from "../run_folder.ts";
import { taskFlags } from "../task_data.ts";
import { showMetric, showScore, showSummary } from "../task_results.ts";
import { trainingFlags } from "../training.ts";
import { tuningFlags } from "../tuning.ts";

interface Flags extends FineTuneFlags {
  readonly seeds?: readonly number[];
}

/** Adds the command. */
export function addFinetune(program: Command): void {
  finetuneFlags(program.command("finetune"))
    .description("Fine-tune a pre-trained run on a task; the defaults are the paper's")
    .option(
      "--seeds <list>",
      "train with each of these seeds, in folders of --out; gives median, mean and range",
      seeds,
    )
    .addHelpText(
      "after",
      "\nExamples:" +
        "\n  foreword finetune --model runs/mini --train train.tsv --dev dev.tsv --test test.tsv --out runs/sentiment" +
        "\n  foreword finetune --model runs/mini --task glue/cola --data CoLA --seeds 1,2,3 --out runs/cola" +
        "\n  foreword finetune --model runs/mini --task entailment --columns premise=1,hypothesis=2,label=3 " +
        "--train a.tsv --dev b.tsv --out runs/pairs" +
        "\n  foreword finetune --model runs/mini --train train.tsv --dev dev.tsv --lora-rank 8 --lr 5e-4 --out runs/lora",
    )
    .action(finetune);
}

/** Adds the flags of one fine-tuning. */
export function finetuneFlags(command: Command): Command {
  return tuningFlags(taskFlags(trainingFlags(command)))
    .requiredOption("--model <run>", "the pre-trained run; it brings size and tokenizer")
    .option(
      "--checkpoint <name>",
      "which checkpoint of --model: best, last or a folder; the best one unless given",
    )
    .option("--data <folder>", "the files of a published data set; or give files of your own:")
    .option("--train <file>", "training examples; text<TAB>label on each line unless --columns are given")
    .option("--dev <file>", "examples that decide which epoch is best")
    .option("--test <file>", "examples to score the best epoch on, and to write predictions for")
    .option("--no-test", "leave the test examples of --data alone")
    .option("--from-scratch", "start from random parameters of the same size, to see what pre-training gives")
    .option(
      "--transfer-layers <n>",
      "blocks to take over, 0 for the embeddings alone; all unless given",
      whole(0),
    )
    .option("--limit <n>", "use only so many training examples, chosen by the seed", whole(1))
    .option("--dev-limit <n>", "use only so many dev examples, the same for every seed", whole(1))
    .option("--test-limit <n>", "use only so many test examples, the same for every seed", whole(1))
    .option("--score-train", "also score the best epoch on training examples, as many as dev has")
    .option("--lr <x>", "peak learning rate", real(0), 6.25e-5)
    .addOption(
      new Option("--schedule <name>", "shape of the learning rate").choices(Object.keys(schedules))
        .default("warmup_linear"),
    )
    .option("--epochs <n>", "passes over the training examples", whole(1), 3)
    .option("--batch <n>", "examples in an update", whole(1), 32)
    .option("--micro-batch <n>", "examples in a micro-batch; all of the update's unless given", whole(1))
    .option("--warmup <x>", "share of the updates spent warming up", real(0, 1), 0.002)
    .option("--lm-coef <x>", "weight of the auxiliary language-model loss", real(0), LAMBDA)
    .option("--weight-decay <x>", "l2 coefficient, on matrices only", real(0), 0.01)
    .option("--beta1 <x>", "share of Adam's first moment that is kept", real(0, 0.9999), 0.9)
    .option("--beta2 <x>", "share of Adam's second moment that is kept", real(0, 0.999999), 0.999)
    .option("--epsilon <x>", "added to the root of Adam's second moment", real(0), 1e-8)
    .addOption(
      new Option("--metric <name>", "what decides the best epoch; the task's usual one unless given")
        .choices(Object.keys(metrics)),
    )
    .option("--group-by-length", "put texts of similar length into a batch, which saves padding");
}

function seeds(text: string): number[] {
  const list = text.split(",").map(whole(0));
  if (new Set(list).size !== list.length) throw new InvalidArgumentError("No seed may be given twice.");
  return list;
}

async function finetune(flags: Flags): Promise<void> {
  const signal = interruptSignal();
  const training = await prepareTraining(flags), several = flagsOfSeeds(flags), [first = flags] = several;
  if (flags.seeds !== undefined && await disk.stat(`${flags.out}/config.json`)) {
    throw new UsageError(`${flags.out} already holds a run: choose another --out for several seeds`);
  }
  for (const own of flags.seeds === undefined ? [flags] : several) {
    await requireOut(own.out, settingsOf(own, training.data), own.resume !== undefined);
  }
  const resumed = first.resume === undefined ? null : await resumePoint(first.out, first.resume);
  using device = await deviceOf(
    flags,
    () => plansOfTraining(training, first),
    resumed && deviceOfCheckpoint(resumed),
  );
  if (flags.seeds === undefined) {
    const outcome = await fineTuneOnce(device, training, flags, signal), { task } = training.data;
    const { best, majority } = outcome;
    const baseline = majority === null
      ? ""
      : `; always the most frequent label ${showMetric("accuracy", majority)}`;
    print(
      flags,
      resultOf(outcome),
      `${flags.out}: ${best.test ? "test" : "dev"} ${showScore(task, best.test ?? best.dev)}${baseline}`,
    );
    return;
  }
  await severalSeeds(device, training, flags, signal);
}

// A training for each seed, each in a folder of its own.
const flagsOfSeeds = (flags: Flags): Flags[] =>
  (flags.seeds ?? []).map((seed) => ({ ...flags, seed, out: `${flags.out}/seed-${seed}` }));

const resultOf = ({ best, ...outcome }: Outcome): object => ({ ...outcome, ...best });

// One after another, so that --resume goes on where the last one stopped.
async function severalSeeds(
  device: Device,
  training: Training,
  flags: Flags,
  signal: AbortSignal,
): Promise<void> {
  const { out, seeds } = flags, { task } = training.data;
  const existed = await disk.stat(out) !== null, outcomes: Outcome[] = [];
  try {
    for (const own of flagsOfSeeds(flags)) {
      say(`seed ${own.seed}`);
      outcomes.push(await fineTuneOnce(device, training, own, signal));
    }
  } catch (error) {
    if (!existed && await disk.stat(out) && (await disk.list(out)).length === 0) await disk.remove(out);
    throw error;
  }
  const scores = outcomes.map(({ best }) => best.test ?? best.dev);
  const summaries = Object.fromEntries(
    task.metrics.map((name) => [name, summary(scores.map((score) => score[name]!))] as const),
  );
  const result = { out, seeds, summaries, runs: outcomes.map(resultOf) };
  await disk.write(`${out}/seeds.json`, [new TextEncoder().encode(`${JSON.stringify(result, null, 2)}\n`)]);
  const lines = task.metrics.map((name) => showSummary(name, summaries[name]));
  print(
    flags,
    result,
    [`${out}: ${outcomes[0].best.test ? "test" : "dev"}, ${outcomes.length} seeds`, ...lines].join("\n  "),
  );
}
