// Every op x case on WebGPU, forward and gradient, against the float64 reference, with temporaries filled with NaN before
// each run; and that running holds no memory. Without an adapter it is skipped with the reason; where FOREWORD_WEBGPU is
// set a skip is a failure. With FOREWORD_OPS=a,b only those ops are run.

import { openWebGpu } from "../src/backends/webgpu/device.ts";
import { assertRunsHoldNothing } from "./hosts/op_suite.ts";
import { assertAgrees, jobs } from "./op_jobs.ts";
import { webGpuTest } from "./webgpu_support.ts";

webGpuTest("1,000 runs hold no more memory than the first", async () => {
  using device = await openWebGpu();
  await assertRunsHoldNothing(device);
});

const only = Deno.env.get("FOREWORD_OPS")?.split(",");

for (const portable of [true, false]) {
  const what = portable ? "the least that WebGPU offers" : "all that the adapter offers";
  webGpuTest(`WebGPU agrees with the reference on ${what}`, async () => {
    using device = await openWebGpu({ portable, poison: true });
    for (const job of jobs) {
      if (!only || job.plan.steps.every(({ op }) => only.includes(op))) await assertAgrees(device, job);
    }
  });
}
