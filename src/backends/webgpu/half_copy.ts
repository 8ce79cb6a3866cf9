// A copy of weights as halves, beside the f32 that the optimizer works on. It is made anew on the device by the first run
// that reads it after the weights have changed: once an update, however many micro-batches there are, never in generation.

import { grid, GROUP, type Launch, read, write } from "./kernel.ts";
import { halfCopyBytes, narrowedAtOnce } from "./launches.ts";
import type { Memory } from "./memory.ts";
import { shaderModule } from "./module.ts";
import type { Pipelines } from "./pipelines.ts";
import type { Dispatch } from "./queue.ts";

const NARROWING = `@compute @workgroup_size(${GROUP}) fn main(
  @builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
) {
  let i = id.y * groups.x * ${GROUP}u + id.x;
  if (i < arrayLength(&y)) { y[i] = x[i]; }
}`;

/** Weights of f32 in a buffer. */
export interface Weights {
  readonly buffer: GPUBuffer;
  /** Where they begin, a multiple of 256. */
  readonly offset: number;
  readonly bytes: number;
}

/** Weights as halves. */
export class HalfCopy {
  /** The halves, in the order of the weights. */
  readonly buffer: GPUBuffer;
  readonly #narrowing: readonly Dispatch[];
  #stale = true;

  constructor(memory: Memory, pipelines: Pipelines, bindingBytes: number, weights: Weights) {
    this.buffer = memory.create(halfCopyBytes(weights.bytes), "weights as halves");
    const vectors = Math.ceil(weights.bytes / 16), window = narrowedAtOnce(bindingBytes);
    this.#narrowing = memory.checked(
      "a copy of weights as halves",
      () =>
        Array.from({ length: Math.ceil(vectors / window) }, (_, i) => {
          const first = i * window;
          return narrowing(memory, pipelines, weights, this.buffer, first, Math.min(window, vectors - first));
        }),
    );
  }

  /** To be called when the weights have changed. */
  outdate(): void {
    this.#stale = true;
  }

  /** What brings the copy up to date, to be dispatched before anything that reads it; nothing if it is. */
  refresh(): readonly Dispatch[] {
    const due = this.#stale ? this.#narrowing : [];
    this.#stale = false;
    return due;
  }
}

// Narrows `count` vectors of four from the first on.
function narrowing(
  { device }: Memory,
  pipelines: Pipelines,
  { buffer, offset }: Weights,
  halves: GPUBuffer,
  first: number,
  count: number,
): Dispatch {
  const launch: Launch = {
    name: "halves of weights",
    tensors: [read("x", 0), write("y", 1)],
    sizes: {},
    code: NARROWING,
    workgroups: grid(Math.ceil(count / GROUP)),
  };
  const places = [
    { buffer: 0, offset: offset + 16 * first, bytes: 16 * count, element: "vec4f", half: false },
    { buffer: 1, offset: 8 * first, bytes: 8 * count, element: "vec4f", half: true },
  ] as const;
  const { pipeline, layout } = pipelines.get(shaderModule(launch, places), launch.name);
  const entries = places.map(({ offset, bytes }, binding) => ({
    binding,
    resource: { buffer: [buffer, halves][binding], offset, size: bytes },
  }));
  return {
    pipeline,
    group: device.createBindGroup({ label: launch.name, layout, entries }),
    workgroups: launch.workgroups,
    work: 8 * count,
  };
}
