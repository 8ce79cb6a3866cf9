// The recurrent part of an LSTM: one launch for each step, whose workgroups take 8 columns of the state and 16 rows of the
// batch, and one more at an end. A step reads the state before it from h (or, backward, the gradient after it from dx), so
// nothing is packed or copied. Products are shared out over slices of their depth, whose sums are added in a fixed tree.

import type { recurrent as family } from "../../ops/lstm.ts";
import { elementwise, type Kernel, type Launch, read, write } from "./kernel.ts";

const ROWS = 16, COLUMNS = 8, DEPTH = 128; // of a workgroup: batch rows, columns of the state, depth of a tile

// Of batch row b: its live steps, and whether it starts from zeros.
const LIVE = `fn steps(b: u32) -> u32 { return u32(live[b * p.S + p.S - 1u]); }
fn fresh(b: u32) -> bool { return p.S == 2u && live[2u * b] == 0; }
`;

const GATES = `fn sigmoid(x: f32) -> f32 { return 1.0 / (1.0 + exp(min(-x, 88.0))); }
`;

const TANH = `fn tangent(x: f32) -> f32 {
  let e = exp(-2.0 * min(abs(x), 44.0));
  return sign(x) * (1.0 - e) / (1.0 + e);
}
`;

// `tile` holds, for 4 batch rows at a time, DEPTH numbers of each: [4 such groups][depth].
const TILES = `var<workgroup> tile: array<vec4f, ${4 * DEPTH}>;
var<workgroup> anyLive: u32;
fn live4(b: u32, t: u32) -> bool {
  var some = false;
  for (var r = b; r < min(b + ${ROWS}u, p.B); r++) { some = some || t < steps(r); }
  return some;
}
fn fill(b: u32, start: u32, end: u32, lane: u32) {
  workgroupBarrier();
  for (var i = lane; i < ${4 * DEPTH}u; i += 256u) {
    let k = start + i % ${DEPTH}u;
    let r = b + 4u * (i / ${DEPTH}u);
    tile[i] = vec4f(factor(r, k, end), factor(r + 1u, k, end), factor(r + 2u, k, end), factor(r + 3u, k, end));
  }
  workgroupBarrier();
}
`;

// Four vectors of 4 batch rows each are kept apart by name, so that they stay in registers.
const each = (text: (q: number) => string): string => [0, 1, 2, 3].map(text).join(" ");
const SUMS = each((q) => `var sum${q} = vec4f(0.0);`);

// Products of a thread's share of the tile, four at a time so that their weights are loaded together. Behind the end the
// tile holds zeros, and weights are those of the last place.
const products = (workers: number, place: string, end: string): string =>
  `for (var k = worker; k < ${DEPTH}u && start + k < ${end}; k += ${4 * workers}u) {
        ${
    each((j) =>
      `let k${j} = k + ${j * workers}u; let w${j} = w[${
        place.replaceAll("$", `min(start + k${j}, ${end} - 1u)`)
      }];`
    )
  }
        ${
    each((q) => `sum${q} += ${[0, 1, 2, 3].map((j) => `tile[${q * DEPTH}u + k${j}] * w${j}`).join(" + ")};`)
  }
      }`;

// Adds up the sums of `workers` threads that have the same output; `slot` is the number of the output among `outputs`.
const combine = (workers: number, outputs: number): string =>
  `for (var span = ${workers / 2}u; span > 0u; span >>= 1u) {
    workgroupBarrier();
    if (worker >= span && worker < 2u * span) {
      let to = ((worker - span) * ${outputs}u + slot) * 4u;
      ${each((q) => `tile[to + ${q}u] = sum${q};`)}
    }
    workgroupBarrier();
    if (worker < span) {
      let other = (worker * ${outputs}u + slot) * 4u;
      ${each((q) => `sum${q} += tile[other + ${q}u];`)}
    }
  }
  workgroupBarrier();
  if (worker == 0u) { ${each((q) => `tile[slot * 4u + ${q}u] = sum${q};`)} }
  workgroupBarrier();`;

const ENTRY = `@compute @workgroup_size(256) fn main(
  @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32,
)`;

const workgroups = (B: number, C: number): [number, number, number] => [
  Math.ceil(C / COLUMNS),
  Math.ceil(B / ROWS),
  1,
];

