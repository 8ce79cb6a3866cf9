// What training, scoring and generation need of a model, whatever its architecture: parameters in a store, and programs
// for runs that it knows how to record. A model file implements it; nothing here or in src/train knows any model.

import type { Device, Program, Store } from "../backends/backend.ts";
import type { Plan } from "../graph/plan.ts";
import type { Layout } from "./parameters.ts";
import type { Recompute } from "./recompute.ts";

/**
 * The plans of a model. They need no device, so that what a run will take is known before anything is allocated. Each is
 * made once.
 */
export interface ModelPlans<Run> {
  /** Where each parameter lives. */
  readonly layout: Layout;
  /**
   * Forward and backward; adds to the gradient pages. What is recomputed changes bytes and time, never a number. With
   * `scaled`, gradients are those of the loss times the scale of src/nn/loss_scale.ts.
   */
  gradient(run: Run, recompute?: Recompute, scaled?: boolean): Plan;
  /** Losses without gradients or dropout. */
  scores(run: Run): Plan;
  /** Logits of the next token, with a cache. */
  decode(batch: number, length: number): Plan;
  /** One more token a row, chosen on the device, with the same cache. */
  continuation(batch: number): Plan;
  /** How many examples a run holds. */
  batchOf(run: Run): number;
  /** The same run for another number of examples. */
  withBatch(run: Run, batch: number): Run;
}

/** A model on a device. `Run` describes a plan to record: batch, length, losses. */
export interface Model<Config, Run> extends Disposable {
  /** The architecture, for checkpoints: "gpt1", or "lstm" for its ablation. */
  readonly kind: string;
  /** What fixes its shapes; plain JSON. */
  readonly config: Config;
  /** Where it computes. The model does not own it. */
  readonly device: Device;
  /** Pages of its parameters; training and generating add others. */
  readonly store: Store;
  /** Where each parameter lives in the store. */
  readonly layout: Layout;
  /** What its programs run. */
  readonly plans: ModelPlans<Run>;
  /** Tokens that can be generated: rows 0..vocabSize-1 of the logits. */
  readonly vocabSize: number;
  /** Most tokens of a sequence. */
  readonly context: number;
  /** Input ids of tokens (B,T) whose rows start at positions `offsets` (B). */
  inputIds(tokens: ArrayLike<number>, length: number, offsets?: ArrayLike<number>): Int32Array;
  /** Forward and backward; adds to the gradient pages, which must have been added to the store, as that of the scale. */
  gradient(run: Run, recompute?: Recompute, scaled?: boolean): Program;
  /** Losses without gradients or dropout. */
  scores(run: Run): Program;
  /**
   * Logits of the next token after up to `length` new tokens for each of `batch` sequences. Inputs: `ids`, `extents`
   * (B,2) of [cached, new] tokens, `last` (B) the row whose successor is wanted. Programs of a batch size share a cache.
   * What is cached may be a state that moves on with every run, so a run continues the last one or starts at 0.
   */
  decode(batch: number, length: number): Program;
  /**
   * One more token for each of `batch` sequences, chosen on the device from what the run before left, so that runs may
   * follow each other before any result is read. Inputs: `given` (B,2) of [token, position], -1 for the token that the
   * last run chose and the position after its own; `settings` (3): temperature, top-k, top-p; `chances` (B) in [0, 1).
   * Output: `tokens` (B), -1 where the logits are no numbers. It shares the cache of `decode`, which feeds the prompts.
   */
  continuation(batch: number): Program;
  /** The optimizer's plan or any other, made ready once for each key. */
  program(key: string, record: () => Plan): Program;
  /** Gives back all pages and programs. The device stays open. */
  close(): void;
}

/** A function that makes a plan for each key once. */
export function planCache(): (key: string, record: () => Plan) => Plan {
  const plans = new Map<string, Plan>();
  return (key, record) => {
    const plan = plans.get(key) ?? record();
    plans.set(key, plan);
    return plan;
  };
}

/** Programs by key, each recorded and loaded when first asked for. */
export class Programs {
  readonly #programs = new Map<string, Program>();

  /** No programs yet; those to come are loaded on `device` for the pages of `store`. */
  constructor(readonly device: Device, readonly store: Store) {}

  /** The program of a key. */
  get(key: string, record: () => Plan): Program {
    let program = this.#programs.get(key);
    if (!program) this.#programs.set(key, program = this.device.load(record(), this.store));
    return program;
  }

  /** Frees all of them. */
  free(): void {
    this.#programs.forEach((program) => program.free());
    this.#programs.clear();
  }
}
