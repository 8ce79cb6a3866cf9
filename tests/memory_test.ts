// The memory of the WASM device: the allocator, running out of it, pages, and addresses above 2 GiB. What runs in it is in
// device_test.ts.

import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { type Device, OutOfMemory } from "../src/backends/backend.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { type Block, Memory } from "../src/backends/wasm/memory.ts";
import { Random } from "../src/core/random.ts";
import type { Plan } from "../src/graph/plan.ts";
import { pretrainingSource } from "../src/tasks/language.ts";
import { generateTokens } from "../src/train/generate.ts";
import { train } from "../src/train/trainer.ts";
import { forwardPlan, gradientPlans, pagesOf, samples } from "./op_cases.ts";
import { all, numbersOf, someTokens, tinyConfig, tinyModel } from "./tiny_model.ts";
import { assertWorks, geluPlan, memoryOf, ones, trainingOptions } from "./wasm_support.ts";

const RESERVED = 4096;
const apart = (a: Block, b: Block) => a.address + a.bytes <= b.address || b.address + b.bytes <= a.address;

Deno.test("blocks are aligned, never overlap, and come together again when freed", () => {
  const seed = Math.floor(Math.random() * 2 ** 31), random = new Random(seed, "allocator");
  const memory = new Memory(false, RESERVED),
    held: { block: Block; mark: number }[] = [],
    empty = memory.used;
  try {
    for (let step = 1; step <= 1500; step++) {
      if (held.length > 0 && random.next() < 0.48) {
        const [{ block, mark }] = held.splice(random.below(held.length), 1);
        const numbers = memory.floats(block.address, block.bytes / 4);
        assert(numbers[0] === mark && numbers.at(-1) === mark, "the contents of a block were changed");
        memory.release(block);
        continue;
      }
      const size = random.below(4) === 0 ? random.below(300_000) : random.below(2000);
      const block = memory.allocate(size, "a test");
      assert(block.address >= RESERVED && block.address % 256 === 0 && block.bytes >= size);
      assert(block.address + block.bytes <= memory.bytes && memory.bytes === memory.wasm.buffer.byteLength);
      assert(held.every((other) => apart(block, other.block)), `block ${step} overlaps another`);
      memory.floats(block.address, block.bytes / 4).fill(step);
      held.push({ block, mark: step });
      assertEquals(memory.used, empty + held.reduce((sum, { block }) => sum + block.bytes, 0));
    }
    random.shuffle(held).forEach(({ block }) => memory.release(block));
    assertEquals(memory.used, empty);
    // One hole again: all of it can be had at once, without growing.
    const bytes = memory.bytes, whole = memory.allocate(bytes - RESERVED, "a test");
    assertEquals([whole.address, memory.bytes], [RESERVED, bytes]);
  } catch (error) {
    throw new Error(`with seed ${seed}: ${error}`, { cause: error });
  }
});

Deno.test("memory grows by what is missing and uses holes first", () => {
  const memory = new Memory(false, RESERVED),
    [a, b, c] = [1, 2, 3].map((n) => memory.allocate(n * 65536, "a test"));
  const bytes = memory.bytes;
  memory.release(b);
  assertEquals(memory.allocate(2 * 65536, "a test").address, b.address);
  memory.release(a);
  memory.release(c);
  memory.allocate(3 * 65536, "a test");
  assertEquals(memory.bytes, bytes);
  memory.allocate(10 * 65536, "a test");
  assert(memory.bytes <= bytes + 10 * 65536);
});

const MANY = 3 * 2 ** 30;

Deno.test("running out of memory is an error with a name, after which the device works as before", async () => {
  for (const threads of [1, 2]) {
    using device = await openWasm({ threads });
    const memory = memoryOf(device), store = device.createStore({ kept: 1024 });
    await store.write("kept", 0, ones(256));
    const small = device.load(geluPlan(5000), store), before = memory.used;
    await assertWorks(small);
    const refused = (action: () => unknown) => assertThrows(action, OutOfMemory, "MiB");
    assertStringIncludes(refused(() => device.createStore({ a: 2 ** 20, b: 5 * 2 ** 30 })).message, "page b");
    refused(() => store.add({ a: 2 ** 20, b: 5 * 2 ** 30 }));
    // Too many temporaries, at the plan itself and behind a constant; and a workspace for which nothing is left.
    const large = geluPlan(5000),
      buffers: Plan["buffers"] = [
        ...large.buffers,
        { kind: "constant", bytes: 1024, dtype: "f32", data: [...ones(256)] },
      ];
    assertStringIncludes(
      refused(() => device.load({ ...large, buffers, temporaryBytes: 5 * 2 ** 30 }, store)).message,
      "the temporaries of smooth",
    );
    const steps = large.steps.map((step) => ({ ...step, workspace: 5 * 2 ** 30 }));
    assertStringIncludes(
      refused(() => device.load({ ...large, steps }, store)).message,
      "the workspaces of smooth",
    );
    assertEquals([memory.used, [...store.pages.keys()]], [before, ["kept"]]);
    // Were temporaries of programs lost to the allocator, this would lie on them.
    const next = device.createStore({ next: 60_000 });
    await next.write("next", 0, ones(15_000));
    await assertWorks(small);
    await assertWorks(device.load(geluPlan(9000), store));
    assertEquals(await next.read("next", 0, 15_000), ones(15_000));
    assertEquals(await store.read("kept", 0, 256), ones(256));
  }
});

