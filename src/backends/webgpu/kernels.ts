// All families of kernels put together. A kernel that an op needs and no family has is a type error here. What they are
// made of is in kernel.ts.

import type { OpName } from "../../ops/mod.ts";
import { activation } from "./activation.ts";
import { attentions } from "./attention.ts";
import { basic } from "./basic.ts";
import { dropouts } from "./dropout.ts";
import { embeddings } from "./embedding.ts";
import { gather } from "./gather.ts";
import { inspection } from "./inspection.ts";
import type { Kernel } from "./kernel.ts";
import { losses } from "./loss.ts";
import { recurrent } from "./lstm.ts";
import { matmuls } from "./matmul.ts";
import { norm } from "./norm.ts";
import { optimizer } from "./optimizer.ts";
import { sampling } from "./sampling.ts";

/** Kernels by the name of their op. */
export const kernels: Readonly<Record<OpName, Kernel>> = {
  ...activation,
  ...attentions,
  ...basic,
  ...dropouts,
  ...embeddings,
  ...gather,
  ...inspection,
  ...losses,
  ...matmuls,
  ...norm,
  ...optimizer,
  ...recurrent,
  ...sampling,
};
