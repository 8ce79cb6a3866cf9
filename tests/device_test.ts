// The WASM device as a place to run: queued runs of many programs, other tasks meanwhile, and what happens when a kernel, a
// thread or the caller does something wrong. Its memory is in memory_test.ts.

import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import type { Device, Feeds, Program, Results, Store } from "../src/backends/backend.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { Graph } from "../src/graph/graph.ts";
import { type Plan, plan } from "../src/graph/plan.ts";
import { configure } from "../src/models/gpt1.ts";
import { createGpt1 } from "../src/models/gpt1_model.ts";
import { embed, gelu, project } from "../src/nn/layers.ts";
import { openDevice } from "../src/open_device.ts";
import { ops } from "../src/ops/mod.ts";
import { pretrainingSource } from "../src/tasks/language.ts";
import { generateTokens } from "../src/train/generate.ts";
import { train } from "../src/train/trainer.ts";
import { all, distance, numbersOf, someTokens, tinyConfig, tinyModel } from "./tiny_model.ts";
import { assertWorks, geluPlan, memoryOf, ones, trainingOptions, withClock } from "./wasm_support.ts";

Deno.test("numbers of threads and bytes that are not positive are refused by every device that takes them", async () => {
  for (const device of ["wasm", "webgpu"] as const) {
    for (const threads of [-1, 0, 1.5, NaN]) {
      await assertRejects(
        () => openDevice({ device, threads }),
        RangeError,
        `Cannot use ${threads} threads: `,
      );
    }
    for (const maxBytes of [-1, 0, NaN]) {
      await assertRejects(
        () => openDevice({ device, threads: 1, maxBytes }),
        RangeError,
        `Cannot work in ${maxBytes} bytes`,
      );
    }
  }
});

Deno.test("what is closed or freed says so when it is run", async () => {
  const device = await openWasm({ threads: 2 });
  const graph = new Graph("reading"), state = graph.state("table", [4, 8], "f32", { parameter: true });
  const ids = graph.input("ids", [2, 1], "i32", { below: 4 }),
    planned = plan(graph, { y: embed(state, ids) });
  const store = device.createStore({ table: 128 }), feeds = { ids: Int32Array.of(1, 3) };
  const [program, other] = [device.load(planned, store), device.load(planned, store)];
  await program.run(feeds);
  const before = memoryOf(device).used;

  program.free();
  await assertRejects(() => program.run(feeds), Error, "Cannot run reading: the program was freed");
  assertEquals(memoryOf(device).used, before);
  await other.run(feeds);

  store.free();
  await assertRejects(() => other.run(feeds), RangeError, 'no page "table"');
  assertThrows(
    () => device.load(planned, device.createStore({})).run({}),
    TypeError,
    'input "ids" is missing',
  );
  await assertRejects(
    () => device.load(planned, device.createStore({})).run(feeds),
    RangeError,
    'no page "table"',
  );

  // Added again, the page may lie elsewhere; programs find it.
  device.createStore({ other: 128 });
  store.add({ table: 128 });
  await store.write("table", 0, Array.from({ length: 32 }, (_, i) => i));
  assertEquals((await other.run(feeds)).y[0], 8);

  device.close();
  device.close();
  await assertRejects(() => other.run(feeds), Error, "Cannot run reading: the device is closed");
});

Deno.test("a plan with constants gives all of its memory back", async () => {
  using device = await openWasm({ threads: 2 });
  const memory = memoryOf(device), store = device.createStore({});
  const graph = new Graph("sum"), x = graph.input("x", [300], "f32");
  const planned = plan(graph, { y: graph.apply(ops.add, [x, graph.constant(ones(300), [300])])[0] });
  device.load(planned, store).free();
  await device.load(planned, store).run({ x: ones(300) });
  const before = memory.used;
  for (let i = 0; i < 20; i++) {
    const program = device.load(planned, store);
    assertEquals((await program.run({ x: ones(300) })).y, ones(300).fill(2));
    program.free();
    program.free(); // a second time gives nothing back twice
  }
  await device.load(geluPlan(1), store).run({ x: ones(1) }); // freeing takes its turn in the queue
  assertEquals(memory.used, before);
});

// A recording whose second token is read from far outside the table: a trap, on the thread that has its row.
function trapping(): { planned: Plan; feeds: { ids: Int32Array } } {
  const graph = new Graph("trap"), table = graph.state("table", [4, 64], "f32", { parameter: true });
  const planned = plan(graph, { y: project(embed(table, graph.input("ids", [2, 1], "i32")), table) });
  return { planned, feeds: { ids: Int32Array.of(1, 1_000_000) } };
}

