// The part of the gate that no linter covers: which layer may import which, how long a file may be, that library code uses
// Web standards only, that what is exported is documented and that files say what they hold. `findings` is a pure
// function of the sources; the script prints one line for each finding and fails if there is any.

/** Source text by path from the repository's root, with forward slashes. */
export type Sources = ReadonlyMap<string, string>;

// What each folder of src may import from besides itself. Arrows of the architecture, written out.
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  graph: ["core"],
  ops: ["core", "graph"],
  backends: ["core", "graph", "ops"],
  nn: ["core", "graph", "ops"],
  text: ["core"],
  train: ["core", "graph", "ops", "nn", "text"],
  models: ["core", "graph", "ops", "nn"],
  tasks: ["core", "graph", "ops", "nn", "text", "train", "models"],
  platform: ["core"],
};
const INTERFACE = "src/backends/backend.ts";
const INTERFACE_USERS = ["nn", "models", "tasks", "train"];
const MAX_LINES = 400;

const isFree = (path: string): boolean => /^(src\/cli|src\/platform|scripts|tests|bench)\//.test(path);
const isEntry = (path: string): boolean => path === "mod.ts" || /^src\/[^/]+\.ts$/.test(path);
const isSource = (path: string): boolean => path.startsWith("src/") || path === "mod.ts";
// The folder of a file of src ("core"), "entry" for the files that pick a backend, or the outermost folder.
const layerOf = (path: string): string =>
  isEntry(path) ? "entry" : path.split("/")[path.startsWith("src/") ? 1 : 0];

/** One import or re-export. */
export interface Import {
  readonly specifier: string;
  readonly typesOnly: boolean;
  readonly line: number;
}

