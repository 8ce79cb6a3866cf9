// The GPU benchmark as a program of its own, to be bundled into one file and carried to a machine with a GPU:
// `deno bundle bench/webgpu_main.ts -o gpu.js`, then `deno run -A gpu.js`. Rows go to stdout as JSON lines.

import { benchGpu } from "./webgpu.ts";

for await (const row of benchGpu({ quick: false, remark: (text) => console.error(text) })) {
  console.log(JSON.stringify(row));
}
