// Layer norm of a residual sum and its gradients. A row belongs to a team of threads, as many as its length is worth, and a
// workgroup has as many teams as there is room for; sums over a row are taken by halving the team. Gradients of gain and
// bias are sums over rows: teams of rows first leave partial sums in scratch where there are many rows, and these are
// summed the same way.

import type { norm as family } from "../../ops/norm.ts";
import {
  BUILTINS,
  f32,
  type GpuLimits,
  grid,
  GROUP,
  GROUP_INDEX,
  type Kernel,
  type Launch,
  read,
  write,
} from "./kernel.ts";
import { exchange, place, reductions } from "./reduce.ts";

// Threads for a row: about 12 elements each.
const teamOf = (C: number): number => Math.min(GROUP, Math.max(8, 2 ** Math.ceil(Math.log2(C / 12))));

// What rows are read as, and how the elements of that are summed.
function vectors(C: number) {
  const four = C % 4 === 0;
  return {
    as: four ? "vec4f" : "f32",
    length: four ? C / 4 : C,
    total: four ? "dot(v, vec4f(1.0))" : "v",
  } as const;
}

// Every thread of the group calls `sumOfTeam`, which gives each the sums over its team.
const teams = (C: number, limits: GpuLimits): string => {
  const { as, total } = vectors(C), team = teamOf(C);
  return `const TEAM = ${team}u;
${reductions(limits, { name: "sumOfTeam", type: "vec2f", combined: "a + b", team })}
fn total(v: ${as}) -> f32 { return ${total}; }
${GROUP_INDEX}`;
};

// A body with `row`, `first` (of the row, in vectors), `mine` (this thread's first vector) and `end`, 0 if there is no row.
const overRows = (
  rows: number,
  C: number,
  limits: GpuLimits,
  body: string,
): Pick<Launch, "code" | "workgroups" | "work"> => {
  const perGroup = GROUP / teamOf(C);
  return {
    code: `${teams(C, limits)}
@compute @workgroup_size(${GROUP}) fn main(${BUILTINS}${exchange(limits)}) {
  let row = groupIndex(group, groups) * ${perGroup}u + lane / TEAM; let first = row * p.length;
  let mine = lane % TEAM; let end = select(0u, p.length, row < p.rows);
  ${body}
}`,
    workgroups: grid(Math.ceil(rows / perGroup)),
    work: 8 * rows * C,
  };
};

const addLayerNorm: Kernel = ({ dims: [rows, C], floats: [epsilon], limits }) => {
  const { as, length } = vectors(C);
  return [{
    name: "addLayerNorm",
    tensors: [
      read("x", 0, { as }),
      read("r", 1, { as }),
      read("gain", 2, { as }),
      read("bias", 3, { as }),
      write("y", 4, { as }),
      write("added", 5, { as }),
      write("means", 6),
      write("deviations", 7),
    ],
    sizes: { rows, length, C: f32(C), epsilon: f32(epsilon) },
    ...overRows(
      rows,
      C,
      limits,
      `var s = 0.0;
  for (var i = mine; i < end; i += TEAM) {
    added[first + i] = x[first + i] + r[first + i];
    s += total(added[first + i]); // as it was stored
  }
  let mean = sumOfTeam(vec2f(s, 0.0), ${place(limits)}).x / p.C;
  s = 0.0;
  for (var i = mine; i < end; i += TEAM) {
    let v = added[first + i] - mean;
    s += total(v * v);
  }
  let deviation = 1.0 / sqrt(sumOfTeam(vec2f(s, 0.0), ${place(limits)}).x / p.C + p.epsilon);
  for (var i = mine; i < end; i += TEAM) {
    y[first + i] = (added[first + i] - mean) * deviation * gain[i] + bias[i];
  }
  if (mine == 0u && row < p.rows) {
    means[row] = mean;
    deviations[row] = deviation;
  }`,
    ),
  }];
};

