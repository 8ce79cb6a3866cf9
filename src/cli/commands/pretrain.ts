// `foreword pretrain`: a language model from text, or on more text from an earlier run. Here flags become a run; training
// it is src/train/run.ts, the data src/tasks/language.ts.

import { type Command, Option } from "commander";
import { NotFound } from "../../core/storage.ts";
import { configure, type Gpt1Config, type Gpt1Preset, presets, withDropout } from "../../models/gpt1.ts";
import { createGpt1, type ParameterValues } from "../../models/gpt1_model.ts";
import { gpt1Plans } from "../../models/gpt1_plans.ts";
import { untuned } from "../../models/gpt1_tuning.ts";
import { pretrainingSource, scoreText } from "../../tasks/language.ts";
import { datasetName } from "../../tasks/readers/datasets.ts";
import type { Tokens } from "../../text/batches.ts";
import { type AnyTokenizer, openTokenizer } from "../../text/open_tokenizer.ts";
import { readCorpusIndex, readPrepared } from "../../text/prepare/prepared.ts";
import { encodeCorpus, readTokens } from "../../text/token_file.ts";
import { parameterReader } from "../../train/checkpoint.ts";
import { type ScheduleName, schedules } from "../../train/schedule.ts";
import { gpt1Optimizer } from "../../train/update.ts";
import { type ArchitectureFlags, architectureFlags, sizeOf } from "../architecture.ts";
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
import { baseValues, beginRun, readRun, resumePoint, type RunConfig, runTokenizer } from "../run_folder.ts";
import { type NamedProblem, readProblem, zeroShotObserver } from "../zero_shot.ts";
import {
  follow,
  type Outcome,
  requireMemory,
  stepPlans,
  type TrainingFlags,
  trainingFlags,
} from "../training.ts";

/** Flags of a pre-training. */
export interface PretrainFlags extends TrainingFlags, ArchitectureFlags {
  readonly corpus: string;
  readonly valid?: string;
  readonly validFraction?: number;
  readonly tokenizer?: string;
  readonly model?: Gpt1Preset;
  readonly init?: string;
  readonly checkpoint?: string;
  readonly steps: number;
  readonly batch: number;
  readonly accumulate: number;
  readonly lr?: number;
  readonly warmup?: number;
  readonly schedule: ScheduleName;
  readonly saveEvery?: number;
  readonly validateEvery?: number;
  readonly zeroshot?: string[];
  readonly zeroshotEvery?: number;
  readonly zeroshotLimit?: number;
}

/** Learning rates that train each size well; the last is the paper's. */
const RATES: Readonly<Record<Gpt1Preset, number>> = {
  nano: 3e-3,
  micro: 2.5e-3,
  mini: 2e-3,
  small: 1e-3,
  medium: 6e-4,
  large: 4e-4,
  gpt1: 2.5e-4,
};

/** What an LSTM in place of the blocks trains well at, as a multiple of these. */
const LSTM_RATE = 3;

/** Adds the command. */
export function addPretrain(program: Command): void {
  pretrainFlags(program.command("pretrain"))
    .description("Train a language model on text, from nothing or from an earlier run")
    .addHelpText(
      "after",
      "\nExample:\n  foreword pretrain --corpus books --valid-fraction 0.05 --tokenizer tok --model mini --steps 2000 --out runs/mini",
    )
    .action(pretrain);
}

