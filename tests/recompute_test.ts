// Recomputed regions: what the backward pass computes again has the bits it had, on the reference and on WASM, with dropout
// and after several updates; what is recomputed is no longer kept; random streams are those of the original.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { parity } from "../scripts/parity_model.ts";
import type { Device } from "../src/backends/backend.ts";
import { openReference } from "../src/backends/reference.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { Graph, type Value } from "../src/graph/graph.ts";
import { gradients } from "../src/graph/gradients.ts";
import { type Plan, plan } from "../src/graph/plan.ts";
import { configure } from "../src/models/gpt1.ts";
import { gpt1Plans } from "../src/models/gpt1_plans.ts";
import { loraTargets, type Tuning } from "../src/models/gpt1_tuning.ts";
import { add, dropout, gelu, linearCrossEntropy, project, weightedSum } from "../src/nn/layers.ts";
import { type Recompute, recomputeNames } from "../src/nn/recompute.ts";
import { exampleSource } from "../src/tasks/examples.ts";
import { pretrainingSource } from "../src/tasks/language.ts";
import { train, type TrainingSource } from "../src/train/trainer.ts";
import type { Gpt1Run } from "../src/models/gpt1_plans.ts";
import { checkBuffers } from "./naive_executor.ts";
import { pagesOf } from "./op_cases.ts";
import { all, numbersOf, someTokens, tinyConfig, tinyModel } from "./tiny_model.ts";
import { trainingOptions } from "./wasm_support.ts";

const opsOf = ({ steps }: Plan, part = ""): string[] =>
  steps.filter(({ scope }) => scope.startsWith(`g/${part}`)).map(({ op }) => op);

type Region = <T>(body: () => T) => T;
type Loss = (graph: Graph, w: Value, rng: Value, region: Region) => Value;

// The plan of a loss and its gradient with respect to `w` (4,4), with regions recomputed or not.
function planned(loss: Loss, recompute: boolean): Plan {
  const graph = new Graph("g"), w = graph.state("w", [4, 4], "f32", { parameter: true });
  const into = graph.state("d/w", [4, 4]), rng = graph.input("rng", [2], "i32");
  const value = loss(graph, w, rng, (body) => recompute ? graph.recompute(body) : body());
  const result = gradients(graph, value, [{ parameter: w, into }]);
  graph.assign(into, result.gradients[0]);
  return plan(graph, { loss: result.loss });
}

const weights = Float32Array.from({ length: 16 }, (_, i) => Math.sin(3 * i) / 2);

async function figures(device: Device, planned: Plan): Promise<number[]> {
  const store = device.createStore(pagesOf(planned));
  await store.write("w", 0, weights);
  const feeds = planned.inputs.length > 0 ? { rng: Int32Array.of(5, 6) } : {};
  const { loss } = await device.load(planned, store).run(feeds);
  return [loss[0], ...await store.read("d/w", 0, 16)];
}

// Both plans of a loss, which must give the same bits on the reference and on WASM.
async function assertSame(loss: Loss): Promise<{ kept: Plan; again: Plan }> {
  const [kept, again] = [planned(loss, false), planned(loss, true)];
  checkBuffers(again);
  for (const device of [openReference(), await openWasm({ threads: 1, poison: true })]) {
    const want = await figures(device, kept);
    assertEquals(await figures(device, again), want);
    assert(want.slice(1).some((value) => value !== 0));
    device.close();
  }
  return { kept, again };
}

const sum = (x: Value): Value =>
  weightedSum(x, x.graph.constant(Float32Array.from({ length: 16 }, (_, i) => 1 + i / 9), [4, 4]));

