// Cross-entropy: a workgroup for each row of logits. Fused with the output projection, rows go in chunks whose logits live
// in scratch: a product, then losses and slopes in place of the logits, then the two products of the gradient.

import type { losses as family } from "../../ops/loss.ts";
import { product } from "./gemm.ts";
import { BUILTINS, grid, GROUP_INDEX, type Kernel, type Launch, read, type Tensor, write } from "./kernel.ts";
import { MOST_OF_GROUP, SUM_OF_GROUP } from "./reduce.ts";

const CHUNK_BYTES = 96 * 2 ** 20; // of logits

interface Rows {
  readonly name: string;
  readonly rows: number;
  readonly width: number;
  readonly tensors: readonly Tensor[];
  /** Row of targets, d and losses at which the logits' first row stands. */
  readonly first?: number;
  /** Which of the two is written: `loss`, or slopes into `slope` from `d`. */
  readonly loss: boolean;
  readonly slope: boolean;
}

// Largest logit, then the sum of exponentials, both in a fixed tree; a row without target has neither loss nor slope.
function softmaxRows({ name, rows, width, tensors, first = 0, loss, slope }: Rows): Launch {
  return {
    name,
    tensors,
    sizes: { rows, width, first },
    code: `${SUM_OF_GROUP}
${MOST_OF_GROUP}
${GROUP_INDEX}
@compute @workgroup_size(256) fn main(${BUILTINS}) {
  let row = groupIndex(group, groups);
  if (row >= p.rows) { return; }
  let begin = row * p.width;
  let at = p.first + row;
  let goal = targets[at];
  var top = -3.4e38;
  for (var i = lane; i < p.width; i += 256u) { top = max(top, logits[begin + i]); }
  top = mostOfGroup(top, lane);
  var sum = 0.0;
  for (var i = lane; i < p.width; i += 256u) { sum += exp(logits[begin + i] - top); }
  sum = sumOfGroup(sum, lane);
  ${
      loss
        ? `if (lane == 0u) {
    var value = 0.0;
    if (goal >= 0) { value = top + log(sum) - logits[begin + u32(goal)]; }
    loss[at] = value;
  }
  storageBarrier();`
        : ""
    }
  ${
      slope
        ? `var weight = 0.0;
  if (goal >= 0) { weight = d[at]; }
  for (var i = lane; i < p.width; i += 256u) {
    let one = select(0.0, 1.0, i32(i) == goal);
    slopes[begin + i] = (exp(logits[begin + i] - top) / sum - one) * weight;
  }`
        : ""
    }
}`,
    workgroups: grid(rows),
    work: rows * width * (slope ? 12 : 8),
  };
}

const crossEntropy: Kernel = ({ dims: [rows, width] }) => [
  softmaxRows({
    name: "crossEntropy",
    rows,
    width,
    tensors: [read("logits", 0), read("targets", 1), write("loss", 2)],
    loss: true,
    slope: false,
  }),
];

const crossEntropyGrad: Kernel = ({ dims: [rows, width] }) => [
  softmaxRows({
    name: "crossEntropyGrad",
    rows,
    width,
    tensors: [read("logits", 0), read("targets", 1), read("d", 2), write("slopes", 3)],
    loss: false,
    slope: true,
  }),
];

// Chunks of rows, multiples of 64 as long as there are more.
function chunks(n: number, v: number, bindingBytes: number): [first: number, rows: number][] {
  const most = Math.floor(Math.min(bindingBytes, CHUNK_BYTES) / (4 * v));
  const size = Math.min(n, Math.max(1, most >= 64 ? 64 * Math.floor(most / 64) : most));
  return Array.from({ length: Math.ceil(n / size) }, (_, i) => [i * size, Math.min(size, n - i * size)]);
}

const linearCrossEntropy: Kernel = ({ dims: [n, v, c], limits }) =>
  chunks(n, v, limits.bindingBytes).flatMap(([first, rows]) => {
    const name = "linearCrossEntropy", scratch = { offset: 0, bytes: 4 * rows * v };
    return [
      ...product({
        name: `${name} logits`,
        m: rows,
        n: v,
        k: c,
        a: { arg: 0, start: first * c },
        b: { arg: 1 },
        tb: true,
        y: { arg: "scratch", ...scratch },
      }, limits),
      softmaxRows({
        name: `${name} losses`,
        rows,
        width: v,
        first,
        tensors: [read("logits", "scratch", scratch), read("targets", 2), write("loss", 3)],
        loss: true,
        slope: false,
      }),
    ];
  });

const linearCrossEntropyTrain: Kernel = ({ dims: [n, v, c], limits }) =>
  chunks(n, v, limits.bindingBytes).flatMap(([first, rows]) => {
    const name = "linearCrossEntropyTrain", scratch = { offset: 0, bytes: 4 * rows * v };
    const partials = 256 * Math.ceil(scratch.bytes / 256);
    const logits = { arg: "scratch", ...scratch } as const, h = { arg: 0, start: first * c };
    return [
      ...product(
        { name: `${name} logits`, m: rows, n: v, k: c, a: h, b: { arg: 1 }, tb: true, y: logits },
        limits,
      ),
      softmaxRows({
        name: `${name} slopes`,
        rows,
        width: v,
        first,
        tensors: [
          write("logits", "scratch", scratch),
          read("targets", 2),
          read("d", 3),
          write("loss", 4),
          write("slopes", "scratch", scratch),
        ],
        loss: true,
        slope: true,
      }),
      ...product({
        name: `${name} dh`,
        m: rows,
        n: c,
        k: v,
        a: logits,
        b: { arg: 1 },
        y: { arg: 5, start: first * c },
        partials,
      }, limits),
      ...product({
        name: `${name} dtable`,
        m: v,
        n: c,
        k: rows,
        a: logits,
        ta: true,
        b: h,
        y: { arg: 6 },
        accumulate: true,
        partials,
      }, limits),
    ];
  });

/** The family of src/ops/loss.ts. */
export const losses = {
  crossEntropy,
  crossEntropyGrad,
  linearCrossEntropy,
  linearCrossEntropyTrain,
} satisfies Record<keyof typeof family, Kernel>;
