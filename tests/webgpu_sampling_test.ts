// Logits too large for one binding are sampled window by window: every row once, at offsets that WebGPU takes.

import { assert, assertEquals } from "@std/assert";
import { sampling } from "../src/backends/webgpu/sampling.ts";

Deno.test("windows of logits cover every row once and fit a binding", () => {
  const R = 1001, bindingBytes = 4 * R * 150;
  const limits = { bindingBytes, workgroupBytes: 16384, halves: false, subgroups: false };
  const launches = sampling.sampleTokens({ dims: [300, R, 900], floats: [], shapes: [], limits });
  assertEquals(launches.map(({ sizes: { start, rows } }) => [start, rows]), [[0, 128], [128, 128], [
    256,
    44,
  ]]);
  for (const { tensors: [{ offset, bytes }], sizes: { start, rows } } of launches) {
    assertEquals([offset, bytes], [4 * R * Number(start), 4 * R * Number(rows)]);
    assert(offset! % 256 === 0 && bytes! <= bindingBytes);
  }
});
