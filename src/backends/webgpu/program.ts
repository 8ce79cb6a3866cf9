// A plan made ready for the GPU. Everything is created in the constructor or when shared slots have moved: pipelines, bind
// groups, uniforms, upload and readback buffers. A run writes its inputs, encodes the launches, copies the outputs to a
// readback buffer and submits; the results come when the GPU has come to them, so several runs may be under way.

import { sizeOf } from "../../core/shape.ts";
import type { Buffer, Plan, Port } from "../../graph/plan.ts";
import { checkFeeds, type Feeds, type Program, type Results } from "../backend.ts";
import { bufferUsage } from "./flags.ts";
import type { HalfCopy } from "./half_copy.ts";
import type { GpuLimits } from "./kernel.ts";
import {
  bytesOf,
  halvesOf,
  launchesOf,
  type PlannedLaunch,
  portPlaces,
  portsBytes,
  rankedSlots,
  scratchBytes,
  uniformBytes,
  workOf,
} from "./launches.ts";
import type { Memory } from "./memory.ts";
import { shaderModule, type TensorPlace, writeSizes } from "./module.ts";
import type { Pipelines } from "./pipelines.ts";
import type { Queue } from "./queue.ts";
import type { GpuStore } from "./store.ts";

// A port's numbers in host memory.
function portView({ dtype, shape }: Port, data: ArrayBuffer, at: number): Float32Array | Int32Array {
  const length = sizeOf(shape);
  return dtype === "f32" ? new Float32Array(data, at, length) : new Int32Array(data, at, length);
}

type StateBuffer = Extract<Buffer, { kind: "state" }>;

const pageOf = (buffer: Buffer): string[] => buffer.kind === "state" ? [buffer.place.page] : [];

/** What programs of a device share. */
export interface Shared {
  readonly memory: Memory;
  readonly pipelines: Pipelines;
  readonly queue: Queue;
  readonly limits: GpuLimits;
}

interface Bound {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
  readonly work: number;
}

/** A plan on the GPU. */
export class GpuProgram implements Program {
  readonly #launches: readonly PlannedLaunch[];
  readonly #own: GPUBuffer[] = []; // given back with the program
  readonly #constants: readonly (GPUBuffer | null)[];
  readonly #uniforms: GPUBuffer;
  readonly #upload: GPUBuffer;
  readonly #slots: readonly number[]; // bytes, by rank
  readonly #rankOf: readonly number[]; // of each slot of the plan
  readonly #scratch: number;
  readonly #halves: ReadonlySet<number>; // buffers
  readonly #written: ReadonlySet<string>; // pages
  #copies: readonly HalfCopy[] = []; // of weights
  #bound: readonly Bound[] = [];
  #version = -1;
  #idle: GPUBuffer[] = []; // readback buffers that no run is using
  #freed = false;

