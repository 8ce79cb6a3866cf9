// Every op there is; all.ts puts the families together. A kernel that a backend lacks is a type error by way of `OpName`;
// the generated test suite walks `ops`, so that a missing case is a failing test.

import type { Op } from "../graph/op.ts";
import { all } from "./all.ts";

/** All ops by name. */
export const ops: (typeof import("./all.ts"))["all"] = all;

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
