// Schedules, step sizes and GPT-1's Adam against the figures derived from the released code: schedule values by update,
// and three updates of one weight vector, once as a matrix (with decay) and once as a vector (without).

import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { openReference } from "../src/backends/reference.ts";
import { layOut, mirror } from "../src/nn/parameters.ts";
import { learningRate, type Schedule, schedules, stepSize } from "../src/train/schedule.ts";
import {
  gpt1Optimizer,
  type OptimizerSettings,
  stepBlock,
  trainingPages,
  updatePlan,
} from "../src/train/update.ts";

const rates = (schedule: Schedule): number[] =>
  Array.from({ length: schedule.steps + 1 }, (_, t) => learningRate(schedule, t));

function assertDigits(actual: ArrayLike<number>, expected: readonly number[], digits: number): void {
  assertEquals(actual.length, expected.length);
  expected.forEach((value, i) => assertAlmostEquals(actual[i], value, 0.51 * 10 ** -digits));
}

Deno.test("schedules follow the released code", () => {
  const common = { learningRate: 1, warmup: 0.2, steps: 10 };
  assertDigits(rates({ name: "warmup_linear", ...common }), [0, .45, .8, .7, .6, .5, .4, .3, .2, .1, 0], 12);
  const cosine = [0, .5, 1, .7939, .6545, .5, .3455, .2061, .0955, .0245, 0];
  assertDigits(rates({ name: "warmup_cosine", ...common }), cosine, 4);
  assertDigits(rates({ name: "warmup_constant", ...common }), [0, .5, 1, 1, 1, 1, 1, 1, 1, 1, 1], 12);
  const rocStories = rates({ name: "warmup_linear", learningRate: 1, warmup: 0.002, steps: 138 });
  assertDigits([0, 1, 69, 137].map((t) => rocStories[t]), [0, .992754, .5, .007246], 6);
});

Deno.test("a schedule scales with the learning rate, needs no warm-up, and stays put behind its end", () => {
  for (const name of Object.keys(schedules) as (keyof typeof schedules)[]) {
    const schedule = { name, learningRate: 2.5e-4, warmup: 0.2, steps: 10 };
    assertDigits(rates(schedule), rates({ ...schedule, learningRate: 1 }).map((rate) => rate * 2.5e-4), 18);
    assertEquals(learningRate({ ...schedule, warmup: 0 }, 0), 2.5e-4);
    assertEquals(learningRate(schedule, 25), learningRate(schedule, 10));
  }
});

Deno.test("step sizes of the tiny reference run", () => {
  const schedule: Schedule = { name: "warmup_linear", learningRate: 0.01, warmup: 0.2, steps: 10 };
  const sizes = Array.from({ length: 6 }, (_, t) => stepSize(learningRate(schedule, t), t + 1, 0.9, 0.999));
  assertDigits(sizes, [0, .00105893, .00161608, .00128638, .00103499, .00082554], 8);
});

// A matrix and a vector, on the reference executor.
async function optimizer(settings: OptimizerSettings) {
  const layout = layOut([{ name: "w", shape: [1, 2], init: 0 }, { name: "b", shape: [2], init: 0 }]);
  const store = openReference().createStore({ ...layout.pages, ...trainingPages(layout) });
  const program = openReference().load(updatePlan(layout, settings), store);
  const places = layout.segments.map(({ place }) => place);
  const write = async (kind: "parameters" | "gradients", values: readonly number[]) => {
    for (const { page, offset } of places) {
      await store.write(kind === "gradients" ? mirror(page, kind) : page, offset, values);
    }
  };
  await write("parameters", [1, -2]);
  return {
    /** One update with the same gradient for both; gives the squared norm. */
    async update(gradient: readonly number[], rate: number, n: number): Promise<number> {
      await write("gradients", gradient);
      return (await program.run({ groups: stepBlock(settings, rate, n) })).squaredNorm[0];
    },
    read: (kind: "parameters" | "gradients" | "moment1" | "moment2") =>
      Promise.all(
        places.map(({ page, offset }) =>
          store.read(kind === "parameters" ? page : mirror(page, kind), offset, 2)
        ),
      ),
    page: (page: string) => store.read(page, 0, layout.pages["parameters/0"] / 4),
  };
}

Deno.test("three updates give the derived weights, with decay on the matrix only", async () => {
  const schedule: Schedule = { name: "warmup_linear", learningRate: 0.1, warmup: 0.2, steps: 10 };
  const { update, read, page } = await optimizer(gpt1Optimizer);
  const matrix = [[1, -2], [0.95646098, -1.95478825], [0.87966637, -1.87447239], [0.81232453, -1.80423129]];
  const vector = [[1, -2], [0.95656687, -1.95500003], [0.87992684, -1.87500008], [0.81269816, -1.80500012]];
  for (let t = 0; t < 4; t++) {
    const gradient = [0.1 * (t + 1), -0.3];
    const squared = await update(gradient, learningRate(schedule, t), t + 1);
    assertAlmostEquals(squared, 2 * (gradient[0] ** 2 + gradient[1] ** 2), 1e-15);
    const [w, b] = await read("parameters");
    assertDigits(w, matrix[t], 8);
    assertDigits(b, vector[t], 8);
  }
  assertEquals((await read("gradients")).map((values) => [...values]), [[0, 0], [0, 0]]);
  const whole = await page("parameters/0"); // the padding between the tensors stays 0
  assertEquals([...whole].filter((value) => value !== 0).length, 4);
});

Deno.test("gradients above the norm are scaled down to it, all together", async () => {
  const moments = async (maxNorm: number, gradient: readonly number[]) => {
    const { update, read } = await optimizer({ ...gpt1Optimizer, maxNorm });
    await update(gradient, 0, 1);
    return (await read("moment1")).map((values) => [...values]).flat();
  };
  assertDigits(await moments(1, [30, 40]), [0.6, 0.8, 0.6, 0.8].map((g) => 0.1 * g / Math.SQRT2), 12);
  assertDigits(await moments(0.5, [0.3, 0.4]), [0.3, 0.4, 0.3, 0.4].map((g) => 0.1 * g / Math.SQRT2), 12);
  assertDigits(await moments(1, [0.3, 0.4]), [0.03, 0.04, 0.03, 0.04], 12);
  assertDigits(await moments(0, [30, 40]), [3, 4, 3, 4], 12);
});

Deno.test("groups have their own rate, and an inactive one keeps weights and moments", async () => {
  const groups = [{ name: "matrices", decay: 0, rateFactor: 0.5 }, {
    name: "vectors",
    decay: 0,
    active: false,
  }];
  const { update, read } = await optimizer({ ...gpt1Optimizer, groups });
  await update([0.1, -0.1], 0.01, 1);
  const [w, b] = await read("parameters");
  assertDigits(w, [1 - 0.005, -2 + 0.005], 6);
  assertEquals([...b], [1, -2]);
  assertEquals([...(await read("moment1"))[1]], [0, 0]);
  assertEquals([...(await read("moment2"))[1]], [0, 0]);
  assertEquals([...(await read("gradients"))[1]], [0, 0]);
  assert((await read("moment1"))[0].every((value) => value !== 0));
});
