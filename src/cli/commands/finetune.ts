// `foreword finetune`: a classifier from a pre-trained run, or the same model from scratch for comparison. Here flags and
// files become a run; what fine-tuning means is src/tasks/fine_tune.ts.

import { type Command, Option } from "commander";
import { Random } from "../../core/random.ts";
import { type Gpt1Config, withDropout } from "../../models/gpt1.ts";
import type { LabelledSequence } from "../../models/gpt1_feeds.ts";
import { gpt1Plans } from "../../models/gpt1_plans.ts";
import { labelsOf, LAMBDA } from "../../tasks/classification.ts";
import {
  classifierConfig,
  classifierModel,
  fineTuneRun,
  type FineTuneSettings,
  fineTuneSource,
  majorityAccuracy,
  restoreBest,
  scoreClassifier,
  scoringBatch,
} from "../../tasks/fine_tune.ts";
import { readLabelled } from "../../tasks/readers.ts";
import { parameterReader } from "../../train/checkpoint.ts";
import { deviceOf, disk, interruptSignal, print, real, say, UsageError, whole } from "../io.ts";
import { prepareFile } from "../prepare_file.ts";
import { beginRun, chooseCheckpoint, readRun, resumePoint, runTokenizer } from "../run_folder.ts";
import { follow, requireMemory, type TrainingFlags, trainingFlags } from "../training.ts";

interface Flags extends TrainingFlags {
  readonly model: string;
  readonly checkpoint?: string;
  readonly fromScratch?: boolean;
  readonly task: string;
  readonly train: string;
  readonly dev: string;
  readonly test?: string;
  readonly limit?: number;
  readonly lr: number;
  readonly epochs: number;
  readonly batch: number;
  readonly microBatch?: number;
  readonly warmup: number;
  readonly lmCoef: number;
  readonly metric: NonNullable<FineTuneSettings["metric"]>;
  readonly groupByLength?: boolean;
}

/** Adds the command. */
export function addFinetune(program: Command): void {
  trainingFlags(program.command("finetune"))
    .description("Fine-tune a pre-trained run to classify texts; the defaults are the paper's")
    .requiredOption("--model <run>", "the pre-trained run; it brings size and tokenizer")
    .option(
      "--checkpoint <name>",
      "which checkpoint of --model: best, last or a folder; the best one unless given",
    )
    .addOption(
      new Option("--task <name>", "what to learn").choices(["classification"]).default("classification"),
    )
    .requiredOption("--train <file>", "training examples, text<TAB>label on each line")
    .requiredOption("--dev <file>", "examples that decide which epoch is best")
    .option("--test <file>", "examples to score the best epoch on")
    .option("--from-scratch", "start from random parameters of the same size, to see what pre-training gives")
    .option("--limit <n>", "use only so many training examples, chosen by the seed", whole(1))
    .option("--lr <x>", "peak learning rate", real(0), 6.25e-5)
    .option("--epochs <n>", "passes over the training examples", whole(1), 3)
    .option("--batch <n>", "examples in an update", whole(1), 32)
    .option("--micro-batch <n>", "examples in a micro-batch; all of the update's unless given", whole(1))
    .option("--warmup <x>", "share of the updates spent warming up", real(0, 1), 0.002)
    .option("--lm-coef <x>", "weight of the auxiliary language-model loss", real(0), LAMBDA)
    .addOption(
      new Option("--metric <name>", "what decides the best epoch").choices(["accuracy", "f1", "matthews"])
        .default("accuracy"),
    )
    .option("--group-by-length", "put texts of similar length into a batch, which saves padding")
    .addHelpText(
      "after",
      "\nExample:\n  foreword finetune --model runs/mini --train train.tsv --dev dev.tsv --test test.tsv --out runs/sentiment",
    )
    .action(finetune);
}

