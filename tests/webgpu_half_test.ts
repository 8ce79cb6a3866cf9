// Activations and weights as halves on WebGPU: which buffers of a plan they are, what becomes of a kernel's text, every op
// that takes them against the float64 reference, and that an overflow is seen. Ops get halves in tests as they do in models:
// what enters and leaves goes through additions, whose other side is a temporary. How training copes with it is in
// loss_scale_test.ts.

import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import type { Device } from "../src/backends/backend.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { openWebGpu } from "../src/backends/webgpu/device.ts";
import { argumentsWithHalves, halfBuffers, halved } from "../src/backends/webgpu/half.ts";
import { PORTABLE } from "../src/backends/webgpu/kernel.ts";
import { dispatches, gpuBytes } from "../src/backends/webgpu/launches.ts";
import { gradients } from "../src/graph/gradients.ts";
import { Graph } from "../src/graph/graph.ts";
import { type Plan, plan } from "../src/graph/plan.ts";
import { configure, type Gpt1Config, presets } from "../src/models/gpt1.ts";
import { createGpt1 } from "../src/models/gpt1_model.ts";
import { gpt1Plans } from "../src/models/gpt1_plans.ts";
import { type LossScale, lossScale, writeLossScale } from "../src/nn/loss_scale.ts";
import { ops } from "../src/ops/mod.ts";
import { pretrainingSource } from "../src/tasks/language.ts";
import { trainingBytes } from "../src/train/memory.ts";
import { prepareTraining, train, type TrainEvent } from "../src/train/trainer.ts";
import { gpt1Optimizer } from "../src/train/update.ts";
import { assertAgrees, type Job, jobs } from "./op_jobs.ts";
import { all, someTokens, tinyConfig, tinyModel } from "./tiny_model.ts";
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

const takesHalves = ({ plan }: Job): boolean => {
  const halves = halfBuffers(plan);
  return plan.steps.some(({ inputs, outputs }) =>
    [...inputs, ...outputs].some(({ buffer }) => halves.has(buffer))
  );
};

webGpuTest("every op that takes halves agrees with the reference", async () => {
  using device = await openWebGpu({ precision: "f16", poison: true });
  const seen = new Set<string>();
  for (const job of jobs.map(rounded)) {
    if (!takesHalves(job)) continue;
    await assertAgrees(device, job);
    const halves = halfBuffers(job.plan);
    for (const { op, inputs, outputs } of job.plan.steps) {
      [...inputs, ...outputs].forEach(({ buffer }, arg) => {
        if (halves.has(buffer)) seen.add(`${op} ${arg}`);
      });
    }
  }
  assertEquals(argumentsWithHalves.filter((argument) => !seen.has(argument)), []);
});

webGpuTest("halves are bound in windows as f32 is", async () => {
  using device = await openWebGpu({ precision: "f16", poison: true, bindingBytes: 2048 });
  const names = ["add", "gelu", "geluGrad", "dropout", "scaleBy", "matmul", "linear"];
  let count = 0;
  for (const job of jobs.map(rounded)) {
    const { op: { name }, case: { inputs } } = job.sample;
    const sizes = inputs.map(({ shape }) => shape.reduce((product, n) => product * n, 1));
    if (
      !names.includes(name) || job.parameters.length > 0 || !takesHalves(job) ||
      !sizes.some((size) => size > 600)
    ) continue;
    await assertAgrees(device, job);
    count++;
  }
  assert(count > 10, `${count} cases`);
});

webGpuTest("what is too large for a half becomes infinite", async () => {
  using device = await openWebGpu({ precision: "f16" });
  const graph = new Graph("overflow"), numbers = [32752, 32753, 1e30, 1, -1e30, NaN];
  const x = graph.constant(Float32Array.from(numbers), [6, 1]),
    two = graph.constant(Float32Array.of(2), [1]);
  const [twice] = graph.apply(ops.scaleBy, [x, two]), one = graph.constant(Float32Array.of(1), [1, 1]);
  const [y] = graph.apply(ops.matmul, [twice, one], { ta: false, tb: false });
  const of = plan(graph, { y }), { steps: [{ outputs: [{ buffer }] }] } = of;
  assert(halfBuffers(of).has(buffer));
  const results = await device.load(of, device.createStore({})).run({});
  assertEquals([...results.y.slice(0, 3)], [65504, Infinity, Infinity]);
  assertEquals(results.y[3], 2);
  assert([...results.y.slice(4)].every((value) => !Number.isFinite(value)), `${results.y}`);
});

const small: Gpt1Config = configure({ ...presets.nano, context: 32 }, 23, { rate: 0.1 });

async function trained(device: Device, steps: number, scale?: LossScale): Promise<TrainEvent[]> {
  using model = await createGpt1(device, small, { seed: 3 });
  await prepareTraining(model);
  if (scale) await writeLossScale(model.store, scale);
  const source = pretrainingSource(small, someTokens(4000, 1), { batch: 3, seed: 2 });
  const schedule = { name: "warmup_linear", learningRate: 3e-3, warmup: 0.1, steps } as const;
  return await all(train(model, source, { schedule, optimizer: gpt1Optimizer, seed: 5, rests: () => false }));
}

webGpuTest("50 updates with halves have the losses of f32 on WASM within 0.5 %", async () => {
  using gpu = await openWebGpu({ precision: "f16", poison: true });
  using wasm = await openWasm({ threads: 1 });
  const got = await trained(gpu, 50), want = await trained(wasm, 50);
  want.forEach(({ loss, step }, i) => {
    assertEquals([got[i].step, got[i].lossScale], [step, 65536]);
    assertAlmostEquals(got[i].loss / loss, 1, 5e-3, `step ${step}: ${got[i].loss}, not ${loss}`);
  });
  assert(got.some(({ loss }, i) => loss !== want[i].loss), "halves give other bits");
  assert(want.at(-1)!.loss < want[0].loss - 0.1);
});

