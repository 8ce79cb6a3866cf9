// Which tensors are stored as halves on a device that was opened for it, and what that makes of WGSL. A plan is the same
// with and without: activations and their gradients are temporaries that no op below needs whole, weights are copied when
// they have changed (half_copy.ts), and everything else stays f32: what is summed, means, losses, moments, scalars, what
// enters or leaves a run. Kernels are written for f32; a number is widened where it is read and narrowed where it is stored.

import { sizeOf } from "../../core/shape.ts";
import type { Plan } from "../../graph/plan.ts";
import type { OpName } from "../../ops/mod.ts";
import type { Element } from "./kernel.ts";

/** Arguments that may be halves, as launches number them; an op that is not here takes none. */
const ARGUMENTS: Partial<Record<OpName, readonly number[]>> = {
  matmul: [0, 1, 2],
  matmulInto: [0, 1, 2],
  linear: [0, 1, 3],
  columnSumInto: [0],
  attention: [0, 3],
  attentionGrad: [0, 3, 5, 6],
  cachedAttention: [0, 2],
  addLayerNorm: [0, 1, 4, 5],
  layerNormGrad: [0, 1, 5],
  layerNormGainGradInto: [0, 1],
  gelu: [0, 1],
  geluGrad: [0, 1, 2],
  add: [0, 1, 2],
  scaleBy: [0, 2],
  fill: [0],
  dropout: [0, 2],
  embedding: [0, 2],
  embeddingGradInto: [0],
  selectRows: [0, 2],
  selectRowsGradInto: [0, 2],
  linearCrossEntropy: [0, 1],
  linearCrossEntropyTrain: [0, 1, 5],
};

/** Arguments that may be halves, as "add 0". */
export const argumentsWithHalves: readonly string[] = Object.entries(ARGUMENTS)
  .flatMap(([op, args]) => args.map((arg) => `${op} ${arg}`));

const NONE: readonly number[] = [];

/**
 * The buffers of a plan that are stored as halves: temporaries, and parameters that it only reads, if every op that has to do
 * with them takes halves there. Ports and scalars are not, so that what goes in and out and what is summed stays exact.
 */
export function halfBuffers({ steps, buffers, inputs, outputs }: Plan): ReadonlySet<number> {
  const whole = new Set([...inputs, ...outputs].map(({ buffer }) => buffer)), touched = new Set<number>();
  for (const step of steps) {
    const allowed = ARGUMENTS[step.op as OpName] ?? NONE;
    [...step.inputs, ...step.outputs].forEach(({ buffer, dtype, shape }, arg) => {
      const where = buffers[buffer], written = arg >= step.inputs.length;
      const kept = where.kind === "state" && (written || !where.parameter);
      touched.add(buffer);
      if (dtype !== "f32" || sizeOf(shape) === 1 || !allowed.includes(arg) || kept) whole.add(buffer);
    });
    if (step.scratch !== null) whole.add(step.scratch);
  }
  return new Set([...touched].filter((buffer) => !whole.has(buffer) && buffers[buffer].kind !== "constant"));
}

/** Elements that there are halves of, and the type of those. */
export const HALVES: Partial<Record<Element, string>> = { f32: "f16", vec4f: "vec4h" };

/**
 * WGSL that `halved` code calls. Beyond the largest half comes infinity, so that an overflow is seen: what a conversion makes of
 * such numbers is the device's affair, but infinity stays what it is. Compilers must not know it for a constant.
 */
export const NARROW = `var<private> INFINITY: u32 = 0x7f800000u;
fn narrow_f32(x: f32) -> f16 {
  return f16(select(x, sign(x) * bitcast<f32>(INFINITY), abs(x) > 65504.0));
}
fn narrow_vec4f(x: vec4f) -> vec4h {
  return vec4h(select(x, sign(x) * bitcast<f32>(INFINITY), abs(x) > vec4f(65504.0)));
}`;

/**
 * Code in which a tensor is stored as halves: `x[i]` is read as `f32(x[i])`, and what is assigned to it is narrowed.
 *
 * @param name The tensor's identifier, which the code uses only with an index behind it.
 * @param element What the code takes its elements for; one of `HALVES`.
 */
export function halved(code: string, name: string, element: Element): string {
  const use = new RegExp(`(?<![.\\w])${name}\\[`, "g"), match = use.exec(code);
  if (!match) return code;
  const open = match.index + match[0].length, close = closing(code, open);
  const place = `${name}[${halved(code.slice(open, close), name, element)}]`;
  const before = code.slice(0, match.index), after = code.slice(close + 1);
  const assigned = /^\s*([-+*/]?)=(?!=)\s*/.exec(after);
  if (!assigned) return `${before}${element}(${place})${halved(after, name, element)}`;
  const [whole, operator] = assigned, end = after.indexOf(";");
  const value = halved(after.slice(whole.length, end), name, element);
  const result = operator ? `${element}(${place}) ${operator} (${value})` : value;
  return `${before}${place} = narrow_${element}(${result})${halved(after.slice(end), name, element)}`;
}

// Where the bracket closes that is open at a place in the code.
function closing(code: string, from: number): number {
  for (let i = from, depth = 1;; i++) {
    if (code[i] === "[") depth++;
    if (code[i] === "]" && --depth === 0) return i;
    if (i >= code.length) throw new Error(`A bracket does not close: ${code.slice(from, from + 40)}`);
  }
}