async function finetune(flags: Flags): Promise<void> {
  const signal = interruptSignal(), { out, seed, dropout } = flags;
  const from = await readRun(flags.model), tokenizer = await runTokenizer(flags.model, from);
  if (from.task !== "language") {
    throw new UsageError(`${flags.model} is a classifier already: give a pre-trained run`);
  }
  const [train, dev, test] = await Promise.all(
    [flags.train, flags.dev, flags.test].map((path) => path === undefined ? null : readLabelled(disk, path)),
  );
  const chosen = flags.limit === undefined
    ? train!
    : new Random(seed, "limit").shuffle([...train!]).slice(0, flags.limit);
  const labels = labelsOf(chosen),
    config = withDropout(from.model, dropout),
    target = classifierConfig(config);
  const data = {
    train: prepareFile(flags.train, target, tokenizer, chosen, labels),
    dev: prepareFile(flags.dev, target, tokenizer, dev!, labels),
    test: test && prepareFile(flags.test!, target, tokenizer, test, labels),
  };
  const settings = settingsOf(flags);
  const begun = await beginRun(
    out,
    {
      format: "foreword-run-1",
      task: "classification",
      model: target,
      labels,
      tokenizer: tokenizer.fingerprint,
      settings,
    },
    tokenizer,
    flags.resume !== undefined,
  );
  try {
    await trainAndScore({ config, labels, data }, flags, settings, signal);
  } catch (error) {
    await begun.undo();
    throw error;
  }
}

interface Task {
  /** Of the pre-trained model, with the dropout asked for. */
  readonly config: Gpt1Config;
  readonly labels: readonly string[];
  readonly data: Readonly<Record<"train" | "dev", LabelledSequence[]>> & {
    readonly test: LabelledSequence[] | null;
  };
}

async function trainAndScore(
  { config, labels, data }: Task,
  flags: Flags,
  settings: FineTuneSettings,
  signal: AbortSignal,
): Promise<void> {
  const { out, seed } = flags;
  const resumed = await resumePoint(out, flags.resume ?? false);
  const values = resumed || flags.fromScratch
    ? null
    : await parameterReader(disk, await chooseCheckpoint(flags.model, flags.checkpoint));
  using device = await deviceOf(flags);
  say(`${device.description}; ${data.train.length} examples, labels ${labels.join(", ")}`);
  const outputs = labels.length, target = classifierConfig(config);
  requireMemory(
    device,
    gpt1Plans(target, { classifier: outputs }),
    fineTuneSource(target, data.train, outputs, settings).largestRun,
    flags,
    (batch) => `--micro-batch ${batch}`,
  );
  using model = await classifierModel(
    device,
    { config, values },
    outputs,
    seed,
    resumed && await parameterReader(disk, resumed),
  );
  const run = fineTuneRun(
    model,
    data,
    { storage: disk, folder: out, resumed },
    { ...settings, recompute: flags.recompute },
    signal,
  );
  const outcome = await follow("finetune", signal, run);
  await restoreBest(disk, out, model);
  const best = {
    dev: await scoreClassifier(model, data.dev, signal, scoringBatch(settings)),
    test: data.test && await scoreClassifier(model, data.test, signal, scoringBatch(settings)),
  };
  const majority = majorityAccuracy(data.train, data.test ?? data.dev);
  const shown = best.test ?? best.dev, percent = (x: number) => `${(100 * x).toFixed(1)} %`;
  print(
    flags,
    { out, labels, ...best, majority, steps: outcome.steps, tokensPerSecond: outcome.tokensPerSecond },
    `${out}: ${best.test ? "test" : "dev"} accuracy ${percent(shown.accuracy)}, F1 ${percent(shown.f1)}, ` +
      `Matthews ${shown.matthews.toFixed(3)}; always the most frequent label ${percent(majority)}`,
  );
}

// Everything that decides what is computed, so that resuming with other settings can be refused.
function settingsOf(flags: Flags): FineTuneSettings & Record<string, unknown> {
  const {
    model,
    fromScratch = false,
    train,
    dev,
    limit,
    lr,
    epochs,
    batch,
    microBatch,
    warmup,
    lmCoef,
    dropout,
  } = flags;
  const { clip, metric, groupByLength = false, seed } = flags;
  return {
    base: model,
    fromScratch,
    train,
    dev,
    limit: limit ?? null,
    learningRate: lr,
    epochs,
    batch,
    microBatch: microBatch ?? batch,
    warmup,
    lambda: lmCoef,
    dropout,
    clip,
    metric,
    groupByLength,
    seed,
  };
}
