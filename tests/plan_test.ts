// The planner: random recordings must run on planned buffers exactly as without any, plans must keep their promises about
// buffers, and what a state or an output means must not depend on what was done in place. Error texts are pinned here.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { Random } from "../src/core/random.ts";
import type { Feeds } from "../src/backends/backend.ts";
import { openReference } from "../src/backends/reference.ts";
import { Graph, type Value } from "../src/graph/graph.ts";
import { gradients } from "../src/graph/gradients.ts";
import { type Lifetime, packOffsets, packSlots, peakBytes } from "../src/graph/pack.ts";
import { type Plan, plan } from "../src/graph/plan.ts";
import { printPlan } from "../src/graph/print.ts";
import { parametersOf } from "../src/nn/parameters.ts";
import { ops } from "../src/ops/mod.ts";
import { checkBuffers, interpret, type States } from "./naive_executor.ts";
import { pagesOf } from "./op_cases.ts";
import { randomGraph } from "./random_graphs.ts";

const device = openReference();

// Runs a plan on the reference executor and its recording on the interpreter; outputs and states must be the same bits.
async function compare(
  graph: Graph,
  outputs: Record<string, Value>,
  { feeds = () => ({}), states = new Map(), label = graph.name }: {
    feeds?: () => Feeds;
    states?: States;
    label?: string;
  } = {},
): Promise<Plan> {
  const planned = plan(graph, outputs), store = device.createStore(pagesOf(planned));
  const where = `${label}\n${printPlan(planned)}`;
  const used = new Set(planned.buffers.flatMap((buffer) => buffer.kind === "state" ? [buffer.name] : []));
  try {
    checkBuffers(planned);
    for (const [name, values] of states) if (used.has(name)) await store.write(name, 0, values);
    const program = device.load(planned, store);
    for (let run = 0; run < 3; run++) {
      const data = feeds();
      const expected = interpret(graph, outputs, data, states);
      const results = await program.run(data);
      for (const name of Object.keys(outputs)) {
        assertEquals([...results[name]], expected[name], `output ${name}`);
      }
      for (const name of used) {
        assertEquals(
          [...await store.read(name, 0, states.get(name)!.length)],
          [...states.get(name)!],
          `state ${name}`,
        );
      }
    }
  } catch (error) {
    throw new Error(`${where}${(error as Error).message}`, { cause: error });
  }
  return planned;
}

Deno.test("random recordings run on planned buffers as they do without", async () => {
  let steps = 0, shared = 0, copies = 0, finite = 0;
  for (let seed = 0; seed < 1500; seed++) {
    const { graph, outputs, feeds, states } = randomGraph(seed);
    const planned = await compare(graph, outputs, { feeds, states, label: `seed ${seed}` });
    assertEquals(JSON.parse(JSON.stringify(planned)), planned, `seed ${seed}: the plan is not plain JSON`);
    finite += Number([...states.values()].every((values) => values.every(Number.isFinite)));
    steps += planned.steps.length;
    for (const { op, inputs, outputs } of planned.steps) {
      copies += Number(op === "copy");
      shared += Number(inputs.some((a) => outputs.some((b) => a.buffer === b.buffer)));
    }
  }
  const seen = `${steps} steps, ${shared} shared, ${copies} copies, ${finite} finite`;
  assert(steps > 5000 && shared > 200 && copies > 200 && finite > 1400, `too few cases: ${seen}`);
});