/** Adds the flags of a pre-training. */
export function pretrainFlags(command: Command): Command {
  return architectureFlags(trainingFlags(command))
    .requiredOption(
      "--corpus <path>",
      "a UTF-8 text file, a folder of .txt files, or one made by `foreword prepare`",
    )
    .requiredOption("--steps <n>", "updates to make", whole(1))
    .option("--valid <path>", "held-out text: a file or a folder")
    .option("--valid-fraction <x>", "hold out this part of the corpus, from its end", real(0, 0.5))
    .option("--tokenizer <folder>", "a folder made by `foreword tokenizer train`")
    .addOption(new Option("--model <preset>", "size of the model").choices(Object.keys(presets)))
    .option("--init <run>", "start from the parameters and the tokenizer of an earlier run")
    .option(
      "--checkpoint <name>",
      "which checkpoint of --init: best, last or a folder; the best one unless given",
    )
    .option("--batch <n>", "sequences in a micro-batch", whole(1), 16)
    .option("--accumulate <n>", "micro-batches in an update", whole(1), 1)
    .option("--lr <x>", "peak learning rate; by size and architecture of the model unless given", real(0))
    .option(
      "--warmup <n>",
      "updates of warm-up; 5 % of the steps, but 300 to 2,000, or a quarter of a short run, unless given",
      whole(0),
    )
    .addOption(
      new Option("--schedule <name>", "shape of the learning rate").choices(Object.keys(schedules)).default(
        "warmup_cosine",
      ),
    )
    .option("--save-every <n>", "updates between checkpoints; a tenth of the steps unless given", whole(1))
    .option(
      "--validate-every <n>",
      "updates between validations; a tenth of the steps unless given",
      whole(1),
    )
    .option(
      "--zeroshot <task=folder...>",
      "score this data set without fine-tuning along the training, into zeroshot.jsonl: glue/cola=CoLA; see `zeroshot`",
    )
    .option(
      "--zeroshot-every <n>",
      "updates between these scores; a tenth of the steps unless given",
      whole(1),
    )
    .option("--zeroshot-limit <n>", "score only so many examples of each", whole(1));
}

async function pretrain(flags: PretrainFlags): Promise<void> {
  const { out, steps } = flags, outcome = await pretrainOnce(flags, interruptSignal());
  const { perplexity } = outcome.validation ?? {};
  print(
    flags,
    { out, ...outcome, ...outcome.validation },
    `${out}: ${steps} steps` + (outcome.loss === null ? "" : `, loss ${outcome.loss.toFixed(4)}`) +
      (perplexity === undefined ? "" : `, held-out perplexity ${perplexity.toFixed(2)}`),
  );
}

/** Pre-trains once, and leaves a run folder. */
export async function pretrainOnce(flags: PretrainFlags, signal: AbortSignal): Promise<Outcome> {
  if (flags.valid !== undefined && flags.validFraction !== undefined) {
    throw new UsageError("Give either --valid or --valid-fraction, not both");
  }
  const start = await startingPoint(flags);
  const { config, tokenizer } = start, { out } = flags;
  const settings = settingsOf(flags, config);
  const problems = await zeroShotProblems(flags, start);
  const run: RunConfig = {
    format: "foreword-run-1",
    task: "language",
    model: config,
    labels: null,
    tokenizer: tokenizer.fingerprint,
    settings,
  };
  const begun = await beginRun(out, run, tokenizer, flags.resume !== undefined);
  try {
    return await trainFrom(start, flags, { settings, problems }, signal);
  } catch (error) {
    await begun.undo();
    throw error;
  }
}

