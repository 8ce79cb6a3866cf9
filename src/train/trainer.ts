// The training loop: for each update, the gradient plan once per micro-batch, then the update plan. It yields an event
// after every update and does nothing else; saving, validating and printing are up to whoever reads the events, who finds
// the store at rest then, or after the updates that `rests` names. Between those, updates are under way on a GPU before the
// losses of earlier ones are read. Learning rates, seeds and step numbers travel in small inputs: nothing is recorded twice.

import type { Feeds, Results } from "../backends/backend.ts";
import { BYTES } from "../core/dtype.ts";
import type { Plan } from "../graph/plan.ts";
import type { Model } from "../nn/model.ts";
import { lossScalePage, writeLossScale } from "../nn/loss_scale.ts";
import { mirror } from "../nn/parameters.ts";
import type { Recompute } from "../nn/recompute.ts";
import { requireRoom } from "./memory.ts";
import { learningRate, type Schedule } from "./schedule.ts";
import { type OptimizerSettings, stepBlock, trainablePages, trainingPages, updatePlan } from "./update.ts";

/** One micro-batch: what to feed, and which gradient plan takes it. */
export interface MicroBatch<Run> {
  /** What `Model.gradient` is asked for. */
  readonly run: Run;
  /** Inputs of that plan but `rng`, which the loop adds. */
  readonly feeds: Feeds;
}

/** The data of one update. */
export interface UpdateBatch<Run> {
  /** Gradients are summed over these, so their weights must already hold the average. */
  readonly micro: readonly MicroBatch<Run>[];
  /** Tokens that count, for tokens per second. */
  readonly tokens: number;
}

/** Where updates come from. The cursor is plain JSON and names the next update's data. */
export interface TrainingSource<Run> {
  /** Where the source stands; save it with a checkpoint. */
  readonly cursor: unknown;
  /** Goes to a place that `cursor` gave. Throws `RangeError` if this source has no such place. */
  seek(cursor: unknown): void;
  /** The data of the update at the cursor, which moves on. There must always be a next one. */
  next(): UpdateBatch<Run>;
}

/** Options of `train`. */
export interface TrainOptions {
  /** Learning rates, and how many updates there are in all. */
  readonly schedule: Schedule;
  /** Constants of Adam, clipping and parameter groups. */
  readonly optimizer: OptimizerSettings;
  /** Seed of dropout. */
  readonly seed: number;
  /** What the backward pass computes again to save memory; nothing unless given. No number depends on it. */
  readonly recompute?: Recompute;
  /**
   * Whether the loss is scaled, so that small gradients survive as halves (src/nn/loss_scale.ts): where the device stores
   * halves unless given. An update with an overflow is then skipped on the device, and the next has a smaller scale.
   */
  readonly scaled?: boolean;
  /** Updates already done, when resuming. */
  readonly start?: number;
  /**
   * After which updates the reader of the events looks at the model: it is at rest then, with no later update begun. After
   * all of them unless given; fewer let a device with `ahead` above 1 work while earlier losses are read.
   */
  readonly rests?: (step: number) => boolean;
  /** Stops after the updates that are under way. */
  readonly signal?: AbortSignal | undefined;
}

/** What happened in one update. */
export interface TrainEvent {
  /** Updates done, this one included. */
  readonly step: number;
  /** The loss before the update, in nats; with several terms, their weighted sum. */
  readonly loss: number;
  /** The terms of the loss. */
  readonly terms: Readonly<Record<string, number>>;
  /** Global norm of the gradient before clipping; not finite if the update was skipped because of an overflow. */
  readonly gradientNorm: number;
  /** What the loss was multiplied by, where it is scaled. */
  readonly lossScale?: number;
  /** Of this update, after the schedule and before group factors and Adam's bias correction. */
  readonly learningRate: number;
  /** Tokens that counted in this update. */
  readonly tokens: number;
  /** Wall-clock time of the update, its data included; not what the reader did between two events. */
  readonly seconds: number;
}

/**
 * The loss or the gradient is not a number any more. The update was not made: where the gradient is not finite, the device
 * leaves parameters and moments as they are. On a device that works ahead, updates after it may have been.
 */
export class NonFiniteLoss extends Error {
  /** As it prints and as it can be told apart: `NonFiniteLoss`. */
  override readonly name = "NonFiniteLoss";
  /** `step` counts from 1 and is the update that was not made; `what` is "loss" or "gradient". */
  constructor(readonly step: number, what: string) {
    super(
      `The ${what} at step ${step} is not finite: training stopped before the update. ` +
        `Resume from the last checkpoint with a lower learning rate or a longer warm-up.`,
    );
  }
}

