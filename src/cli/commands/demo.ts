// `foreword demo`: the paper's claim in miniature, on text it makes itself. A corpus of little stories, a tokenizer and a
// GPT-1 pre-trained on it; then the same few labels learned by that model and by one from scratch, each with its best of
// three learning rates on dev. Everything that is shown was measured in this run.

import type { Command } from "commander";
import { memoryStorage } from "../../core/memory_storage.ts";
import type { Device } from "../../backends/backend.ts";
import { configure, DROPOUT, type Gpt1Config, withDropout } from "../../models/gpt1.ts";
import { createGpt1, type Gpt1, type ParameterValues } from "../../models/gpt1_model.ts";
import type { LabelledExample } from "../../models/gpt1_feeds.ts";
import { gpt1Plans } from "../../models/gpt1_plans.ts";
import {
  classifierConfig,
  classifierModel,
  fineTuneRun,
  problemOf,
  restoreBest,
  scoreClassifier,
} from "../../tasks/fine_tune.ts";
import { majorityAccuracy } from "../../tasks/score.ts";
import { prepare, tasks } from "../../tasks/task.ts";
import { pretrainingSource, scoreText } from "../../tasks/language.ts";
import type { BpeTokenizer } from "../../text/bpe.ts";
import { trainBpe } from "../../text/bpe_train.ts";
import { trainTrigram } from "../../text/ngram.ts";
import { parameterReader } from "../../train/checkpoint.ts";
import { openCheckpoint } from "../../train/checkpoint_folder.ts";
import { generate } from "../../train/generate.ts";
import { gpt1Optimizer } from "../../train/update.ts";
import { FEELINGS } from "../demo/lexicon.ts";
import { best, type FinetuningArm, report, type ReportData } from "../demo/report.ts";
import { labelled, prompts, stories } from "../demo/stories.ts";
import {
  type DeviceFlags,
  deviceOf,
  deviceOption,
  disk,
  interruptSignal,
  precisionOption,
  print,
  say,
  UsageError,
  whole,
} from "../io.ts";
import { duration } from "../progress.ts";
import { beginRun, type RunConfig } from "../run_folder.ts";
import { follow, stepPlans } from "../training.ts";

interface Flags extends Omit<DeviceFlags, "memory"> {
  readonly out: string;
  readonly json?: string;
  readonly seed: number;
  readonly steps: number;
}

// Small enough for two cores and a few minutes.
const SIZE = { context: 128, channels: 128, heads: 4, layers: 3 },
  VOCABULARY = 1000,
  STORIES = 12_000,
  HELD_OUT = 400;
const PRETRAIN = { batch: 8, learningRate: 2.5e-3, warmup: 0.05 };
const LABELS = { train: 300, dev: 200, test: 500 }, FINETUNE = { batch: 16, epochs: 10 };
const RATES = { "pre-trained": [3e-4, 6e-4, 1e-3], "from scratch": [1e-3, 2e-3, 4e-3] } as const;

const TASK = tasks.classification;
const exampleOf = ({ text, label }: { text: string; label: string }) => ({ texts: { text }, label });

type Arm = keyof typeof RATES;

/** Adds the command. */
export function addDemo(program: Command): void {
  program.command("demo")
    .description(
      "Pre-train, fine-tune and generate on made-up stories; writes a report. A few minutes on two cores",
    )
    .option("--out <folder>", "the folder to write; an earlier demo in it is replaced", "runs/demo")
    .option("--json <file>", "also write the figures to this file")
    .option("--seed <n>", "seed of everything random", whole(0), 1)
    .option("--threads <n>", "threads to use; as many as there are cores unless given", whole(1))
    .addOption(deviceOption())
    .addOption(precisionOption())
    .option("--steps <n>", "updates of pre-training", whole(10), 1000)
    .action(demo);
}

async function demo(flags: Flags): Promise<void> {
  const began = performance.now(), signal = interruptSignal(), { out, seed } = flags;
  await requireDemo(out);
  const usual = { batch: PRETRAIN.batch, length: SIZE.context, language: true };
  using device = await deviceOf(
    flags,
    () => stepPlans(gpt1Plans(configure(SIZE, VOCABULARY)), usual, { clip: 1, recompute: "none" }),
  );
  await disk.remove(out);
  say(`Foreword demo on ${device.description}`);
  const world = await makeWorld(seed);
  const config = configure(SIZE, world.tokenizer.size, { rate: 0 });
  const pretrained = await pretrain(device, config, world, flags, signal);
  const arms = await compareArms(device, config, world, out, seed, signal);
  const seconds = (performance.now() - began) / 1000;
  const data: ReportData = {
    title: "Foreword: what reading first is worth",
    settings: settings(config, flags, device),
    ...pretrained,
    trigramPerplexity: world.trigram,
    finetuning: arms.all,
    majority: arms.majority,
    seconds,
  };
  await disk.write(`${out}/report.html`, [new TextEncoder().encode(report(data))]);
  await summarise(flags, data, arms.best);
}

