// The reference executor: any plan, in float64, by each op's own definition. Slow and exact; it is what kernels are
// tested against, and it uses the plan's own buffers, filled with NaN before each run, so that a wrong lifetime shows.

import { sizeOf } from "../core/shape.ts";
import type { ReferenceArray } from "../graph/op.ts";
import type { Arg, Plan } from "../graph/plan.ts";
import { plannedBytes } from "../graph/planned_bytes.ts";
import { opByName } from "../ops/mod.ts";
import { checkFeeds, type Device, type Program, type Store } from "./backend.ts";

/** A store whose pages are float64, one element for every four bytes of a page. */
class ReferenceStore implements Store {
  readonly pages: Map<string, number> = new Map();
  readonly arrays: Map<string, Float64Array> = new Map();

  constructor(pages: Readonly<Record<string, number>>) {
    this.add(pages);
  }

  add(pages: Readonly<Record<string, number>>): void {
    for (const [name, bytes] of Object.entries(pages)) {
      this.pages.set(name, bytes);
      this.arrays.set(name, new Float64Array(bytes / 4));
    }
  }

  read(page: string, offset: number, length: number): Promise<Float64Array> {
    return Promise.resolve(this.arrays.get(page)!.slice(offset / 4, offset / 4 + length));
  }

  write(page: string, offset: number, data: ArrayLike<number>): Promise<void> {
    this.arrays.get(page)!.set(data, offset / 4);
    return Promise.resolve();
  }

  free(names: readonly string[] = [...this.pages.keys()]): void {
    for (const name of names) this.pages.delete(name) && this.arrays.delete(name);
  }
}

/** Called after each step of a run, with what the step wrote. */
export type Watch = (step: number, outputs: readonly ReferenceArray[]) => void;

/** Opens the float64 reference device. `watch` sees every step's outputs, to find where a backend departs from it. */
export function openReference({ watch }: { watch?: Watch } = {}): Device {
  return {
    kind: "reference",
    description: "float64 reference, 1 thread",
    threads: 1,
    ahead: 1,
    precision: "f32",
    capacity: Infinity,
    planned: plannedBytes,
    createStore: (pages) => new ReferenceStore(pages),
    load: (plan, store) => load(plan, store as ReferenceStore, watch),
    bytes: () => 0,
    close: () => {},
    [Symbol.dispose]: () => {},
  };
}

function load(plan: Plan, store: ReferenceStore, watch?: Watch): Program {
  // Temporaries are placed by offset, exactly as on WASM. A region holds both types, so ids stay exact in float64.
  const region = new Float64Array(plan.temporaryBytes / 4);
  const view = ({ buffer, shape, dtype }: Arg): ReferenceArray => {
    const where = plan.buffers[buffer], size = sizeOf(shape);
    if (where.kind === "temporary") return region.subarray(where.offset / 4, where.offset / 4 + size);
    if (where.kind === "constant") {
      return dtype === "f32" ? Float64Array.from(where.data) : Int32Array.from(where.data);
    }
    const start = where.place.offset / 4;
    return store.arrays.get(where.place.page)!.subarray(start, start + size);
  };
  const steps = plan.steps.map(({ op, inputs, outputs, dims, floats }) => ({
    op: opByName(op),
    inputs: inputs.map(view),
    outputs: outputs.map(view),
    dims,
    floats,
  }));
  const inputs = plan.inputs.map((port) => ({ name: port.name, at: view(port) }));
  const outputs = plan.outputs.map((port) => ({ name: port.name, at: view(port), dtype: port.dtype }));
  return {
    plan,
    free: () => {},
    run(feeds, wanted) {
      checkFeeds(plan, feeds);
      region.fill(NaN);
      for (const { name, at } of inputs) at.set(feeds[name]);
      steps.forEach(({ op, inputs, outputs, dims, floats }, i) => {
        op.reference(inputs, outputs, dims, floats);
        watch?.(i, outputs);
      });
      const asked = outputs.filter(({ name }) => wanted?.includes(name) ?? true);
      const copies = asked.map(({ name, at, dtype }) => [
        name,
        dtype === "f32" ? at.slice() : Int32Array.from(at),
      ]);
      return Promise.resolve(Object.fromEntries(copies));
    },
  };
}