const layerNormGrad: Kernel = ({ dims: [rows, C], limits }) => {
  const { as, length } = vectors(C);
  return [{
    name: "layerNormGrad",
    tensors: [
      read("d", 0, { as }),
      read("added", 1, { as }),
      read("gain", 2, { as }),
      read("means", 3),
      read("deviations", 4),
      write("dx", 5, { as }),
    ],
    sizes: { rows, length, C: f32(C) },
    ...overRows(
      rows,
      C,
      limits,
      `var mean = 0.0; var deviation = 0.0;
  if (row < p.rows) {
    mean = means[row];
    deviation = deviations[row];
  }
  var s = vec2f();
  for (var i = mine; i < end; i += TEAM) {
    let v = d[first + i] * gain[i];
    s += vec2f(total(v), total(v * ((added[first + i] - mean) * deviation)));
  }
  s = sumOfTeam(s, ${place(limits)}) / p.C;
  for (var i = mine; i < end; i += TEAM) {
    let hat = (added[first + i] - mean) * deviation;
    dx[first + i] = deviation * (d[first + i] * gain[i] - s.x - hat * s.y);
  }`,
    ),
  }];
};

const COLUMNS = 32; // of a workgroup; its other threads share rows out
const CHUNK = 64; // rows that are summed without scratch
const MOST_CHUNKS = 128;

// Sums over rows of two numbers for each column: `value` of a place `i` in (rows, C), row `row`. A workgroup has some
// columns and one of `chunks` parts of the rows; `result` says what becomes of the sum of `column`.
function columnSums(
  { name, tensors, rows, C, chunks, value, result }: {
    readonly name: string;
    readonly tensors: Launch["tensors"];
    readonly rows: number;
    readonly C: number;
    readonly chunks: number;
    readonly value: string;
    readonly result: string;
  },
): Launch {
  const across = Math.ceil(C / COLUMNS), shares = GROUP / COLUMNS;
  return {
    name,
    tensors,
    sizes: { rows, C, across, chunks, size: Math.ceil(rows / chunks) },
    code: `${GROUP_INDEX}
var<workgroup> sums: array<vec2f, ${GROUP}>;
@compute @workgroup_size(${GROUP}) fn main(${BUILTINS}) {
  let index = groupIndex(group, groups); let chunk = index / p.across;
  let column = index % p.across * ${COLUMNS}u + lane % ${COLUMNS}u;
  let end = select(0u, min(p.rows, (chunk + 1u) * p.size), column < p.C && chunk < p.chunks);
  var sum = vec2f();
  for (var row = chunk * p.size + lane / ${COLUMNS}u; row < end; row += ${shares}u) {
    let i = row * p.C + column;
    sum += ${value};
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane < ${COLUMNS}u && column < p.C && chunk < p.chunks) {
    for (var share = 1u; share < ${shares}u; share++) { sum += sums[share * ${COLUMNS}u + lane]; }
    ${result}
  }
}`,
    workgroups: grid(across * chunks),
    work: 4 * rows * C,
  };
}

const layerNormGainGradInto: Kernel = ({ dims: [rows, C] }) => {
  const chunks = Math.min(MOST_CHUNKS, Math.max(1, Math.ceil(rows / CHUNK))), bytes = 8 * chunks * C;
  const name = "layerNormGainGradInto", outputs = [write("dGain", 4), write("dBias", 5)];
  const add = "dGain[column] += sum.x; dBias[column] += sum.y;";
  const whole = {
    tensors: [read("d", 0), read("added", 1), read("means", 2), read("deviations", 3)],
    rows,
    C,
    chunks,
    value: "d[i] * vec2f((added[i] - means[row]) * deviations[row], 1.0)",
  };
  if (chunks === 1) {
    return [columnSums({ ...whole, name, tensors: [...whole.tensors, ...outputs], result: add })];
  }
  return [
    columnSums({
      ...whole,
      name: `${name}, chunks of rows`,
      tensors: [...whole.tensors, write("chunkSums", "scratch", { as: "vec2f", bytes })],
      result: "chunkSums[chunk * p.C + column] = sum;",
    }),
    columnSums({
      name,
      tensors: [read("chunkSums", "scratch", { as: "vec2f", bytes }), ...outputs],
      rows: chunks,
      C,
      chunks: 1,
      value: "chunkSums[i]",
      result: add,
    }),
  ];
};

/** The family of src/ops/norm.ts. */
export const norm = { addLayerNorm, layerNormGrad, layerNormGainGradInto } satisfies Record<
  keyof typeof family,
  Kernel
>;
