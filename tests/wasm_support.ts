// What tests of the WASM device share: a look at its memory, a plan of any size whose result is known, training settings.

import { assert } from "@std/assert";
import type { Device, Program } from "../src/backends/backend.ts";
import type { Memory } from "../src/backends/wasm/memory.ts";
import { Graph } from "../src/graph/graph.ts";
import { type Plan, plan } from "../src/graph/plan.ts";
import { gelu } from "../src/nn/layers.ts";
import type { TrainOptions } from "../src/train/trainer.ts";
import { gpt1Optimizer } from "../src/train/update.ts";

/** The allocator of a WASM device. */
export const memoryOf = (device: Device): Memory => (device as unknown as { memory: Memory }).memory;

/** gelu of n numbers, over and over. */
export function geluPlan(n: number, copies = 1): Plan {
  const graph = new Graph("smooth"), x = graph.input("x", [n], "f32");
  let y = gelu(x);
  for (let i = 1; i < copies; i++) y = gelu(y);
  return plan(graph, { y });
}

/** n ones. */
export const ones = (n: number): Float32Array => new Float32Array(n).fill(1);
const GELU_OF_1 = Math.fround(0.8411919906082768);

/** Runs a `geluPlan` of one copy and checks what it says. */
export async function assertWorks(program: Program): Promise<void> {
  const [{ shape: [n] }] = program.plan.inputs;
  const { y } = await program.run({ x: ones(n) });
  y.forEach((value) => assert(Math.abs(value - GELU_OF_1) < 1e-6, `gelu(1) is ${value}`));
}

/** Training at a constant rate for some updates. */
export const trainingOptions = (steps: number): TrainOptions => ({
  schedule: { name: "warmup_constant", learningRate: 1e-3, warmup: 0, steps },
  optimizer: gpt1Optimizer,
  seed: 1,
});

/** Runs something while every look at the clock takes `step` milliseconds, so that when others are let in is certain. */
export async function withClock<T>(step: number, body: () => Promise<T>): Promise<T> {
  const now = performance.now;
  let time = 0;
  performance.now = () => time += step;
  try {
    return await body();
  } finally {
    performance.now = now;
  }
}