// Step t: a thread sums column `slot % 8` of gate `slot / 8` over an eighth of the depth, then 128 of them make one state each.
const forward = (first: boolean): string =>
  `${LIVE}${GATES}${TANH}${TILES}
fn factor(b: u32, k: u32, end: u32) -> f32 {
  if (b >= p.B || k >= end) { return 0.0; }
  ${
    first
      ? "return select(h0[b * p.C + k], 0.0, fresh(b));"
      : "return select(0.0, h[(b * p.T + p.t - 1u) * p.C + k], p.t < steps(b));"
  }
}
${ENTRY} {
  let b0 = group.y * ${ROWS}u;
  let n0 = group.x * ${COLUMNS}u;
  let slot = lane % 32u;
  let worker = lane / 32u;
  let column = min(n0 + slot % 8u, p.C - 1u) + slot / 8u * p.C;
  ${SUMS}
  if (lane == 0u) { anyLive = select(0u, 1u, live4(b0, p.t)); }
  if (workgroupUniformLoad(&anyLive) != 0u) {
    for (var start = 0u; start < p.C; start += ${DEPTH}u) {
      fill(b0, start, p.C, lane);
      ${products(8, "$ * 4u * p.C + column", "p.C")}
    }
    ${combine(8, 32)}
  }
  let b = b0 + lane / 8u;
  let n = n0 + lane % 8u;
  if (lane >= 128u || b >= p.B || n >= p.C) { return; }
  let row = b * p.T + p.t;
  let at = row * 4u * p.C + n;
  let q = lane / 8u / 4u;
  let r = lane / 8u % 4u;
  var i = 0.0;
  var f = 0.0;
  var g = 0.0;
  var o = 0.0;
  var c = 0.0;
  var s = 0.0;
  if (p.t < steps(b)) {
    i = sigmoid(gates[at] + tile[(lane % 8u) * 4u + q][r]);
    f = sigmoid(gates[at + p.C] + tile[(8u + lane % 8u) * 4u + q][r]);
    g = tangent(gates[at + 2u * p.C] + tile[(16u + lane % 8u) * 4u + q][r]);
    o = sigmoid(gates[at + 3u * p.C] + tile[(24u + lane % 8u) * 4u + q][r]);
    let before = ${first ? "select(c0[b * p.C + n], 0.0, fresh(b))" : "cells[(row - 1u) * p.C + n]"};
    c = f * before + i * g;
    s = o * tangent(c);
  }
  gates[at] = i;
  gates[at + p.C] = f;
  gates[at + 2u * p.C] = g;
  gates[at + 3u * p.C] = o;
  cells[row * p.C + n] = c;
  h[row * p.C + n] = s;
}`;
const FIRST = forward(true), LATER = forward(false);

const whole = true;

const lstm: Kernel = ({ dims: [B, T, C, S], limits }) => {
  const steps = Array.from({ length: T }, (_, t): Launch => ({
    name: "lstm",
    tensors: [
      read("w", 0),
      ...(t === 0 ? [read("h0", 1), read("c0", 2)] : []),
      read("live", 3),
      write("h", 4),
      write("gates", 7),
      write("cells", 8),
    ],
    sizes: { B, T, C, S, t },
    code: t === 0 ? FIRST : LATER,
    workgroups: workgroups(B, C),
    work: 4 * C * C * Math.max(B, ROWS),
  }));
  // Each state after its last live step; hn may be h0 and cn may be c0.
  const last = elementwise({
    name: "lstm: last states",
    n: B * C,
    tensors: [
      ...[read("h0", 1), read("c0", 2), read("live", 3), read("h", 4)],
      ...[write("hn", 5), write("cn", 6), read("cells", 8)],
    ].map((tensor) => ({ ...tensor, whole })),
    functions: LIVE,
    body: `let at = p.start + i;
  let b = at / p.C;
  var state = 0.0;
  var cell = 0.0;
  if (steps(b) > 0u) {
    let end = (b * p.T + steps(b) - 1u) * p.C + at % p.C;
    state = h[end];
    cell = cells[end];
  } else if (!fresh(b)) {
    state = h0[at];
    cell = c0[at];
  }
  hn[at] = state;
  cn[at] = cell;`,
    sizes: { T, C, S },
  }, limits);
  return [...steps, ...last];
};

