// From a launch and the places of its tensors to a shader module: which bindings there are and what the WGSL says of them.
// WebGPU does not let one dispatch bind the same bytes twice if it writes them, so tensors in the same place become one
// binding, and what shares a buffer with something written is declared writable too. Text in, text out.

import { halved, HALVES, NARROW } from "./half.ts";
import type { Element, Launch, Uniform } from "./kernel.ts";

/** Where the bytes of a tensor are: a buffer by number and the window that is bound. */
export interface BoundWindow {
  readonly buffer: number;
  readonly offset: number;
  readonly bytes: number;
}

/** Where a tensor of a launch is, and how its bytes are read. */
export interface TensorPlace extends BoundWindow {
  /** What the launch's code takes its elements for. */
  readonly element: Element;
  /** Whether they are stored as halves. */
  readonly half: boolean;
}

/** One storage binding of a module. */
export interface StorageBinding extends BoundWindow {
  readonly writable: boolean;
}

/** A shader module before it is compiled. */
export interface ShaderModule {
  readonly code: string;
  /** In the order of their binding numbers; the uniform block, if there is one, comes behind them. */
  readonly bindings: readonly StorageBinding[];
  readonly uniform: boolean;
}

// What must stand before all declarations: extensions that a kernel's code asks for by what it uses.
const EXTENSIONS: readonly [name: string, used: RegExp][] = [
  ["f16", /\b(f16|vec4h)\b/],
  ["subgroups", /\bsubgroup(?=[A-Z]|_\w)/],
];
const directives = (code: string): string[] =>
  EXTENSIONS.flatMap(([name, used]) => used.test(code) ? [`enable ${name};`] : []);

/** Bindings of a stage that every device has. */
export const MOST_BINDINGS = 8;

/**
 * Writes the module of a launch.
 *
 * @param places One for each of the launch's tensors.
 */
export function shaderModule(
  { name, tensors, sizes, code }: Launch,
  places: readonly TensorPlace[],
): ShaderModule {
  const written = new Set(places.flatMap(({ buffer }, i) => tensors[i].writes ? [buffer] : []));
  const bindings: (TensorPlace & StorageBinding & { readonly name: string })[] = [];
  let body = code;
  tensors.forEach((tensor, i) => {
    const place = places[i], writable = written.has(place.buffer);
    const same = writable ? bindings.find((other) => overlap(other, place)) : undefined;
    if (!same) return bindings.push({ ...place, name: tensor.name, writable });
    if (same.offset !== place.offset || same.element !== place.element || same.half !== place.half) {
      throw new Error(
        `Kernel ${name} binds ${same.name} and ${tensor.name} to overlapping bytes in different ways`,
      );
    }
    if (place.bytes > same.bytes) Object.assign(same, { bytes: place.bytes });
    body = rename(body, tensor.name, same.name);
  });
  if (bindings.length > MOST_BINDINGS) {
    throw new Error(
      `Kernel ${name} binds ${bindings.length} tensors, and a stage has room for ${MOST_BINDINGS}`,
    );
  }
  const fields = Object.entries(sizes), uniform = fields.length > 0;
  const declarations = bindings.map(({ name, element, half, writable }, i) =>
    `@group(0) @binding(${i}) var<storage, ${writable ? "read_write" : "read"}> ${name}: array<${
      half ? HALVES[element] : element
    }>;`
  );
  if (uniform) {
    declarations.unshift(
      `struct Sizes { ${fields.map(([field, value]) => `${field}: ${typeOf(value)}`).join(", ")} }`,
    );
    declarations.push(`@group(0) @binding(${bindings.length}) var<uniform> p: Sizes;`);
  }
  const halves = bindings.filter(({ half }) => half);
  for (const { name, element } of halves) body = halved(body, name, element);
  if (halves.length > 0) declarations.push(NARROW);
  const text = [...declarations, body].join("\n");
  return { code: [...directives(text), text].join("\n"), bindings, uniform };
}

const overlap = (a: BoundWindow, b: BoundWindow): boolean =>
  a.buffer === b.buffer && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;

// Members of vectors and of `p` are preceded by a dot and keep their names.
const rename = (code: string, from: string, to: string): string =>
  code.replaceAll(new RegExp(`(?<![.\\w])${from}\\b`, "g"), to);

const typeOf = (value: Uniform): string => typeof value === "number" ? "u32" : "i32" in value ? "i32" : "f32";

/** Writes the uniform block of a launch into 32-bit words. */
export function writeSizes(view: DataView, at: number, sizes: Launch["sizes"]): void {
  Object.values(sizes).forEach((value, i) => {
    if (typeof value === "number") view.setUint32(at + 4 * i, value, true);
    else if ("i32" in value) view.setInt32(at + 4 * i, value.i32, true);
    else view.setFloat32(at + 4 * i, value.f32, true);
  });
}
