// The benchmark of the GPU: which clock is taken, how a peer takes part, how PyTorch is started, and that everything runs
// at tiny sizes. What it measures is nobody's business here.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { line } from "../bench/report.ts";
import { openTorch } from "../bench/torch.ts";
import { benchGpu } from "../bench/webgpu.ts";
import { believable, clocked, middle, spentOnRun } from "../bench/webgpu_clock.ts";
import {
  askPeer,
  type GpuPeer,
  type GpuRow,
  peerRows,
  type ProductJob,
  type TrainJob,
} from "../bench/webgpu_rows.ts";
import { testUnless, webGpuTest } from "./webgpu_support.ts";

const job: ProductJob = { kind: "gemm", m: 4, k: 5, n: 6, least: 0 };
const step: TrainJob = {
  kind: "train",
  layers: 2,
  channels: 16,
  heads: 2,
  context: 8,
  vocab: 50,
  batch: 2,
  dropout: 0.1,
  adam: { rate: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, maxNorm: 1, decay: 0.01 },
  least: 0,
};
// Of `step`: table, then for each block four matrices with biases and two norms.
const parameters = (50 + 8) * 16 + 2 * (12 * 16 * 16 + 9 * 16 + 4 * 16);

Deno.test("seconds are the GPU's where it has them, the host's otherwise, and of several the middle", () => {
  assertEquals(clocked({ wall: 3, busy: 2 }), { seconds: 2, clock: "gpu" });
  assertEquals(clocked({ wall: 3, busy: null }), { seconds: 3, clock: "host" });
  assertEquals(middle([{ wall: 3, busy: 2 }, { wall: 1, busy: 1 }, { wall: 9, busy: 0.5 }]), {
    wall: 3,
    busy: 1,
  });
  assertEquals(middle([{ wall: 3, busy: 2 }, { wall: 1, busy: null }]), { wall: 2, busy: null });
});

Deno.test("timestamps that are ticks, or none, are not believed", () => {
  assertEquals([0.09, 0.11, 0.01, 1, null].map((busy) => believable({ wall: 0.1, busy })), [
    ...[true, true],
    ...[false, false, false],
  ]);
});

Deno.test("what is timed without timestamps is batches of runs, and batches of none", async () => {
  const asked: number[] = [];
  const { wall, busy } = await spentOnRun(null, (runs) => Promise.resolve(asked.push(runs)), 0);
  assert(wall > 0 && busy === null);
  assert(asked.filter((runs) => runs === 0).length >= 3);
  assertEquals(new Set(asked.slice(-6)), new Set([1, 0])); // no least, no repetition
});

const peerOf = (take: GpuPeer["take"]): GpuPeer => ({ name: "torch", runtime: "pytorch-cuda", take });

Deno.test("a peer has rows in the same unit, and a ratio of speeds", () => {
  const row = ({ seconds, clock }: { seconds: number; clock: "gpu" | "host" }): GpuRow => ({
    name: "gemm-4x5x6",
    unit: "TFLOP/s",
    value: 1 / seconds,
    clock,
  });
  const rows = peerRows(peerOf(() => Promise.reject()), row, { seconds: 2, clock: "gpu" }, 1);
  assertEquals(rows, [
    { name: "torch-gemm-4x5x6", unit: "TFLOP/s", value: 1, clock: "host", runtime: "pytorch-cuda" },
    { name: "gemm-4x5x6-of-torch", unit: "x", value: 0.5, clock: "gpu", ratioTo: { "pytorch-cuda": 0.5 } },
  ]);
  const printed = line({ bench: "webgpu", runtime: "deno", threads: 1, ...rows[1] });
  assertMatch(printed, / 0\.50 x +0\.50x pytorch-cuda {2}by gpu$/);
});

Deno.test("a peer that fails, or computes something else, is left out with a remark", async () => {
  const remarks: string[] = [];
  const bench = (peer: GpuPeer | null) => ({ peer, remark: (text: string) => void remarks.push(text) });
  assertEquals(await askPeer(bench(null), job), null);
  assertEquals(remarks, []);
  assertEquals(await askPeer(bench(peerOf(() => Promise.resolve({ seconds: 1 }))), job), { seconds: 1 });
  assertEquals(await askPeer(bench(peerOf(() => Promise.reject(new Error("no room")))), job), null);
  const wrong = (): void => {
    throw new Error("its model has 3 parameters");
  };
  assertEquals(await askPeer(bench(peerOf(() => Promise.resolve({ seconds: 1 }))), job, wrong), null);
  assertEquals(remarks, [
    "left out: gemm of pytorch-cuda: no room",
    "left out: gemm of pytorch-cuda: its model has 3 parameters",
  ]);
});

