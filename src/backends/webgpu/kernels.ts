// All families of kernels put together. A kernel that an op needs and no family has is a type error here. What they are
// made of is in kernel.ts.

import type { OpName } from "../../ops/mod.ts";
import { attentions } from "./attention.ts";
import { basic } from "./basic.ts";
import { inspection } from "./inspection.ts";
import type { Kernel } from "./kernel.ts";
import { norm } from "./norm.ts";

/** Kernels by the name of their op. */
export const kernels: Readonly<Partial<Record<OpName, Kernel>>> = {
  ...attentions,
  ...basic,
  ...inspection,
  ...norm,
};