webGpuTest("a scale with which halves overflow is left on the device, and training goes on", async () => {
  using device = await openWebGpu({ precision: "f16" });
  const events = await trained(device, 40, { scale: 2 ** 24, streak: 0 });
  const skipped = events.filter(({ gradientNorm }) => !Number.isFinite(gradientNorm)).length;
  assert(skipped > 0 && skipped < 20, `${skipped} skipped`);
  events.forEach(({ lossScale }, i) => assertEquals(lossScale, 2 ** (24 - Math.min(i, skipped))));
  assert(events.at(-1)!.loss < events[0].loss - 0.1);
});

webGpuTest("with halves, what is planned is what is held", async () => {
  using device = await openWebGpu({ precision: "f16" });
  using model = await createGpt1(device, small, { seed: 3 });
  const source = pretrainingSource(small, someTokens(4000, 1), { batch: 3, seed: 2 });
  const schedule = { name: "warmup_constant", learningRate: 1e-3, warmup: 0, steps: 2 } as const;
  await all(train(model, source, { schedule, optimizer: gpt1Optimizer, seed: 5 }));
  const run = { batch: 3, length: small.context, language: true };
  const planned = trainingBytes(model.plans, run, {
    optimizer: gpt1Optimizer,
    scaled: true,
    planned: (what) => device.planned(what),
  });
  assertEquals(device.bytes(), planned.total);
  model.close();
  assert(device.bytes() <= planned.total - planned.store);
});

webGpuTest("generation from weights as halves has the logits of f32", async () => {
  using gpu = await openWebGpu({ precision: "f16", poison: true });
  using wasm = await openWasm({ threads: 1 });
  const tokens = [...someTokens(7, 2)], config = tinyConfig();
  const logits = async (device: Device): Promise<number[][]> => {
    using model = await tinyModel(device, config);
    const step = async (ids: number[], at: number): Promise<number[]> => {
      const feeds = {
        ids: model.inputIds(ids, ids.length, [at]),
        extents: Int32Array.of(at, ids.length),
        last: Int32Array.of(ids.length - 1),
      };
      return [...(await model.decode(1, ids.length).run(feeds)).logits];
    };
    return [await step(tokens, 0), await step([3], tokens.length), await step([5], tokens.length + 1)];
  };
  const [got, want] = [await logits(gpu), await logits(wasm)];
  want.flat().forEach((value, i) => assertAlmostEquals(got.flat()[i], value, 2e-2));
});

webGpuTest("weights that were written anew are narrowed anew", async () => {
  using device = await openWebGpu({ precision: "f16" });
  const graph = new Graph("weights"), w = graph.state("w", [3, 5], "f32", { parameter: true });
  const [x] = graph.apply(ops.fill, [], { shape: [2, 3], value: 1 });
  const [product] = graph.apply(ops.matmul, [x, w], { ta: false, tb: false });
  const store = device.createStore({ w: 60 }), program = device.load(plan(graph, { product }), store);
  for (const value of [1, 2, 1 / 3]) {
    await store.write("w", 0, Array(15).fill(value));
    for (let i = 0; i < 2; i++) {
      const [sum] = (await program.run({})).product;
      assertEquals(sum, Math.fround(3 * Math.f16round(value)));
    }
  }
});

webGpuTest("a copy of weights that is larger than a binding is made in windows", async () => {
  using device = await openWebGpu({ precision: "f16", bindingBytes: 2048 });
  const graph = new Graph("weights"), place = { page: "w", offset: 512 }, shape = [40, 47];
  const w = graph.state("w", shape, "f32", { parameter: true, place }),
    x = graph.constant(new Float32Array(40).fill(1), [1, 40]);
  const [sums] = graph.apply(ops.matmul, [x, w], { ta: false, tb: false });
  const store = device.createStore({ w: 512 + 4 * 40 * 47 }),
    program = device.load(plan(graph, { sums }), store);
  const values = Float32Array.from({ length: 40 * 47 }, (_, i) => (i * 7 % 64) / 8);
  await store.write("w", 512, values);
  const want = Array.from({ length: 47 }, (_, j) => {
    let sum = 0;
    for (let i = 0; i < 40; i++) sum += values[47 * i + j];
    return sum;
  });
  assertEquals([...(await program.run({})).sums], want);
});

Deno.test("a scale, and whatever else is read but not trained, is no half", () => {
  const graph = new Graph("scaled"), { scale } = lossScale(graph);
  const w = graph.state("w", [4], "f32", { parameter: true }), into = graph.state("d/w", [4]);
  const other = graph.state("other", [4]), x = graph.input("x", [4], "f32");
  const [sum] = graph.apply(ops.add, [w, other]), [product] = graph.apply(ops.dot, [sum, x]);
  const [loss] = graph.apply(ops.scaleBy, [product, graph.constant(Float32Array.of(0.5), [1])]);
  const { gradients: [dw] } = gradients(graph, loss, [{ parameter: w, into }], scale);
  graph.assign(into, dw);
  const of = plan(graph, { loss }), halves = halfBuffers(of);
  const names = of.buffers.flatMap((buffer, i) =>
    buffer.kind === "state" && halves.has(i) ? [buffer.name] : []
  );
  assertEquals(names, ["w"]);
});

webGpuTest("halves are refused where the GPU has none", async () => {
  await assertRejects(
    () => openWebGpu({ precision: "f16", portable: true }),
    Error,
    "This GPU has no halves (the feature shader-f16): use --precision f32",
  );
});
