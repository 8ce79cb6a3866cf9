// All families of kernels put together: what `launchesOf` looks ops up in. A family's file holds a kernel for each of its
// ops, or it does not compile.

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
