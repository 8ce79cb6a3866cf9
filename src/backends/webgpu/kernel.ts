// What a kernel is on the GPU: a function from the integers of a step to launches, which are plain data: WGSL, the tensors
// it binds, the numbers it is given, how many workgroups. Nothing here touches a device, so launches can be counted and
// printed from a plan alone. How they become pipelines and bind groups is in program.ts. A family file holds one kernel for
// each op of its name in src/ops.

import type { Shape } from "../../core/shape.ts";

/** What kernels may count on; portable WebGPU gives the least. */
export interface GpuLimits {
  /** Most bytes that one binding may span: `maxStorageBufferBindingSize`. Larger tensors are bound in windows. */
  readonly bindingBytes: number;
  /** Bytes of workgroup memory. */
  readonly workgroupBytes: number;
  /** Whether activations and weights are stored as halves where half.ts says so; arithmetic is f32 all the same. */
  readonly halves: boolean;
  /** Whether subgroup operations are offered. */
  readonly subgroups: boolean;
}

/** What every device has. */
export const PORTABLE: GpuLimits = {
  bindingBytes: 2 ** 27,
  workgroupBytes: 16384,
  halves: false,
  subgroups: false,
};

/** What a kernel is told of its step. */
export interface KernelStep {
  /** As `Op.dims` gave them. */
  readonly dims: readonly number[];
  /** As `Op.floats` gave them; a kernel passes them on as `f32(...)`. */
  readonly floats: readonly number[];
  /** Shapes of its arguments, in their order: only to tell how far a tensor must be bound in windows. */
  readonly shapes: readonly Shape[];
  /** What the device offers. */
  readonly limits: GpuLimits;
}

/** From a step to launches, in the order in which they run; each sees all that earlier ones wrote. */
export type Kernel = (step: KernelStep) => Launch[];

/** How the bytes of a tensor are read. */
export type Element = "f32" | "i32" | "u32" | "vec2f" | "vec4f" | "vec4i" | "atomic<u32>";

/** A storage binding. */
export interface Tensor {
  /** Its identifier in the code. */
  readonly name: string;
  /** Which argument of the step: its inputs from 0 (without those that an output replaces), then its outputs; or scratch. */
  readonly arg: number | "scratch";
  /** Whether the kernel writes it; it may read what it writes. */
  readonly writes: boolean;
  /** Element type; the argument's own unless given, f32 for scratch. */
  readonly as?: Element;
  /**
   * Byte offset of the window that is bound, a multiple of 512 (256 in scratch), as if elements had four bytes; 0 unless
   * given. It is half as much of a tensor that is stored as halves.
   */
  readonly offset?: number;
  /** Bytes of the window, counted the same way; to the end of the tensor unless given. Required for scratch. */
  readonly bytes?: number;
}

/** A number in the uniform block: u32 as a plain number, i32 and f32 wrapped. */
export type Uniform = number | { readonly i32: number } | { readonly f32: number };

/** An i32 of the uniform block. */
export const i32 = (value: number): Uniform => ({ i32: value });
/** An f32 of the uniform block. */
export const f32 = (value: number): Uniform => ({ f32: value });

/** One dispatch. */
export interface Launch {
  /** For labels and listings: the op, and the pass where it has several. */
  readonly name: string;
  /** Storage bindings, 8 at most. Where two of them are the same bytes, the loader makes one of them. */
  readonly tensors: readonly Tensor[];
  /** Fields of the uniform block `p`, in this order; a launch without any has no block. */
  readonly sizes: Readonly<Record<string, Uniform>>;
  /** WGSL with an entry point `main`; declarations of tensors and of `p` are put before it. */
  readonly code: string;
  /** Workgroups in x, y and z; each 65,535 at most. */
  readonly workgroups: readonly [number, number, number];
  /** Estimated arithmetic and memory operations, which decide when work is submitted; threads x 16 unless given. */
  readonly work?: number;
}

/** Options of a tensor of a launch. */
export type Window = Pick<Tensor, "as" | "offset" | "bytes">;

/** A tensor that a launch reads. */
export const read = (name: string, arg: number | "scratch", window: Window = {}): Tensor => ({
  name,
  arg,
  writes: false,
  ...window,
});

/** A tensor that a launch writes. */
export const write = (name: string, arg: number | "scratch", window: Window = {}): Tensor => ({
  ...read(name, arg, window),
  writes: true,
});

/** Windows begin at multiples of so many numbers: a binding begins at one of 256 bytes, and a half has two. */
export const WINDOW = 128;

/** Threads of a workgroup where nothing else is said. */
export const GROUP = 256;
const MOST_GROUPS = 65535;

/** Workgroups for so many of them in a row, folded into two dimensions where one is too short. Use `GROUP_INDEX` in code. */
export function grid(count: number): [number, number, number] {
  const x = Math.min(count, MOST_GROUPS);
  return [Math.max(1, x), Math.max(1, Math.ceil(count / Math.max(1, x))), 1];
}

/** WGSL: the number of the workgroup in a folded grid. Entry points take `group: vec3u` and `groups: vec3u`. */
export const GROUP_INDEX =
  "fn groupIndex(group: vec3u, groups: vec3u) -> u32 { return group.y * groups.x + group.x; }";

/** The built-in values that entry points usually take. */
export const BUILTINS =
  "@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32";

/** What an elementwise kernel is made of. */
export interface Elementwise {
  readonly name: string;
  /** Elements. */
  readonly n: number;
  /** Bytes of an element; 4 unless given, 16 for vectors. */
  readonly bytes?: number;
  /** Tensors of `n` elements each, which are bound window by window, and others marked as `whole`. */
  readonly tensors: readonly (Tensor & { readonly whole?: boolean })[];
  /** Statements for one element: `i` is its place in the window, `p.start + i` in the tensor. */
  readonly body: string;
  /** Functions that the body calls. */
  readonly functions?: string;
  readonly sizes?: Readonly<Record<string, Uniform>>;
}

/** Launches of a kernel that treats each element by itself: one, or one for each window of a tensor that is too large. */
export function elementwise(
  { name, n, bytes = 4, tensors, body, functions = "", sizes = {} }: Elementwise,
  { bindingBytes }: GpuLimits,
): Launch[] {
  const unit = 4 * WINDOW, window = Math.floor(bindingBytes / unit) * (unit / bytes); // elements
  const launches: Launch[] = [];
  for (let start = 0; start < n; start += window) {
    const count = Math.min(window, n - start);
    launches.push({
      name,
      tensors: tensors.map(({ whole = false, ...tensor }) =>
        whole || n <= window ? tensor : { ...tensor, offset: bytes * start, bytes: bytes * count }
      ),
      sizes: { n: count, start, ...sizes },
      code: `${functions}
@compute @workgroup_size(${GROUP}) fn main(
  @builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
) {
  let i = id.y * groups.x * ${GROUP}u + id.x;
  if (i >= p.n) { return; }
  ${body}
}`,
      workgroups: grid(Math.ceil(count / GROUP)),
    });
  }
  return launches;
}
