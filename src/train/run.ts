// A run: training with validation, metrics and checkpoints in a folder, so that it can be stopped at any moment and
// resumed bit for bit. What is trained and what "better" means come from outside. A run folder holds `config.json`,
// `metrics.jsonl`, `checkpoints/` and whatever its owner adds (a tokenizer, token files).

import type { Storage } from "../core/storage.ts";
import { type LossScale, readLossScale, writeLossScale } from "../nn/loss_scale.ts";
import type { Model } from "../nn/model.ts";
import { restoreMoments, saveTraining } from "./checkpoint.ts";
import { appendLine, appendLines, type Checkpoint, cutMetrics, openCheckpoint } from "./checkpoint_folder.ts";
import { train, type TrainEvent, type TrainingSource, type TrainOptions } from "./trainer.ts";

/** The outcome of one validation. */
export interface Validation {
  /** What decides which checkpoint is best; larger is better. */
  readonly score: number;
  /** What is written to `metrics.jsonl` and shown. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** What looks at the model along a run without taking part in it. */
export interface Observer {
  /** Updates between two observations. One is always made at the end. */
  readonly every: number;
  /** The file in the run folder that its records are added to, as JSON lines. */
  readonly file: string;
  /**
   * Looks at the model. It must leave the store's pages as they are. May reject with the reason of `options.signal` once
   * that aborts: the observation is made up for on resuming.
   */
  at(step: number): Promise<Observation>;
}

/** What an observer saw. */
export interface Observation {
  /** What is written, each with a `step`. */
  readonly records: readonly { readonly step: number }[];
  /** The same for people, in one line. */
  readonly summary: string;
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
  /** Looks on, before the step is validated and saved. */
  readonly observe?: Observer;
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
  | { readonly type: "observation"; readonly step: number; readonly summary: string }
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
  /** Where the scale of the loss stood, if it was scaled. */
  readonly lossScale?: LossScale;
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
  let step = 0, saved = -1, validated = -1, observed = -1;
  let best: RunInfo["best"] = null;
  if (resumed) {
    const info = resumed.info as RunInfo;
    await restoreMoments(storage, resumed, model, options.scaled);
    if (info.lossScale && await readLossScale(model.store)) await writeLossScale(model.store, info.lossScale);
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

  if (run.observe) {
    await cutMetrics(storage, `${folder}/${run.observe.file}`, (record) => {
      if (record.step === step) observed = step;
      return Number(record.step) <= step;
    });
  }

  async function* observe(): AsyncGenerator<RunEvent> {
    if (!run.observe || observed === step) return;
    const outcome = await unlessAborted(() => run.observe!.at(step), options.signal);
    if (!outcome) return;
    observed = step;
    const { records, summary } = outcome;
    if (records.length === 0) return;
    await appendLines(storage, `${folder}/${run.observe.file}`, records); // at once, so that none is there without the others
    yield { type: "observation", step, summary };
  }
  async function* validate(): AsyncGenerator<RunEvent> {
    if (!run.validate || validated === step) return;
    const outcome = await unlessAborted(() => run.validate!(), options.signal);
    if (!outcome) return;
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
    const lossScale = await readLossScale(model.store);
    const info: RunInfo = {
      cursor: source.cursor,
      best,
      validated,
      device,
      ...(lossScale ? { lossScale } : {}),
    };
    const path = await saveTraining(storage, folder, model, { step, info, best: isBest });
    saved = step;
    return { type: "saved", step, path };
  }

  const every = [run.observe?.every, run.validateEvery, run.saveEvery].filter((n) => n !== undefined);
  const rests = (n: number): boolean => every.some((period) => n % period === 0);
  const due = (every: number | undefined): boolean => every !== undefined && step > 0 && step % every === 0;
  if (due(run.observe?.every)) yield* observe(); // one that was interrupted, as for the validation
  if (due(run.validateEvery)) yield* validate();
  for await (const event of train(model, source, { ...options, start: step, rests })) {
    step = event.step;
    const { loss, terms, gradientNorm, learningRate, lossScale } = event; // the scale is left out where there is none
    await appendLine(storage, metrics, { step, loss, ...terms, gradientNorm, learningRate, lossScale });
    yield { type: "step", event };
    if (due(run.observe?.every)) yield* observe();
    if (due(run.validateEvery)) yield* validate();
    if (due(run.saveEvery) && saved !== step) yield await save();
  }
  if (!options.signal?.aborted) {
    yield* observe();
    yield* validate();
  }
  if (saved !== step) yield await save();
}

// What work comes to, or `null` if the signal cuts it short.
async function unlessAborted<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (signal?.aborted && error === signal.reason) return null;
    throw error;
  }
}
