// The WASM device: kernels instantiated on one linear memory, programs bound to addresses, runs queued and replayed on
// all threads. The calling thread takes a share of the rows, so a run keeps it busy; between steps it lets other tasks in
// at least every 50 ms. Which build and how many threads: builds.ts.

import { BYTES } from "../../core/dtype.ts";
import { sizeOf } from "../../core/shape.ts";
import type { Arg, Plan, Step } from "../../graph/plan.ts";
import { type Loaded, type PlannedBytes, plannedBytes, workspaceBytes } from "../../graph/planned_bytes.ts";
import { checkFeeds, type Device, type Feeds, type Program, type Results, type Store } from "../backend.ts";
import { chooseBuild, type WasmOptions } from "./builds.ts";
import { type Block, Memory } from "./memory.ts";
import { type Pool, startPool } from "./pool.ts";
import { fastestTile, setTile, type TileName } from "./probe.ts";
import { type BoundStep, CONTROL_WORDS, type Kernels, replayStep } from "./replay.ts";

const SLICE_MS = 50, REPORT_MS = 20; // how long a worker's report may take to arrive

/** A page or a constant is wanted or goes; what may move makes way. */
interface Owner {
  allocate(bytes: number, purpose: string): Block;
  giveBack(block: Block): void;
}

/** What a module's own data and the control block may use at the bottom of memory. */
const RESERVED = 4096, CONTROL_ADDRESS = RESERVED - 256;

class WasmStore implements Store {
  readonly pages: Map<string, number> = new Map();
  readonly blocks: Map<string, Block> = new Map();

  /** `owner` takes back blocks that the store needs no more; a run under way may still be using them. */
  constructor(readonly memory: Memory, readonly owner: Owner, pages: Readonly<Record<string, number>>) {
    this.add(pages);
  }

  add(pages: Readonly<Record<string, number>>): void {
    const added: string[] = [];
    try {
      for (const [name, bytes] of Object.entries(pages)) {
        if (this.blocks.has(name)) throw new RangeError(`There already is a page "${name}"`);
        const block = this.owner.allocate(bytes, `page ${name}`);
        this.memory.floats(block.address, block.bytes / BYTES).fill(0);
        this.blocks.set(name, block);
        this.pages.set(name, bytes);
        added.push(name);
      }
    } catch (error) {
      this.free(added);
      throw error;
    }
  }

  address(page: string, offset: number): number {
    const block = this.blocks.get(page);
    if (!block) {
      throw new RangeError(`The store has no page "${page}": add it before loading a plan that uses it`);
    }
    return block.address + offset;
  }

  // deno-lint-ignore require-await -- so that errors come as rejections
  async read(page: string, offset: number, length: number): Promise<Float32Array> {
    return this.#view(page, offset, length).slice();
  }

  // deno-lint-ignore require-await
  async write(page: string, offset: number, data: ArrayLike<number>): Promise<void> {
    this.#view(page, offset, data.length).set(data);
  }

  #view(page: string, offset: number, length: number): Float32Array {
    const address = this.address(page, offset), bytes = this.pages.get(page)!;
    if (offset < 0 || offset + length * BYTES > bytes) {
      throw new RangeError(
        `Cannot reach ${length} numbers at byte ${offset} of page "${page}": it has ${bytes} bytes`,
      );
    }
    return this.memory.floats(address, length);
  }

  free(names: readonly string[] = [...this.pages.keys()]): void {
    for (const name of names) {
      const block = this.blocks.get(name);
      this.blocks.delete(name);
      this.pages.delete(name);
      if (block) this.owner.giveBack(block);
    }
  }
}

/** Opens the WASM device: the fastest build the engine takes, one thread for each core unless told otherwise. */
export async function openWasm(options: WasmOptions = {}): Promise<Device> {
  const { module, name, threads } = await chooseBuild(options);
  const memory = new Memory(threads > 1, RESERVED, options.maxBytes);
  const kernels = (await WebAssembly.instantiate(module, { env: { memory: memory.wasm } }))
    .exports as unknown as Kernels;
  const key = `${name} ${threads > 1}`, tile = options.tile ?? tiles.get(key) ?? fastestTile(kernels, memory);
  if (!options.tile) tiles.set(key, tile);
  setTile(memory, tile);
  const pool = threads > 1 ? await startPool(module, memory.wasm, CONTROL_ADDRESS, threads) : null;
  return new WasmDevice(memory, kernels, pool, threads, `${name}, ${tile} tiles`, options.poison ?? false);
}

// The fastest tile of each build: one process has one engine, so a single probe will do.
const tiles = new Map<string, TileName>();

