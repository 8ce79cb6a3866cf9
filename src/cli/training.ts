// What commands that train share: their flags, and following a run on the terminal: the bar, the validations, what an
// interruption says. The run itself, with its checkpoints, is src/train/run.ts; this only looks at its events.

import { type Command, Option } from "commander";
import type { Device } from "../backends/backend.ts";
import type { Plan } from "../graph/plan.ts";
import { DROPOUT } from "../models/gpt1.ts";
import type { ModelPlans } from "../nn/model.ts";
import { type Recompute, recomputeNames } from "../nn/recompute.ts";
import {
  common,
  type CommonFlags,
  deviceOfCheckpoint,
  Interrupted,
  placeOf,
  real,
  say,
  UsageError,
} from "./io.ts";
import { trainingProgress } from "./progress.ts";
import { requireRoom, showBytes, trainingPlans } from "../train/memory.ts";
import { NonFiniteLoss } from "../train/trainer.ts";
import { type Run, type RunEvent, trainRun } from "../train/run.ts";
import { gpt1Optimizer } from "../train/update.ts";

/** Flags of every command that trains. */
export interface TrainingFlags extends CommonFlags {
  readonly out: string;
  readonly dropout: number;
  readonly clip: number;
  readonly recompute: Recompute;
  /** Given alone, or with the name of the checkpoint to go on from. */
  readonly resume?: boolean | string;
}

/** Adds the flags of every command that trains. */
export function trainingFlags(command: Command): Command {
  return common(command)
    .requiredOption("--out <folder>", "the run folder to make")
    .option("--dropout <x>", "dropout rate", real(0, 0.9), DROPOUT)
    .option("--clip <x>", "gradient norm above which gradients are scaled down; 0 for never", real(0), 1)
    .addOption(
      new Option(
        "--recompute <what>",
        "what the backward pass computes again to save memory; no result depends on it",
      ).choices([...recomputeNames]).default("none"),
    )
    .option(
      "--resume [checkpoint]",
      "go on where the run in --out stopped, or from the named checkpoint; starts it if there is none",
    );
}

/** The plans of a training step. */
export function stepPlans<R>(
  plans: ModelPlans<R>,
  run: R,
  { clip, recompute }: Pick<TrainingFlags, "clip" | "recompute">,
): Plan[] {
  return trainingPlans(plans, run, { optimizer: { ...gpt1Optimizer, maxNorm: clip }, recompute });
}

/**
 * Says what training will take, before any of it is allocated.
 *
 * @param inParts Flags that make an update from so many micro-batches of `batch` in place of each one.
 * @throws {OutOfMemory} with the flags that would fit.
 */
export function requireMemory<R>(
  device: Device,
  plans: ModelPlans<R>,
  run: R,
  { clip, recompute }: Pick<TrainingFlags, "clip" | "recompute">,
  inParts: (batch: number, parts: number) => string,
): void {
  const options = { optimizer: { ...gpt1Optimizer, maxNorm: clip }, recompute };
  const { total, store, temporaries } = requireRoom(device, plans, run, options, (fit, asked) => {
    const smaller = fit.batch < asked ? inParts(fit.batch, asked / fit.batch) : "";
    return [smaller, fit.recompute === "none" ? "" : `--recompute ${fit.recompute}`].filter(Boolean).join(
      " ",
    );
  });
  say(
    `${showBytes(total)} of memory: ${showBytes(store)} for parameters, gradients and moments, ` +
      `${showBytes(temporaries)} for a micro-batch`,
  );
}

/** How the losses of a run that goes on elsewhere will differ, from what both devices are called; `null` if in nothing. */
export function otherDevice(before: string, now: string): string | null {
  const [was, is] = [placeOf(before), placeOf(now)];
  if (was?.precision === is?.precision && was?.by === is?.by) return null;
  const { precision = "f32" } = is ?? {}, start = `it was trained on ${before || "another device"}`;
  return precision === (was?.precision ?? "f32")
    ? `${start}; on this device the losses will differ in their last bits`
    : `${start}; in ${precision} the losses will differ by about as much as halves are coarse`;
}

/** What a followed run came to. */
export interface Outcome {
  readonly steps: number;
  /** Loss of the last update, smoothed over the last fifty. */
  readonly loss: number | null;
  /** The last validation. */
  readonly validation: Readonly<Record<string, number>> | null;
  readonly checkpoint: string | null;
  readonly tokensPerSecond: number;
}

/**
 * Trains a run, shows progress on stderr and returns what came of it. Throws `Interrupted` after a saved stop. `onEvent`
 * also sees every event; with `quiet`, validations are not printed.
 */
export async function follow<C, R>(
  label: string,
  signal: AbortSignal,
  run: Run<C, R>,
  { quiet = false, resumable = true, onEvent }: {
    quiet?: boolean;
    /** Whether the command has --resume. */
    resumable?: boolean;
    onEvent?: (event: RunEvent) => void;
  } = {},
): Promise<Outcome> {
  const { options: { schedule: { steps } }, resumed } = run;
  if (resumed) {
    say(`resuming from step ${resumed.step}`);
    const warning = otherDevice(deviceOfCheckpoint(resumed), run.model.device.description);
    if (warning) say(`warning: ${warning}`);
  }
  const progress = trainingProgress(label, steps, resumed?.step ?? 0);
  const losses: number[] = [];
  let step = resumed?.step ?? 0, validation: Outcome["validation"] = null, checkpoint: string | null = null;
  let tokens = 0, seconds = 0;
  try {
    for await (const event of trainRun(run)) {
      onEvent?.(event);
      if (event.type === "step") {
        step = event.event.step;
        losses.push(event.event.loss);
        if (losses.length > 50) losses.shift();
        tokens += event.event.tokens;
        seconds += event.event.seconds;
        progress.step(event.event);
      } else if (event.type === "validation") {
        validation = event.metrics;
        const values = Object.entries(event.metrics).map(([name, value]) => `${name} ${value.toFixed(4)}`);
        if (!quiet) {
          progress.note(`step ${event.step}: ${values.join(", ")}${event.best ? " (best so far)" : ""}`);
        }
      } else if (event.type === "observation") {
        progress.note(`step ${event.step}: ${event.summary}`);
      } else {
        checkpoint = event.path;
      }
    }
  } catch (error) {
    if (!resumable || !(error instanceof NonFiniteLoss)) throw error;
    // Settings are part of a run, so a gentler one is a new run.
    const kept = await run.storage.stat(`${run.folder}/checkpoints.json`);
    throw new UsageError(
      `The loss or its gradient is not finite at step ${error.step}: stopped before that update. ` +
        (kept
          ? `The checkpoints of ${run.folder} are kept; try a lower --lr or a longer --warmup in a new --out`
          : "Nothing was saved yet; try a lower --lr or a longer --warmup"),
      { cause: error },
    );
  } finally {
    progress.end();
  }
  if (signal.aborted) {
    throw new Interrupted(
      resumable
        ? `Stopped and saved at step ${step} of ${steps}. Give the same command with --resume to go on.`
        : `Stopped at step ${step} of ${steps}. The same command starts over.`,
    );
  }
  const loss = losses.length ? losses.reduce((a, b) => a + b) / losses.length : null;
  return { steps: step, loss, validation, checkpoint, tokensPerSecond: seconds > 0 ? tokens / seconds : 0 };
}