Deno.test("a region is computed again just before its gradient, from what enters it", async () => {
  const { kept, again } = await assertSame((graph, w, rng, region) => {
    const step = (x: Value, name: string) =>
      graph.scope(name, () => region(() => dropout(project(gelu(project(x, w)), w), rng, 0.5)));
    return sum(step(step(w, "a"), "b"));
  });
  assertEquals(opsOf(kept, "r:"), []);
  // The last product and its dropout are needed by no gradient.
  assertEquals(opsOf(again, "r:a"), ["matmul", "gelu"]);
  assertEquals(opsOf(again, "r:b"), ["matmul", "gelu"]);
  const scopes = again.steps.map(({ scope }) => scope);
  const first = (part: string) => scopes.findIndex((scope) => scope.startsWith(`g/${part}`));
  assert(scopes.lastIndexOf("g/b") < first("r:b") && first("r:b") < first("d:b"));
  assert(scopes.lastIndexOf("g/d:b") < first("r:a") && first("r:a") < first("d:a"));
});

Deno.test("what a region computes may be used outside, twice and by later regions", async () => {
  await assertSame((_, w, rng, region) => {
    const [a, b] = region(() => {
      const a = gelu(project(w, w));
      return [a, gelu(dropout(a, rng, 0.25))];
    });
    const c = region(() => gelu(add(gelu(a), b)));
    return sum(add(project(c, a), add(b, b)));
  });
});

Deno.test("a region may hold a loss that comes with its gradient", async () => {
  const { again } = await assertSame((graph, w, _, region) => {
    const targets = graph.constant(Int32Array.of(0, 3, -1, 2), [4]);
    return region(() => {
      const rows = linearCrossEntropy(gelu(project(w, w)), w, targets, 4);
      return weightedSum(rows, graph.constant(new Float32Array([1, 2, 3, 4]), [4]));
    });
  });
  assertEquals(opsOf(again).filter((op) => op.startsWith("linearCrossEntropy")), ["linearCrossEntropyTrain"]);
});

Deno.test("a region in a region is part of the outer one, and one that failed is left", async () => {
  await assertSame((graph, w, rng, region) => {
    try {
      region(() => project(w, graph.input("odd", [3, 3], "f32")));
    } catch (error) {
      assert(error instanceof RangeError);
    }
    const x = region(() => gelu(region(() => dropout(gelu(w), rng, 0.5))));
    const [node, inner] = [x.source, graph.nodes.at(-2)!];
    assert(node.kind === "node" && node.node.region === inner.region);
    const y = gelu(x);
    assertEquals(graph.nodes.at(-1)!.region, null);
    return sum(y);
  });
});

const parts = { classifier: 2, specials: 3 };

// Losses, gradients of one more micro-batch, and parameters after some updates.
async function trained(
  device: Device,
  recompute: Recompute,
  { classifier = null, specials = 0, tuning = {}, frozen }: {
    classifier?: number | null;
    specials?: number;
    tuning?: Tuning;
    frozen?: (name: string) => boolean;
  } = {},
): Promise<unknown[]> {
  const config = { ...tinyConfig({ rate: 0.2, specials }), ...tuning };
  using model = await tinyModel(device, config, { classifier, ...(frozen ? { frozen } : {}) });
  const labelled = Array.from({ length: 6 }, (_, i) => ({
    sequences: [[config.vocabSize, ...someTokens(4 + i, i), config.vocabSize + 2]],
    label: i % 2,
  }));
  const source: TrainingSource<Gpt1Run> = classifier === null
    ? pretrainingSource(config, someTokens(200, 1), { batch: 2, accumulate: 2, seed: 1 })
    : exampleSource(config, labelled, { outputs: classifier, choices: 1 }, { batch: 3, seed: 1 });
  const results: unknown[] = [];
  for (const steps of [1, 4]) {
    const events = await all(train(model, source, { ...trainingOptions(steps), recompute }));
    results.push(events.map(({ loss, gradientNorm }) => [loss, gradientNorm]));
    const { run, feeds } = source.next().micro[0];
    await model.gradient(run, recompute).run({ ...feeds, rng: Int32Array.of(3, 9) });
    const found = await numbersOf(model, "gradients");
    assert(Object.values(found).some((values) => values.some((value) => value !== 0)));
    results.push(found, await numbersOf(model));
  }
  return results;
}

