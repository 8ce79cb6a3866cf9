// Activations and weights as halves on WebGPU: which buffers of a plan they are, what becomes of a kernel's text, every op
// that takes them against the float64 reference, and that an overflow is seen. Ops get halves in tests as they do in models:
// what enters and leaves goes through additions, whose other side is a temporary. How training copes with it is in
// loss_scale_test.ts.

import { assert, assertAlmostEquals, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { openWebGpu } from "../src/backends/webgpu/device.ts";
import { halfBuffers, halved } from "../src/backends/webgpu/half.ts";
import { dispatches, gpuBytes } from "../src/backends/webgpu/launches.ts";
import { PORTABLE } from "../src/backends/webgpu/kernel.ts";
import { Graph } from "../src/graph/graph.ts";
import { type Plan, plan } from "../src/graph/plan.ts";
import { configure } from "../src/models/gpt1.ts";
import { gpt1Plans } from "../src/models/gpt1_plans.ts";
import { type OpName, ops } from "../src/ops/mod.ts";
import { assertAgrees, type Job, jobs } from "./op_jobs.ts";
import { webGpuTest } from "./webgpu_support.ts";

Deno.test("what a kernel reads of halves is widened, and what it writes is narrowed", () => {
  const half = (code: string): string => halved(code, "y", "f32");
  assertEquals(half("let s = y[i] * y[j];"), "let s = f32(y[i]) * f32(y[j]);");
  assertEquals(half("y[i] = a[i] + y[i];"), "y[i] = narrow_f32(a[i] + f32(y[i]));");
  assertEquals(
    half("if (b) { y[at + 1u] += 2.0 * v; }"),
    "if (b) { y[at + 1u] = narrow_f32(f32(y[at + 1u]) + (2.0 * v)); }",
  );
  assertEquals(half("y[u32(y[i])] = 0.0;"), "y[u32(f32(y[i]))] = narrow_f32(0.0);");
  assertEquals(half("if (y[i] == 0.0) { my[i] = p.y[i]; }"), "if (f32(y[i]) == 0.0) { my[i] = p.y[i]; }");
  assertEquals(halved("y[i].x", "y", "vec4f"), "vec4f(y[i]).x");
});

Deno.test("weights and activations of a training step are halves; sums, losses and gradients are not", () => {
  const config = configure("nano", 300), { gradient, continuation } = gpt1Plans(config);
  const one = gradient({ batch: 2, length: 16, language: true }), halves = halfBuffers(one);
  const stateNames = ({ buffers }: Plan, of: ReadonlySet<number>): string[] =>
    [...of].flatMap((index) => {
      const buffer = buffers[index];
      return buffer.kind === "state" ? [buffer.name] : [];
    });
  const matrices = [
    "we",
    ...["attn/c_attn", "attn/c_proj", "mlp/c_fc", "mlp/c_proj"].flatMap((name) =>
      Array.from({ length: config.layers }, (_, i) => `h${i}/${name}/w`)
    ),
  ];
  assertEquals(stateNames(one, halves).sort(), matrices.sort());
  for (const { op, outputs: [y] } of one.steps) {
    if (["attention", "linear", "addLayerNorm", "layerNormGrad", "attentionGrad"].includes(op)) {
      assert(halves.has(y.buffer), op);
    }
  }
  for (const { buffer } of [...one.inputs, ...one.outputs]) assert(!halves.has(buffer));
  const caches = continuation(1), names = stateNames(caches, halfBuffers(caches));
  assertEquals(names.filter((name) => name.startsWith("cache")), []);

  const loaded = { pages: {}, plans: [one] }, whole = gpuBytes(loaded, PORTABLE);
  const halved = gpuBytes(loaded, { ...PORTABLE, halves: true });
  assert(halved.temporaries < whole.temporaries);
  assert(halved.store > whole.store, "copies of weights are counted");
  assertEquals(dispatches(one, { ...PORTABLE, halves: true }), dispatches(one));
});

/** The same plan, but f32 that enters and leaves it goes through temporaries of its own. */
function throughTemporaries(given: Plan): Plan {
  const slots = [...given.slots], buffers = [...given.buffers], last = given.steps.length;
  let temporaryBytes = given.temporaryBytes;
  const temporary = (bytes: number): number => {
    const slot = slots.push(bytes) - 1, offset = temporaryBytes;
    temporaryBytes += Math.ceil(bytes / 256) * 256;
    return buffers.push({ kind: "temporary", bytes, first: -1, last, slot, offset }) - 1;
  };
  const added = (port: Plan["inputs"][number], from: number, to: number): Plan["steps"][number] => {
    const size = port.shape.reduce((product, n) => product * n, 1),
      arg = { dtype: port.dtype, shape: port.shape };
    const zeros =
      buffers.push({ kind: "constant", bytes: 4 * size, dtype: "f32", data: Array(size).fill(0) }) - 1;
    return {
      op: "add",
      scope: "through",
      inputs: [{ ...arg, buffer: from }, { ...arg, buffer: zeros }],
      outputs: [{ ...arg, buffer: to }],
      scratch: null,
      workspace: null,
      dims: [size],
      floats: [],
      rows: [1],
    };
  };
  const before: Plan["steps"][number][] = [], after: Plan["steps"][number][] = [];
  const moved = <P extends Plan["inputs"][number]>(
    ports: readonly P[],
    step: (port: P, buffer: number) => void,
  ): P[] =>
    ports.map((port) => {
      if (port.dtype !== "f32") return port;
      const buffer = temporary(port.shape.reduce((product, n) => product * n, 4));
      step(port, buffer);
      return { ...port, buffer };
    });
  const inputs = moved(given.inputs, (port, buffer) => before.push(added(port, buffer, port.buffer)));
  const outputs = moved(given.outputs, (port, buffer) => after.push(added(port, port.buffer, buffer)));
  return {
    ...given,
    inputs,
    outputs,
    buffers,
    slots,
    temporaryBytes,
    steps: [...before, ...given.steps, ...after],
  };
}

const rounded = (job: Job): Job => {
  const feeds = Object.fromEntries(
    Object.entries(job.sample.feeds).map(([name, data]) => [
      name,
      data instanceof Float32Array && !job.sample.case.inputs[Number(name.slice(1))].fixed
        ? data.map(Math.f16round)
        : data,
    ]),
  );
  const op = { ...job.sample.op, tolerance: Math.max(4e-3, job.sample.op.tolerance ?? 0) };
  return { ...job, sample: { ...job.sample, op, feeds }, plan: throughTemporaries(job.plan) };
};

webGpuTest("every op that takes halves agrees with the reference", async () => {
  using device = await openWebGpu({ precision: "f16", poison: true });
  const seen = new Set<string>();
  for (const job of jobs.map(rounded)) {
    const halves = halfBuffers(job.plan);
    const steps = job.plan.steps.filter(({ inputs, outputs }) =>
      [...inputs, ...outputs].some(({ buffer }) => halves.has(buffer))
    );
    if (steps.length === 0) continue;
    steps.forEach(({ op }) => seen.add(op));
    await assertAgrees(device, job);
  }
  console.log([...seen].length);
});
