// Softmax cross-entropy, from logits and fused with the output projection. A target of -1 means no target: loss and
// gradient are 0 there. Losses come out per row, unweighted, in nats; a mean or a mask is a `dot` with row weights.
// The fused form goes over chunks of rows, so that rows x vocabulary logits are never stored.

import { asRows, requireShape, sameShape, show, sizeOf } from "../core/shape.ts";
import type { Case, Op, ReferenceArray, TensorType } from "../graph/op.ts";
import { orZeros, plus } from "./basic.ts";

// Negative log-likelihood of one row of logits; turns the row into probabilities.
function softmaxLoss(row: Float64Array, target: number): number {
  const top = row.reduce((a, b) => Math.max(a, b), -Infinity);
  const sum = row.reduce((total, logit) => total + Math.exp(logit - top), 0);
  const loss = target < 0 ? 0 : top + Math.log(sum) - row[target];
  row.forEach((logit, i) => row[i] = Math.exp(logit - top) / sum);
  return loss;
}

function requireTargets(rows: readonly number[], targets: TensorType): void {
  requireShape(
    sizeOf(rows) === sizeOf(targets.shape),
    `Cannot take the cross-entropy of ${show(rows)} rows`,
    `there are ${show(targets.shape)} targets`,
  );
}

const logitDims = ([logits, targets]: readonly TensorType[]): number[] => {
  const n = sizeOf(targets.shape);
  return [n, sizeOf(logits.shape) / n];
};

const crossEntropyCases = [[1, 1], [1, 2], [5, 3], [7, 19], [3, 130]].map(([n, k]) => ({
  inputs: [{ shape: [n, k] }, {
    shape: [n],
    dtype: "i32" as const,
    values: Array.from({ length: n }, (_, i) => i % (k + 1) - 1),
  }],
}));

const timedLogits = [{ shape: [256, 8192] }, { shape: [256], below: 8192 }] as const;

/**
 * -log softmax(logits)[target] per row. Inputs: logits, targets (N). Output: (N). K is however many logits there are for
 * each target, so that (2N,1) scores of two choices each need no reshaping.
 */
export const crossEntropy: Op = {
  name: "crossEntropy",
  takes: ["f32", "i32"],
  infer([logits, targets]) {
    requireShape(
      sizeOf(logits.shape) % sizeOf(targets.shape) === 0,
      `Cannot take the cross-entropy of ${show(logits.shape)}`,
      `there are ${show(targets.shape)} targets`,
    );
    return [{ dtype: "f32", shape: targets.shape }];
  },
  dims: logitDims,
  rows: ([n]) => n,
  vjp: ({ inputs: [logits, targets], douts: [d], into }) => ({
    dins: [plus(into[0], logits.graph.apply(crossEntropyGrad, [logits, targets, d!])[0]), null],
  }),
  reference([logits, targets], [loss], [n, k]) {
    for (let i = 0; i < n; i++) {
      loss[i] = softmaxLoss(Float64Array.from(logits.subarray(i * k, i * k + k)), targets[i]);
    }
  },
  cases: [...crossEntropyCases, { inputs: timedLogits, bench: true }],
};

/** (softmax - one-hot) * d per row. Inputs: logits (N,K), targets (N), d (N). Output: (N,K). */
export const crossEntropyGrad: Op = {
  name: "crossEntropyGrad",
  takes: ["f32", "i32", "f32"],
  infer: ([logits]) => [{ dtype: "f32", shape: logits.shape }],
  dims: logitDims,
  rows: ([n]) => n,
  reference([logits, targets, d], [dlogits], [n, k]) {
    for (let i = 0; i < n; i++) {
      const row = Float64Array.from(logits.subarray(i * k, i * k + k));
      softmaxLoss(row, targets[i]);
      for (let j = 0; j < k; j++) {
        dlogits[i * k + j] = targets[i] < 0 ? 0 : (row[j] - Number(j === targets[i])) * d[i];
      }
    }
  },
  cases: [{ inputs: [...timedLogits, { shape: [256] }], bench: true }],
};

// How the fused kernels share out their work: a pass that packs operands, then passes for each chunk of rows. The layout
// of the scratch (bytes) stands in assembly/loss.ts.
const CHUNK = 96;

function geometry(n: number, v: number, c: number, train: boolean) {
  const chunk = Math.min(n, CHUNK), chunks = Math.ceil(n / chunk);
  const tablePanels = Math.ceil(v / 8), rowPanels = Math.ceil(n / 6);
  const stride = 32 * Math.ceil((v + 7) / 32) + 16; // of a row of logits; no power of two
  const parts = [n, 8 * tablePanels * c, 6 * rowPanels * c, chunk * stride],
    padded = 8 * Math.ceil(chunk / 8);
  if (train) parts.push(8 * chunks * Math.ceil(c / 8) * chunk, padded * v, padded * c, c % 6 && 6 * v);
  const perChunk = train ? 4 : 2;
  return {
    passes: 1 + perChunk * chunks,
    scratch: 4 * parts.reduce((total, floats) => total + 64 * Math.ceil(floats / 64), 0),
    rows(pass: number): number {
      if (pass === 0) return tablePanels + rowPanels;
      const at = Math.floor((pass - 1) / perChunk);
      const panelsOfChunk = Math.ceil(Math.min(CHUNK, n - at * CHUNK) / (train ? 8 : 6));
      return [tablePanels, panelsOfChunk, Math.ceil(c / 6), Math.ceil(v / 6)][(pass - 1) % perChunk];
    },
  };
}

/** How many rows of the table take part in the softmax: the first `rows`. */
export type Vocabulary = { readonly rows: number };

