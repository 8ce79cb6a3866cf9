// What the library is measured under besides this process: Deno and Node, each as it is and with V8's revectorisation,
// which makes 256-bit instructions of pairs of 128-bit ones. A Node is taken from the PATH or fetched by npx when a
// version is asked for; it runs the contestant as a bundle.

import type { Entrant } from "./contest.ts";
import { remark, type Row } from "./report.ts";

const REVECTORIZE = "--experimental-wasm-revectorize";
const path = (name: string): string => new URL(name, import.meta.url).pathname;
const CONTESTANT = path("./contestant.ts"), CONFIG = path("../deno.json");

/** Our contestant under runtimes, and the versions of those. */
export interface Runtimes extends AsyncDisposable {
  /** Named as the `runtime` of rows; the first is Deno as it is. */
  readonly entrants: readonly Entrant[];
  readonly versions: Readonly<Record<string, string>>;
}

/** Our contestant under Deno as it is. */
export const ours: Entrant = {
  name: "deno",
  command: [Deno.execPath(), "run", "-A", "--config", CONFIG, CONTESTANT],
};

/** What a program prints; `null` if there is no such program or it fails. */
export async function output(program: string, ...args: readonly string[]): Promise<string | null> {
  try {
    const { success, stdout } = await new Deno.Command(program, { args: [...args], stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout).trim() : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** The path of a Node: of a version to fetch, or of whatever is installed for `null`. `null` if there is none. */
export async function findNode(version: string | null): Promise<string | null> {
  const binary = version === null
    ? await output("node", "-p", "process.execPath")
    : await output("npx", "-y", "-p", `node@${version}`, "node", "-p", "process.execPath");
  if (binary === null) {
    remark(
      version === null
        ? "skipped: there is no node on the PATH"
        : `skipped: npx cannot provide node@${version}`,
    );
  }
  return binary;
}

/** Bundles a program with all that it imports into a file that Node runs too. */
export async function bundle(program: string, file: string): Promise<void> {
  if (await output(Deno.execPath(), "bundle", "--config", CONFIG, "-o", file, program) === null) {
    throw new Error(`Cannot bundle ${program}: run \`deno bundle\` on it to see why`);
  }
}

/** Finds the runtimes. `node` is a version to fetch, or `null` for whatever is installed. */
export async function findRuntimes(node: string | null): Promise<Runtimes> {
  const [deno, run, ...args] = ours.command;
  const entrants = [ours];
  if (await output(deno, "eval", `--v8-flags=${REVECTORIZE}`, "0") !== null) {
    entrants.push({
      name: `deno ${REVECTORIZE}`,
      command: [deno, run, `--v8-flags=${REVECTORIZE}`, ...args],
    });
  }
  const binary = await findNode(node);
  if (binary === null) return { entrants, versions: {}, [Symbol.asyncDispose]: () => Promise.resolve() };
  const folder = await Deno.makeTempDir({ prefix: "foreword-bench-" }), program = `${folder}/contestant.mjs`;
  await bundle(CONTESTANT, program);
  const version = await output(binary, "-p", "process.versions.node") ?? "unknown";
  entrants.push({ name: "node", command: [binary, program] });
  if (await output(binary, REVECTORIZE, "-e", "0") !== null) {
    entrants.push({ name: `node ${REVECTORIZE}`, command: [binary, REVECTORIZE, program] });
  } else remark(`skipped: node ${version} has no ${REVECTORIZE}; --node 24 fetches one that has`);
  return {
    entrants,
    versions: { node: version },
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

/** For a runtime with a flag, how many times as fast it is as without, from seconds by runtime. */
export function flagRatio(seconds: ReadonlyMap<string, number>, runtime: string): Pick<Row, "ratioTo"> {
  const plain = runtime.split(" ")[0], without = seconds.get(plain);
  return plain === runtime || without === undefined
    ? {}
    : { ratioTo: { [plain]: without / seconds.get(runtime)! } };
}
