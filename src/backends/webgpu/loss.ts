// Softmax cross-entropy. A workgroup owns a row of logits and goes over it once for the loss (largest logit and sum of
// exponentials together) and once more for the slopes. The forms with the output projection go over chunks of rows, whose
// logits are in scratch: (chunk, V) with rows padded to multiples of 256 bytes, turned into slopes in place.

import type { losses as family } from "../../ops/loss.ts";
import { type Matrix, product } from "./gemm.ts";
import {
  BUILTINS,
  type GpuLimits,
  grid,
  GROUP_INDEX,
  type Kernel,
  type Launch,
  read,
  type Tensor,
  write,
} from "./kernel.ts";
import { exchange, MOST_OF_GROUP, place, reductions, SUM_OF_GROUP } from "./reduce.ts";

/** Rows of logits whose losses or slopes are taken. */
interface Rows {
  readonly name: string;
  /** Rows of this launch, and the number of its first among targets, losses and their gradients. */
  readonly count: number;
  readonly first: number;
  /** Logits of a row. */
  readonly k: number;
  /** Floats from one row of logits, and of slopes, to the next. */
  readonly stride: number;
  readonly logits: Tensor;
  readonly targets: Tensor;
  readonly loss?: Tensor;
  /** Gradient of each loss, and where slopes go: perhaps `logits` itself, with zeros behind each row. */
  readonly slopes?: { readonly d: Tensor; readonly into: Tensor };
}

// Rows without a target are not read. -3e38 stands for minus infinity; what is taken from it stays finite.
function rowsLaunch(
  { name, count, first, k, stride, logits, targets, loss, slopes }: Rows,
  limits: GpuLimits,
): Launch {
  const into = slopes?.into, inPlace = into === logits;
  return {
    name,
    tensors: [
      inPlace ? { ...logits, writes: true } : logits,
      targets,
      ...(loss ? [loss] : []),
      ...(slopes ? [slopes.d] : []),
      ...(into && !inPlace ? [into] : []),
    ],
    sizes: { count, first, k, stride, padded: inPlace ? Math.ceil(k / 4) * 4 : k },
    code: `${GROUP_INDEX}
${reductions(limits, SUM_OF_GROUP, MOST_OF_GROUP)}
@compute @workgroup_size(256) fn main(${BUILTINS}${exchange(limits)}) {
  let row = groupIndex(group, groups);
  if (row >= p.count) { return; }
  let goal = targets[p.first + row];
  let start = row * p.stride;
  let live = select(0u, p.k, goal >= 0i);
  var top = -3e38;
  var sum = 0.0;
  for (var i = lane; i < live; i += 256u) {
    let x = logits[start + i];
    if (x > top) {
      sum *= exp(max(top - x, -100.0));
      top = x;
    }
    sum += exp(x - top);
  }
  let most = mostOfGroup(top, ${place(limits)});
  let total = sumOfGroup(sum * exp(max(top - most, -100.0)), ${place(limits)});
  ${
      loss
        ? `if (lane == 0u) {
    loss[p.first + row] = 0.0;
    if (goal >= 0i) { loss[p.first + row] = most - logits[start + u32(goal)] + log(total); }
  }`
        : ""
    }
  ${
      slopes
        ? `${inPlace ? "storageBarrier();" : ""}
  let scale = d[p.first + row];
  for (var i = lane; i < p.padded; i += 256u) {
    var slope = 0.0;
    if (i < live) {
      slope = (exp(logits[start + i] - most) / total - select(0.0, 1.0, i == u32(goal))) * scale;
    }
    ${into!.name}[start + i] = slope;
  }`
        : ""
    }
}`,
    workgroups: grid(count),
    work: count * k * (slopes ? 40 : 20),
  };
}

/** How many rows of logits are bound at once. */
const rowsOf = (n: number, k: number, bytes: number): number =>
  Math.min(n, Math.max(64, Math.floor(bytes / (256 * k)) * 64)); // 64 rows are a multiple of 256 bytes