class WasmDevice implements Device {
  readonly kind = "wasm";
  readonly ahead = 1;
  readonly precision = "f32";
  readonly description: string;
  readonly capacity: number;
  #queue: Promise<unknown> = Promise.resolve();
  #region: Block | null = null;
  #workspace: Block | null = null;
  #regionBytes = 0; // of the plan that needs the largest
  #workspaceBytes = 0; // for each thread
  #addresses: readonly number[] = []; // of both, and from one thread's workspace to the next
  #bindings = 0; // how often addresses have changed
  #nextId = 0;
  #running = false;
  #closed = false;
  #held = 0; // milliseconds of replay since other tasks were let in

  constructor(
    readonly memory: Memory,
    readonly kernels: Kernels,
    readonly pool: Pool | null,
    readonly threads: number,
    readonly build: string,
    readonly poison: boolean,
  ) {
    this.description = `WASM ${build}, ${threads} thread${threads === 1 ? "" : "s"}`;
    this.capacity = memory.capacity;
  }

  planned(what: Loaded): PlannedBytes {
    return plannedBytes({ ...what, threads: this.threads });
  }

  createStore(pages: Readonly<Record<string, number>>): Store {
    return new WasmStore(this.memory, {
      allocate: (bytes, purpose) => this.#allocate(bytes, purpose),
      giveBack: (block) => this.#giveBack(block),
    }, pages);
  }

