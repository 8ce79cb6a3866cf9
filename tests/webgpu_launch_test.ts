// Launches of every op x case as data, without a device: what WebGPU bounds on every device is kept, and where an op promises
// windows no binding is larger than it may be.

import { assert } from "@std/assert";
import type { GpuLimits, Launch } from "../src/backends/webgpu/kernel.ts";
import { kernels } from "../src/backends/webgpu/kernels.ts";
import { bytesOf, launchesOf } from "../src/backends/webgpu/launches.ts";
import { MOST_BINDINGS } from "../src/backends/webgpu/module.ts";
import type { CaseInput, Op } from "../src/graph/op.ts";
import { type OpName, ops } from "../src/ops/mod.ts";
import { forwardPlan } from "./op_cases.ts";
import { jobs } from "./op_jobs.ts";

const portable: GpuLimits = {
  bindingBytes: 128 * 2 ** 20,
  workgroupBytes: 16384,
  halves: false,
  subgroups: false,
};
const all: GpuLimits = {
  bindingBytes: 2 ** 31 - 4,
  workgroupBytes: 49152,
  halves: true,
  subgroups: true,
};

// Bytes of the types that stand in declarations of workgroup memory.
const BYTES: Readonly<Record<string, number>> = { f16: 2, f32: 4, i32: 4, u32: 4 };
const LETTERS: Readonly<Record<string, string>> = { h: "f16", f: "f32", i: "i32", u: "u32" };

/** Bytes of a WGSL type; its array sizes are numbers. */
function sizeOfType(type: string): number {
  const array = /^array<(.+),\s*(\d+)u?\s*>$/.exec(type);
  if (array) return sizeOfType(array[1].trim()) * Number(array[2]);
  const atomic = /^atomic<(\w+)>$/.exec(type);
  if (atomic) return sizeOfType(atomic[1]);
  const vector = /^vec([234])(?:([fiuh])|<(\w+)>)$/.exec(type);
  if (vector) return (vector[1] === "3" ? 4 : Number(vector[1])) * BYTES[vector[3] ?? LETTERS[vector[2]]];
  assert(type in BYTES, `The size of ${type} cannot be read`);
  return BYTES[type];
}

const workgroupBytes = ({ code }: Launch): number =>
  [...code.matchAll(/var<workgroup>\s*\w+\s*:\s*([^;]+);/g)]
    .reduce((sum, [, type]) => sum + Math.ceil(sizeOfType(type.trim()) / 16) * 16, 0);

for (const limits of [portable, all]) {
  Deno.test(`launches of every op keep to ${limits === portable ? "portable" : "generous"} limits`, () => {
    let count = 0;
    for (const { plan, sample } of jobs) {
      if (!plan.steps.every(({ op }) => kernels[op as OpName])) continue;
      for (const launch of launchesOf(plan, limits)) {
        const { name, tensors, workgroups, args } = launch, what = `${sample.label}: ${name}`;
        count++;
        assert(
          new Set(tensors.map((tensor) => tensor.name)).size === tensors.length,
          `${what}: two of one name`,
        );
        assert(tensors.length <= MOST_BINDINGS, `${what} binds ${tensors.length} tensors`);
        for (const size of workgroups) {
          assert(Number.isInteger(size) && size >= 1 && size <= 65535, `${what}: ${workgroups}`);
        }
        assert(workgroupBytes(launch) <= limits.workgroupBytes, `${what}: ${workgroupBytes(launch)} bytes`);
        for (const { name: tensor, arg, offset = 0, bytes } of tensors) {
          assert(offset % 256 === 0, `${what}: ${tensor} begins at ${offset}`);
          if (arg === "scratch") assert(bytes! > 0, `${what}: ${tensor} has no size`);
          else {assert(
              offset + (bytes ?? 4) <= bytesOf(args[arg]),
              `${what}: ${tensor} ends behind its tensor`,
            );}
        }
      }
    }
    assert(count > 100, `only ${count} launches were looked at`);
  });
}

const rng: CaseInput = { shape: [2], dtype: "i32", values: [7, 3] };
const flat = { shape: [100_000] };
const windowed: readonly (readonly [OpName, readonly CaseInput[], Record<string, number>?])[] = [
  ["add", [flat, flat]],
  ["gelu", [flat]],
  ["geluGrad", [{ shape: [99_999] }, { shape: [99_999] }]],
  ["dropout", [flat, rng], { rate: 0.5, stream: 1 }],
  ["sumSquares", [flat]],
  [
    "adam",
    [
      { shape: [1, 3], dtype: "i32", values: [0, 9, 0] },
      { shape: [1, 4] },
      { shape: [1] },
      flat,
      flat,
      flat,
      flat,
    ],
    { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, maxNorm: 1 },
  ],
  ["embedding", [{ shape: [1000, 100] }, { shape: [30, 2], below: 1000 }]],
  ["embeddingGradInto", [{ shape: [30, 100] }, { shape: [30, 2], below: 1000 }, { shape: [1000, 100] }]],
  ["embedding", [{ shape: [1000, 37] }, { shape: [30, 2], below: 1000 }]],
];

Deno.test("windows are no larger than a binding and cover the tensor without a gap", () => {
  const bindingBytes = 40_000;
  for (const [name, inputs, attrs] of windowed) {
    const op = ops[name] as unknown as Op;
    const plan = forwardPlan({ label: name, op, case: attrs ? { inputs, attrs } : { inputs }, feeds: {} });
    const launches = launchesOf(plan, { ...portable, bindingBytes }).filter(({ step }) => step.op === name);
    const ends = new Map<number, number>();
    for (const { tensors, args } of launches) {
      for (const { arg, offset = 0, bytes } of tensors) {
        if (arg === "scratch") continue;
        const span = bytes ?? bytesOf(args[arg]) - offset;
        assert(span <= bindingBytes, `${name} binds ${span} bytes of argument ${arg}`);
        const end = ends.get(arg) ?? 0;
        assert(offset <= end, `${name} leaves out bytes ${end} to ${offset} of argument ${arg}`);
        ends.set(arg, Math.max(end, offset + span));
      }
    }
    for (const [arg, end] of ends) assert(end === bytesOf(launches[0].args[arg]), `${name}: argument ${arg}`);
    assert(launches.length > 1, `${name} needs windows here`);
  }
});
