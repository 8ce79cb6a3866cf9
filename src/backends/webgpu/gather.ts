// One row of each sequence, selected and summed, and neighbouring rows put in or taken out. An element belongs to one thread, which adds in the order of the sequences,
// so that nothing is added twice at a time. Tables of a model are embedding.ts's business.

import type { gather as family } from "../../ops/gather.ts";
import { elementwise, type Kernel, read, write } from "./kernel.ts";

const whole = true;

const selectRows: Kernel = ({ dims: [B, T, C, sum], limits }) =>
  elementwise({
    name: "selectRows",
    n: B / sum * C,
    tensors: [{ ...read("x", 0), whole }, { ...read("index", 1), whole }, write("y", 2)],
    body: `let row = (p.start + i) / p.C;
  var total = 0.0;
  for (var b = row * p.sum; b < (row + 1u) * p.sum; b++) {
    total += x[(b * p.T + u32(index[b])) * p.C + (p.start + i) % p.C];
  }
  y[i] = total;`,
    sizes: { T, C, sum },
  }, limits);

const selectRowsGradInto: Kernel = ({ dims: [B, T, C, sum], limits }) =>
  elementwise({
    name: "selectRowsGradInto",
    n: B * C,
    tensors: [{ ...read("d", 0), whole }, { ...read("index", 1), whole }, { ...write("dx", 2), whole }],
    body: `let b = (p.start + i) / p.C;
  let c = (p.start + i) % p.C;
  dx[(b * p.T + u32(index[b])) * p.C + c] += d[b / p.sum * p.C + c];`,
    sizes: { T, C, sum },
  }, limits);

const placeRows: Kernel = ({ dims: [R, C, first, count], limits }) =>
  elementwise({
    name: "placeRows",
    n: R * C,
    tensors: [read("x", 0), { ...read("rows", 1), whole }, write("y", 2)],
    body: `let at = p.start + i;
  var value = x[i];
  if (at >= p.begin && at < p.end) { value = rows[at - p.begin]; }
  y[i] = value;`,
    sizes: { begin: first * C, end: (first + count) * C },
  }, limits);

const takeRows: Kernel = ({ dims: [count, C, first], limits }) =>
  elementwise({
    name: "takeRows",
    n: count * C,
    tensors: [{ ...read("x", 0), whole }, write("y", 1)],
    body: "y[i] = x[p.begin + p.start + i];",
    sizes: { begin: first * C },
  }, limits);

/** The family of src/ops/gather.ts. */
export const gather = { selectRows, selectRowsGradInto, placeRows, takeRows } satisfies Record<
  keyof typeof family,
  Kernel
>;
