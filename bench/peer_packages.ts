// Packages of other libraries: installed from npm beside the programs that use them, in bench/peers, when they are first
// asked for.

import { remark } from "./report.ts";
import { output } from "./runtimes.ts";

/** Where the peers' programs and packages are. */
export const PEERS: string = new URL("./peers/", import.meta.url).pathname;

/** Installs packages unless they are there; the version of each that is to be had. */
export async function installPackages(names: readonly string[]): Promise<Map<string, string>> {
  const found = await present(names);
  if (found.size === names.length) return found;
  remark("installing the peers in bench/peers");
  const flags = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", PEERS];
  if (await output("npm", ...flags) === null) {
    remark("skipped: npm cannot install the peers from the registry");
  }
  return await present(names);
}

async function present(names: readonly string[]): Promise<Map<string, string>> {
  const versions = new Map<string, string>();
  for (const name of names) {
    const text = await Deno.readTextFile(`${PEERS}node_modules/${name}/package.json`).catch(() => null);
    if (text !== null) versions.set(name, (JSON.parse(text) as { version: string }).version);
  }
  return versions;
}
