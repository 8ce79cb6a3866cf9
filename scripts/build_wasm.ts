// Compiles assembly/index.ts into the four kernel builds (relaxed or plain SIMD, each for private or shared memory) and
// writes them, base64 in TypeScript, to src/backends/wasm/generated/ together with the union of kernel names. Does nothing
// when the generated files carry the hash of the present sources. `--force` rebuilds.
//
//   deno run -A scripts/build_wasm.ts [--force]

import config from "../deno.json" with { type: "json" };

const BUILDS = {
  relaxed: { relaxed: true, shared: false },
  simd: { relaxed: false, shared: false },
  relaxed_shared: { relaxed: true, shared: true },
  simd_shared: { relaxed: false, shared: true },
} as const;

const assembly = new URL("../assembly/", import.meta.url);
const generated = new URL("../src/backends/wasm/generated/", import.meta.url);

/** Everything a build depends on: file name to text. */
async function readSources(): Promise<Map<string, string>> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(assembly)) {
    if (entry.isFile && entry.name.endsWith(".ts")) names.push(entry.name);
  }
  names.sort();
  return new Map(
    await Promise.all(
      names.map(async (name) => [name, await Deno.readTextFile(new URL(name, assembly))] as const),
    ),
  );
}

async function hashOf(sources: Map<string, string>): Promise<string> {
  const parts = [
    config.imports["assemblyscript/asc"],
    await Deno.readTextFile(new URL(import.meta.url)),
    ...sources,
  ];
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(parts)));
  return new Uint8Array(digest).toHex();
}

/** Whether every generated file exists and names this hash in its first line. */
async function isFresh(hash: string): Promise<boolean> {
  const files = [...Object.keys(BUILDS), "kernels"];
  const fresh = await Promise.all(files.map(async (name) => {
    try {
      const text = await Deno.readTextFile(new URL(`${name}.ts`, generated));
      return text.slice(0, text.indexOf("\n")).includes(hash);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }));
  return fresh.every(Boolean);
}

/** Compiles one build in this process; the compiler sees only `sources` and its own library. */
async function compile(
  sources: Map<string, string>,
  { relaxed, shared }: { relaxed: boolean; shared: boolean },
): Promise<Uint8Array<ArrayBuffer>> {
  const { default: asc } = await import("assemblyscript/asc");
  const features = ["simd", ...(relaxed ? ["relaxed-simd"] : []), ...(shared ? ["threads"] : [])];
  const args = [
    "index.ts",
    "--outFile",
    "out.wasm",
    "-O3",
    "--runtime",
    "stub",
    "--noAssert",
    "--use",
    "abort=",
  ];
  // A declared first page lets engines without guard pages drop one of two bounds checks per access: 15% in Deno.
  args.push("--importMemory", "--noExportMemory", "--initialMemory", "1", "--enable", features.join(","));
  if (shared) args.push("--sharedMemory", "--maximumMemory", "65536");
  let bytes: Uint8Array<ArrayBuffer> | undefined;
  let messages = "";
  const { error } = await asc.main(args, {
    stderr: { write: (text: string | Uint8Array) => void (messages += text) },
    readFile: (name: string) => sources.get(name) ?? null,
    writeFile: (name: string, contents: string | Uint8Array) => {
      if (name === "out.wasm" && typeof contents !== "string") bytes = new Uint8Array(contents);
    },
    listFiles: () => [],
  });
  if (error || !bytes) throw new Error(`Cannot compile assembly/index.ts: ${error?.message}\n${messages}`);
  return bytes;
}

/** Ids of the sections of a WebAssembly binary. */
function sectionIds(bytes: Uint8Array): number[] {
  const ids: number[] = [];
  for (let at = 8; at < bytes.length;) {
    ids.push(bytes[at++]);
    let size = 0, shift = 0, byte: number;
    do {
      byte = bytes[at++];
      size |= (byte & 127) << shift;
      shift += 7;
    } while (byte & 128);
    at += size;
  }
  return ids;
}

/** Checks what the host and the threads rely on, and returns the names of the kernels. */
async function inspect(bytes: Uint8Array<ArrayBuffer>): Promise<string[]> {
  const module = await WebAssembly.compile(bytes);
  const imports = WebAssembly.Module.imports(module).map(({ module, name }) => `${module}.${name}`);
  if (imports.join() !== "env.memory") {
    throw new Error(
      `The kernels must import env.memory and nothing else, but they import ${imports.join(", ")}`,
    );
  }
  const others = WebAssembly.Module.exports(module).filter(({ kind }) => kind !== "function");
  if (others.length) {
    throw new Error(
      `The kernels must export functions only, but export ${others.map(({ name }) => name).join(", ")}`,
    );
  }
  // Threads share the memory and each has its own globals: neither may hold anything of the module's own.
  const ids = sectionIds(bytes);
  if (ids.includes(6)) {
    throw new Error("The kernels must have no globals: use constants that the compiler can inline");
  }
  if (ids.includes(11)) {
    throw new Error("The kernels must have no static data: remove strings, arrays and lookup tables");
  }
  return WebAssembly.Module.exports(module).map(({ name }) => name).sort();
}

/** Writes through a temporary name, so that readers and other builders only ever see whole files. */
async function write(name: string, text: string): Promise<void> {
  const temporary = new URL(`.${name}.${crypto.randomUUID()}`, generated);
  await Deno.writeTextFile(temporary, text);
  await Deno.rename(temporary, new URL(name, generated));
}

async function build(sources: Map<string, string>, hash: string): Promise<string> {
  const header = `// Generated by scripts/build_wasm.ts, do not edit. Sources: ${hash}\n`;
  const files: [string, string][] = [], sizes: string[] = [];
  let kernels: string[] = [];
  for (const [name, options] of Object.entries(BUILDS)) {
    const bytes = await compile(sources, options);
    const names = await inspect(bytes);
    if (kernels.length && names.join() !== kernels.join()) {
      throw new Error(`Build ${name} exports other kernels`);
    }
    kernels = names;
    sizes.push(`${name} ${(bytes.length / 1024).toFixed(1)} KiB`);
    files.push([
      `${name}.ts`,
      `${header}\n/** The kernel module, build "${name}", as base64. */\nconst base64: string =\n  "${bytes.toBase64()}";\nexport default base64;\n`,
    ]);
  }
  const union = kernels.map((name) => `\n  | "${name}"`).join("");
  files.push([
    "kernels.ts",
    `${header}\n/** Names of the kernels that every WASM build exports. */\nexport type WasmKernel =${union};\n`,
  ]);
  await Deno.mkdir(generated, { recursive: true });
  for (const [name, text] of files) await write(name, text);
  return `${kernels.length} kernels: ${sizes.join(", ")}`;
}

const sources = await readSources();
const hash = await hashOf(sources);
if (Deno.args.includes("--force") || !await isFresh(hash)) {
  const started = performance.now();
  try {
    console.log(`${await build(sources, hash)} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
