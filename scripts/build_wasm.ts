// Compiles the two WebAssembly modules and writes them, base64 in TypeScript, to a folder `generated` beside their
// users, each with the union of its function names: assembly/index.ts, the kernels, in four builds (relaxed or plain
// SIMD, each for private or shared memory), and assembly/text/index.ts, the text engine, in one. Does nothing for a
// module whose generated files carry the hash of the present sources. `--force` rebuilds.
//
//   deno run -A scripts/build_wasm.ts [--force]

import config from "../deno.json" with { type: "json" };

interface Module {
  /** The folder of its sources; index.ts is what it exports. */
  readonly assembly: URL;
  readonly generated: URL;
  readonly builds: Readonly<Record<string, { readonly relaxed: boolean; readonly shared: boolean }>>;
  /** The file and the type that name its functions. */
  readonly names: { readonly file: string; readonly type: string; readonly description: string };
}

const MODULES: readonly Module[] = [
  {
    assembly: new URL("../assembly/", import.meta.url),
    generated: new URL("../src/backends/wasm/generated/", import.meta.url),
    builds: {
      relaxed: { relaxed: true, shared: false },
      simd: { relaxed: false, shared: false },
      relaxed_shared: { relaxed: true, shared: true },
      simd_shared: { relaxed: false, shared: true },
    },
    names: {
      file: "kernels",
      type: "WasmKernel",
      description: "Names of the kernels that every WASM build exports.",
    },
  },
  {
    assembly: new URL("../assembly/text/", import.meta.url),
    generated: new URL("../src/text/wasm/generated/", import.meta.url),
    builds: { engine: { relaxed: false, shared: false } },
    names: {
      file: "functions",
      type: "TextFunction",
      description: "Names of the functions that the text module exports.",
    },
  },
];

/** Everything a build depends on: file name to text. */
async function readSources({ assembly }: Module): Promise<Map<string, string>> {
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
async function isFresh({ generated, builds, names }: Module, hash: string): Promise<boolean> {
  const files = [...Object.keys(builds), names.file];
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
  if (error || !bytes) throw new Error(`Cannot compile index.ts: ${error?.message}\n${messages}`);
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
      `A module must import env.memory and nothing else, but this one imports ${imports.join(", ")}`,
    );
  }
  const others = WebAssembly.Module.exports(module).filter(({ kind }) => kind !== "function");
  if (others.length) {
    throw new Error(
      `A module must export functions only, but this one exports ${
        others.map(({ name }) => name).join(", ")
      }`,
    );
  }
  // Threads share the memory and each has its own globals: neither may hold anything of the module's own.
  const ids = sectionIds(bytes);
  if (ids.includes(6)) {
    throw new Error("A module must have no globals: use constants that the compiler can inline");
  }
  if (ids.includes(11)) {
    throw new Error("A module must have no static data: remove strings, arrays and lookup tables");
  }
  return WebAssembly.Module.exports(module).map(({ name }) => name).sort();
}

/** Writes through a temporary name, so that readers and other builders only ever see whole files. */
async function write(generated: URL, name: string, text: string): Promise<void> {
  const temporary = new URL(`.${name}.${crypto.randomUUID()}`, generated);
  await Deno.writeTextFile(temporary, text);
  await Deno.rename(temporary, new URL(name, generated));
}

async function build(module: Module, sources: Map<string, string>, hash: string): Promise<string> {
  const header = `// Generated by scripts/build_wasm.ts, do not edit. Sources: ${hash}\n`;
  const files: [string, string][] = [], sizes: string[] = [], { file, type, description } = module.names;
  let functions: string[] = [];
  for (const [name, options] of Object.entries(module.builds)) {
    const bytes = await compile(sources, options);
    const names = await inspect(bytes);
    if (functions.length && names.join() !== functions.join()) {
      throw new Error(`Build ${name} exports other functions`);
    }
    functions = names;
    sizes.push(`${name} ${(bytes.length / 1024).toFixed(1)} KiB`);
    files.push([
      `${name}.ts`,
      `${header}\n/** The module, build "${name}", as base64. */\nconst base64: string =\n  "${bytes.toBase64()}";\nexport default base64;\n`,
    ]);
  }
  const union = functions.map((name) => `\n  | "${name}"`).join("");
  files.push([`${file}.ts`, `${header}\n/** ${description} */\nexport type ${type} =${union};\n`]);
  await Deno.mkdir(module.generated, { recursive: true });
  for (const [name, text] of files) await write(module.generated, name, text);
  return `${functions.length} ${file}: ${sizes.join(", ")}`;
}

for (const module of MODULES) {
  const sources = await readSources(module);
  const hash = await hashOf(sources);
  if (!Deno.args.includes("--force") && await isFresh(module, hash)) continue;
  const started = performance.now();
  try {
    const done = await build(module, sources, hash);
    console.log(`${done} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
