// The one op that the planner itself applies: a copy, where a value must be updated in place but is still needed, and
// where a state is assigned a value that was computed elsewhere. `src/ops/basic.ts` exports it with its family.

import { sizeOf } from "../core/shape.ts";
import type { Op } from "./op.ts";

/** Elements per row of an elementwise kernel: the unit in which threads share out the work. */
export const BLOCK = 1024;

/** Rows of an elementwise kernel over `n` elements. */
export const blocks = (n: number): number => Math.ceil(n / BLOCK);

/** y = x, element by element. */
export const copy: Op = {
  name: "copy",
  takes: ["any"],
  infer: ([x]) => [{ dtype: x.dtype, shape: x.shape }],
  dims: ([x]) => [sizeOf(x.shape)],
  rows: ([n]) => blocks(n),
  reference: ([x], [y]) => y.set(x),
  cases: [{ inputs: [{ shape: [1] }] }, { inputs: [{ shape: [3, 5] }] }, { inputs: [{ shape: [2051] }] }],
};
