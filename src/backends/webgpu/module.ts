// From a launch and the places of its tensors to a shader module: which bindings there are and what the WGSL says of them.
// WebGPU does not let one dispatch bind the same bytes twice if it writes them, so tensors in the same place become one
// binding, and what shares a buffer with something written is declared writable too. Text in, text out.

import type { Element, Launch, Uniform } from "./kernel.ts";

/** Where a tensor of a launch is: its buffer by number, the window that is bound, and its own element type. */
export interface TensorPlace {
  readonly buffer: number;
  readonly offset: number;
  readonly bytes: number;
  readonly element: Element;
}

/** One storage binding of a module. */
export interface StorageBinding extends Omit<TensorPlace, "element"> {
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
const directives = (code: string): string[] =>
  /\bsubgroup(?=[A-Z]|_\w)/.test(code) ? ["enable subgroups;"] : [];

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
  const bindings: (StorageBinding & { readonly name: string; readonly element: Element })[] = [];
  let body = code;
  tensors.forEach((tensor, i) => {
    const place = places[i], writable = written.has(place.buffer);
    const same = writable ? bindings.find((other) => overlap(other, place)) : undefined;
    if (!same) return bindings.push({ ...place, name: tensor.name, writable });
    if (same.offset !== place.offset || same.element !== place.element) {
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
  const declarations = bindings.map(({ name, element, writable }, i) =>
    `@group(0) @binding(${i}) var<storage, ${writable ? "read_write" : "read"}> ${name}: array<${element}>;`
  );
  if (uniform) {
    declarations.unshift(
      `struct Sizes { ${fields.map(([field, value]) => `${field}: ${typeOf(value)}`).join(", ")} }`,
    );
    declarations.push(`@group(0) @binding(${bindings.length}) var<uniform> p: Sizes;`);
  }
  return { code: [...directives(body), ...declarations, body].join("\n"), bindings, uniform };
}

const overlap = (a: Omit<TensorPlace, "element">, b: TensorPlace): boolean =>
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