Deno.test("pages are zero however often their bytes were used, and reads and writes stay inside", async () => {
  using device = await openWasm({ threads: 1 });
  for (let round = 0; round < 3; round++) {
    const store = device.createStore({ a: 1000, b: 70_000 });
    for (const [page, bytes] of store.pages) {
      assertEquals(await store.read(page, 0, bytes / 4), new Float32Array(bytes / 4));
      await store.write(page, 0, ones(bytes / 4));
    }
    store.free();
  }
  const store = device.createStore({ a: 1000, b: 1000 });
  await assertRejects(() => store.write("a", 4, ones(250)), RangeError, 'of page "a"');
  await assertRejects(() => store.read("a", 1000, 1), RangeError, 'of page "a"');
  await assertRejects(() => store.read("a", -4, 1), RangeError, 'of page "a"');
  await assertRejects(() => store.read("c", 0, 1), RangeError, 'no page "c"');
  assertThrows(() => store.add({ c: 8, a: 8 }), RangeError, 'already is a page "a"');
  assertEquals([...store.pages.keys()], ["a", "b"]);
});

Deno.test("kernels are right above 2 GiB", async (t) => {
  for (const threads of [1, 2]) {
    using high = await openWasm({ threads, poison: true });
    using low = await openWasm({ threads: 1 });
    try {
      memoryOf(high).allocate(MANY, "a block that nobody touches");
    } catch (error) {
      console.log(`skipped: this machine has no room for 3 GiB of addresses (${error})`);
      return;
    }
    const jobs = samples().filter(({ op }) =>
      [
        "linear",
        "matmul",
        "attention",
        "cachedAttention",
        "adam",
        "linearCrossEntropyTrain",
        "embedding",
        "dropout",
      ]
        .includes(op.name)
    );
    await t.step(`${jobs.length} cases, ${threads} threads`, async () => {
      for (const sample of jobs) {
        const gradients = gradientPlans(sample), parameters = gradients?.parameters ?? [];
        for (const planned of [forwardPlan(sample), ...(gradients ? [gradients.gradient] : [])]) {
          const run = async (device: Device) => {
            const store = device.createStore(pagesOf(planned)), program = device.load(planned, store);
            const given = planned === gradients?.gradient ? parameters : [];
            for (const name of given) await store.write(name, 0, sample.feeds[name]);
            const results: Record<string, number[]> = {};
            for (const [name, values] of Object.entries(await program.run(sample.feeds))) {
              results[name] = [...values];
            }
            for (const name of given) {
              results[`d${name}`] = [...await store.read(`d${name}`, 0, sample.feeds[name].length)];
            }
            const highest = Math.max(
              ...[...(store as unknown as { blocks: Map<string, Block> }).blocks.values()]
                .map(({ address }) => address),
              0,
            );
            if (device === high && given.length > 0) assert(highest > 2 ** 31, `pages lie at ${highest}`);
            program.free();
            store.free();
            return results;
          };
          assertEquals(await run(high), await run(low), sample.label);
        }
      }
    });
    await t.step(`a model is trained and writes, ${threads} threads`, async () => {
      const config = tinyConfig({ rate: 0.1 }), outcomes: unknown[] = [];
      for (const device of [high, low]) {
        using model = await tinyModel(device, config);
        const source = pretrainingSource(config, someTokens(200, 1), { batch: 2, seed: 1 });
        const events = await all(train(model, source, trainingOptions(3)));
        const text = await all(generateTokens(model, [[1, 2, 3]], { maxTokens: 20, seed: 1 }));
        outcomes.push([events.map(({ loss }) => loss), text, await numbersOf(model)]);
        if (device === high) assert(model.layout.segments.length > 0);
      }
      assertEquals(outcomes[0], outcomes[1]);
    });
  }
});
