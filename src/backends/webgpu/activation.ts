// GELU and its slope, element by element, four at a time where the number of elements allows: the same text serves numbers
// and vectors.

import type { activation as family } from "../../ops/activation.ts";
import { elementwise, type GpuLimits, type Kernel, read, type Tensor, write } from "./kernel.ts";

// Beyond 10 the sigmoid of 2u is 0 or 1 for f32, and its argument stays where exp does not overflow.
const functions = (type: string): string =>
  `alias T = ${type};
const ROOT = ${Math.sqrt(2 / Math.PI)};
fn near(x: T) -> T { return clamp(x, T(-10.0), T(10.0)); }
fn share(x: T) -> T { return T(1.0) / (T(1.0) + exp(-2.0 * ROOT * x * (T(1.0) + 0.044715 * x * x))); }`;

function map(
  name: string,
  n: number,
  tensors: readonly Tensor[],
  body: string,
  limits: GpuLimits,
) {
  const as = n % 4 === 0 ? "vec4f" : "f32", width = n % 4 === 0 ? 4 : 1;
  return elementwise({
    name,
    n: n / width,
    bytes: 4 * width,
    tensors: tensors.map((tensor) => ({ ...tensor, as })),
    functions: functions(as),
    body,
  }, limits);
}

const gelu: Kernel = ({ dims: [n], limits }) =>
  map("gelu", n, [read("x", 0), write("y", 1)], "y[i] = x[i] * share(near(x[i]));", limits);

const geluGrad: Kernel = ({ dims: [n], limits }) =>
  map(
    "geluGrad",
    n,
    [read("x", 0), read("d", 1), write("dx", 2)],
    `let v = near(x[i]);
  let s = share(v);
  dx[i] = d[i] * (s + v * s * (T(1.0) - s) * (2.0 * ROOT * (T(1.0) + 0.134145 * v * v)));`,
    limits,
  );

/** The family of src/ops/activation.ts. */
export const activation = { gelu, geluGrad } satisfies Record<keyof typeof family, Kernel>;
