// What every backend offers, and nothing about how: pages of memory that outlive runs (a store), and programs made from
// plans. Whoever holds a device decides when to load and when to run; during a run nothing is traced, allocated or bound.

import type { Plan } from "../graph/plan.ts";
import type { Loaded, PlannedBytes } from "../graph/planned_bytes.ts";

/** Values fed to a run, by input name. Float64 may stand for f32; the device rounds what it cannot hold. */
export type Feeds = Readonly<Record<string, Float32Array | Float64Array | Int32Array>>;

/** Values a run hands back, by output name. Valid until the same program runs again. Float64 on the reference. */
export type Results = Readonly<Record<string, Float32Array | Float64Array | Int32Array>>;

/** Zero-initialised pages of memory that outlive runs. States live in them. */
export interface Store {
  /** Bytes of each page. */
  readonly pages: ReadonlyMap<string, number>;
  /** Copies `length` f32 elements of a page out, from a byte offset. */
  read(page: string, offset: number, length: number): Promise<Float32Array | Float64Array>;
  /** Copies elements into a page at a byte offset. */
  write(page: string, offset: number, data: ArrayLike<number>): Promise<void>;
  /** Adds zeroed pages: gradients and moments when training starts, caches when generating. */
  add(pages: Readonly<Record<string, number>>): void;
  /** Gives pages back; all of them unless named. Programs that use them must not run again. */
  free(names?: readonly string[]): void;
}

/** A plan made ready for a device. */
export interface Program {
  /** What it runs. */
  readonly plan: Plan;
  /**
   * Runs once. Runs of one device are queued, and their results come in the order of the runs: one need not be awaited
   * before the next (see `Device.ahead`).
   *
   * @param wanted Outputs to hand back; all unless given. What is not asked for need not be copied.
   */
  run(feeds: Feeds, wanted?: readonly string[]): Promise<Results>;
  /** Gives back what the program holds. */
  free(): void;
}

/** How a device stores activations and the weights it reads: as f32, or as halves with arithmetic in f32. */
export type Precision = "f32" | "f16";

/** A place to compute. */
export interface Device extends Disposable {
  /** Which backend, for `--device` and checkpoints: "wasm", "webgpu", "reference". */
  readonly kind: string;
  /** One line for people: build, threads, bytes. */
  readonly description: string;
  /** Threads that share out the work, the calling one included. */
  readonly threads: number;
  /**
   * Runs worth having under way before the result of the first is awaited. 1 where a result costs nothing to read; more on
   * a GPU, where reading back takes longer than a small step.
   */
  readonly ahead: number;
  /** How it stores activations and weights. With "f16", gradients need a scaled loss: `train` sees to that. */
  readonly precision: Precision;
  /** Most bytes that pages and programs may take, as `planned` counts them. */
  readonly capacity: number;
  /** What pages and programs would take here. Nothing is allocated. */
  planned(what: Loaded): PlannedBytes;
  /** A store with zeroed pages of the given bytes. */
  createStore(pages: Readonly<Record<string, number>>): Store;
  /** Makes a plan ready to run on states of a store. */
  load(plan: Plan, store: Store): Program;
  /** Bytes held now: what was planned and a fixed part, which on WASM is at most 128 KiB. */
  bytes(): number;
  /** Ends worker threads and gives back all memory. */
  close(): void;
}

/** The device has no room. The message says how much was asked for and what would fit. */
export class OutOfMemory extends Error {
  /** As it prints and as it can be told apart: `OutOfMemory`. */
  override readonly name = "OutOfMemory";
}

/** There is no such device here, or it lacks what was asked of it. The message says what to install or to ask for instead. */
export class NoDevice extends Error {
  /** As it prints and as it can be told apart: `NoDevice`. */
  override readonly name = "NoDevice";
}

/** The device went away, as a GPU may. Training can go on from its last checkpoint on a device that is opened anew. */
export class DeviceLost extends Error {
  /** As it prints and as it can be told apart: `DeviceLost`. */
  override readonly name = "DeviceLost";
}

/** Checks what is fed to a plan before any of it reaches a kernel: names, sizes, types and the range of ids. */
export function checkFeeds(plan: Plan, feeds: Feeds): void {
  for (const { name, shape, dtype, range } of plan.inputs) {
    const data = feeds[name];
    const size = shape.reduce((product, n) => product * n, 1);
    if (!data) throw new TypeError(`Cannot run ${plan.name}: input "${name}" is missing`);
    if (data.length !== size || (dtype === "i32") !== (data instanceof Int32Array)) {
      throw new TypeError(
        `Cannot run ${plan.name}: input "${name}" must be ${size} ${dtype} numbers, not ${data.length} of ${data.constructor.name}`,
      );
    }
    if (range === null) continue;
    const { least, below } = range;
    for (let i = 0; i < size; i++) {
      if (data[i] < least || data[i] >= below) {
        throw new RangeError(
          `Cannot run ${plan.name}: entry ${i} of "${name}" is ${data[i]}, outside [${least}, ${below})`,
        );
      }
    }
  }
}
