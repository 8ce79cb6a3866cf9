// Every op x case on the reference executor: shapes as inferred, every output written, gradients against central
// differences in float64. Nothing is listed by hand: a new op is tested because it is in `ops`.

import { assert, assertEquals } from "@std/assert";
import { sizeOf } from "../src/core/shape.ts";
import { openReference } from "../src/backends/reference.ts";
import type { Plan } from "../src/graph/plan.ts";
import { ops } from "../src/ops/mod.ts";
import { forwardPlan, gradientPlans, pagesOf, samples } from "./op_cases.ts";

const device = openReference();

Deno.test("every op writes every element of the shapes it infers", async () => {
  for (const sample of samples()) {
    const plan = forwardPlan(sample);
    const results = await device.load(plan, device.createStore({})).run(sample.feeds);
    for (const { name, shape } of plan.outputs) {
      assertEquals(results[name].length, sizeOf(shape), sample.label);
      assert(!results[name].some(Number.isNaN), `${sample.label}: ${name} is not written everywhere`);
    }
  }
});

Deno.test("every gradient agrees with central differences", async () => {
  let checked = 0;
  for (const sample of samples()) {
    const plans = gradientPlans(sample);
    if (!plans) continue;
    const { loss, gradient, parameters } = plans;
    const store = device.createStore(pagesOf(loss, gradient));
    for (const name of parameters) await store.write(name, 0, sample.feeds[name]);
    await device.load(gradient, store).run(sample.feeds);
    const forward = device.load(loss, store);
    const lossAt = async (name: string, i: number, value: number) => {
      await store.write(name, 4 * i, [value]);
      return (await forward.run(sample.feeds)).loss[0];
    };
    for (const name of parameters) {
      const values = sample.feeds[name], got = await store.read(`d${name}`, 0, values.length);
      const stride = Math.max(1, Math.floor(values.length / 24)); // large tensors are sampled
      for (let i = 0; i < values.length; i += stride) {
        const h = 1e-5;
        const slope = (await lossAt(name, i, values[i] + h) - await lossAt(name, i, values[i] - h)) / (2 * h);
        await lossAt(name, i, values[i]);
        const error = Math.abs(slope - got[i]) / Math.max(1, Math.abs(slope));
        assert(error < 2e-6, `${sample.label}: d/d${name}[${i}] is ${got[i]}, differences say ${slope}`);
        checked++;
      }
    }
  }
  assert(checked > 2000, `only ${checked} partial derivatives were checked`);
});

Deno.test("the cases reach every op, as itself or in a gradient", () => {
  const reached = new Set<string>();
  const note = (plan: Plan) => plan.steps.forEach(({ op }) => reached.add(op));
  for (const sample of samples()) {
    note(forwardPlan(sample));
    const plans = gradientPlans(sample);
    if (plans) note(plans.gradient);
  }
  assertEquals(Object.keys(ops).filter((name) => !reached.has(name)), []);
});
