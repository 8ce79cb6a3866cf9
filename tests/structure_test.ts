// The structure check on sources made up for it: each rule with something it must catch and something it must let pass.

import { assert, assertEquals } from "@std/assert";
import { findings, importsOf, summary } from "../scripts/structure.ts";

const HEADER = "// What lives here.\n// What does not.\n\n";

// Findings for one file with a proper header and this body.
const check = (path: string, body: string): string[] => findings(new Map([[path, HEADER + body]]));
const passes = (path: string, body: string): void => assertEquals(check(path, body), [], `${path}: ${body}`);
const fails = (path: string, body: string, message: string): void =>
  assertEquals(check(path, body), [message]);

Deno.test("imports are found in every form, and only in code", () => {
  const text = [
    'import a from "./a.ts";',
    'import { b, type C } from "./b.ts";',
    "import type { D } from './d.ts';",
    "import {",
    "  type E,",
    "  type F,",
    '} from "./e.ts";',
    'import * as g from "./g.ts";',
    'export * from "./h.ts";',
    'export * as i from "./i.ts";',
    'export { j } from "./j.ts";',
    'import "./k.ts";',
    'const l = await import("./l.ts");',
    '// import m from "./m.ts";',
    '/** import n from "./n.ts"; */',
    "const o = 'import o from \"./o.ts\"', p = /[\"'`]/;",
    'const q = Array.from("q"), r = { from: "r" };',
    'export { type S } from "./s.ts"; // import t from "./t.ts"',
  ].join("\n");
  assertEquals(
    importsOf(text).map(({ specifier, typesOnly, line }) =>
      `${line} ${specifier}${typesOnly ? " type" : ""}`
    ),
    [
      "1 ./a.ts",
      "2 ./b.ts",
      "3 ./d.ts type",
      "4 ./e.ts type",
      "8 ./g.ts",
      "9 ./h.ts",
      "10 ./i.ts",
      "11 ./j.ts",
      "12 ./k.ts",
      "13 ./l.ts",
      "18 ./s.ts type",
    ],
  );
});

Deno.test("imports point from outer layers to inner ones", () => {
  const allowed = {
    graph: ["core"],
    ops: ["core", "graph"],
    backends: ["core", "graph", "ops"],
    nn: ["core", "graph", "ops"],
    text: ["core"],
    train: ["core", "graph", "ops", "nn", "text"],
    models: ["core", "graph", "ops", "nn"],
    tasks: ["core", "graph", "ops", "nn", "models", "text", "train"],
    platform: ["core"],
    core: [],
  };
  const layers = Object.keys(allowed);
  for (const [from, inner] of Object.entries(allowed)) {
    for (const to of layers.filter((layer) => layer !== "backends")) {
      const body = `import { x } from "../${to}/x.ts";`;
      if (to === from || (inner as string[]).includes(to)) passes(`src/${from}/y.ts`, body);
      else {fails(
          `src/${from}/y.ts`,
          body,
          `src/${from}/y.ts:4: ${from} must not import from ${to}: src/${to}/x.ts`,
        );}
    }
  }
  for (const to of layers) {
    passes("src/cli/y.ts", `import { x } from "../${to}/x.ts";`);
    passes("tests/y.ts", `import { x } from "../src/${to}/x.ts";`);
  }
  fails(
    "src/core/y.ts",
    'export * from "../nn/x.ts";',
    "src/core/y.ts:4: core must not import from nn: src/nn/x.ts",
  );
  fails(
    "src/ops/y.ts",
    'await import("../nn/x.ts");',
    "src/ops/y.ts:4: ops must not import from nn: src/nn/x.ts",
  );
  fails(
    "src/ops/y.ts",
    'import { x } from "@foreword/foreword";',
    "src/ops/y.ts:4: ops must not import from entry: mod.ts",
  );
  fails(
    "src/nn/y.ts",
    'import { x } from "../../tests/x.ts";',
    "src/nn/y.ts:4: src must not import from tests",
  );
  fails("mod.ts", 'export * from "./src/cli/x.ts";', "mod.ts:4: mod.ts must not import src/cli/x.ts");
  passes("src/text/y.ts", 'import { sha256 } from "@noble/hashes/sha2.js";');
  passes("assembly/y.ts", 'import { x } from "../elsewhere";');
});

