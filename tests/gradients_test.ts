// Differentiation as a rewriting of the recording: what is accumulated where, what is not recorded at all, and which
// values are replaced by ones that come with the gradient. That each op's own gradient is right is tested in ops_test.ts.

import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { openReference } from "../src/backends/reference.ts";
import { Graph, type Value } from "../src/graph/graph.ts";
import { gradients } from "../src/graph/gradients.ts";
import { type Plan, plan } from "../src/graph/plan.ts";
import { ops } from "../src/ops/mod.ts";
import { pagesOf } from "./op_cases.ts";

const device = openReference(), PLAIN = { ta: false, tb: false };
const opsOf = ({ steps }: Plan): string[] => steps.map(({ op }) => op);

type Loss = (graph: Graph, parameters: Record<string, Value>) => Value;
type Tensors = Record<string, { readonly shape: readonly number[]; readonly values: readonly number[] }>;

// The loss recorded with its gradients for `wanted` (all parameters unless given), and without.
function record(tensors: Tensors, loss: Loss, wanted = Object.keys(tensors)) {
  const make = () => {
    const graph = new Graph("g");
    const all = Object.entries(tensors).map((
      [name, { shape }],
    ) => [name, graph.state(name, shape, "f32", { parameter: true })]);
    const parameters: Record<string, Value> = Object.fromEntries(all);
    return { graph, parameters, loss: loss(graph, parameters) };
  };
  const forward = make(), { graph, parameters, loss: value } = make();
  const into = wanted.map((name) => ({
    parameter: parameters[name],
    into: graph.state(`d/${name}`, tensors[name].shape),
  }));
  const result = gradients(graph, value, into);
  result.gradients.forEach((gradient, i) => graph.assign(into[i].into, gradient));
  return {
    graph,
    result,
    loss: value,
    forward: plan(forward.graph, { loss: forward.loss }),
    backward: plan(graph, { loss: result.loss }),
  };
}

// Checks every wanted gradient against central differences, and that a second run adds the same again.
async function check(tensors: Tensors, loss: Loss, wanted = Object.keys(tensors)): Promise<Plan> {
  const { forward, backward } = record(tensors, loss, wanted);
  const store = device.createStore(pagesOf(forward, backward));
  for (const [name, { values }] of Object.entries(tensors)) await store.write(name, 0, values);
  const program = device.load(backward, store), plain = device.load(forward, store);
  const first = (await program.run({})).loss[0];
  assertEquals((await plain.run({})).loss[0], first);
  const read = () =>
    Promise.all(
      wanted.map(async (name) => [...await store.read(`d/${name}`, 0, tensors[name].values.length)]),
    );
  const once = await read();
  await program.run({});
  (await read()).flat().forEach((value, i) => assertAlmostEquals(value, 2 * once.flat()[i], 1e-12));
  for (const [k, name] of wanted.entries()) {
    for (const [i, value] of tensors[name].values.entries()) {
      const at = async (x: number) => {
        await store.write(name, 4 * i, [x]);
        return (await plain.run({})).loss[0];
      };
      const slope = (await at(value + 1e-5) - await at(value - 1e-5)) / 2e-5;
      await at(value);
      assertAlmostEquals(once[k][i], slope, 1e-6 * Math.max(1, Math.abs(slope)), `d/${name}[${i}]`);
    }
  }
  return backward;
}

const matrix = { shape: [2, 2], values: [0.5, -1, 2, 0.25] },
  other = { shape: [2, 2], values: [1, 0.5, -0.75, 1.5] };
const ones = (graph: Graph, n: number, m: number): Value =>
  graph.constant(Float32Array.from({ length: n * m }, (_, i) => 1 + i / 4), [n, m]);
const one = (values: readonly Value[]): Value => values[0];

Deno.test("a value with several uses sums their gradients", async () => {
  await check({ w: matrix }, (graph, { w }) => {
    const y = one(graph.apply(ops.gelu, [w]));
    const a = one(graph.apply(ops.gelu, [y])), b = one(graph.apply(ops.matmul, [y, a], PLAIN));
    const sum = one(graph.apply(ops.add, [one(graph.apply(ops.add, [y, b])), a]));
    return one(graph.apply(ops.dot, [sum, ones(graph, 2, 2)]));
  });
});

Deno.test("a value that stands twice among the inputs of one op counts twice", async () => {
  for (const op of [ops.add, ops.dot] as const) {
    await check({ w: matrix }, (graph, { w }) => {
      const y = one(graph.apply(op, [w, w]));
      return op === ops.dot ? y : one(graph.apply(ops.dot, [y, y]));
    });
  }
  for (const ta of [false, true]) {
    for (const tb of [false, true]) {
      await check({ w: matrix }, (graph, { w }) => {
        const h = one(graph.apply(ops.gelu, [w]));
        const square = one(graph.apply(ops.matmul, [h, h], { ta, tb }));
        return one(graph.apply(ops.dot, [square, ones(graph, 2, 2)]));
      });
    }
  }
  await check({ w: matrix, g: { shape: [2], values: [1.5, -0.5] } }, (graph, { w, g }) => {
    const h = one(graph.apply(ops.gelu, [w]));
    const y = one(graph.apply(ops.addLayerNorm, [h, h, g, g], { epsilon: 0.1 }));
    return one(graph.apply(ops.dot, [y, ones(graph, 2, 2)]));
  });
});

