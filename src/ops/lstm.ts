// The recurrent part of a long short-term memory layer, all T steps in one op: the projections of the inputs come in, made
// for all steps at once by a matrix product; here each step adds what the state before it says. The four gates of a step
// lie side by side in the order of Keras and PyTorch: input i, forget f, candidate g, output o. `live` says how many steps
// of a row count, (B) lengths, or (B,2) extents [offset, count] as in cached attention: then a row at offset 0 starts from
// zeros, whatever the state that is handed in holds. Behind its live steps a row's outputs are zeros and its state stays.

import { requireShape, sameShape, show } from "../core/shape.ts";
import type { Case, CaseInput, Op, ReferenceArray, TensorType } from "../graph/op.ts";
import { orZeros, plus } from "./basic.ts";
import { times } from "./matmul.ts";

const PANEL_ROWS = 6, PANEL_COLUMNS = 8;

const blocks = (columns: number): number => Math.ceil(columns / PANEL_COLUMNS);
const padded = (rows: number): number => Math.ceil(rows / PANEL_ROWS) * PANEL_ROWS;

function sizes(
  x: TensorType,
  w: TensorType,
  states: readonly TensorType[],
  live: TensorType,
): [b: number, t: number, c: number, s: number] {
  const [b, t, width] = x.shape, c = w.shape[0], action = `Cannot run an LSTM over ${show(x.shape)}`;
  requireShape(
    x.shape.length === 3 && sameShape(w.shape, [width / 4, width]),
    `${action} with recurrent weights ${show(w.shape)}`,
    "they must be (B,T,4C) and (C,4C)",
  );
  for (const { shape } of states) {
    requireShape(
      sameShape(shape, [b, c]),
      `${action} from a state ${show(shape)}`,
      `it must be ${show([b, c])}`,
    );
  }
  requireShape(
    live.shape[0] === b && (live.shape.length === 1 || sameShape(live.shape, [b, 2])),
    `${action} with live steps ${show(live.shape)}`,
    `they must be ${show([b])} lengths or ${show([b, 2])} extents`,
  );
  return [b, t, c, live.shape[1] ?? 1];
}

// The live steps of row b, and whether it starts from zeros.
const liveOf = (live: ReferenceArray, s: number, b: number): { count: number; fresh: boolean } => ({
  count: live[b * s + s - 1],
  fresh: s === 2 && live[2 * b] === 0,
});

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

function inputs(b: number, t: number, c: number, live: CaseInput): CaseInput[] {
  return [{ shape: [b, t, 4 * c] }, { shape: [c, 4 * c] }, { shape: [b, c] }, { shape: [b, c] }, live];
}
const gradInputs = (b: number, t: number, c: number, live: CaseInput): CaseInput[] => {
  const [gates, weights, state] = inputs(b, t, c, live), cells = { shape: [b, t, c] };
  return [weights, gates, cells, state, live, cells, state, state];
};
const lengths = (...values: number[]): CaseInput => ({ shape: [values.length], dtype: "i32", values });
const extents = (...values: number[]): CaseInput => ({
  shape: [values.length / 2, 2],
  dtype: "i32",
  values,
});
const cases: Case[] = [
  inputs(1, 1, 1, lengths(1)),
  inputs(2, 5, 3, lengths(5, 2)),
  inputs(3, 4, 8, lengths(0, 3, 4)),
  inputs(7, 3, 13, lengths(3, 3, 1, 0, 2, 3, 3)),
  inputs(2, 1, 6, lengths(1, 0)),
  inputs(13, 2, 18, lengths(...Array(13).fill(2))),
  inputs(3, 4, 5, extents(0, 4, 9, 3, 0, 0)),
  inputs(5, 1, 9, extents(0, 1, 3, 1, 7, 1, 2, 0, 0, 1)),
].map((inputs) => ({ inputs }));
const timed = inputs(16, 64, 512, lengths(...Array(16).fill(64)));

