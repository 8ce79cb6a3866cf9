// How runs are submitted, on a device that only notes what it is told: parts of about 50 ms of estimated work, about 100 ms
// queued at most, one run after another. No GPU is needed.

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Memory } from "../src/backends/webgpu/memory.ts";
import { type Dispatch, Queue, type Run } from "../src/backends/webgpu/queue.ts";

const MS = 1e6; // operations that a software adapter is first taken to do in a millisecond

// What was submitted, as lists of dispatches, and a way to say that the oldest of it is done. No time passes.
function fake() {
  const submitted: number[][] = [], waiting: (() => void)[] = [];
  const device = {
    createCommandEncoder: () => {
      const parts: number[] = [];
      let work = 0;
      const pass = {
        setPipeline: (pipeline: { work: number }) => void (work = pipeline.work),
        setBindGroup: () => {},
        dispatchWorkgroups: () => void parts.push(work),
        end: () => {},
      };
      return { beginComputePass: () => pass, finish: () => parts };
    },
    queue: {
      submit: ([parts]: number[][]) => void submitted.push(parts),
      onSubmittedWorkDone: () => new Promise<void>((resolve) => waiting.push(resolve)),
    },
  };
  const memory = { device, settled: () => Promise.resolve() } as unknown as Memory;
  return { queue: new Queue(memory, true, null, () => 0), submitted, done: () => waiting.shift()?.() };
}

const run = <T>(value: T, ...milliseconds: number[]): Run<T> => ({
  value,
  before: () => {},
  after: () => {},
  launches: milliseconds.map((ms) => ({
    pipeline: { work: ms },
    group: {},
    workgroups: [1, 1, 1],
    work: ms * MS,
  } as unknown as Dispatch)),
});

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

Deno.test("a run is submitted in parts of 50 ms; a longer dispatch is a part of its own", async () => {
  const { queue, submitted } = fake();
  assertEquals(await queue.run(() => run("a", 20, 20, 20, 70, 5, 5)), "a");
  assertEquals(submitted, [[20, 20], [20], [70], [5, 5]]);
  assertEquals(queue.submits, 4);
});

Deno.test("a run without dispatches is submitted too: its copies are", async () => {
  const { queue, submitted } = fake();
  await queue.run(() => run(null));
  assertEquals(submitted, [[]]);
});

Deno.test("at most about 100 ms are queued: the next run waits for the oldest", async () => {
  const { queue, submitted, done } = fake();
  const order: string[] = [];
  for (const name of ["a", "b", "c", "d"]) {
    queue.run(() => run(name, 45)).then((value) => order.push(value));
  }
  await turn();
  assertEquals([order, submitted.length], [["a", "b", "c"], 3]); // 90 ms before c, 135 before d
  done();
  await turn();
  assertEquals([order, submitted.length], [["a", "b", "c", "d"], 4]);
});

Deno.test("a device that is faster than it was taken for gets more at once", async () => {
  const { queue, submitted, done } = fake(), names = ["a", "b", "c", "d", "e", "f", "g"];
  await queue.run(() => run("first", 45, 45));
  done(); // in no time
  await turn();
  names.forEach((name) => queue.run(() => run(name, 45, 45)));
  await turn();
  assertEquals(submitted, [[45], [45], ...names.map(() => [45, 45])]);
});

Deno.test("a run that cannot be encoded rejects, and those after it go on", async () => {
  const { queue, submitted } = fake();
  const bad = queue.run(() => {
    throw new RangeError("no");
  });
  const good = queue.run(() => run("good", 1));
  await assertRejects(() => bad, RangeError, "no");
  assertEquals(await good, "good");
  let then = false;
  queue.then(() => then = submitted.length === 1);
  await turn();
  assert(then);
});