// A program in place of Python, which ignores what it is asked to run.
async function withPython(script: string, use: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir(), path = `${folder}/python`;
  try {
    await Deno.writeTextFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    await use(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const shell = Deno.build.os === "windows" ? "there is no /bin/sh" : undefined;

testUnless(shell, "a Python without torch, or none, is a remark and no peer", async () => {
  const remarks: string[] = [], remark = (text: string) => void remarks.push(text);
  await withPython(`echo "Traceback" >&2; echo "ModuleNotFoundError: no torch" >&2; exit 1`, async (path) => {
    assertEquals(await openTorch(path, remark), null);
  });
  assertEquals(await openTorch("/nowhere/python", remark), null);
  assertEquals(remarks.length, 2);
  assertMatch(remarks[0], /because ModuleNotFoundError: no torch; --python PATH/);
  assertMatch(remarks[1], /because there is no program \/nowhere\/python;/);
});

testUnless(
  shell,
  "a Python with torch answers each job with a line, and says when it cannot or ends",
  async () => {
    const answers = [{ version: "9", device: "cuda", name: "Card" }, { seconds: 2 }, { error: "no room" }];
    const script = answers.map((answer, i) => `${i ? "read job; " : ""}echo '${JSON.stringify(answer)}'`);
    await withPython(
      [...script, "read job; echo 'the driver is gone' >&2; exit 3"].join("\n"),
      async (path) => {
        const torch = await openTorch(path, (text) => assert(false, text));
        assertEquals([torch?.runtime, torch?.description], ["pytorch-cuda", "PyTorch 9 on Card"]);
        assertEquals(await torch?.take(job), { seconds: 2 });
        await assertRejects(async () => await torch?.take(job), Error, "no room");
        await assertRejects(async () => await torch?.take(job), Error, "the driver is gone");
        await torch?.close();
      },
    );
  },
);

const python = Deno.env.get("FOREWORD_PYTHON") ?? "python3";
const withTorch = await new Deno.Command(python, {
  args: ["-c", "import torch"],
  stdout: "null",
  stderr: "null",
})
  .output().then(({ success }) => success, () => false);

Deno.test({
  name: `PyTorch trains the model that ours is${withTorch ? "" : ` (skipped: ${python} has no torch)`}`,
  ignore: !withTorch,
  fn: async () => {
    const torch = await openTorch(python, (text) => assert(false, text));
    try {
      assert((await torch!.take(job)).seconds > 0);
      const { seconds, parameters: own, loss } = await torch!.take(step);
      assert(seconds > 0);
      assertEquals(own, parameters);
      assert(Math.abs(loss! - Math.log(50 + 8)) < 0.1, `the first loss is ${loss}`);
      await assertRejects(() => torch!.take({ ...step, heads: 3 }), Error, "RuntimeError");
    } finally {
      await torch?.close();
    }
  },
});

webGpuTest("a quick benchmark yields every row, with the clock behind it", async () => {
  const jobs: string[] = [], remarks: string[] = [];
  const peer = peerOf((job) => {
    jobs.push(job.kind);
    return Promise.resolve({ seconds: 1, parameters: 0, loss: 0 }); // no such model
  });
  const rows: GpuRow[] = [];
  for await (const row of benchGpu({ quick: true, peer, remark: (text) => remarks.push(text) })) {
    rows.push(row);
  }
  const names = rows.map(({ name }) => name);
  assertEquals(new Set(names).size, names.length);
  assertEquals(jobs, ["gemm", "gemm", "train"]);
  assert(
    remarks.some((text) => text.startsWith("left out: train of pytorch-cuda: its model has 0 parameters")),
  );
  for (const { name, value, clock } of rows) {
    // Reading memory of WASM takes no time that a clock sees.
    assert(Number.isFinite(value) && (value > 0 || name === "auto-wait-wasm"), `${name} is ${value}`);
    assertEquals(clock === undefined, /-(dispatches|store|temporaries|crossing)$/.test(name), name);
  }
  for (
    const name of [
      "peak-multiply-add",
      "peak-copy",
      "gemm-64x64x64",
      "torch-gemm-64x64x64",
      "gemm-64x64x64-of-torch",
      "add-64x64",
      "add-layer-norm-64x64",
      "train-tiny-store",
      "train-tiny",
      "decode-tiny-batch-1",
      "decode-tiny-batch-1-weights",
      "auto-tiny-gain",
    ]
  ) assert(names.includes(name), `${name} is missing`);
});