/**
 * An LSTM over sequences. Inputs: the gates' projections of the inputs with bias (B,T,4C), recurrent weights (C,4C), the
 * state h and c before the first step (B,C) each, live steps (B) or (B,2). Outputs: h of every step (B,T,C), h and c after
 * the last live one (B,C) and, for the gradient, gates (B,T,4C) and cells (B,T,C). One pass a step.
 */
export const lstm: Op = {
  name: "lstm",
  takes: ["f32", "f32", "f32", "f32", "i32"],
  infer([x, w, h0, c0, live]) {
    const [b, t, c] = sizes(x, w, [h0, c0], live);
    return [[b, t, c], [b, c], [b, c], x.shape, [b, t, c]].map((shape) => ({ dtype: "f32", shape }));
  },
  dims: ([x, w, h0, c0, live]) => sizes(x, w, [h0, c0], live),
  rows: ([, , C]) => blocks(C),
  passes: ([, T]) => T + 1,
  // Packed weights, and the state of two neighbouring steps in panels; a single step reads the weights where they lie.
  scratch: ([B, T, C]) => T === 1 ? 0 : (4 * PANEL_COLUMNS * blocks(C) + 2 * padded(B)) * C * 4,
  inPlace: [
    { output: 3, input: 0, kind: "into" },
    { output: 1, input: 2, kind: "may" },
    { output: 2, input: 3, kind: "may" },
  ],
  saved: [3, 4],
  vjp({ inputs: [x, w, h0, c0, live], outputs: [h, hn, cn, gates, cells], douts, needs, into }) {
    const { graph } = x, [dh, dhn, dcn] = [h, hn, cn].map((y, i) => orZeros(graph, douts[i] ?? undefined, y));
    const [dx, dh0, dc0] = graph.apply(lstmGrad, [w, gates, cells, c0, live, dh, dhn, dcn]);
    const before = graph.apply(previousStates, [h, h0, live])[0];
    const dw = needs[1] ? times(into[1], before, dx, true, false) : null;
    const state = (i: number, d: typeof dh0) => needs[i] ? plus(into[i], d) : null;
    return { dins: [needs[0] ? plus(into[0], dx) : null, dw, state(2, dh0), state(3, dc0), null] };
  },
  reference([w, h0, c0, live], [h, hn, cn, gates, cells], [B, T, C, S]) {
    [h, cells].forEach((y) => y.fill(0));
    for (let b = 0; b < B; b++) {
      const { count, fresh } = liveOf(live, S, b);
      const state = Float64Array.from({ length: C }, (_, n) => fresh ? 0 : h0[b * C + n]);
      const cell = Float64Array.from({ length: C }, (_, n) => fresh ? 0 : c0[b * C + n]);
      for (let t = 0; t < T; t++) {
        const row = b * T + t, gate = gates.subarray(4 * row * C, 4 * (row + 1) * C);
        if (t >= count) {
          gate.fill(0);
          continue;
        }
        for (let n = 0; n < 4 * C; n++) {
          let sum = gate[n];
          for (let k = 0; k < C; k++) sum += state[k] * w[4 * k * C + n];
          gate[n] = 2 * C <= n && n < 3 * C ? Math.tanh(sum) : sigmoid(sum);
        }
        for (let n = 0; n < C; n++) {
          cell[n] = gate[C + n] * cell[n] + gate[n] * gate[2 * C + n];
          state[n] = gate[3 * C + n] * Math.tanh(cell[n]);
        }
        h.set(state, row * C);
        cells.set(cell, row * C);
      }
      hn.set(state, b * C);
      cn.set(cell, b * C);
    }
  },
  cases: [...cases, { inputs: timed, bench: true }],
};

/**
 * The gradient of `lstm`, the weights' apart. Inputs: recurrent weights (C,4C), gates (B,T,4C), cells (B,T,C), c before the
 * first step (B,C), live steps, the gradients of h of every step (B,T,C) and of h and c after the last (B,C). Outputs: the
 * gradients of the projections (B,T,4C) and of the state before the first step, h and c (B,C).
 */