Deno.test("a trap in a kernel is an error that names it, on whichever thread, and ends the device", async () => {
  for (const threads of [1, 2, 3]) {
    for (const order of [[0, 1], [1, 0]]) {
      using device = await openWasm({ threads });
      const { planned, feeds } = trapping(), store = device.createStore({ table: 1024 });
      const program = device.load(planned, store), waiting = device.load(geluPlan(5), store);
      await program.run({ ids: Int32Array.of(1, 2) });
      const failing = program.run({ ids: Int32Array.from(order, (i) => feeds.ids[i]) });
      const queued = waiting.run({ x: ones(5) });
      queued.catch(() => {});
      const error = await assertRejects(() => failing, Error, "Kernel embedding of trap failed");
      assertStringIncludes(error.message.toLowerCase(), "out of bounds");
      await assertRejects(() => queued, Error, "the device is closed");
    }
  }
});

Deno.test("a kernel that does not exist is an error on every number of threads", async () => {
  for (const threads of [1, 3]) {
    using device = await openWasm({ threads });
    const planned = geluPlan(5), steps = planned.steps.map((step) => ({ ...step, op: "nonesuch" }));
    const program = device.load({ ...planned, steps }, device.createStore({}));
    await assertRejects(() => program.run({ x: ones(5) }), Error, "Kernel nonesuch of smooth failed");
  }
});

// A plan of many steps; by the clock of `whileRunning` each takes 10 ms, so that its run lets other tasks in.
const LONG = 50_000;
const longPlan = (device: Device, store: Store): Program => device.load(geluPlan(LONG, 60), store);

// As `assertEquals`, without a listing of how long arrays differ.
const assertSame = (a: Results[string], b: Results[string]): void =>
  assertEquals([a.length, a.findIndex((value, i) => value !== b[i])], [b.length, -1]);

async function whileRunning(program: Program, feeds: Feeds, meanwhile: () => void): Promise<Results> {
  return await withClock(10, async () => {
    let done = false;
    const result = program.run(feeds).finally(() => done = true);
    result.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve));
    assert(!done, "a long run lets other tasks in");
    meanwhile();
    return await result;
  });
}

Deno.test("loading a larger plan, adding pages and freeing others while a program runs disturbs nothing", async () => {
  for (const threads of [1, 2]) {
    using device = await openWasm({ threads });
    const other = device.createStore({ a: 4 * LONG }), memory = memoryOf(device);
    let larger: Program | null = null;
    const long = longPlan(device, device.createStore({}));
    const { y } = await whileRunning(long, { x: ones(LONG) }, () => {
      const before = memory.bytes;
      other.free();
      larger = device.load(geluPlan(2 * LONG), device.createStore({ b: 80 * LONG }));
      assert(memory.bytes > before, "memory grew under the running program");
    });
    assertSame((await long.run({ x: ones(LONG) })).y, y);
    await assertWorks(larger!);
  }
});

Deno.test("a page freed while a program runs stays its own until the run is over", async () => {
  using device = await openWasm({ threads: 1 });
  const store = device.createStore({ x: 4 * LONG });
  await store.write("x", 0, ones(LONG));
  const graph = new Graph("reading");
  let y = gelu(graph.state("x", [LONG], "f32", { parameter: true }));
  for (let i = 0; i < 60; i++) y = gelu(y);
  y = graph.apply(ops.add, [y, graph.state("x", [LONG], "f32", { parameter: true })])[0]; // read at the very end
  const program = device.load(plan(graph, { y }), store), first = (await program.run({})).y;
  const { y: second } = await whileRunning(program, {}, () => {
    store.free();
    device.createStore({ z: 4 * LONG }); // zeroed: it must not be the page that is being read
  });
  assertSame(second, first);
});

Deno.test("closing the device while a program runs ends the run with an error", async () => {
  for (const threads of [1, 2]) {
    const device = await openWasm({ threads }), long = longPlan(device, device.createStore({}));
    const closing = () => whileRunning(long, { x: ones(LONG) }, () => device.close());
    await assertRejects(closing, Error, "the device was closed meanwhile");
  }
});