Deno.test("GPT-1 trains to the same bits whatever is recomputed, dropout included", async () => {
  const lora = { rank: 2, alpha: 4, targets: loraTargets, dropout: 0.2 };
  const cases = [
    {},
    parts,
    { ...parts, frozen: (name: string) => name === "we" || name.startsWith("h0/") },
    { ...parts, tuning: { lora } },
  ];
  for (const options of cases) {
    for (const threads of [1, 2]) {
      using device = await openWasm({ threads, poison: threads === 1 });
      const want = await trained(device, "none", options);
      for (const recompute of ["attention", "block"] as const) {
        assertEquals(await trained(device, recompute, options), want, `${recompute}, ${threads} threads`);
      }
    }
  }
  const reference = await trained(openReference(), "none", parts);
  assertEquals(await trained(openReference(), "block", parts), reference);
});

Deno.test("recomputed copies drop what the original dropped", () => {
  const config = tinyConfig({ rate: 0.1 }), run = { batch: 2, length: 16, language: true };
  for (const recompute of ["attention", "block"] as const) {
    const { steps } = gpt1Plans(config).gradient(run, recompute), streams = new Map<string, Set<number>>();
    let copies = 0;
    for (const { op, scope, dims } of steps) {
      if (op !== "dropout" && !op.startsWith("attention")) continue;
      const place = `${scope.replace(/^gpt1\/([rd]:)?/, "")} ${op.replace("Grad", "")}`;
      streams.set(place, (streams.get(place) ?? new Set()).add(dims[op === "dropout" ? 2 : 6]));
      copies += Number(scope.startsWith("gpt1/r:"));
    }
    // Attention and both dropouts of each block; under "attention" the MLP's is not computed again.
    assertEquals(copies, recompute === "block" ? 6 : 4);
    for (const [place, found] of streams) assertEquals(found.size, 1, place);
    assertEquals(new Set([...streams.values()].flatMap((found) => [...found])).size, streams.size);
  }
});

Deno.test("each setting keeps what it says it keeps", () => {
  const config = configure({ context: 64, channels: 32, heads: 2, layers: 12 }, 50, { rate: 0.1 });
  const plans = gpt1Plans(config), run = { batch: 2, length: 64, language: true };
  const token = 4 * 32 * run.batch * run.length; // bytes of a number for each channel and token
  const keptByBlock = (recompute: Recompute): number => {
    const { steps, buffers } = plans.gradient(run, recompute);
    const turn = steps.findIndex(({ op }) => op === "linearCrossEntropyTrain");
    const alive = buffers.filter((buffer) =>
      buffer.kind === "temporary" && buffer.first < turn && buffer.last > turn && buffer.bytes >= token
    );
    return alive.reduce((total, { bytes }) => total + bytes, 0) / token / config.layers;
  };
  const [none, attention, block] = recomputeNames.map(keptByBlock);
  // A table of 114 rows is nearly as large as an activation, and a block's input is the output of the one before.
  for (const [got, want] of [[none, 16], [attention, 11], [block, 1]]) {
    assert(Math.abs(got - want) < 0.25, `${got} activations are kept, not ${want}`);
  }
  const bytes = recomputeNames.map((recompute) => plans.gradient(run, recompute).temporaryBytes);
  assert(bytes[0] > 1.3 * bytes[1] && bytes[1] > 2 * bytes[2], `${bytes}`);
});

Deno.test("the figures of the tiny GPT-1 do not depend on what is recomputed", async () => {
  for (const device of [openReference(), await openWasm({ threads: 2 })]) {
    const want = await parity(device);
    for (const recompute of ["attention", "block"] as const) {
      assertEquals(await parity(device, { recompute }), want);
    }
    assertNotEquals(want.losses[0], want.losses[5]);
    device.close();
  }
});