Deno.test("a parameter used by several nodes accumulates in its state, without a copy", async () => {
  const backward = await check({ w: matrix, v: other }, (graph, { w, v }) => {
    const a = one(graph.apply(ops.matmul, [w, v], PLAIN)), b = one(graph.apply(ops.matmul, [a, v], PLAIN));
    const c = one(graph.apply(ops.matmul, [w, b], { ta: true, tb: true }));
    return one(graph.apply(ops.dot, [c, ones(graph, 2, 2)]));
  });
  assertEquals(opsOf(backward).filter((op) => op === "copy" || op === "add"), []);
  assertEquals(opsOf(backward).filter((op) => op === "matmulInto").length, 4);
});

const tied: Loss = (graph, { w, table }) => {
  const targets = graph.constant(Int32Array.of(2, -1), [2]);
  const h = one(graph.apply(ops.gelu, [w]));
  const losses = one(graph.apply(ops.linearCrossEntropy, [h, table, targets], { rows: 3 }));
  return one(graph.apply(ops.dot, [losses, graph.constant(Float32Array.of(0.5, 2), [2])]));
};
const tensors = { w: matrix, table: { shape: [4, 2], values: [0.1, 0.7, -0.2, 0.4, 1, -1, 3, 3] } };

Deno.test("a loss that comes with its gradient replaces the plain form", async () => {
  const backward = await check(tensors, tied);
  assertEquals(opsOf(backward).filter((op) => op.startsWith("linearCrossEntropy")), [
    "linearCrossEntropyTrain",
  ]);
  assertEquals(opsOf(backward).filter((op) => op === "dot").length, 1);
  const { result, loss, graph } = record(tensors, tied);
  assert(result.loss !== loss && result.current(loss) === result.loss);
  const untouched = graph.nodes[0].outputs[0];
  assertEquals(graph.nodes[0].op.name, "gelu");
  assert(result.current(untouched) === untouched, "what does not depend on a replaced value stays");
});

Deno.test("inputs that need no gradient cost no steps", async () => {
  const full = await check(tensors, tied), frozen = await check(tensors, tied, ["table"]);
  assert(opsOf(full).includes("geluGrad") && !opsOf(frozen).includes("geluGrad"));
  const product: Loss = (graph, { w, v }) =>
    one(graph.apply(ops.dot, [one(graph.apply(ops.matmul, [w, v], PLAIN)), ones(graph, 2, 2)]));
  const count = (plan: Plan) => opsOf(plan).filter((op) => op === "matmulInto" || op === "matmul").length;
  assertEquals(count(await check({ w: matrix, v: other }, product)), 3); // the product itself, dw, dv
  assertEquals(count(await check({ w: matrix, v: other }, product, ["w"])), 2);
});

Deno.test("reads of states that are not asked for stop gradients", () => {
  const graph = new Graph("g"), w = graph.state("w", [2, 2], "f32", { parameter: true });
  const memory = graph.state("memory", [2, 2]), d = graph.state("d/w", [2, 2]);
  const hidden = one(graph.apply(ops.gelu, [memory]));
  const y = one(graph.apply(ops.matmul, [hidden, w], PLAIN));
  const result = gradients(graph, one(graph.apply(ops.dot, [y, y])), [{ parameter: w, into: d }]);
  graph.assign(d, result.gradients[0]);
  graph.assign(memory, y); // set for the next run: no path for a gradient either
  const steps = opsOf(plan(graph, { loss: result.loss }));
  assert(!steps.includes("geluGrad"), steps.join(" "));
  assertEquals(steps.filter((op) => op === "matmulInto").length, 1);
  assertEquals(steps.filter((op) => op === "matmul").length, 1);
});

Deno.test("a parameter the loss does not reach keeps what its gradient state holds", async () => {
  const { backward } = record({ w: matrix, v: other }, (graph, { w }) => one(graph.apply(ops.dot, [w, w])));
  const store = device.createStore(pagesOf(backward));
  await store.write("w", 0, matrix.values);
  await store.write("d/v", 0, [1, 2, 3, 4]);
  await device.load(backward, store).run({});
  assertEquals([...await store.read("d/v", 0, 4)], [1, 2, 3, 4]);
  assertEquals([...await store.read("d/w", 0, 4)], matrix.values.map((value) => 2 * value));
});

Deno.test("nothing is differentiated through an output that was only saved", () => {
  const graph = new Graph("g"),
    x = graph.state("x", [2, 2], "f32", { parameter: true }),
    d = graph.state("d/x", [2, 2]);
  const vector = graph.constant(new Float32Array(2), [2]);
  const [, , mean] = graph.scope(
    "norm",
    () => graph.apply(ops.addLayerNorm, [x, x, vector, vector], { epsilon: 1 }),
  );
  const loss = one(graph.apply(ops.dot, [mean, mean]));
  const error = assertThrows(() => gradients(graph, loss, [{ parameter: x, into: d }]), TypeError);
  assertEquals(error.message, "Cannot differentiate through a saved output of addLayerNorm in g/norm");
});