async function trainFrom(
  { config, tokenizer, values: initial }: StartingPoint,
  flags: PretrainFlags,
  { settings, problems }: {
    settings: ReturnType<typeof settingsOf>;
    problems: readonly NamedProblem[];
  },
  signal: AbortSignal,
): Promise<Outcome> {
  const { out, steps, batch, accumulate, seed } = flags;
  await requireTexts(flags);
  const resumed = await resumePoint(out, flags.resume ?? false);
  const values = resumed ? await parameterReader(disk, resumed) : initial;
  // Before the texts are encoded, which may take hours.
  const plans = gpt1Plans(config), run = { batch, length: config.context, language: true };
  using device = await deviceOf(
    flags,
    () => stepPlans(plans, run, flags),
    resumed && deviceOfCheckpoint(resumed),
  );
  requireMemory(
    device,
    plans,
    run,
    flags,
    (batch, parts) => `--batch ${batch} --accumulate ${parts * accumulate}`,
  );
  const { train, valid, validBytes } = await tokensOf(flags, tokenizer, signal);
  const source = pretrainingSource(config, train, { batch, accumulate, seed });
  say(`${device.description}; ${train.length.toLocaleString("en")} tokens to train on`);
  using model = await createGpt1(device, config, { seed, ...(values ? { values } : {}) });
  const every = Math.max(1, Math.ceil(steps / 10));
  return await follow("pretrain", signal, {
    storage: disk,
    folder: out,
    model,
    source,
    resumed,
    saveEvery: flags.saveEvery ?? every,
    validateEvery: flags.validateEvery ?? every,
    observe: zeroShotObserver(model, problems, flags.zeroshotEvery ?? every, signal),
    options: {
      schedule: { name: flags.schedule, learningRate: settings.lr, warmup: settings.warmup / steps, steps },
      optimizer: { ...gpt1Optimizer, maxNorm: flags.clip },
      recompute: flags.recompute,
      seed,
      signal,
    },
    ...(valid && {
      validate: async () => {
        const { loss, perplexity } = await scoreText(model, valid, {
          batch,
          bytes: validBytes,
          signal,
        });
        return { score: -loss, metrics: { validLoss: loss, perplexity } };
      },
    }),
  });
}

interface StartingPoint {
  readonly config: Gpt1Config;
  readonly tokenizer: AnyTokenizer;
  readonly values: ParameterValues | null;
}

async function startingPoint(flags: PretrainFlags): Promise<StartingPoint> {
  const { init, checkpoint, tokenizer, model, architecture, units, dropout } = flags;
  if (init !== undefined) {
    for (const [name, value] of Object.entries({ model, architecture, units })) {
      if (value !== undefined) throw new UsageError(`--init brings its own size: leave --${name} out`);
    }
    const config = await readRun(init), own = await runTokenizer(init, config);
    if (tokenizer !== undefined && (await openTokenizer(disk, tokenizer)).fingerprint !== own.fingerprint) {
      throw new UsageError(
        `${init} was trained with another tokenizer than ${tokenizer}: leave --tokenizer out`,
      );
    }
    const values = await baseValues(init, checkpoint);
    return { config: untuned(withDropout(config.model, dropout)), tokenizer: own, values };
  }
  if (tokenizer === undefined) {
    throw new UsageError("Give --tokenizer, made by `foreword tokenizer train`, or --init");
  }
  if (model === undefined) {
    throw new UsageError(`Give --model, one of ${Object.keys(presets).join(", ")}, or --init`);
  }
  const size = sizeOf(model, flags), loaded = await openTokenizer(disk, tokenizer);
  return { config: configure(size, loaded.size, { rate: dropout }), tokenizer: loaded, values: null };
}

async function zeroShotProblems(
  { zeroshot = [], zeroshotEvery, zeroshotLimit }: PretrainFlags,
  { config: { context }, tokenizer }: StartingPoint,
): Promise<NamedProblem[]> {
  if (zeroshot.length === 0 && (zeroshotEvery ?? zeroshotLimit) !== undefined) {
    throw new UsageError("Give --zeroshot TASK=FOLDER at least once: it says what to score");
  }
  const problems: NamedProblem[] = [];
  for (const asked of zeroshot) {
    const [, task, data] = /^([^=]+)=(.+)$/.exec(asked) ?? [];
    if (task === undefined || data === undefined) {
      throw new UsageError(`Cannot use --zeroshot ${asked}: it must be TASK=FOLDER, such as glue/cola=CoLA`);
    }
    if (datasetName(task) === null) {
      throw new UsageError(
        `There is no data set "${task}" for --zeroshot: give one such as glue/cola, glue/sst-2, race`,
      );
    }
    const limit = zeroshotLimit === undefined ? {} : { limit: zeroshotLimit };
    problems.push(await readProblem({ task, data, split: "dev", ...limit }, { tokenizer, context }));
  }
  const names = problems.map(({ task }) => task);
  if (new Set(names).size < names.length) {
    throw new UsageError(`Give each task of --zeroshot once, not ${names.join(", ")}`);
  }
  return problems;
}