function requireTable(h: TensorType, table: TensorType, { rows }: Vocabulary): void {
  requireShape(
    table.shape.length === 2 && table.shape[1] === h.shape.at(-1) && rows <= table.shape[0],
    `Cannot project ${show(h.shape)} onto ${rows} rows of ${show(table.shape)}`,
    "the last sizes must agree and the table must have the rows",
  );
}

const projectionDims = ([h]: readonly TensorType[], { rows }: Vocabulary): number[] => {
  const [n, c] = asRows(h.shape);
  return [n, rows, c];
};

// Logits of one row of h over the first V rows of the table.
function project(h: ReferenceArray, table: ReferenceArray, i: number, V: number, C: number): Float64Array {
  const row = new Float64Array(V);
  for (let v = 0; v < V; v++) for (let c = 0; c < C; c++) row[v] += h[i * C + c] * table[v * C + c];
  return row;
}

// The last number says of how many rows one has a target; none where it is 0.
const projectionCases: Case<Vocabulary>[] = [
  [1, 1, 1, 1],
  [5, 7, 3, 1],
  [3, 9, 8, 1],
  [97, 33, 6, 1],
  [200, 18, 5, 1],
  [230, 11, 9, 2],
  [300, 18, 5, 7],
  [9, 4, 4, 0],
].map(([n, v, c, every]) => ({
  inputs: [
    { shape: [n, c] },
    { shape: [v + 2, c] },
    {
      shape: [n],
      dtype: "i32",
      values: Array.from({ length: n }, (_, i) => i % every === 0 ? (i * 5) % (v + 1) - 1 : -1),
    },
  ],
  attrs: { rows: v },
}));

/**
 * Output projection and cross-entropy in one: -log softmax(h · tableᵀ)[target] over the table's first `rows` rows.
 * Inputs: h (…,C), table (R,C), targets (…). Output: a loss per row of h. Differentiated, it becomes
 * `linearCrossEntropyTrain`, which gives the losses and the gradients in the same pass.
 */
export const linearCrossEntropy: Op<Vocabulary> = {
  name: "linearCrossEntropy",
  takes: ["f32", "f32", "i32"],
  infer([h, table, targets], attrs) {
    requireTargets(h.shape.slice(0, -1), targets);
    requireTable(h, table, attrs);
    return [{ dtype: "f32", shape: targets.shape }];
  },
  dims: (inputs, attrs) => projectionDims(inputs, attrs),
  passes: ([n, v, c]) => geometry(n, v, c, false).passes,
  rows: ([n, v, c], pass) => geometry(n, v, c, false).rows(pass),
  scratch: ([n, v, c]) => geometry(n, v, c, false).scratch,
  vjp({ inputs: [h, table, targets], attrs, douts: [d], needs, into }) {
    const inputs = [h, table, targets, d!, orZeros(h.graph, needs[1] ? into[1] : undefined, table)];
    const [loss, dh, dtable] = h.graph.apply(linearCrossEntropyTrain, inputs, attrs);
    return { dins: [needs[0] ? plus(into[0], dh) : null, needs[1] ? dtable : null, null], outputs: [loss] };
  },
  reference([h, table, targets], [loss], [n, V, C]) {
    for (let i = 0; i < n; i++) loss[i] = softmaxLoss(project(h, table, i, V, C), targets[i]);
  },
  cases: projectionCases,
};

/**
 * The losses of `linearCrossEntropy` and their gradients. Inputs: h, table, targets, d (the gradient of each loss),
 * dtable. Outputs: the losses, dh, and dtable with its gradient added.
 */
export const linearCrossEntropyTrain: Op<Vocabulary> = {
  name: "linearCrossEntropyTrain",
  takes: ["f32", "f32", "i32", "f32", "f32"],
  infer([h, table, targets, d], attrs) {
    requireTargets(h.shape.slice(0, -1), targets);
    requireTable(h, table, attrs);
    requireShape(
      sameShape(targets.shape, d.shape),
      `Cannot weigh losses of ${show(targets.shape)}`,
      `with ${show(d.shape)}`,
    );
    return [targets, h, table].map(({ shape }) => ({ dtype: "f32", shape }));
  },
  dims: (inputs, attrs) => projectionDims(inputs, attrs),
  passes: ([n, v, c]) => geometry(n, v, c, true).passes,
  rows: ([n, v, c], pass) => geometry(n, v, c, true).rows(pass),
  scratch: ([n, v, c]) => geometry(n, v, c, true).scratch,
  inPlace: [{ output: 2, input: 4, kind: "into" }],
  reference([h, table, targets, d], [loss, dh, dtable], [n, V, C]) {
    dh.fill(0);
    for (let i = 0; i < n; i++) {
      const row = project(h, table, i, V, C);
      loss[i] = softmaxLoss(row, targets[i]);
      if (targets[i] < 0) continue;
      for (let v = 0; v < V; v++) {
        const slope = (row[v] - Number(v === targets[i])) * d[i];
        for (let c = 0; c < C; c++) {
          dh[i * C + c] += slope * table[v * C + c];
          dtable[v * C + c] += slope * h[i * C + c];
        }
      }
    }
  },
  tolerance: 2e-5,
  cases: [
    ...projectionCases.map(({ inputs: [h, table, targets], attrs }) => ({
      inputs: [h, table, targets, { shape: targets.shape }, { shape: table.shape }],
      attrs: attrs!,
    })),
    {
      inputs: [
        { shape: [2048, 128] },
        { shape: [8192, 128] },
        { shape: [2048], below: 8192 },
        { shape: [2048] },
        { shape: [8192, 128] },
      ],
      attrs: { rows: 8192 },
      bench: true,
    },
  ],
};

/** The family: one kernel of each name in every backend. */
export const losses = {
  crossEntropy,
  crossEntropyGrad,
  linearCrossEntropy,
  linearCrossEntropyTrain,
} as const;
