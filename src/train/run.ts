// A run: training with validation, metrics and checkpoints in a folder, so that it can be stopped at any moment and
// resumed bit for bit. What is trained and what "better" means come from outside. A run folder holds `config.json`,
// `metrics.jsonl`, `checkpoints/` and whatever its owner adds (a tokenizer, token files).

import type { Storage } from "../core/storage.ts";
import type { Model } from "../nn/model.ts";
import { restoreMoments, saveTraining } from "./checkpoint.ts";
import { appendLine, type Checkpoint, cutMetrics, openCheckpoint } from "./checkpoint_folder.ts";
import { train, type TrainEvent, type TrainingSource, type TrainOptions } from "./trainer.ts";

/** The outcome of one validation. */
export interface Validation {
  /** What decides which checkpoint is best; larger is better. */
  readonly score: number;
  /** What is written to `metrics.jsonl` and shown. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** A run to train. */
export interface Run<C, R> {
  /** What holds the run folder. */
  readonly storage: Storage;
  /** The run folder's path in the storage. */
  readonly folder: string;
  /** Trained in place; its store gains pages for gradients and moments. */
  readonly model: Model<C, R>;
  /** The data; moved to the checkpoint's cursor when resuming. */
  readonly source: TrainingSource<R>;
  /** Passed on to `train`, but for `start` and `rests`, which checkpoints and validations decide. */
  readonly options: Omit<TrainOptions, "start" | "rests">;
  /** The checkpoint to go on from; its parameters must already be in the model. */
  readonly resumed?: Checkpoint | null;
  /** Updates between two checkpoints. One is always saved at the end. */
  readonly saveEvery: number;
  /** Updates between two validations. One is always made at the end. */
  readonly validateEvery: number;
  /** May reject with the reason of `options.signal` once that aborts: the validation is made up for on resuming. */
  validate?(): Promise<Validation>;
}

/** What a run reports. */
export type RunEvent =
  | { readonly type: "step"; readonly event: TrainEvent }
  | {
    readonly type: "validation";
    readonly step: number;
    readonly metrics: Validation["metrics"];
    readonly best: boolean;
  }
  | { readonly type: "saved"; readonly step: number; readonly path: string };

/** What a checkpoint of a run says besides tensors. */
export interface RunInfo {
  /** Where the data stood. */
  readonly cursor: unknown;
  /** The best validation so far. */
  readonly best: { readonly step: number; readonly score: number } | null;
  /** The step of the last validation, or -1. */
  readonly validated: number;
  /** The device that trained, as it describes itself; another one gives other bits. */
  readonly device: string;
}

/** The last checkpoint of a run folder, or another by name, or `null` if it has none yet. */
export async function lastCheckpoint(
  storage: Storage,
  folder: string,
  which = "last",
): Promise<Checkpoint | null> {
  const pointers = await storage.stat(`${folder}/checkpoints.json`);
  return pointers ? await openCheckpoint(storage, folder, which) : null;
}

/**
 * Trains until the schedule ends or the signal aborts. The last event before the end is always `saved`.
 *
 * @throws {NonFiniteLoss} without saving: the checkpoints are those from before.
 */
export async function* trainRun<C, R>(run: Run<C, R>): AsyncGenerator<RunEvent, void, undefined> {
  const { storage, folder, model, source, options, resumed } = run;
  const metrics = `${folder}/metrics.jsonl`, device = model.device.description;
  let step = 0, saved = -1, validated = -1;
  let best: RunInfo["best"] = null;
  if (resumed) {
    const info = resumed.info as RunInfo;
    await restoreMoments(storage, resumed, model);
    source.seek(info.cursor);
    [step, saved, validated, best] = [resumed.step, resumed.step, info.validated, info.best];
  }
  await storage.makeFolder(folder);
  if (await storage.stat(metrics)) {
    await cutMetrics(
      storage,
      metrics,
      (record) => Number(record.step) <= ("learningRate" in record ? step : validated),
    );
  }

  async function* validate(): AsyncGenerator<RunEvent> {
    if (!run.validate || validated === step) return;
    let outcome: Validation;
    try {
      outcome = await run.validate();
    } catch (error) {
      if (options.signal?.aborted && error === options.signal.reason) return;
      throw error;
    }
    const { score, metrics: values } = outcome;
    const isBest = best === null || score > best.score;
    if (isBest) best = { step, score };
    validated = step;
    await appendLine(storage, metrics, { step, ...values });
    yield { type: "validation", step, metrics: values, best: isBest };
    // A checkpoint already saved at this step does not record this validation, and resuming from it would validate
    // again: count the step as unsaved, so that it is saved once more.
    if (isBest) yield await save(true);
    else saved = -1;
  }
  async function save(isBest = false): Promise<RunEvent> {
    const info: RunInfo = { cursor: source.cursor, best, validated, device };
    const path = await saveTraining(storage, folder, model, { step, info, best: isBest });
    saved = step;
    return { type: "saved", step, path };
  }

  if (step > 0 && step % run.validateEvery === 0) yield* validate(); // one that was interrupted
  const rests = (n: number): boolean => n % run.validateEvery === 0 || n % run.saveEvery === 0;
  for await (const event of train(model, source, { ...options, start: step, rests })) {
    step = event.step;
    const { loss, terms, gradientNorm, learningRate } = event;
    await appendLine(storage, metrics, { step, loss, ...terms, gradientNorm, learningRate });
    yield { type: "step", event };
    if (step % run.validateEvery === 0) yield* validate();
    if (step % run.saveEvery === 0 && saved !== step) yield await save();
  }
  if (!options.signal?.aborted) yield* validate();
  if (saved !== step) yield await save();
}