export const lstmGrad: Op = {
  name: "lstmGrad",
  takes: ["f32", "f32", "f32", "f32", "i32", "f32", "f32", "f32"],
  infer: ([, gates, , c0]) => [gates, c0, c0].map(({ shape }) => ({ dtype: "f32", shape })),
  dims: ([w, gates, , c0, live]) => sizes(gates, w, [c0], live),
  rows: ([, , C]) => blocks(C),
  passes: ([, T]) => T + 1,
  scratch: ([B, , C]) => (PANEL_COLUMNS * blocks(C) + 2 * padded(B)) * 4 * C * 4,
  inPlace: [{ output: 0, input: 1, kind: "may" }],
  reference([w, gates, cells, c0, live, dh, dhn, dcn], [dx, dh0, dc0], [B, T, C, S]) {
    for (let b = 0; b < B; b++) {
      const { count, fresh } = liveOf(live, S, b);
      const ds = Float64Array.from(dhn.subarray(b * C, (b + 1) * C)); // of the state
      const dc = Float64Array.from(dcn.subarray(b * C, (b + 1) * C)); // of the cell
      for (let t = T - 1; t >= 0; t--) {
        const row = b * T + t, from = 4 * row * C, d = dx.subarray(from, from + 4 * C);
        if (t >= count) {
          d.fill(0);
          continue;
        }
        for (let n = 0; n < C; n++) {
          const [i, f, g, o] = [0, 1, 2, 3].map((gate) => gates[from + gate * C + n]);
          const before = t > 0 ? cells[(row - 1) * C + n] : fresh ? 0 : c0[b * C + n];
          const tanh = Math.tanh(cells[row * C + n]), dState = dh[row * C + n] + ds[n];
          const dCell = dc[n] + dState * o * (1 - tanh * tanh);
          d[n] = dCell * g * i * (1 - i);
          d[C + n] = dCell * before * f * (1 - f);
          d[2 * C + n] = dCell * i * (1 - g * g);
          d[3 * C + n] = dState * tanh * o * (1 - o);
          dc[n] = dCell * f;
        }
        for (let k = 0; k < C; k++) {
          ds[k] = 0;
          for (let n = 0; n < 4 * C; n++) ds[k] += d[n] * w[4 * k * C + n];
        }
      }
      dh0.set(fresh ? ds.fill(0) : ds, b * C);
      dc0.set(fresh ? dc.fill(0) : dc, b * C);
    }
  },
  cases: [{ inputs: gradInputs(2, 3, 5, lengths(3, 2)) }, { inputs: gradInputs(1, 4, 9, extents(0, 4)) }, {
    inputs: gradInputs(16, 64, 512, lengths(...Array(16).fill(64))),
    bench: true,
  }],
};

/** The state that each step starts from: y (B,T,C) is h (B,T,C) one step later, the first from h0 (B,C). Inputs: h, h0, live. */
export const previousStates: Op = {
  name: "previousStates",
  takes: ["f32", "f32", "i32"],
  infer([h, h0, live]) {
    const [b, t, c] = h.shape;
    sizes({ dtype: "f32", shape: [b, t, 4 * c] }, { dtype: "f32", shape: [c, 4 * c] }, [h0], live);
    return [{ dtype: "f32", shape: h.shape }];
  },
  dims: ([h, , live]) => [...h.shape, live.shape[1] ?? 1],
  rows: ([B]) => B,
  reference([h, h0, live], [y], [B, T, C, S]) {
    for (let b = 0; b < B; b++) {
      const row = b * T * C;
      y.set(liveOf(live, S, b).fresh ? new Float64Array(C) : h0.subarray(b * C, (b + 1) * C), row);
      y.set(h.subarray(row, row + (T - 1) * C), row + C);
    }
  },
  cases: [[1, 1, 1], [3, 4, 5], [2, 3, 8]].map(([b, t, c]) => ({
    inputs: [{ shape: [b, t, c] }, { shape: [b, c] }, extents(...Array.from({ length: 2 * b }, (_, i) => i))],
  })),
};

/** The family: one kernel of each name in every backend. */
export const recurrent = { lstm, lstmGrad, previousStates } as const;