// Step t backward, or with `last` what is behind step 0: a thread sums row `slot` of the weights over 1/32 of the depth, the
// gates of step `after`. `carry` holds the gradients of the state after the last live step and of the cell that is on its way.
const backward = (last: boolean): string =>
  `${LIVE}${last ? "" : TANH}${TILES}
fn factor(b: u32, k: u32, end: u32) -> f32 {
  if (b >= p.B || k >= end || p.after >= steps(b)) { return 0.0; }
  return dx[(b * p.T + p.after) * end + k];
}
${ENTRY} {
  let b0 = group.y * ${ROWS}u;
  let n0 = group.x * ${COLUMNS}u;
  let slot = lane / 32u;
  let worker = lane % 32u;
  let row0 = min(n0 + slot, p.C - 1u) * 4u * p.C;
  ${SUMS}
  if (lane == 0u) { anyLive = select(0u, 1u, live4(b0, p.after)); }
  let some = workgroupUniformLoad(&anyLive) != 0u && p.after < p.T;
  if (some) {
    for (var start = 0u; start < 4u * p.C; start += ${DEPTH}u) {
      fill(b0, start, 4u * p.C, lane);
      ${products(32, "row0 + $", "4u * p.C")}
    }
    ${combine(32, 8)}
  }
  let b = b0 + lane / 8u;
  let n = n0 + lane % 8u;
  if (lane >= 128u || b >= p.B || n >= p.C) { return; }
  let state = b * p.C + n;
  let fromCell = carry[p.B * p.C + state];
  var fromState = carry[state];
  if (p.after < steps(b)) { fromState = tile[(lane % 8u) * 4u + lane / 32u][lane / 8u % 4u]; }
  ${
    last
      ? `dh0[state] = select(fromState, 0.0, fresh(b));
  dc0[state] = select(fromCell, 0.0, fresh(b));`
      : `let t = p.after - 1u;
  let row = b * p.T + t;
  let at = row * 4u * p.C + n;
  var d = vec4f(0.0);
  if (t < steps(b)) {
    let i = gates[at];
    let f = gates[at + p.C];
    let g = gates[at + 2u * p.C];
    let o = gates[at + 3u * p.C];
    var before = 0.0;
    if (t > 0u) { before = cells[(row - 1u) * p.C + n]; } else if (!fresh(b)) { before = c0[state]; }
    let bent = tangent(cells[row * p.C + n]);
    let dState = dh[row * p.C + n] + fromState;
    let dCell = fromCell + dState * o * (1.0 - bent * bent);
    d = vec4f(dCell * g * i * (1.0 - i), dCell * before * f * (1.0 - f), dCell * i * (1.0 - g * g), dState * bent * o * (1.0 - o));
    carry[p.B * p.C + state] = dCell * f;
  }
  dx[at] = d.x;
  dx[at + p.C] = d.y;
  dx[at + 2u * p.C] = d.z;
  dx[at + 3u * p.C] = d.w;`
  }
}`;
const BACK = backward(false), FRONT = backward(true);

const lstmGrad: Kernel = ({ dims: [B, T, C, S], limits }) => {
  const scratch = { bytes: 8 * B * C }, sizes = { B, T, C, S };
  const common = { workgroups: workgroups(B, C), work: 4 * C * C * Math.max(B, ROWS) };
  const start = elementwise({
    name: "lstmGrad: gradients of the last states",
    n: B * C,
    tensors: [read("dhn", 6), read("dcn", 7), write("carry", "scratch", scratch)].map((one) => ({
      ...one,
      whole,
    })),
    body: `let at = p.start + i;
  carry[at] = dhn[at];
  carry[p.states + at] = dcn[at];`,
    sizes: { states: B * C },
  }, limits);
  const steps = Array.from({ length: T }, (_, i): Launch => ({
    name: "lstmGrad",
    tensors: [
      ...[read("w", 0), read("gates", 1), read("cells", 2), read("c0", 3), read("live", 4), read("dh", 5)],
      ...[write("dx", 8), write("carry", "scratch", scratch)],
    ],
    sizes: { ...sizes, after: T - i },
    code: BACK,
    ...common,
  }));
  return [...start, ...steps, {
    name: "lstmGrad: gradients of the first states",
    tensors: [
      ...[read("w", 0), read("live", 4), read("dx", 8)],
      ...[write("dh0", 9), write("dc0", 10), read("carry", "scratch", scratch)],
    ],
    sizes: { ...sizes, after: 0 },
    code: FRONT,
    ...common,
  }];
};

const previousStates: Kernel = ({ dims: [B, T, C, S], limits }) =>
  elementwise({
    name: "previousStates",
    n: B * T * C,
    tensors: [read("h", 0), read("h0", 1), read("live", 2), write("y", 3)].map((one) => ({ ...one, whole })),
    functions: LIVE,
    body: `let at = p.start + i;
  let b = at / p.C / p.T;
  if (at / p.C % p.T > 0u) {
    y[at] = h[at - p.C];
  } else {
    y[at] = select(h0[b * p.C + at % p.C], 0.0, fresh(b));
  }`,
    sizes: { T, C, S },
  }, limits);

/** The family of src/ops/lstm.ts. */
export const recurrent = { lstm, lstmGrad, previousStates } satisfies Record<keyof typeof family, Kernel>;