// With fewer than about 300 updates of warm-up, blocks whose norm follows the residual sum stay at the frequencies of words.
const warmupOf = (steps: number): number =>
  Math.min(2000, Math.max(Math.ceil(steps / 20), Math.min(300, Math.ceil(steps / 4))));

// Everything that decides what is computed, so that resuming with other settings can be refused.
function settingsOf(flags: PretrainFlags, config: Gpt1Config) {
  const {
    corpus,
    valid,
    validFraction,
    tokenizer,
    init,
    steps,
    batch,
    accumulate,
    schedule,
    dropout,
    clip,
    seed,
  } = flags;
  const preset = (Object.keys(presets) as Gpt1Preset[]).find((name) =>
    presets[name].channels === config.channels
  );
  return {
    corpus,
    valid: valid ?? null,
    validFraction: validFraction ?? null,
    tokenizer: tokenizer ?? null,
    init: init ?? null,
    model: flags.model ?? null,
    ...(flags.architecture === "lstm" ? { architecture: "lstm", units: flags.units ?? null } : {}),
    steps,
    batch,
    accumulate,
    lr: flags.lr ?? RATES[preset ?? "gpt1"] * (config.lstm ? LSTM_RATE : 1),
    warmup: flags.warmup ?? warmupOf(steps),
    schedule,
    dropout,
    clip,
    seed,
  };
}

// Found before a device is opened. What was encoded before is not read again.
async function requireTexts({ corpus, valid, out }: PretrainFlags): Promise<void> {
  for (const [name, path] of Object.entries({ train: corpus, valid })) {
    if (path === undefined || await disk.stat(path) || await disk.stat(`${tokenFile(out, name)}.json`)) {
      continue;
    }
    throw new NotFound(`Cannot read the corpus ${path}: there is no such file or folder; check the path`);
  }
}

const tokenFile = (out: string, name: string): string => `${out}/data/${name}.tokens`;

// Token files live in the run folder, so that a resumed run reads what the first one read.
async function tokensOf(
  { corpus, valid, validFraction, out }: PretrainFlags,
  tokenizer: AnyTokenizer,
  signal: AbortSignal,
): Promise<{ train: Tokens; valid: Tokens | null; validBytes: number | null }> {
  const encoded = async (path: string, name: string): Promise<{ tokens: Tokens; bytes: number }> => {
    if (await readCorpusIndex(disk, path)) {
      const { tokens, index } = await readPrepared(disk, path, tokenizer);
      return { tokens, bytes: index.bytes };
    }
    const target = tokenFile(out, name);
    if (!await disk.stat(`${target}.json`)) {
      say(`encoding ${path}`);
      await disk.makeFolder(`${out}/data`);
      await encodeCorpus(disk, path, target, tokenizer, { signal });
    }
    const { tokens, info } = await readTokens(disk, target, tokenizer);
    return { tokens, bytes: info.bytes };
  };
  const { tokens } = await encoded(corpus, "train");
  if (valid !== undefined) {
    const held = await encoded(valid, "valid");
    requireTwo(held.tokens.length, `--valid ${valid}: add text to it`);
    return { train: tokens, valid: held.tokens, validBytes: held.bytes };
  }
  if (!validFraction) return { train: tokens, valid: null, validBytes: null };
  const cut = Math.floor(tokens.length * (1 - validFraction));
  requireTwo(tokens.length - cut, `--valid-fraction ${validFraction}: use a larger one`);
  return { train: tokens.subarray(0, cut), valid: tokens.subarray(cut), validBytes: null };
}

// Found before training, not at the first validation.
function requireTwo(tokens: number, remedy: string): void {
  if (tokens >= 2) return;
  throw new UsageError(`Cannot validate on ${tokens} token${tokens === 1 ? "" : "s"} of ${remedy}`);
}
