// All families of kernels put together. A kernel that an op needs and no family has is a type error here.

import type { OpName } from "../../ops/mod.ts";
import { basic } from "./basic.ts";
import type { Kernel } from "./kernel.ts";
import { losses } from "./loss.ts";
import { matmuls } from "./matmul.ts";

/** Kernels by the name of their op. */
export const kernels: Readonly<Partial<Record<OpName, Kernel>>> = { ...basic, ...matmuls, ...losses };