Deno.test("packing keeps lifetimes apart and reaches the bound nearly always", () => {
  let exact = 0;
  for (let seed = 0; seed < 200; seed++) {
    const random = new Random(seed, "lifetimes");
    const lifetimes = Array.from({ length: 1 + random.below(30) }, (): Lifetime => {
      const first = random.below(20);
      return { bytes: 256 * (1 + random.below(8)), first, last: first + random.below(8) };
    });
    const { slots, slotOf } = packSlots(lifetimes), { offsets, total } = packOffsets(lifetimes);
    const bound = peakBytes(lifetimes);
    exact += Number(total === bound);
    assert(total >= bound && total <= 1.2 * bound, `seed ${seed}: ${total} bytes, ${bound} alive`);
    assert(total <= lifetimes.reduce((sum, { bytes }) => sum + bytes, 0), `seed ${seed}`);
    lifetimes.forEach((a, i) => {
      assert(slots[slotOf[i]] >= a.bytes && offsets[i] + a.bytes <= total, `seed ${seed}`);
      lifetimes.slice(0, i).forEach((b, j) => {
        if (a.last < b.first || b.last < a.first) return;
        assert(slotOf[i] !== slotOf[j], `seed ${seed}: ${i} and ${j} share a slot`);
        assert(
          offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i],
          `seed ${seed}: ${i}, ${j}`,
        );
      });
    });
  }
  assert(exact >= 170, `only ${exact} of 200 are packed into what is alive at once`);
  const chain = Array.from({ length: 5 }, (_, i): Lifetime => ({ bytes: 256 * (i + 1), first: i, last: i }));
  assertEquals([packOffsets(chain).total, packSlots(chain).slots, peakBytes(chain)], [1280, [1280], 1280]);
});

// x, a state s of the same shape, and the feeds and states to run with.
function small(name: string) {
  const graph = new Graph(name);
  const x = graph.input("x", [3], "f32"), s = graph.state("s", [3]);
  return {
    graph,
    x,
    s,
    apply: (op: typeof ops.add, ...inputs: Value[]) => graph.apply(op, inputs)[0],
    run: {
      feeds: () => ({ x: Float32Array.of(1, -2, 0.5) }),
      states: new Map([["s", Float64Array.of(5, 6, 7)]]),
    },
  };
}
const opsOf = ({ steps }: Plan): string[] => steps.map(({ op }) => op);

Deno.test("what nothing depends on is not planned", async () => {
  const { graph, x, apply, run } = small("dead");
  const y = apply(ops.gelu, x);
  apply(ops.add, apply(ops.gelu, y), graph.input("unused", [3], "f32"));
  const planned = await compare(graph, { y }, {
    feeds: () => ({ ...run.feeds(), unused: new Float32Array(3) }),
  });
  assertEquals(opsOf(planned), ["gelu"]);
  assertEquals(planned.inputs.map(({ name }) => name), ["x"]);
});

Deno.test("an accumulation chain is planned in the state's own bytes, without a copy", async () => {
  const graph = new Graph("accumulate"), w = graph.state("w", [2, 2]), x = graph.input("x", [2, 2], "f32");
  let sum = w;
  for (let i = 0; i < 3; i++) sum = graph.apply(ops.matmulInto, [x, x, sum], { ta: false, tb: true })[0];
  graph.assign(w, sum);
  const run = {
    feeds: () => ({ x: Float32Array.of(1, 2, 3, 4) }),
    states: new Map([["w", Float64Array.of(1, 1, 2, 2)]]),
  };
  const planned = await compare(graph, { sum }, run);
  assertEquals(opsOf(planned), ["matmulInto", "matmulInto", "matmulInto"]);
  assertEquals(planned.outputs[0].buffer, planned.buffers.findIndex(({ kind }) => kind === "state"));
});

Deno.test("a read gives the value at the start of the run, whatever the state is assigned", async (t) => {
  await t.step("read after the update is recorded", async () => {
    const { graph, x, s, apply, run } = small("late");
    graph.assign(s, apply(ops.add, s, x));
    await compare(graph, { late: apply(ops.gelu, s) }, run);
  });
  await t.step("read as an output while the state is updated", async () => {
    const { graph, x, s, apply, run } = small("output");
    graph.assign(s, apply(ops.add, s, x));
    await compare(graph, { s }, run);
  });
  await t.step("read as an output while the state is assigned something unrelated", async () => {
    const { graph, x, s, apply, run } = small("unrelated");
    graph.assign(s, apply(ops.gelu, x));
    const before = graph.nodes.length;
    assertEquals(opsOf(await compare(graph, { s, again: s }, run)).filter((op) => op === "copy").length, 3);
    assertEquals(graph.nodes.length, before, "planning changed the recording");
  });
  await t.step("read as an output of a state that stays costs nothing", async () => {
    const { graph, s, run } = small("stays");
    assertEquals(opsOf(await compare(graph, { s }, run)), []);
  });
});

