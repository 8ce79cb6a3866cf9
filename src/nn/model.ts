// What training, scoring and generation need of a model, whatever its architecture: parameters in a store, and programs
// for runs that it knows how to record. A model file implements it; nothing here or in src/train knows any model.

import type { Device, Program, Store } from "../backends/backend.ts";
import type { Plan } from "../graph/plan.ts";
import type { Layout } from "./parameters.ts";

/** A model on a device. `Run` describes a plan to record: batch, length, losses. */
export interface Model<Config, Run> extends Disposable {
  /** The architecture, for checkpoints: "gpt1". */
  readonly kind: string;
  /** What fixes its shapes; plain JSON. */
  readonly config: Config;
  /** Where it computes. The model does not own it. */
  readonly device: Device;
  /** Pages of its parameters; training and generating add others. */
  readonly store: Store;
  /** Where each parameter lives in the store. */
  readonly layout: Layout;
  /** Tokens that can be generated: rows 0..vocabSize-1 of the logits. */
  readonly vocabSize: number;
  /** Most tokens of a sequence. */
  readonly context: number;
  /** Input ids of tokens (B,T) whose rows start at positions `offsets` (B). */
  inputIds(tokens: ArrayLike<number>, length: number, offsets?: ArrayLike<number>): Int32Array;
  /** Forward and backward; adds to the gradient pages, which must have been added to the store. */
  gradient(run: Run): Program;
  /** Losses without gradients or dropout. */
  scores(run: Run): Program;
  /**
   * Logits of the next token after up to `length` new tokens for each of `batch` sequences. Inputs: `ids`, `extents`
   * (B,2) of [cached, new] tokens, `last` (B) the row whose successor is wanted. Programs of a batch size share a cache.
   */
  decode(batch: number, length: number): Program;
  /** The optimizer's plan or any other, made ready once for each key. */
  program(key: string, record: () => Plan): Program;
  /** Gives back all pages and programs. The device stays open. */
  close(): void;
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