// An earlier demo may be replaced; anything else in the folder may not.
async function requireDemo(out: string): Promise<void> {
  if (!await disk.stat(out)) return;
  const mark = await disk.stat(`${out}/config.json`)
    ? new TextDecoder().decode(await disk.read(`${out}/config.json`))
    : "";
  const isDemo = mark.includes('"demo": true');
  if (!isDemo && (await disk.list(out)).length > 0) {
    throw new UsageError(`${out} holds something that is not an earlier demo: choose another --out`);
  }
}

interface World {
  readonly tokenizer: BpeTokenizer;
  readonly train: Uint16Array;
  readonly held: Uint16Array;
  /** Perplexity of an interpolated trigram model on the held-out stories. */
  readonly trigram: number;
}

// Stories, a tokenizer trained on those for training, and the baseline.
async function makeWorld(seed: number): Promise<World> {
  const texts = { train: stories(seed, STORIES, "train"), held: stories(seed, HELD_OUT, "heldout") };
  const tokenizer = await trainBpe(texts.train, { vocabSize: VOCABULARY });
  // A line break between stories is a token of its own, so that the model learns where one ends.
  const encode = (list: readonly string[]) => Uint16Array.from(tokenizer.encode(list.join("\n")));
  const train = encode(texts.train), held = encode(texts.held);
  const trigram = trainTrigram(train, tokenizer.size).perplexity(held);
  say(
    `${STORIES} stories, ${train.length.toLocaleString("en")} tokens; an interpolated trigram model reaches ${
      trigram.toFixed(2)
    }`,
  );
  return { tokenizer, train, held, trigram };
}

type Pretrained = Pick<ReportData, "pretraining" | "heldout" | "perplexity" | "samples" | "tokensPerSecond">;

async function pretrain(
  device: Device,
  config: Gpt1Config,
  world: World,
  flags: Flags,
  signal: AbortSignal,
): Promise<Pretrained> {
  const { out, seed, steps } = flags;
  const run: RunConfig = {
    format: "foreword-run-1",
    task: "language",
    model: config,
    labels: null,
    tokenizer: world.tokenizer.fingerprint,
    settings: { demo: true, steps, seed, ...PRETRAIN },
  };
  await beginRun(out, run, world.tokenizer, false);
  using model = await createGpt1(device, config, { seed });
  const perplexity = async () => (await scoreText(model, world.held, { signal })).perplexity;
  const before = await perplexity(), pretraining: { step: number; loss: number }[] = [];
  const heldout = [{ step: 0, perplexity: before }];
  const outcome = await follow("pre-training", signal, {
    storage: disk,
    folder: out,
    model,
    source: pretrainingSource(config, world.train, { batch: PRETRAIN.batch, seed }),
    saveEvery: steps,
    validateEvery: Math.ceil(steps / 10),
    options: {
      schedule: {
        name: "warmup_cosine",
        learningRate: PRETRAIN.learningRate,
        warmup: PRETRAIN.warmup,
        steps,
      },
      optimizer: gpt1Optimizer,
      seed,
      signal,
    },
    validate: async () => {
      const now = await perplexity();
      return { score: -now, metrics: { perplexity: now } };
    },
  }, {
    resumable: false,
    onEvent: (event) => {
      if (event.type === "step") pretraining.push({ step: event.event.step, loss: event.event.loss });
      if (event.type === "validation") {
        heldout.push({ step: event.step, perplexity: event.metrics.perplexity });
      }
    },
  });
  const samples = [];
  for (const prompt of prompts) {
    let text = "";
    const options = { maxTokens: 90, temperature: 0.8, seed, stop: ["\n"], signal };
    for await (const piece of generate(model, world.tokenizer, prompt, options)) text += piece;
    samples.push({ prompt, text });
  }
  return {
    pretraining,
    heldout,
    perplexity: { before, after: heldout.at(-1)!.perplexity },
    samples,
    tokensPerSecond: outcome.tokensPerSecond,
  };
}

interface Arms {
  readonly all: FinetuningArm[];
  readonly best: Record<Arm, FinetuningArm>;
  readonly majority: number;
}