  constructor(readonly plan: Plan, readonly store: GpuStore, readonly shared: Shared) {
    const { memory, limits } = shared, { name, buffers } = plan;
    this.#launches = launchesOf(plan, limits);
    this.#scratch = scratchBytes(this.#launches);
    this.#halves = halvesOf(plan, limits);
    this.#written = new Set(
      plan.steps.flatMap(({ outputs }) => outputs.flatMap(({ buffer }) => pageOf(buffers[buffer]))),
    );
    ({ sizes: this.#slots, rankOf: this.#rankOf } = rankedSlots(plan, limits));
    try {
      this.#constants = buffers.map((buffer) => {
        if (buffer.kind !== "constant") return null;
        const made = this.#make(buffer.bytes, `a constant of ${name}`);
        const data = buffer.dtype === "f32" ? Float32Array.from(buffer.data) : Int32Array.from(buffer.data);
        memory.device.queue.writeBuffer(made, 0, data);
        return made;
      });
      this.#uniforms = this.#writeUniforms();
      this.#upload = this.#make(portsBytes(plan.inputs), `the inputs of ${name}`);
      this.#bind();
    } catch (error) {
      this.#drop();
      throw error;
    }
  }

  #make(...what: Parameters<Memory["create"]>): GPUBuffer {
    const buffer = this.shared.memory.create(...what);
    this.#own.push(buffer);
    return buffer;
  }

  // Blocks at multiples of 256 bytes, as every device takes them.
  #writeUniforms(): GPUBuffer {
    const { memory } = this.shared, size = uniformBytes(this.#launches);
    const view = new DataView(new ArrayBuffer(size));
    this.#launches.forEach(({ sizes }, i) => writeSizes(view, 256 * i, sizes));
    const buffer = this.#make(size, `the sizes of ${this.plan.name}`, bufferUsage.uniform);
    memory.device.queue.writeBuffer(buffer, 0, new Uint8Array(view.buffer));
    return buffer;
  }

  #place(buffer: number): { buffer: GPUBuffer; offset: number } {
    const where = this.plan.buffers[buffer], { memory } = this.shared;
    if (where.kind === "temporary") return { buffer: memory.slots[this.#rankOf[where.slot]]!, offset: 0 };
    if (where.kind === "constant") return { buffer: this.#constants[buffer]!, offset: 0 };
    if (this.#halves.has(buffer)) return { buffer: this.#copyOf(where).buffer, offset: 0 };
    return { buffer: this.store.buffer(where.place.page), offset: where.place.offset };
  }

  #copyOf({ place, bytes }: Pick<StateBuffer, "place" | "bytes">): HalfCopy {
    const { pipelines, limits: { bindingBytes } } = this.shared;
    return this.store.halfCopy(place, bytes, { pipelines, bindingBytes });
  }

  #bind(): void {
    const { memory, pipelines, limits } = this.shared, { plan } = this;
    memory.reserve(this.#slots, this.#scratch, plan.name);
    if (this.#version === memory.version) return;
    const buffers: GPUBuffer[] = [],
      number = (buffer: GPUBuffer): number => {
        const known = buffers.indexOf(buffer);
        return known >= 0 ? known : buffers.push(buffer) - 1;
      };
    this.#bound = memory.checked(`the program ${plan.name}`, () =>
      this.#launches.map((launch, i) => {
        const places = launch.tensors.map(({ name, arg, as, offset = 0, bytes }): TensorPlace => {
          if (arg === "scratch") {
            const element = as ?? "f32";
            return { buffer: number(memory.scratch), offset, bytes: bytes!, element, half: false };
          }
          const tensor = launch.args[arg], whole = bytesOf(tensor), place = this.#place(tensor.buffer);
          const half = this.#halves.has(tensor.buffer), share = half ? 2 : 1;
          const span = (bytes ?? whole - offset) / share;
          if (span > limits.bindingBytes) {
            throw new RangeError(
              `Cannot bind ${name} (${tensor.shape}) of ${launch.step.op} in ${launch.step.scope}: ${span} bytes are more ` +
                `than the ${limits.bindingBytes} of this device (maxStorageBufferBindingSize); use smaller batches`,
            );
          }
          return {
            buffer: number(place.buffer),
            offset: place.offset + offset / share,
            bytes: span,
            element: as ?? tensor.dtype,
            half,
          };
        });
        const module = shaderModule(launch, places),
          { pipeline, layout } = pipelines.get(module, launch.name);
        const entries: GPUBindGroupEntry[] = module.bindings.map(({ buffer, offset, bytes }, binding) => ({
          binding,
          resource: { buffer: buffers[buffer], offset, size: Math.ceil(bytes / 16) * 16 },
        }));
        if (module.uniform) {
          entries.push({
            binding: entries.length,
            resource: { buffer: this.#uniforms, offset: 256 * i, size: 256 },
          });
        }
        return {
          pipeline,
          group: memory.device.createBindGroup({ label: launch.name, layout, entries }),
          workgroups: launch.workgroups,
          work: workOf(launch),
        };
      }));
    this.#copies = [...this.#halves].flatMap((index) => {
      const buffer = plan.buffers[index];
      return buffer.kind === "state" ? [this.#copyOf(buffer)] : [];
    });
    this.#version = memory.version;
  }

  async run(
    feeds: Feeds,
    wanted: readonly string[] = this.plan.outputs.map(({ name }) => name),
  ): Promise<Results> {
    const { plan, shared: { memory, queue } } = this;
    checkFeeds(plan, feeds);
    const upload = this.#packed(feeds), outputs = plan.outputs.filter(({ name }) => wanted.includes(name));
    const bytes = portsBytes(outputs);
    const readback = await queue.run(() => {
      if (this.#freed) throw new Error(`Cannot run ${plan.name}: the program was freed; load the plan again`);
      this.#bind();
      const readback = bytes === 0 ? null : this.#idle.pop() ??
        memory.staging(portsBytes(plan.outputs), `the outputs of ${plan.name}`);
      memory.poison();
      if (upload.byteLength > 0) memory.device.queue.writeBuffer(this.#upload, 0, new Uint8Array(upload));
      return { value: readback, ...this.#commands(outputs, readback) };
    });
    if (!readback) return {};
    const data = await memory.mapped(readback, bytes);
    this.#idle.push(readback);
    if (this.#freed) this.#drop();
    return Object.fromEntries(
      portPlaces(outputs).map(({ port, at }) => [port.name, portView(port, data, at)]),
    );
  }

  // Inputs side by side, in the order of the plan.
  #packed(feeds: Feeds): ArrayBuffer {
    const data = new ArrayBuffer(portsBytes(this.plan.inputs));
    for (const { port, at } of portPlaces(this.plan.inputs)) portView(port, data, at).set(feeds[port.name]);
    return data;
  }

  // The whole run as parts, each an encoder's work and what it is estimated at.
  #commands(outputs: readonly Port[], readback: GPUBuffer | null) {
    const each = (
      ports: readonly Port[],
      copy: (buffer: GPUBuffer, offset: number, at: number, bytes: number) => void,
    ) => {
      for (const { port, at } of portPlaces(ports)) {
        const { buffer, offset } = this.#place(port.buffer);
        copy(buffer, offset, at, bytesOf(port));
      }
    };
    const before = (encoder: GPUCommandEncoder): void =>
      each(
        this.plan.inputs,
        (buffer, offset, at, bytes) => encoder.copyBufferToBuffer(this.#upload, at, buffer, offset, bytes),
      );
    const after = (encoder: GPUCommandEncoder): void =>
      each(
        outputs,
        (buffer, offset, at, bytes) => encoder.copyBufferToBuffer(buffer, offset, readback!, at, bytes),
      );
    const launches = [...this.#copies.flatMap((copy) => copy.refresh()), ...this.#bound];
    for (const page of this.#written) this.store.changed(page);
    return { before, launches, after };
  }

  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    this.shared.queue.then(() => this.#drop());
  }

  #drop(): void {
    for (const buffer of [...this.#own, ...this.#idle]) this.shared.memory.destroy(buffer);
    this.#own.length = this.#idle.length = 0;
  }
}
