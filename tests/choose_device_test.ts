// What `auto` chooses, with made-up speeds: no device is opened here. That devices are measured is in open_auto_test.ts.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { dispatches } from "../src/backends/webgpu/launches.ts";
import {
  afterFailure,
  choiceByAdapter,
  choiceByRoom,
  choiceBySpeed,
  type Cost,
  costOf,
  crossing,
  MARGIN,
  predicted,
  showSeconds,
  type Speed,
  widestBinding,
  withoutPlans,
} from "../src/choose_device.ts";
import { configure } from "../src/models/gpt1.ts";
import { gpt1Plans } from "../src/models/gpt1_plans.ts";
import { gpt1Optimizer, updatePlan } from "../src/train/update.ts";

const GIB = 2 ** 30, CARD = "Card 9";
// Two cores, and a card a hundred times as fast at products whose launches cost.
const WASM: Speed = { rate: 5e10, launch: 1e-6, wait: 0 };
const GPU: Speed = { rate: 5e12, launch: 5e-6, wait: 11e-3 / 16 };

// A training step of a GPT-1 so large.
function step(shape: Parameters<typeof configure>[0], vocabSize: number, batch: number): Cost {
  const config = configure(shape, vocabSize, { rate: 0 }), plans = gpt1Plans(config);
  const run = { batch, length: config.context, language: true };
  return costOf([plans.gradient(run), updatePlan(plans.layout, gpt1Optimizer)]);
}
const width = (channels: number): Cost => step({ context: 64, channels, heads: 2, layers: 2 }, 500, 4);
const widths = [8, 16, 32, 64, 128, 256, 512].map(width);

Deno.test("a plan costs its launches and what they are estimated at", () => {
  const plan = gpt1Plans(configure("nano", 500)).continuation(1), once = costOf([plan]);
  assertEquals(once.launches, dispatches(plan));
  assertEquals(costOf([plan, plan]), { launches: 2 * once.launches, work: 2 * once.work });
  assertEquals(costOf([]), { launches: 0, work: 0 });
  assertEquals(predicted({ rate: 100, launch: 2, wait: 5 }, { launches: 3, work: 400 }), 15);
});

Deno.test("a tiny model stays on WASM, GPT-1 goes to the GPU", () => {
  const tiny = step({ context: 32, channels: 32, heads: 2, layers: 2 }, 256, 2);
  assertEquals(choiceBySpeed(tiny, WASM, GPU, CARD).device, "wasm");
  assertEquals(choiceBySpeed(step("gpt1", 40478, 2), WASM, GPU, CARD).device, "webgpu");
});

Deno.test("of a family all but the smallest go to the GPU, the fewer the dearer its launches are", () => {
  const chosen = widths.map((cost) => choiceBySpeed(cost, WASM, GPU, CARD).device);
  const from = crossing(widths, WASM, GPU);
  assertEquals(chosen, widths.map((_, i) => i < from ? "wasm" : "webgpu"));
  assert(from > 0 && from < widths.length, `${from}`);
  const crossings = [1, 2, 4, 8, 16, 1e6].map((times) =>
    crossing(widths, WASM, { ...GPU, launch: times * GPU.launch })
  );
  assertEquals(crossings, crossings.toSorted((a, b) => a - b));
  assert(crossings[0] < crossings[3], `${crossings}`);
  assertEquals(crossings.at(-1), widths.length);
  assert(crossing(widths, { ...WASM, rate: 40 * WASM.rate }, GPU) > from);
  assertEquals(crossing(widths, { ...WASM, launch: 1 }, GPU), 0);
});