// Strings, templates, regular expressions and comments, so that none is taken for another.
const TOKENS = new RegExp(
  [
    /"(?:\\.|[^"\\\n])*"/,
    /'(?:\\.|[^'\\\n])*'/,
    /`(?:\\[^]|[^`\\])*`/,
    /\/\/[^\n]*/,
    /\/\*[^]*?\*\//,
    /(?<=(?:[(,=:[!&|?{};>+]|\breturn)\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/,
  ].map(({ source }) => source).join("|"),
  "g",
);

const blank = (text: string): string => text.replaceAll(/[^\n]/g, " ");
const withoutComments = (text: string): string =>
  text.replaceAll(TOKENS, (token) => /^\/[/*]/.test(token) ? blank(token) : token);
const codeOnly = (text: string): string => text.replaceAll(TOKENS, blank);
const lineAt = (text: string, index: number): number => text.slice(0, index).split("\n").length;

/** Everything a module imports or re-exports, dynamic imports included. */
export function importsOf(text: string): Import[] {
  const code = withoutComments(text), bare = codeOnly(text);
  const found = (pattern: RegExp, typesOnly: (clause: string) => boolean): Import[] =>
    [...code.matchAll(pattern)].filter(({ index }) => bare[index] !== " ").map((match) => ({
      specifier: match.groups!.specifier,
      typesOnly: typesOnly(match.groups!.clause ?? ""),
      line: lineAt(code, match.index),
    }));
  const onlyTypes = (clause: string): boolean => {
    const named = /^\{([^}]*)\}$/.exec(clause)?.[1].split(",").map((name) => name.trim()).filter(Boolean);
    return /^type\s/.test(clause) || (named?.every((name) => /^type\s/.test(name)) ?? false);
  };
  return [
    ...found(/\b(?:import|export)\s*(?<clause>[^;"'`()]*?)\s*\bfrom\s*(["'])(?<specifier>.*?)\2/g, onlyTypes),
    ...found(/\bimport\s*(["'])(?<specifier>.*?)\1/g, () => false),
    ...found(/\bimport\s*\(\s*(["'`])(?<specifier>.*?)\1/g, () => false),
  ].sort((a, b) => a.line - b.line);
}

function importFindings(path: string, text: string): string[] {
  if (!isSource(path)) return [];
  const from = layerOf(path);
  return importsOf(text).flatMap(({ specifier, typesOnly, line }) => {
    const at = `${path}:${line}`;
    if (specifier.startsWith("node:") && !isFree(path)) {
      return [`${at}: imports ${specifier}, which browsers do not have`];
    }
    const target = targetOf(path, specifier);
    if (target === null || from === "cli") return [];
    const to = layerOf(target), picks = to === "backends" && target !== INTERFACE;
    if (!isSource(target)) return [`${at}: src must not import from ${to}`];
    if (from === to && from !== "entry") return [];
    if (from === "entry") {
      return to === "cli" || to === "platform" ? [`${at}: ${path} must not import ${target}`] : [];
    }
    if (target === INTERFACE && INTERFACE_USERS.includes(from)) {
      return typesOnly || from === "train" ? [] : [`${at}: ${from} may import only types from ${INTERFACE}`];
    }
    if (picks) {
      return [`${at}: only the command line and entry points may import a backend, not ${from}: ${target}`];
    }
    return LAYERS[from]?.includes(to) ? [] : [`${at}: ${from} must not import from ${to}: ${target}`];
  });
}

// The path that a specifier names; `null` for another package.
function targetOf(path: string, specifier: string): string | null {
  if (specifier.startsWith("@foreword/foreword")) return "mod.ts"; // the package must not go through its own front door
  if (!/^\.{1,2}\//.test(specifier)) return null;
  return new URL(specifier, `file:///${path}`).pathname.slice(1);
}

const OUTSIDE: readonly [RegExp, string][] = [
  [/\bDeno\s*(?:\?\.|[.[])/g, "uses Deno"],
  [/\bprocess\s*(?:\[|\?\.|\.)\s*(?!\s*getBuiltinModule\b)/g, "uses process"],
  [/\bconsole\s*(?:\?\.|[.[])/g, "writes to the console"],
  [/\brequire\s*\(/g, "calls require"],
];

function standardsFindings(path: string, text: string): string[] {
  if (!isSource(path) || isFree(path)) return [];
  const code = codeOnly(text);
  return OUTSIDE.flatMap(([pattern, what]) =>
    [...code.matchAll(pattern)].map(({ index }) =>
      `${path}:${lineAt(code, index)}: ${what} outside src/cli and src/platform`
    )
  );
}

function documentationFindings(path: string, text: string): string[] {
  if (!isSource(path)) return [];
  const lines = text.split("\n"), code = codeOnly(text).split("\n"), documented = new Set<string>();
  const findings = lines.flatMap((line, i) => {
    const declared =
      /^export (?:default |declare |abstract |async )*(?:function\*?|class|const|let|interface|type|enum) +(\w+)/
        .exec(code[i]);
    if (!declared || documented.has(declared[1])) return [];
    documented.add(declared[1]); // overloads share the comment of the first
    const before = lines.slice(0, i).findLast((text) =>
      text.trim() !== "" && !/^\s*\/\/ deno-lint/.test(text)
    );
    return before?.trimEnd().endsWith("*/") ? [] : [`${path}:${i + 1}: "${line.trim()}" has no doc comment`];
  });
  const opening = text.startsWith("/*")
    ? text.slice(0, text.indexOf("*/")).split("\n").length
    : lines.findIndex((line) => !line.startsWith("//"));
  return opening >= 2
    ? findings
    : [`${path}:1: does not open with a comment of two or more lines`, ...findings];
}

const countLines = (text: string): number => text.split("\n").length - Number(text.endsWith("\n"));

/** What is wrong with the sources, one line each, in the order of the paths. */
export function findings(sources: Sources): string[] {
  return [...sources].toSorted(([a], [b]) => a < b ? -1 : 1).flatMap(([path, text]) => {
    const lines = countLines(text);
    return [
      ...(lines > MAX_LINES ? [`${path}: has ${lines} lines, more than ${MAX_LINES}: split it`] : []),
      ...(path.startsWith("assembly/") ? [] : importFindings(path, text)),
      ...standardsFindings(path, text),
      ...documentationFindings(path, text),
    ];
  });
}

/** The one-line summary of sources without findings. */
export function summary(sources: Sources): string {
  const lines = [...sources.values()].map(countLines).sort((a, b) => a - b);
  return `structure: ${lines.length} files, median ${lines[lines.length >> 1] ?? 0} lines, at most ${
    lines.at(-1) ?? 0
  }`;
}

const ROOTS = ["src", "assembly", "tests", "bench", "scripts"];

async function readSources(root: URL): Promise<Map<string, string>> {
  const sources = new Map<string, string>();
  const read = async (path: string): Promise<void> => {
    sources.set(path, await Deno.readTextFile(new URL(path, root)));
  };
  const walk = async (folder: string): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(new URL(`${folder}/`, root))) {
      const path = `${folder}/${name}`;
      if (isDirectory && name !== "generated" && name !== "node_modules") await walk(path);
      if (/\.(ts|wgsl)$/.test(name)) await read(path);
    }
  };
  const present = new Set(Array.from(Deno.readDirSync(root), ({ name }) => name));
  for (const folder of ROOTS) if (present.has(folder)) await walk(folder);
  await read("mod.ts");
  return sources;
}

if (import.meta.main) {
  const sources = await readSources(new URL("../", import.meta.url)), found = findings(sources);
  for (const line of found) console.error(line);
  if (found.length > 0) Deno.exit(1);
  console.log(summary(sources));
}
