// A product of two matrices as a program of its own, the steps repeated within a run, so that handing over operands and
// product is a small part of it. Shared by the contestant and by the step benchmark, which measures itself against it.

import type { Device, Program } from "../src/backends/backend.ts";
import { Graph } from "../src/graph/graph.ts";
import { plan } from "../src/graph/plan.ts";
import { ops } from "../src/ops/mod.ts";

/** y (M,N) = a (M,K) · b (K,N), `repeats` times in a run. */
export function productProgram(
  device: Device,
  { m, k, n }: { readonly m: number; readonly k: number; readonly n: number },
  repeats: number,
): Program {
  const graph = new Graph("product"),
    a = graph.input("a", [m, k], "f32"),
    b = graph.input("b", [k, n], "f32");
  const one = plan(graph, { y: graph.apply(ops.matmul, [a, b], { ta: false, tb: false })[0] });
  const steps = Array.from({ length: repeats }, () => one.steps).flat();
  return device.load({ ...one, steps }, device.createStore({}));
}