/** Adds gradient and moment pages to a model's store unless it has them, and the scale of the loss if it is to be scaled. */
export async function prepareTraining<C, R>(
  { layout, store, device }: Model<C, R>,
  scaled = device.precision === "f16",
): Promise<void> {
  const pages = Object.entries(trainingPages(layout, scaled)).filter(([name]) => !store.pages.has(name));
  store.add(Object.fromEntries(pages));
  if (pages.some(([name]) => name in lossScalePage)) await writeLossScale(store);
}

// A step that failed half-way, as one with a loss that is not finite does, leaves gradients that are nobody's.
async function startTraining<C, R>(model: Model<C, R>, scaled: boolean): Promise<void> {
  const { layout, store } = model;
  for (const [page, bytes] of trainablePages(layout)) {
    const gradients = mirror(page, "gradients");
    if (store.pages.has(gradients)) await store.write(gradients, 0, new Float32Array(bytes / BYTES));
  }
  await prepareTraining(model, scaled);
}

/** What is read of a gradient program's outputs. */
const TERMS = ["loss", "language", "classifier"] as const;

// An update that was begun.
interface Update {
  readonly step: number;
  readonly tokens: number;
  readonly rate: number;
  readonly results: Promise<[update: Results, ...losses: Results[]]>;
}

function requireFinite(step: number, value: number, what: "loss" | "gradient"): void {
  if (!Number.isFinite(value)) throw new NonFiniteLoss(step + 1, what);
}

/**
 * Trains a model until the schedule's last step.
 *
 * @throws {NonFiniteLoss} before an update that would spoil the parameters.
 * @throws {OutOfMemory} before a micro-batch for which there is no room, with what would fit.
 */
export async function* train<C, R>(
  model: Model<C, R>,
  source: TrainingSource<R>,
  options: TrainOptions,
): AsyncGenerator<TrainEvent, void, undefined> {
  const { schedule, optimizer, seed, recompute = "none", start = 0, rests = () => true, signal } = options;
  const { scaled = model.device.precision === "f16" } = options;
  await startTraining(model, scaled);
  const groupOf = model.layout.segments.map((segment) => optimizer.groupOf(segment));
  const key = `update ${JSON.stringify({ ...optimizer, groups: optimizer.groups.length, groupOf, scaled })}`;
  const update = model.program(key, () => updatePlan(model.layout, optimizer, scaled));
  const roomy = new Set<Plan>(); // gradient plans known to fit
  const { ahead } = model.device, underWay: Update[] = [];
  let since = performance.now();

  async function begin(step: number): Promise<Update> {
    const { micro, tokens } = source.next(), losses: Promise<Results>[] = [];
    for (const [i, { run, feeds }] of micro.entries()) {
      const rng = Int32Array.of(seed, step * micro.length + i);
      const plan = model.plans.gradient(run, recompute, scaled);
      if (!roomy.has(plan)) requireRoom(model.device, model.plans, run, { optimizer, recompute, scaled });
      roomy.add(plan);
      const result = model.gradient(run, recompute, scaled).run({ ...feeds, rng }, TERMS);
      losses.push(result);
      if (ahead === 1) requireFinite(step, (await result).loss[0], "loss");
    }
    const rate = learningRate(schedule, step);
    const updated = update.run({ groups: stepBlock(optimizer, rate, step + 1) });
    const results = Promise.all([updated, ...losses]);
    results.catch(() => {}); // awaited in its turn
    return { step, tokens, rate, results };
  }
  async function end({ step, tokens, rate, results }: Update): Promise<TrainEvent> {
    const [{ squaredNorm, lossScale }, ...losses] = await results, terms: Record<string, number> = {};
    for (const result of losses) {
      for (const name of TERMS) if (result[name]) terms[name] = (terms[name] ?? 0) + result[name][0];
    }
    const { loss, ...parts } = terms;
    requireFinite(step, loss, "loss");
    // A scale that cannot be halved is not what makes the gradient overflow.
    if (!scaled || lossScale[0] <= 1) requireFinite(step, squaredNorm[0], "gradient");
    const now = performance.now(), seconds = (now - since) / 1000;
    since = now;
    const gradientNorm = Math.sqrt(squaredNorm[0]);
    const event = { step: step + 1, loss, terms: parts, gradientNorm, learningRate: rate, tokens, seconds };
    return scaled ? { ...event, lossScale: lossScale[0] } : event;
  }

  for (let step = start; step < schedule.steps && !signal?.aborted; step++) {
    underWay.push(await begin(step));
    const keep = rests(step + 1) || step + 1 === schedule.steps || signal?.aborted ? 0 : ahead - 1;
    while (underWay.length > keep) {
      yield await end(underWay.shift()!);
      if (underWay.length === 0) since = performance.now(); // what the reader did does not count
    }
  }
  while (underWay.length > 0) yield await end(underWay.shift()!);
}