Deno.test("two states exchange values that depend on each other", async () => {
  const { graph, s, apply, run } = small("exchange"), r = graph.state("r", [3]);
  run.states.set("r", Float64Array.of(1, 2, 3));
  graph.assign(s, graph.apply(ops.copy, [r])[0]);
  graph.assign(r, apply(ops.add, s, s));
  await compare(graph, {}, run);
});

Deno.test("a value that is assigned or handed back keeps its numbers to the end", async (t) => {
  await t.step("assigned, then a candidate for in-place", async () => {
    const { graph, x, s, apply, run } = small("assigned");
    const y = apply(ops.gelu, x);
    graph.assign(s, y);
    await compare(graph, { z: apply(ops.gelu, y) }, run);
  });
  await t.step("handed back from the middle of a state's chain", async () => {
    const { graph, x, s, apply, run } = small("middle");
    const half = apply(ops.add, s, x), whole = apply(ops.add, half, x);
    graph.assign(s, whole);
    await compare(graph, { half }, run);
  });
  await t.step("the middle of one state's chain assigned to another", async () => {
    const { graph, x, s, apply, run } = small("branch"), r = graph.state("r", [3]);
    run.states.set("r", Float64Array.of(1, 2, 3));
    const half = apply(ops.add, s, x), whole = apply(ops.add, half, x);
    graph.assign(s, whole);
    graph.assign(r, half);
    await compare(graph, {}, run);
  });
  await t.step("one value assigned to two states", async () => {
    const { graph, x, s, apply, run } = small("both"), r = graph.state("r", [3]);
    run.states.set("r", Float64Array.of(1, 2, 3));
    const sum = apply(ops.add, s, x);
    graph.assign(s, sum);
    graph.assign(r, sum);
    await compare(graph, {}, run);
  });
});

Deno.test("an in-place output leaves the other places of the same value alone", async (t) => {
  const feeds = () => ({ x: Float32Array.of(1, 2, 3, 4) });
  await t.step("the accumulator is also a factor", async () => {
    const graph = new Graph("square"), x = graph.input("x", [2, 2], "f32");
    const [y] = graph.apply(ops.gelu, [x]);
    const [z] = graph.apply(ops.matmulInto, [y, y, y], { ta: false, tb: false });
    assertEquals(opsOf(await compare(graph, { z }, { feeds })), ["gelu", "copy", "matmulInto"]);
  });
  await t.step("the residual is also the gain", async () => {
    const graph = new Graph("gain"),
      x = graph.input("x", [4], "f32"),
      b = graph.constant(new Float32Array(4), [4]);
    const [y] = graph.apply(ops.addLayerNorm, [x, x, x, b], { epsilon: 1e-5 });
    await compare(graph, { y }, { feeds });
  });
  await t.step("x + x may still replace x", async () => {
    const graph = new Graph("double"), x = graph.input("x", [4], "f32"), [y] = graph.apply(ops.add, [x, x]);
    assertEquals((await compare(graph, { y }, { feeds })).buffers.length, 1);
  });
});

