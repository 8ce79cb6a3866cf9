// The op suite in Node on Dawn, which the library finds by itself as the package `webgpu`, and on SwiftShader, the driver
// without a GPU that Debian's `chromium` carries. Without that driver or npm it is skipped with the reason.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { checksOf } from "./hosts/op_suite.ts";
import { bundle, runProgram } from "./hosts/programs.ts";
import { CHROMIUM, EVERY, missing, testUnless } from "./webgpu_support.ts";

const DAWN = "webgpu@0.6.2"; // prebuilt; its install script only matters on a Mac
const DRIVER = `${CHROMIUM}/vk_swiftshader_icd.json`;
const MAIN = new URL("./hosts/node_main.ts", import.meta.url);
const PATIENCE = 900_000; // ms; the suite takes half a minute of an idle machine, and other tests run beside it

testUnless(await missing([DRIVER], ["node", "npm"]), "Node: the op suite agrees on Dawn", async () => {
  const folder = await Deno.makeTempDir({ prefix: "foreword-dawn-" });
  try {
    const main = await bundle(MAIN, folder, ["--minify"]);
    const env = { VK_DRIVER_FILES: DRIVER, XDG_RUNTIME_DIR: folder };
    const options = JSON.stringify({ every: EVERY });
    const run = () => runProgram("node", [main, options], { cwd: folder, env, patience: PATIENCE });

    const without = await run();
    assert(!without.success);
    assertStringIncludes(without.stderr, "Node with the package `webgpu`");

    await Deno.writeTextFile(`${folder}/package.json`, `{ "private": true }`);
    const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save"];
    const npm = await runProgram("npm", ["install", ...flags, DAWN], { cwd: folder, patience: PATIENCE });
    assert(npm.success, npm.stderr);
    const { success, stdout, stderr } = await run();
    assert(success, stderr);
    const { adapter, subgroups, passed, failures } = JSON.parse(stdout);
    assertEquals(failures, []);
    assertMatch(adapter, /^WebGPU on SwiftShader/);
    assertEquals(subgroups, true, "kernels that exchange values within subgroups were not run");
    assertEquals(passed, checksOf({ every: EVERY }));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