Deno.test("runs of one device are queued, and each has its own results", async () => {
  for (const threads of [1, 2]) {
    using device = await openWasm({ threads });
    const graph = new Graph("counter"), state = graph.state("sum", [300]), x = graph.input("x", [300], "f32");
    const sum = graph.apply(ops.add, [state, x])[0];
    graph.assign(state, sum);
    const planned = plan(graph, { sum }), stores = [0, 1].map(() => device.createStore({ sum: 1200 }));
    const programs = stores.map((store) => device.load(planned, store)), bytes = memoryOf(device).used;
    // 300 runs on two stores without waiting; they share temporaries and nothing else.
    const results = await Promise.all(Array.from({ length: 300 }, (_, i) => {
      return programs[i % 2].run({ x: ones(300).fill(i % 2 ? 10 : 1) });
    }));
    results.forEach(({ sum }, i) => {
      const turn = Math.floor(i / 2) + 1;
      assert(sum.every((value) => value === (i % 2 ? 10 * turn : turn)), `run ${i} gives ${sum[0]}`);
    });
    assertEquals(memoryOf(device).used, bytes, "300 runs need no more memory than one");
  }
});

Deno.test("a run that is refused does not hold up the next", async () => {
  using device = await openWasm({ threads: 2 });
  const store = device.createStore({}), program = device.load(geluPlan(5), store);
  assertThrows(() => program.run({}), TypeError, 'input "x" is missing');
  assertThrows(() => program.run({ x: ones(4) }), TypeError, "must be 5 f32 numbers");
  await assertWorks(program);
});

Deno.test("two models on one device train as they do alone", async () => {
  const config = tinyConfig({ rate: 0.1 }),
    wide = configure({ context: 24, channels: 12, heads: 3, layers: 1 }, 23);
  const alone: unknown[] = [], together: unknown[] = [];
  const training = async (device: Device, one: typeof config) => {
    using model = await createGpt1(device, one, { seed: 2 });
    const source = pretrainingSource(one, someTokens(400, 1), { batch: 2, seed: 1 });
    const losses = (await all(train(model, source, trainingOptions(10)))).map(({ loss }) => loss);
    return [losses, await numbersOf(model)];
  };
  for (const one of [config, wide]) {
    using device = await openWasm({ threads: 1 });
    alone.push(await training(device, one));
  }
  using device = await openWasm({ threads: 2 });
  together.push(...await Promise.all([config, wide].map((one) => training(device, one))));
  assertEquals(together, alone);
});

Deno.test("a closed model gives back everything, and the device goes on", async () => {
  using device = await openWasm({ threads: 1 });
  const config = tinyConfig(), memory = memoryOf(device);
  const cycle = async () => {
    const model = await tinyModel(device, config);
    const source = pretrainingSource(config, someTokens(200, 1), { batch: 2, seed: 1 });
    await all(train(model, source, trainingOptions(2)));
    await all(generateTokens(model, [[1], [2]], { maxTokens: 5 }));
    model.close();
    await device.load(geluPlan(1), device.createStore({})).run({ x: ones(1) });
    return memory.used;
  };
  const first = await cycle();
  for (let i = 0; i < 3; i++) assertEquals(await cycle(), first);
});

Deno.test("devices are opened by name, with as many threads as asked for", async () => {
  using one = await openDevice({ device: "wasm", threads: 1 });
  using three = await openDevice({ device: "auto", threads: 3 });
  using plain = await openWasm({ build: "simd", tile: "6x16", threads: 1 });
  using reference = await openDevice({ device: "reference" });
  assertEquals([one.kind, three.kind, reference.kind], ["wasm", "wasm", "reference"]);
  assertStringIncludes(one.description, "1 thread");
  assertStringIncludes(three.description, "3 threads");
  assertEquals(plain.description, "WASM simd, 6x16 tiles, 1 thread");
  await assertRejects(() => openDevice({ device: "abacus" as "wasm" }), RangeError, 'no device "abacus"');
  for (const threads of [0, -1, 1.5, NaN]) {
    await assertRejects(() => openDevice({ threads }), RangeError, `Cannot use ${threads} threads`);
  }
});

Deno.test("the two builds differ in bits and agree in numbers", async () => {
  const outcomes: Record<string, number[]>[] = [];
  for (const build of ["relaxed", "simd"] as const) {
    using device = await openWasm({ build, threads: 1 });
    using model = await tinyModel(device, tinyConfig());
    const source = pretrainingSource(model.config, someTokens(200, 1), { batch: 2, seed: 1 });
    await all(train(model, source, trainingOptions(5)));
    outcomes.push(await numbersOf(model));
  }
  assertNotEquals(outcomes[0], outcomes[1]);
  assert(distance(outcomes[0], outcomes[1]) < 1e-4);
});