  load(plan: Plan, store: Store): Program {
    const id = this.#nextId++, pages = store as WasmStore;
    const constants: (Block | null)[] = [];
    const releaseConstants = (): void => constants.forEach((block) => block && this.memory.release(block));
    try {
      for (const buffer of plan.buffers) constants.push(this.#constant(buffer, plan.name));
      // Addresses of a running program must not change, so memory that moves waits for its turn in the queue.
      if (!this.#running) this.#reserve(plan);
    } catch (error) {
      releaseConstants();
      throw error;
    }
    let freed = false;
    const address = (buffer: number): number => {
      const where = plan.buffers[buffer];
      if (where.kind === "temporary") return this.#region!.address + where.offset;
      return where.kind === "state"
        ? pages.address(where.place.page, where.place.offset)
        : constants[buffer]!.address;
    };
    let steps: BoundStep[] = [], bound = -1;
    const bind = (): void => {
      this.#reserve(plan);
      if (bound === this.#bindings) return;
      const workspace = this.#workspace!.address, stride = this.#workspaceBytes;
      steps = plan.steps.map((step) => bindStep(step, address));
      this.pool?.order({ type: "bind", id, steps, workspace, stride });
      for (const { args, workspaceAt } of steps) if (workspaceAt >= 0) args[workspaceAt] = workspace;
      bound = this.#bindings;
    };
    const view = ({ buffer, dtype, shape }: Arg): Float32Array | Int32Array =>
      dtype === "f32"
        ? this.memory.floats(address(buffer), sizeOf(shape))
        : this.memory.ints(address(buffer), sizeOf(shape));
    const run = async (feeds: Feeds, wanted?: readonly string[]): Promise<Results> => {
      if (this.#closed) throw new Error(`Cannot run ${plan.name}: the device is closed`);
      if (freed) throw new Error(`Cannot run ${plan.name}: the program was freed; load the plan again`);
      this.#running = true;
      bind();
      if (this.poison) this.memory.floats(this.#region!.address, this.#region!.bytes / BYTES).fill(NaN);
      for (const port of plan.inputs) view(port).set(feeds[port.name]);
      await this.#replay(id, steps, plan.name);
      const outputs = plan.outputs.filter(({ name }) => wanted?.includes(name) ?? true);
      return Object.fromEntries(outputs.map((port) => [port.name, view(port).slice()]));
    };
    const release = (): void => {
      if (freed) return;
      freed = true;
      this.pool?.order({ type: "forget", id });
      releaseConstants();
    };
    return {
      plan,
      run: (feeds, wanted) => {
        checkFeeds(plan, feeds);
        const result = this.#queue.then(() => run(feeds, wanted)).finally(() => this.#running = false);
        this.#queue = result.catch(() => {});
        return result;
      },
      free: () => void (this.#queue = this.#queue.then(release)),
    };
  }

  async #replay(id: number, steps: readonly BoundStep[], plan: string): Promise<void> {
    const control = this.memory.ints(CONTROL_ADDRESS, CONTROL_WORDS);
    this.pool?.order({ type: "run", id });
    let since = performance.now() - this.#held;
    for (const step of steps) {
      try {
        if (!replayStep(this.kernels, step, 0, this.threads, control)) throw new Error("a worker failed");
      } catch (error) {
        await this.#fail(control);
        const reason = this.pool?.failure() ?? error;
        throw new Error(`Kernel ${step.kernel} of ${plan} failed, and the device is closed: ${reason}`);
      }
      if (performance.now() - since > SLICE_MS) {
        await new Promise((resolve) => setTimeout(resolve));
        if (this.#closed) throw new Error(`Cannot finish ${plan}: the device was closed meanwhile`);
        since = performance.now();
      }
    }
    this.#held = performance.now() - since;
  }

  // Threads that wait for one that failed give up. What they computed is lost and nothing tells where, so the device ends.
  async #fail(control: Int32Array): Promise<void> {
    this.#closed = true;
    if (this.pool) {
      Atomics.store(control, 2, 1);
      Atomics.notify(control, 1);
      await new Promise((resolve) => setTimeout(resolve, REPORT_MS));
    }
    this.close();
  }

  // A page may be freed while a run uses it. Every program binds again, and one whose page is gone says so.
  #giveBack(block: Block): void {
    this.#bindings++;
    if (this.#running) this.#queue = this.#queue.then(() => this.memory.release(block));
    else this.memory.release(block);
  }

  #constant(buffer: Plan["buffers"][number], plan: string): Block | null {
    if (buffer.kind !== "constant") return null;
    const block = this.#allocate(buffer.bytes, `a constant of ${plan}`);
    const { address } = block, { length } = buffer.data;
    const view = buffer.dtype === "f32"
      ? this.memory.floats(address, length)
      : this.memory.ints(address, length);
    view.set(buffer.data);
    return block;
  }

  // Temporaries and workspaces hold nothing between runs. They make way for pages and constants and are taken again
  // behind them, so that memory has no holes where a smaller region was. The addresses of a running program stay.
  #allocate(bytes: number, purpose: string): Block {
    if (this.#running || !this.#workspace) return this.memory.allocate(bytes, purpose);
    this.#makeWay();
    let block: Block | null = null;
    try {
      block = this.memory.allocate(bytes, purpose);
      this.#take(this.#regionBytes, this.#workspaceBytes, "the programs");
      return block;
    } catch (error) {
      if (block) this.memory.release(block);
      this.#restore();
      throw error;
    }
  }

  // One region of temporaries and one workspace a thread serve all programs; they grow to the largest plan's need.
  #reserve(plan: Plan): void {
    const bytes = Math.max(this.#regionBytes, plan.temporaryBytes);
    const stride = Math.max(this.#workspaceBytes, workspaceBytes(plan));
    if (this.#workspace && bytes === this.#regionBytes && stride === this.#workspaceBytes) return;
    this.#makeWay();
    try {
      this.#take(bytes, stride, plan.name);
    } catch (error) {
      this.#restore();
      throw error;
    }
  }

  #makeWay(): void {
    for (const block of [this.#workspace, this.#region]) if (block) this.memory.release(block);
    this.#region = this.#workspace = null;
  }

  #take(bytes: number, stride: number, user: string): void {
    this.#region = this.memory.allocate(bytes, `the temporaries of ${user}`);
    this.#workspace = this.memory.allocate(stride * this.threads, `the workspaces of ${user}`);
    [this.#regionBytes, this.#workspaceBytes] = [bytes, stride];
    const addresses = [this.#region.address, this.#workspace.address, stride];
    if (addresses.some((address, i) => address !== this.#addresses[i])) this.#bindings++;
    this.#addresses = addresses;
  }

  // After a failure. What was there before fits again; should it not, the next run says so.
  #restore(): void {
    this.#makeWay();
    try {
      if (this.#addresses.length > 0) this.#take(this.#regionBytes, this.#workspaceBytes, "the programs");
    } catch {
      this.#makeWay();
    }
  }

  bytes(): number {
    return this.memory.bytes;
  }

  close(): void {
    this.#closed = true;
    this.pool?.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

// Kernels take inputs, outputs, scratch, workspace, dims, floats (as the bits of f32 values), pass, begin, end.
function bindStep(step: Step, address: (buffer: number) => number): BoundStep {
  const pointers = [...step.inputs, ...step.outputs].map(({ buffer }) => address(buffer));
  if (step.scratch !== null) pointers.push(address(step.scratch));
  const workspaceAt = step.workspace === null ? -1 : pointers.push(0) - 1;
  const floats = new Int32Array(Float32Array.from(step.floats).buffer);
  return {
    kernel: step.op,
    args: [...pointers, ...step.dims, ...floats, 0, 0, 0],
    rows: step.rows,
    workspaceAt,
  };
}
