// Every op there is, by family. Backends are `satisfies Record<OpName, …>` over this object, so that a missing kernel is a
// type error; the generated test suite walks it, so that a missing case is a failing test.

import type { Op } from "../graph/op.ts";
import { activation } from "./activation.ts";
import { attentions } from "./attention.ts";
import { basic } from "./basic.ts";
import { dropouts } from "./dropout.ts";
import { embeddings } from "./embedding.ts";
import { gather } from "./gather.ts";
import { losses } from "./loss.ts";
import { matmuls } from "./matmul.ts";
import { norm } from "./norm.ts";
import { optimizer } from "./optimizer.ts";

/** All ops by name. */
export const ops = {
  ...basic,
  ...matmuls,
  ...attentions,
  ...norm,
  ...activation,
  ...dropouts,
  ...embeddings,
  ...gather,
  ...losses,
  ...optimizer,
} as const;

/** The name of an op; every backend has a kernel of each. */
export type OpName = keyof typeof ops;

/** The op of a name, for executors that read plans. */
export function opByName(name: string): Op {
  const op: unknown = (ops as Record<string, unknown>)[name];
  if (!op) {
    throw new SyntaxError(`The plan asks for op "${name}", which this version of Foreword does not have`);
  }
  return op as Op;
}
