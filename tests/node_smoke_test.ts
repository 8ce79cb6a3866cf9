// The same library code on Node 20, 22, 24 and Deno: bundled once, run under each, and the numbers compared bit for bit.
// Node 20 has no relaxed SIMD, so it is compared with Deno held to the plain build. A Node that npx cannot fetch is a
// skip with a printed reason, except where CI is set: there it is a failure.

import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import type { BuildName } from "../src/backends/wasm/builds.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { memoryStorage } from "../src/core/memory_storage.ts";
import { bundle, type Outcome, runProgram } from "./hosts/programs.ts";
import { type Smoke, smoke } from "./smoke/smoke.ts";

const MAIN = new URL("./smoke/main.ts", import.meta.url);
const BUILDS: Readonly<Record<string, BuildName>> = { 20: "simd", 22: "relaxed", 24: "relaxed" };
const PATIENCE = 120_000; // ms; npx may have to download a Node first

let folder: string, main: string;

Deno.test.beforeAll(async () => {
  folder = await Deno.makeTempDir({ prefix: "foreword-node-" });
  main = await bundle(MAIN, folder);
});
Deno.test.afterAll(() => Deno.remove(folder, { recursive: true }));

const run = (program: string, args: readonly string[]): Promise<Outcome> =>
  runProgram(program, args, { cwd: folder, patience: PATIENCE });

// In this process, for comparison.
async function expected(build: BuildName): Promise<Smoke> {
  const device = await openWasm({ build, threads: 1 });
  try {
    return await smoke(device, memoryStorage());
  } finally {
    device.close();
  }
}

Deno.test("the bundle is plain JavaScript that Node 20 reads, without Deno's own names", async () => {
  const text = await Deno.readTextFile(main);
  assertNotMatch(text, /^\s*(await )?using\s/m);
  assertNotMatch(text, /\bDeno\s*\.\s*\w/);
  assertNotMatch(text, /^\s*import\s/m, "nothing is left to be found at run time");
});

for (const [version, build] of Object.entries(BUILDS)) {
  Deno.test(`Node ${version} gives the numbers of Deno, with 1 thread and with 2`, async () => {
    const available = await run("npx", ["-y", `node@${version}`, "--version"]);
    if (!available.success) {
      assert(!Deno.env.get("CI"), `npx cannot provide Node ${version}: ${available.stderr}`);
      return console.log(`skipped: npx cannot provide Node ${version}: ${available.stderr.trim()}`);
    }
    assertEquals(available.stdout.trim().split(".")[0], `v${version}`);
    const root = await Deno.makeTempDir({ dir: folder });
    const { success, stdout, stderr } = await run("npx", ["-y", `node@${version}`, main, root]);
    assert(success, stderr);
    const want = await expected(build);
    assertEquals(want.steps.length, 3);
    assertEquals(want.tokens.length, 8);
    const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    ["1 thread", "2 threads"].forEach((threads, i) => {
      const { description, ...got } = lines[i];
      assertMatch(description, new RegExp(`^WASM ${build}, 6x(8|16) tiles, ${threads}$`));
      assertEquals(got, want);
    });
    assertEquals(lines.length, 2);
  });
}
