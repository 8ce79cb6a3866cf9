// `foreword info`: what a model costs before you start, or what a run folder holds. Bytes come from the plan that would
// run, and so does the time: an estimate from the device's measured speed.

import { type Command, Option } from "commander";
import { configure, type Gpt1Config, type Gpt1Preset, parameterSpecs, presets } from "../../models/gpt1.ts";
import { PORTABLE } from "../../backends/webgpu/kernel.ts";
import { dispatches, narrowings } from "../../backends/webgpu/launches.ts";
import { costOf, predicted } from "../../choose_device.ts";
import { measureSpeed } from "../../measure_device.ts";
import { gpt1Plans, type Gpt1Run } from "../../models/gpt1_plans.ts";
import type { Plan } from "../../graph/plan.ts";
import type { ModelPlans } from "../../nn/model.ts";
import { parameterCount } from "../../nn/parameters.ts";
import { type Recompute, recomputeNames } from "../../nn/recompute.ts";
import { listCheckpoints } from "../../train/checkpoint_folder.ts";
import { showBytes, trainingBytes, trainingPlans } from "../../train/memory.ts";
import { gpt1Optimizer } from "../../train/update.ts";
import { type ArchitectureFlags, architectureFlags, sizeOf } from "../architecture.ts";
import { common, type CommonFlags, deviceOf, disk, print, UsageError, whole } from "../io.ts";
import { duration } from "../progress.ts";
import { classifierOf, readRun } from "../run_folder.ts";

interface Flags extends CommonFlags, ArchitectureFlags {
  readonly model: string;
  readonly vocabSize: number;
  readonly batch: number;
  readonly recompute: Recompute;
}

/** Adds the command. */
export function addInfo(program: Command): void {
  architectureFlags(common(program.command("info")))
    .description("Show parameters, bytes and time per step of a preset, or what a run folder holds")
    .addOption(
      new Option("--model <name>", `a preset (${Object.keys(presets).join(", ")}) or a run folder`)
        .makeOptionMandatory(),
    )
    .option("--vocab-size <n>", "ids in the vocabulary, for a preset", whole(1), 8000)
    .option("--batch <n>", "sequences in a micro-batch", whole(1), 16)
    .addOption(
      new Option("--recompute <what>", "what the backward pass computes again").choices([...recomputeNames])
        .default("none"),
    )
    .action(info);
}

async function info(flags: Flags, command: Command): Promise<void> {
  if (flags.model in presets) {
    return await showPreset(flags, configure(sizeOf(flags.model as Gpt1Preset, flags), flags.vocabSize));
  }
  if (!await disk.stat(flags.model)) {
    throw new UsageError(
      `${flags.model} is neither a run folder nor a preset: the presets are ${
        Object.keys(presets).join(", ")
      }`,
    );
  }
  const given = ["threads", "memory", "device", "precision"].find((name) =>
    command.getOptionValueSource(name) === "cli"
  );
  if (given !== undefined) {
    throw new UsageError(`${flags.model} is a run folder, which is read and not run: leave --${given} out`);
  }
  const run = await readRun(flags.model), { task, model, labels, settings } = run;
  const checkpoints = await listCheckpoints(disk, flags.model);
  const parameters = parameterCount(parameterSpecs(model, classifierOf(run)));
  print(
    flags,
    { task, model, labels, parameters, checkpoints, settings },
    [
      `${flags.model}: ${kindOf(task, labels)}`,
      ...describe(model, parameters),
      `checkpoints  ${
        checkpoints.map(({ name, last, best }) => name + (best ? " (best)" : "") + (last ? " (last)" : ""))
          .join(", ") || "none yet"
      }`,
    ].join("\n"),
  );
}

function kindOf(task: string, labels: readonly string[] | null): string {
  if (task === "language") return "a language model";
  if (labels?.length) {
    return `${task === "classification" ? "a classifier" : `a model for ${task}`} of ${labels.join(", ")}`;
  }
  return `a model for ${task}`;
}

async function showPreset(flags: Flags, config: Gpt1Config): Promise<void> {
  const { batch, recompute } = flags,
    plans = gpt1Plans(config),
    parameters = parameterCount(parameterSpecs(config));
  const run = { batch, length: config.context, language: true };
  const training = { optimizer: gpt1Optimizer, recompute };
  using device = await deviceOf(flags, () => trainingPlans(plans, run, training));
  const halves = device.precision === "f16",
    step = trainingPlans(plans, run, { ...training, scaled: halves });
  const bytes = trainingBytes(plans, run, {
    ...training,
    scaled: halves,
    planned: (what) => device.planned(what),
  });
  const seconds = predicted(await measureSpeed(device), costOf(step)), tokens = batch * config.context;
  const counts = device.kind === "webgpu" ? dispatchCounts(plans, step, halves) : null;
  print(
    flags,
    {
      model: config,
      parameters,
      bytes,
      secondsPerStep: seconds,
      device: device.description,
      ...(counts ? { dispatches: counts } : {}),
    },
    [
      `${flags.model} with ${config.vocabSize.toLocaleString("en")} tokens in the vocabulary`,
      ...describe(config, parameters),
      `memory       ${
        showBytes(bytes.total)
      } to train with batch ${batch}: parameters, gradients and moments ` +
      `${showBytes(bytes.store)}, a micro-batch ${showBytes(bytes.temporaries)}`,
      `time         about ${seconds < 1 ? `${Math.ceil(seconds * 1000)} ms` : duration(seconds)} a step of ` +
      `${
        tokens.toLocaleString("en")
      } tokens on ${device.description}, estimated from its speed at a matrix product`,
      ...(counts
        ? [
          `dispatches   ${counts.step} a training step, ${counts.blockForward} of each block's forward pass; ` +
          `${counts.token} a generated token`,
        ]
        : []),
    ].join("\n"),
  );
}

// Dispatches of a training step, of the forward pass of the first block in it, and of a token of one sequence.
function dispatchCounts(plans: ModelPlans<Gpt1Run>, step: readonly Plan[], halves: boolean) {
  const limits = { ...PORTABLE, halves }, [gradient] = step;
  const block = gradient.steps.filter(({ scope }) => /^gpt1\/h0\b/.test(scope));
  return {
    step: step.reduce((sum, plan) => sum + dispatches(plan, limits), narrowings(step, limits)),
    blockForward: dispatches({ ...gradient, steps: block }, limits),
    token: dispatches(plans.continuation(1), limits),
  };
}

const describe = (
  { layers, channels, heads, context, vocabSize, specials, lstm, lora, frozenLayers }: Gpt1Config,
  parameters: number,
): string[] => [
  "model        " +
  (lstm
    ? `LSTM, ${lstm.units} units, ${channels} channels, context ${context}`
    : `GPT-1, ${layers} layers, ${channels} channels, ${heads} heads, context ${context}`),
  `parameters   ${parameters.toLocaleString("en")} (${
    vocabSize.toLocaleString("en")
  } tokens, ${specials} special tokens)`,
  ...(lora ? [`adapters     rank ${lora.rank}, alpha ${lora.alpha}, on ${lora.targets.join(", ")}`] : []),
  ...(frozenLayers === undefined ? [] : [`frozen       the table and the ${frozenLayers} lowest blocks`]),
];
