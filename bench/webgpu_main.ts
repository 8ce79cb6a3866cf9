// The GPU benchmark as a program of its own, to be bundled into one file and carried to a machine with a GPU:
// `deno bundle bench/webgpu_main.ts -o gpu.mjs`, then `deno run -A gpu.mjs`, or `node gpu.mjs` beside the package `webgpu`;
// `--python PATH` names a Python with torch, `--quick` tries everything out. Rows go to stdout as JSON lines.

import process from "node:process";
import { parseArgs } from "node:util";
import { benchGpuHere } from "./webgpu_host.ts";

const flags = () => {
  try {
    return parseArgs({
      options: {
        python: { type: "string", default: process.env.FOREWORD_PYTHON ?? "python3" },
        quick: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    console.error(`error: ${(error as Error).message}: the flags are --python PATH and --quick`);
    process.exit(1);
  }
};

const { python, quick } = flags();
const remark = (text: string): void => console.error(text);
const runtime = "deno" in process.versions ? "deno" : "node";
for await (const row of benchGpuHere({ quick, python, remark })) {
  console.log(JSON.stringify({ runtime, ...row }));
}
