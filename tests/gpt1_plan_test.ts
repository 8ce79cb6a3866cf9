// The plans of one GPT-1 training step, pinned as text in golden/gpt1_step.txt, and what must be true of them at any size:
// no copies, a random stream for each place, and nothing computed for frozen parameters. After an intended change of the
// planner or the model: `UPDATE_GOLDEN=1 deno test -A tests/gpt1_plan_test.ts`, then read the diff.

import { assert, assertEquals } from "@std/assert";
import { type Gpt1Config, parameterSpecs } from "../src/models/gpt1.ts";
import { gradientPlan, scoresPlan } from "../src/models/gpt1_plans.ts";
import { type Layout, layOut } from "../src/nn/parameters.ts";
import type { Plan, Step } from "../src/graph/plan.ts";
import { printPlan } from "../src/graph/print.ts";
import { gpt1Optimizer, updatePlan } from "../src/train/update.ts";
import { checkBuffers } from "./naive_executor.ts";

const GOLDEN = new URL("./golden/gpt1_step.txt", import.meta.url);

function configOf(layers: number, rate = 0.1): Gpt1Config {
  return {
    vocabSize: 11,
    specials: 0,
    context: 4,
    channels: 8,
    heads: 2,
    layers,
    embeddingDropout: rate,
    attentionDropout: rate,
    residualDropout: rate,
    classifierDropout: rate,
  };
}

const language = { batch: 2, length: 4, language: true };
const both = { ...language, classifier: { outputs: 1, choices: 2 } };

function stepPlans(config: Gpt1Config, layout: Layout, run: typeof language = language): Plan[] {
  return [gradientPlan(layout, config, run), updatePlan(layout, gpt1Optimizer)];
}

Deno.test("the plans of a training step are those in the golden listing", async () => {
  const config = configOf(1), layout = layOut(parameterSpecs(config));
  const listing = stepPlans(config, layout).map(printPlan).join("\n");
  if (Deno.env.get("UPDATE_GOLDEN")) await Deno.writeTextFile(GOLDEN, listing);
  assertEquals(listing, await Deno.readTextFile(GOLDEN));
});

Deno.test("the plans of a training step keep their promises and copy nothing", () => {
  for (const layers of [1, 3]) {
    for (const rate of [0, 0.1]) {
      for (const run of [language, both, { ...both, language: false }]) {
        const config = configOf(layers, rate),
          layout = layOut(parameterSpecs(config, "classifier" in run ? 1 : null));
        for (const plan of stepPlans(config, layout, run)) {
          checkBuffers(plan);
          assertEquals(plan.steps.filter(({ op }) => op === "copy"), [], `layers ${layers}, dropout ${rate}`);
        }
      }
    }
  }
});

// The stream of a step with dropout, and the place in the model it belongs to, forward or backward.
function streamOf({ op, scope, dims }: Step): [place: string, stream: number][] {
  const place = scope.replace(/^gpt1\/(d:)?/, "");
  if (op === "dropout") return [[`${place} dropout`, dims[2]]];
  if (op === "sharedDropout") return [[`${place} dropout`, dims[4]]];
  return op.startsWith("attention") ? [[`${place} attention`, dims[6]]] : [];
}

Deno.test("every place that drops has a stream of its own, the same forward and backward", () => {
  const config = configOf(2), layout = layOut(parameterSpecs(config, 1));
  const streams = gradientPlan(layout, config, both).steps.flatMap(streamOf);
  const byPlace = new Map(streams);
  assertEquals([...byPlace.keys()].toSorted(), [
    "clf dropout",
    "h0/attn attention",
    "h0/attn dropout",
    "h0/mlp dropout",
    "h1/attn attention",
    "h1/attn dropout",
    "h1/mlp dropout",
    "we dropout",
  ]);
  assertEquals(new Set(byPlace.values()).size, byPlace.size);
  assertEquals(streams.length, 2 * byPlace.size, "once forward, once backward");
  for (const [place, stream] of streams) assertEquals(stream, byPlace.get(place), place);
});

Deno.test("plans without gradients drop nothing", () => {
  const config = configOf(2), { steps } = scoresPlan(layOut(parameterSpecs(config)), config, language);
  assert(
    steps.every(({ op, dims }) =>
      op !== "dropout" && op !== "sharedDropout" && (op !== "attention" || dims[5] === 0)
    ),
  );
});

Deno.test("frozen parameters cost neither gradients nor moments", () => {
  const config = configOf(2), specs = parameterSpecs(config, 1);
  const frozen = layOut(specs, { frozen: (name) => name === "we" || name.startsWith("h0/") });
  assertEquals(Object.keys(frozen.pages).toSorted(), ["frozen/0", "parameters/0"]);
  const gradient = gradientPlan(frozen, config, { ...both, language: false });
  const states = gradient.buffers.flatMap((buffer) => buffer.kind === "state" ? [buffer.name] : []);
  const wanted = states.filter((name) => name.startsWith("d/")).toSorted();
  assertEquals(
    wanted,
    specs.map(({ name }) => `d/${name}`).filter((name) => /^d\/(h1|clf)\//.test(name)).toSorted(),
  );
  // Below the first trained layer nothing runs backward, and h1's attention passes no gradient on to its input.
  const backward = gradient.steps.filter(({ scope }) => scope.startsWith("gpt1/d:"));
  assert(backward.length > 0);
  assertEquals(
    backward.filter(({ scope }) => !/^gpt1\/d:(h1|clf)/.test(scope)).map(({ scope }) => scope),
    [],
  );
  const full = gradientPlan(layOut(specs), config, { ...both, language: false });
  const inH1 = ({ steps }: Plan) => steps.filter(({ scope }) => scope.startsWith("gpt1/d:h1/attn")).length;
  assertEquals(inH1(gradient), inH1(full) - 1, "the product for the gradient of the layer's input");
  const update = updatePlan(frozen, gpt1Optimizer);
  const pages = update.buffers.flatMap((buffer) => buffer.kind === "state" ? [buffer.place.page] : []);
  assertEquals(pages.toSorted(), ["gradients/0", "moment1/0", "moment2/0", "parameters/0"]);
});