Deno.test("only entry points pick a backend; others see its interface", () => {
  const wasm = 'import { openWasm } from "../backends/wasm/device.ts";';
  const reference = 'import type { Watch } from "../backends/reference.ts";';
  for (const layer of ["nn", "models", "train", "tasks", "ops", "text"]) {
    const rule =
      `src/${layer}/y.ts:4: only the command line and entry points may import a backend, not ${layer}: `;
    fails(`src/${layer}/y.ts`, wasm, `${rule}src/backends/wasm/device.ts`);
    fails(`src/${layer}/y.ts`, reference, `${rule}src/backends/reference.ts`);
  }
  passes("src/cli/y.ts", wasm);
  passes("src/open_device.ts", wasm.replace("..", "."));
  passes("mod.ts", wasm.replace("..", "./src"));
  passes(
    "src/backends/wasm/y.ts",
    'import { load } from "./replay.ts"; import { checkFeeds } from "../backend.ts";',
  );
  const types = 'import type { Device } from "../backends/backend.ts";';
  const values = 'import { checkFeeds, type Device } from "../backends/backend.ts";';
  for (const layer of ["nn", "models", "train", "tasks"]) passes(`src/${layer}/y.ts`, types);
  passes("src/train/y.ts", values);
  for (const layer of ["nn", "models"]) {
    fails(
      `src/${layer}/y.ts`,
      values,
      `src/${layer}/y.ts:4: ${layer} may import only types from src/backends/backend.ts`,
    );
  }
  for (const layer of ["graph", "ops"]) {
    assertEquals(check(`src/${layer}/y.ts`, types).length, 1, layer);
  }
});

Deno.test("library code uses Web standards only", () => {
  const where = "outside src/cli and src/platform";
  fails("src/nn/y.ts", "Deno.exit(1);", `src/nn/y.ts:4: uses Deno ${where}`);
  fails("src/nn/y.ts", "\nconsole.log(1);", `src/nn/y.ts:5: writes to the console ${where}`);
  fails("src/nn/y.ts", "globalThis.process?.env.X;", `src/nn/y.ts:4: uses process ${where}`);
  fails("src/nn/y.ts", 'require("x");', `src/nn/y.ts:4: calls require ${where}`);
  fails("mod.ts", "process.exit();", `mod.ts:4: uses process ${where}`);
  fails(
    "src/nn/y.ts",
    'import fs from "node:fs";',
    "src/nn/y.ts:4: imports node:fs, which browsers do not have",
  );
  passes(
    "src/nn/y.ts",
    'globalThis.process?.getBuiltinModule?.("node:os"); process.getBuiltinModule("node:os");',
  );
  passes("src/nn/y.ts", '// Deno.exit\nconst s = "console.log", t = `process.exit`; /* console.log */');
  passes("src/nn/y.ts", "graph.process(1); const processes = {}; const r = /console.log/;");
  for (const path of ["src/cli/y.ts", "src/platform/y.ts", "scripts/y.ts", "tests/y.ts", "bench/y.ts"]) {
    passes(path, 'import fs from "node:fs";\nconsole.log(Deno.args, process.env);');
  }
});

Deno.test("exports are documented and files open with a comment", () => {
  const bare = [
    "export const x = 1;",
    "export type X = 1;",
    "export interface X {}",
    "export class X {}",
    "export abstract class X {}",
    "export async function x() {}",
    "export function* x() {}",
    "export default function x() {}",
  ];
  for (const line of bare) {
    fails("src/nn/y.ts", line, `src/nn/y.ts:4: "${line}" has no doc comment`);
    fails("src/nn/y.ts", `// Not a doc comment.\n${line}`, `src/nn/y.ts:5: "${line}" has no doc comment`);
    passes("src/nn/y.ts", `/** What it is. */\n${line}`);
    passes("src/nn/y.ts", `/**\n * What it is.\n */\n// deno-lint-ignore no-explicit-any\n${line}`);
    passes("tests/y.ts", line);
  }
  passes(
    "src/nn/y.ts",
    "/** Both. */\nexport function x(a: 1): 1;\nexport function x(a: 2): 2;\nexport function x() {}",
  );
  passes("src/nn/y.ts", 'const text = `\nexport const inside = 1;\n`;\nexport { text } from "./z.ts";');
  const opens = (text: string) => findings(new Map([["src/nn/y.ts", text]]));
  const finding = "src/nn/y.ts:1: does not open with a comment of two or more lines";
  for (const text of ["", "const x = 1;", "// One line.\nconst x = 1;", "/** One line. */\nconst x = 1;"]) {
    assertEquals(opens(text), [finding], text);
  }
  assertEquals(opens("// One.\n// Two.\nconst x = 1;"), []);
  assertEquals(opens("/**\n * One.\n */\nconst x = 1;"), []);
});

Deno.test("files end at 400 lines", () => {
  const of = (lines: number) => HEADER + "x();\n".repeat(lines - 3);
  for (const path of ["src/nn/y.ts", "tests/y.ts", "bench/y.ts", "scripts/y.ts"]) {
    assertEquals(findings(new Map([[path, of(400)]])), []);
    assertEquals(findings(new Map([[path, of(401)]])), [`${path}: has 401 lines, more than 400: split it`]);
  }
  assert(findings(new Map([["assembly/y.ts", of(401)]])).length === 1);
});

Deno.test("the summary counts files and lines", () => {
  const sources = new Map([["a.ts", "1\n"], ["b.ts", "1\n2\n3\n"], ["c.ts", "1\n2"]]);
  assertEquals(summary(sources), "structure: 3 files, median 2 lines, at most 3");
});