async function compareArms(
  device: Device,
  config: Gpt1Config,
  { tokenizer }: World,
  out: string,
  seed: number,
  signal: AbortSignal,
): Promise<Arms> {
  const tuned = withDropout(config, DROPOUT);
  const read = (split: keyof typeof LABELS) =>
    prepare(
      TASK,
      classifierConfig(config),
      tokenizer,
      labelled(seed, LABELS[split], split).map(exampleOf),
      FEELINGS,
    );
  const data = { train: read("train"), dev: read("dev"), test: read("test") };
  const values = await parameterReader(disk, await openCheckpoint(disk, out, "best"));
  const all: FinetuningArm[] = [];
  for (const arm of Object.keys(RATES) as Arm[]) {
    for (const learningRate of RATES[arm]) {
      const base = { config: tuned, values: arm === "pre-trained" ? values : null };
      all.push(await trainArm(device, base, data, { arm, learningRate, seed }, signal));
    }
  }
  return {
    all,
    best: { "pre-trained": best(all, "pre-trained")!, "from scratch": best(all, "from scratch")! },
    majority: majorityAccuracy(data.train, data.test),
  };
}

type Split = "train" | "dev" | "test";

async function trainArm(
  device: Device,
  base: { config: Gpt1Config; values: ParameterValues | null },
  data: Record<Split, readonly LabelledExample[]>,
  { arm, learningRate, seed }: { arm: Arm; learningRate: number; seed: number },
  signal: AbortSignal,
): Promise<FinetuningArm> {
  const storage = memoryStorage(), points: { step: number; loss: number }[] = [];
  const devAccuracy: { epoch: number; accuracy: number }[] = [];
  using model: Gpt1 = await classifierModel(device, base, FEELINGS.length, seed);
  const problem = problemOf(TASK, FEELINGS, data.train);
  const run = fineTuneRun(
    model,
    problem,
    data,
    { storage, folder: "arm" },
    { ...FINETUNE, learningRate, seed },
    signal,
  );
  await follow(`${arm} ${learningRate}`.padEnd(18), signal, run, {
    quiet: true,
    resumable: false,
    onEvent: (event) => {
      if (event.type === "step") points.push({ step: event.event.step, loss: event.event.loss });
      if (event.type === "validation") {
        devAccuracy.push({ epoch: devAccuracy.length + 1, accuracy: event.metrics.accuracy });
      }
    },
  });
  await restoreBest(storage, "arm", model);
  const { accuracy } = await scoreClassifier(model, problem, data.test, signal);
  return { arm, learningRate, points, devAccuracy, testAccuracy: accuracy! };
}

function settings(config: Gpt1Config, { seed, steps }: Flags, device: Device): ReportData["settings"] {
  return {
    "Model": `GPT-1, ${config.layers} layers, ${config.channels} channels, ${config.heads} heads`,
    "Context": `${config.context} tokens`,
    "Vocabulary": `${config.vocabSize} byte pairs`,
    "Pre-training": `${steps} updates of ${PRETRAIN.batch} x ${config.context} tokens`,
    "Labels": `${LABELS.train} to learn from, ${LABELS.dev} to choose with, ${LABELS.test} to test`,
    "Fine-tuning": `${FINETUNE.epochs} epochs, ${FINETUNE.batch} texts an update, both arms alike`,
    "Seed": seed,
    "Device": device.description,
  };
}

async function summarise({ out, json }: Flags, data: ReportData, chosen: Arms["best"]): Promise<void> {
  const { perplexity, trigramPerplexity, majority, seconds, tokensPerSecond } = data;
  const own = chosen["pre-trained"].testAccuracy, scratch = chosen["from scratch"].testAccuracy;
  const result = {
    perplexity: { ...perplexity, trigram: trigramPerplexity },
    finetuned: { pretrained: own, scratch, majority },
    tokensPerSecond,
    seconds,
  };
  if (json !== undefined) {
    await disk.write(json, [new TextEncoder().encode(`${JSON.stringify(result, null, 2)}\n`)]);
  }
  const percent = (x: number) => `${(100 * x).toFixed(1)} %`.padStart(7);
  const { prompt, text } = data.samples[0];
  print(
    {},
    result,
    [
      "",
      `perplexity on held-out stories   before ${perplexity.before.toFixed(1)}   after ${
        perplexity.after.toFixed(2)
      }   trigram ${trigramPerplexity.toFixed(2)}`,
      "",
      `accuracy on ${LABELS.test} test texts, ${LABELS.train} labels   (learning rate chosen on dev)`,
      `  pre-trained, then fine-tuned ${percent(own)}   (${chosen["pre-trained"].learningRate})`,
      `  the same model from scratch  ${percent(scratch)}   (${chosen["from scratch"].learningRate})`,
      `  always the most frequent     ${percent(majority)}`,
      "",
      `${prompt}${text}`,
      "",
      `${duration(seconds)}; report, checkpoint, tokenizer and metrics are in ${out}`,
    ].join("\n"),
  );
}