Deno.test("near a tie it is WASM, which need not compile", () => {
  const cost = { launches: 10, work: 1e9 };
  const of = (gain: number) =>
    choiceBySpeed(cost, { rate: 1e9, launch: 0, wait: 0 }, {
      rate: gain * 1e9,
      launch: 0,
      wait: 0,
    }, CARD);
  assertEquals([0.5, 1, 0.999 * MARGIN, 1.001 * MARGIN, 4].map((gain) => of(gain).device), [
    "wasm",
    "wasm",
    "wasm",
    "webgpu",
    "webgpu",
  ]);
  assertEquals(of(0.5).text, "WASM, predicted 1 s a run against 2 s on WebGPU on Card 9");
  assertEquals(
    of(1.1).text,
    "WASM, predicted 1 s a run against 910 ms on WebGPU on Card 9, which is too near to compile for",
  );
  assertEquals(of(4).text, "WebGPU on Card 9, predicted 250 ms a run against 1 s on WASM");
});

Deno.test("the wait for a result counts", () => {
  const cost = { launches: 1, work: 5e7 }; // 1 ms on WASM
  assertEquals(choiceBySpeed(cost, WASM, { ...GPU, wait: 0 }, CARD).device, "webgpu");
  assertEquals(choiceBySpeed(cost, WASM, { ...GPU, wait: 1e-3 }, CARD).device, "wasm");
});

Deno.test("without a GPU, or with one that is a program, it is WASM", () => {
  assertEquals(choiceByAdapter(null), { device: "wasm", text: "WASM, there is no GPU adapter" });
  assertEquals(choiceByAdapter({ name: "llvmpipe", software: true }), {
    device: "wasm",
    text: "WASM, the adapter llvmpipe computes on the CPU",
  });
  assertEquals(choiceByAdapter({ name: CARD, software: false }), null);
  assertEquals(withoutPlans, { device: "wasm", text: "WASM, no plan was given to choose by" });
  assertEquals(afterFailure(new Error("no luck")), { device: "wasm", text: "WASM, WebGPU failed: no luck" });
});

Deno.test("where only one has room, it is that one", () => {
  const room = (needed: number, capacity: number) => ({ needed, capacity }), binding = room(1, 1);
  const of = (wasm: number, gpu: number, tensor = 1) =>
    choiceByRoom(
      room(wasm * GIB, 4 * GIB),
      { ...room(gpu * GIB, 8 * GIB), binding: room(tensor * GIB, GIB) },
      CARD,
    );
  assertEquals([of(4, 8), of(5, 9), of(5, 8, 2)], [null, null, null]);
  assertEquals(of(5, 6), {
    device: "webgpu",
    text: "WebGPU on Card 9, the plans take 5.00 GiB and WASM has 4.00 GiB",
  });
  assertEquals(of(3, 9), {
    device: "wasm",
    text: "WASM, the plans take 9.00 GiB on WebGPU on Card 9, which may use 8.00 GiB",
  });
  assertEquals(of(3, 3, 2), {
    device: "wasm",
    text: "WASM, a tensor of 2.00 GiB is more than WebGPU on Card 9 binds, 1.00 GiB",
  });
  assertEquals(choiceByRoom(room(1, 1), { ...room(1, Infinity), binding }, CARD), null);
});

Deno.test("what is bound in windows needs no wide binding, an activation does", () => {
  const plans = gpt1Plans(configure({ context: 64, channels: 64, heads: 2, layers: 1 }, 4000));
  const at = (batch: number, bytes: number) =>
    widestBinding([plans.gradient({ batch, length: 64, language: true })], bytes);
  const table = 4 * 64 * 4000, activation = 4 * 64 * 64 * 64; // (B, T, C), B = 64
  assert(at(1, 2 ** 30) >= table);
  assert(at(1, table / 4) <= table / 4, "the table is bound in windows");
  assert(at(64, 2 ** 17) >= activation, "an activation is not");
});

Deno.test("seconds are shown to two digits", () => {
  assertEquals([0.01234, 0.000456, 0.75, 1.26, 123, 1234].map(showSeconds), [
    "12 ms",
    "0.46 ms",
    "750 ms",
    "1.3 s",
    "120 s",
    "1,200 s",
  ]);
  assertStringIncludes(showSeconds(0.9999), "1,000 ms");
});
