// Every op x case on WASM: both builds against the float64 reference, forward and gradient, with temporaries filled with
// NaN before each run; and the same bits on 1, 2 and 3 threads.

import { assertEquals } from "@std/assert";
import type { BuildName } from "../src/backends/wasm/builds.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { assertAgrees, jobs, runJob } from "./op_jobs.ts";

for (const build of ["relaxed", "simd"] satisfies BuildName[]) {
  Deno.test(`the ${build} build agrees with the reference`, async () => {
    using device = await openWasm({ build, threads: 1, poison: true });
    for (const job of jobs) await assertAgrees(device, job);
  });

  Deno.test(`the ${build} build gives the same bits on 1, 2 and 3 threads`, async () => {
    using one = await openWasm({ build, threads: 1 });
    using two = await openWasm({ build, threads: 2, poison: true });
    using three = await openWasm({ build, threads: 3, poison: true });
    for (const job of jobs) {
      const want = await runJob(one, job);
      for (const device of [two, three]) {
        const got = await runJob(device, job);
        for (const name of Object.keys(want)) {
          assertEquals(got[name], want[name], `${job.sample.label}: ${name}`);
        }
      }
    }
  });
}