Deno.test("states that share bytes are refused", () => {
  const graph = new Graph("overlap");
  const a = graph.state("a", [8], "f32", { place: { page: "p", offset: 0 } });
  const b = graph.state("b", [8], "f32", { place: { page: "p", offset: 16 } });
  const [y] = graph.apply(ops.add, [a, b]);
  assertThrows(
    () => plan(graph, { y }),
    RangeError,
    "Cannot plan with states a and b: they share bytes of p",
  );
  const apart = new Graph("apart");
  const c = apart.state("c", [8], "f32", { place: { page: "p", offset: 0 } });
  const d = apart.state("d", [8], "f32", { place: { page: "p", offset: 32 } });
  assertEquals(plan(apart, { y: apart.apply(ops.add, [c, d])[0] }).steps.length, 1);
});

Deno.test("errors name the action, the shapes, the scope and the reason", () => {
  const graph = new Graph("gpt1"), a = graph.input("a", [3, 5], "f32"), b = graph.input("b", [4, 7], "f32");
  const message = (make: () => unknown, type: new (...args: never[]) => Error): string =>
    assertThrows(make, type).message;
  assertEquals(
    message(
      () =>
        graph.scope(
          "h0",
          () => graph.scope("attn", () => graph.apply(ops.matmul, [a, b], { ta: false, tb: false })),
        ),
      RangeError,
    ),
    "Cannot multiply (3,5) by (4,7) in gpt1/h0/attn: inner sizes are 5 and 4",
  );
  assertEquals(graph.scopeName, "gpt1", "a failed scope is left");
  const s = graph.state("s", [7, 4], "f32");
  assertEquals(
    message(() => graph.scope("h1", () => graph.assign(s, b)), RangeError),
    "Cannot assign f32 (4,7) to state s in gpt1/h1: it is f32 (7,4)",
  );
  assertEquals(
    message(() => graph.assign(a, a), TypeError),
    "Cannot assign to a value that is not a state in gpt1",
  );
  assertEquals(
    message(() => graph.assign(s, graph.state("r", [7, 4])), TypeError),
    "Cannot assign state r to state s: apply copy first",
  );
  assertEquals(
    message(() => parametersOf(graph, { segments: [], pages: {} })("h9/w"), TypeError),
    'There is no parameter "h9/w" in gpt1',
  );
  assertEquals(
    message(() => graph.input("a", [1], "f32"), RangeError),
    'Cannot declare input "a" twice in gpt1',
  );
  const other = new Graph("other");
  assertEquals(
    message(() => other.scope("h2", () => other.apply(ops.gelu, [a])), TypeError),
    "Cannot apply gelu in other/h2: an input belongs to another graph",
  );
  assertEquals(
    message(() => plan(other, { a }), TypeError),
    'Cannot plan other: output "a" belongs to another graph',
  );
  assertEquals(
    message(() => other.assign(s, s), TypeError),
    "Cannot assign to state s in other: it or the value belongs to another graph",
  );
  assertEquals(
    message(() => graph.state("s", [7, 4], "i32"), RangeError),
    "Cannot read state s as i32 (7,4) in gpt1: it is f32 (7,4)",
  );
  assertEquals(
    message(() => graph.scope("h3", () => graph.constant(new Int32Array(3), [2])), RangeError),
    "Cannot record a constant of 3 numbers in gpt1/h3: shape (2) differs",
  );
  const w = graph.state("w", [4], "f32", { parameter: true }), into = graph.state("d/w", [4]);
  const loss = graph.scope("norm", () => graph.apply(ops.sumSquares, [w])[0]);
  assertEquals(
    message(() => gradients(graph, loss, [{ parameter: w, into }]), TypeError),
    "Cannot differentiate through sumSquares in gpt1/norm: it has no gradient",
  );
  assertEquals(
    message(() => gradients(graph, a, [{ parameter: w, into }]), RangeError),
    "Cannot differentiate (3,5) in gpt1: a loss has shape (1); sum it first",
  );
  const constant = graph.apply(ops.sumSquares, [a])[0];
  assertEquals(
    message(() => gradients(graph, constant, [{ parameter: w, into }]), TypeError),
    "Cannot differentiate in gpt1: the loss depends on no parameter",
  );
});