function windows(n: number, most: number): { first: number; count: number }[] {
  return Array.from(
    { length: Math.ceil(n / most) },
    (_, i) => ({ first: i * most, count: Math.min(most, n - i * most) }),
  );
}

const crossEntropy: Kernel = ({ dims: [n, k], limits }) =>
  windows(n, rowsOf(n, k, limits.bindingBytes)).map(({ first, count }) =>
    rowsLaunch({
      name: "crossEntropy",
      count,
      first,
      k,
      stride: k,
      logits: read("logits", 0, { offset: 4 * first * k, bytes: 4 * count * k }),
      targets: read("targets", 1),
      loss: write("loss", 2),
    }, limits)
  );

const crossEntropyGrad: Kernel = ({ dims: [n, k], limits }) =>
  windows(n, rowsOf(n, k, limits.bindingBytes)).map(({ first, count }) => {
    const window = { offset: 4 * first * k, bytes: 4 * count * k };
    return rowsLaunch({
      name: "crossEntropyGrad",
      count,
      first,
      k,
      stride: k,
      logits: read("logits", 0, window),
      targets: read("targets", 1),
      slopes: { d: read("d", 2), into: write("slopes", 3, window) },
    }, limits);
  });

const MOST_LOGITS = 112 * 2 ** 20; // bytes of scratch; 512 rows of 50,257

/** Rows of a chunk of logits (chunk, stride) in scratch: whole tiles, if so many fit. */
function chunkOf(n: number, stride: number, bindingBytes: number): number {
  const most = Math.floor(Math.min(MOST_LOGITS, bindingBytes - 256) / (4 * stride));
  return Math.min(n, most >= 128 ? Math.floor(most / 128) * 128 : Math.max(1, most));
}

const projection = (train: boolean): Kernel => ({ dims: [n, v, c], limits }) => {
  const name = train ? "linearCrossEntropyTrain" : "linearCrossEntropy";
  const stride = Math.ceil(v / 64) * 64;
  return windows(n, chunkOf(n, stride, limits.bindingBytes)).flatMap(({ first, count }) => {
    const bytes = 4 * count * stride;
    const h: Matrix = { arg: 0, start: first * c, stride: c }, table: Matrix = { arg: 1, stride: c };
    const scores: Matrix = { arg: "scratch", stride, padded: true };
    const logits = read("logits", "scratch", { offset: 0, bytes });
    const shared = { count, first, k: v, stride, logits, targets: read("targets", 2) };
    const project = product(
      {
        name: `${name} (logits)`,
        m: count,
        n: v,
        k: c,
        a: h,
        b: table,
        y: scores,
        tb: true,
        scratchAt: bytes,
      },
      limits,
    );
    if (!train) {
      return [
        ...project,
        rowsLaunch({ ...shared, name: `${name} (losses)`, loss: write("loss", 3) }, limits),
      ];
    }
    return [
      ...project,
      rowsLaunch({
        ...shared,
        name: `${name} (slopes)`,
        loss: write("loss", 4),
        slopes: { d: read("d", 3), into: logits },
      }, limits),
      ...product({
        name: `${name} (dh)`,
        m: count,
        n: c,
        k: v,
        a: scores,
        b: table,
        y: { arg: 5, start: first * c, stride: c },
        scratchAt: bytes,
      }, limits),
      ...product({
        name: `${name} (dtable)`,
        m: v,
        n: c,
        k: count,
        a: scores,
        b: h,
        y: { arg: 6, stride: c },
        ta: true,
        accumulate: true,
        scratchAt: bytes,
      }, limits),
    ];
  });
};

/** The family of src/ops/loss.ts. */
export const losses = {
  crossEntropy,
  crossEntropyGrad,
  linearCrossEntropy: projection(false),
  linearCrossEntropyTrain: projection(true),
} satisfies Record<keyof typeof family, Kernel>;
