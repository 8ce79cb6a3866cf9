// The peers: the same product, and the same training steps of S and M, by other libraries in processes of their own, in
// turns with ours. They are installed beside their programs, in bench/peers, when they are first asked for, and are
// nobody's dependencies. Whatever is not to be had is left out with its reason. Losses and products are compared at every
// turn; the first turns of each are not timed.

import type { Entrant } from "./contest.ts";
import { modelJob, PRODUCT, productFlops, productJob, withJob } from "./jobs.ts";
import { median } from "./measure.ts";
import { installPackages, PEERS } from "./peer_packages.ts";
import { enterAll, race, type RaceOptions } from "./race.ts";
import { remark, type Row, type Settings } from "./report.ts";
import { ours, output } from "./runtimes.ts";
import { type Size, sizes } from "./sizes.ts";

interface Peer extends Entrant {
  /** Its package on npm, for its version. */
  readonly package?: string;
  readonly trains: boolean;
  /** Whether it can use more than one thread here. */
  readonly threaded: boolean;
}

const javascript = (
  file: string,
): string[] => [Deno.execPath(), "run", "-A", "--no-lock", `${PEERS}${file}`];

const packaged: readonly Peer[] = [
  {
    name: "onnxruntime-web",
    package: "onnxruntime-web",
    command: javascript("onnxruntime.js"),
    trains: false,
    threaded: true,
  },
  {
    name: "tfjs-wasm",
    package: "@tensorflow/tfjs-backend-wasm",
    command: javascript("tfjs.js"),
    trains: true,
    threaded: false,
  },
  { name: "jax-js", package: "@jax-js/jax", command: javascript("jax_js.js"), trains: true, threaded: true },
];

// Installs what npm has, once, and looks for PyTorch.
async function findPeers(): Promise<{ peers: Peer[]; versions: Record<string, string> }> {
  const peers: Peer[] = [], versions: Record<string, string> = {};
  const installed = await installPackages(packaged.map((peer) => peer.package!));
  for (const peer of packaged) {
    const version = installed.get(peer.package!);
    if (version === undefined) continue;
    peers.push(peer);
    versions[peer.name] = version;
  }
  const torch = await output("python3", "-c", "import torch; print(torch.__version__)");
  if (torch === null) remark("skipped: pytorch is not installed for python3");
  else {
    const command = ["python3", `${PEERS}pytorch.py`];
    peers.push({ name: "pytorch", command, trains: true, threaded: true });
    versions.pytorch = torch;
  }
  return { peers, versions };
}

const FRESH = 3; // processes of a peer that compiles as it goes: they differ more than their turns do

interface Result {
  readonly seconds: number;
  readonly startup: number;
  readonly resident: number;
}

// Medians over `rounds` of fresh processes, by name.
async function compete(
  entrants: readonly Entrant[],
  made: Promise<string>,
  rounds: number,
  options: RaceOptions,
): Promise<Map<string, Result>> {
  const found = new Map<string, Result[]>();
  await withJob(made, async (folder) => {
    for (let round = 0; round < rounds; round++) {
      await using contestants = await enterAll(entrants, folder);
      const seconds = await race(contestants.present, options);
      for (const [i, { name, startup, turn }] of contestants.present.entries()) {
        const result = { seconds: seconds[i], startup, resident: (await turn()).resident };
        found.set(name, [...found.get(name) ?? [], result]);
      }
    }
  });
  const middle = (results: Result[], key: keyof Result): number =>
    median(results.map((result) => result[key]));
  return new Map([...found].map(([name, results]) => [name, {
    seconds: middle(results, "seconds"),
    startup: middle(results, "startup"),
    resident: middle(results, "resident"),
  }]));
}

const ratiosOf = (found: ReadonlyMap<string, Result>): Record<string, number> => {
  const [[, mine], ...others] = found;
  return Object.fromEntries(others.map(([name, { seconds }]) => [name, seconds / mine.seconds]));
};

async function* products(
  peers: readonly Peer[],
  threads: number,
  quick: boolean,
): AsyncGenerator<Row, void, undefined> {
  const able = peers.filter(({ threaded }) => threaded || threads === 1), repeats = quick ? 2 : 20;
  const options = quick ? {} : { warm: 3, seconds: 6 };
  const found = await compete([ours, ...able], productJob(PRODUCT, threads, repeats), 1, options);
  for (const [runtime, { seconds }] of found) {
    const row = { bench: "peers", name: PRODUCT.name, runtime, threads, unit: "GFLOP/s" };
    const value = repeats * productFlops(PRODUCT) / seconds / 1e9;
    yield { ...row, value, ...(runtime === ours.name ? { ratioTo: ratiosOf(found) } : {}) };
  }
}

// Peers that have threads run on all of them, in several fresh processes each; those that have not meet ours on one.
async function* steps(
  peers: readonly Peer[],
  size: Size,
  threads: number,
  quick: boolean,
): AsyncGenerator<Row, void, undefined> {
  const rounds = quick || peers.every(({ threaded }) => !threaded) ? 1 : FRESH;
  remark(
    `${size.name} on ${threads} thread${threads === 1 ? "" : "s"}: ${
      peers.map(({ name }) => name).join(", ")
    }`,
  );
  const warm = peers.some(({ name }) => name === "pytorch") ? 3 : 2; // it takes that many
  const options = { warm, least: 2, seconds: quick ? 0 : 4 };
  const found = await compete([ours, ...peers], modelJob(size, "train", threads), rounds, options);
  for (const [runtime, { seconds, startup, resident }] of found) {
    const row = { bench: "peers", runtime, threads },
      ratio = runtime === ours.name ? { ratioTo: ratiosOf(found) } : {};
    yield { ...row, name: `train-${size.name}`, unit: "ms", value: 1000 * seconds, ...ratio };
    yield { ...row, name: `startup-${size.name}`, unit: "s", value: startup };
    yield { ...row, name: `memory-${size.name}-resident`, unit: "MB", value: resident / 1e6 };
  }
}

/** Products and training steps of everyone, with how many times as fast ours are. */
export async function* benchPeers({ threads, quick, note }: Settings): AsyncGenerator<Row, void, undefined> {
  const { peers, versions } = await findPeers(), most = Math.max(...threads);
  note(versions);
  const contests = threads.map((count) => products(peers, count, quick));
  for (const size of sizes(quick)) {
    for (const count of threads) {
      const able = peers.filter(({ trains, threaded }) => trains && count === (threaded ? most : 1));
      if (able.length > 0) contests.push(steps(able, size, count, quick));
    }
  }
  const failures: string[] = [];
  for (const contest of contests) {
    try {
      yield* contest;
    } catch (error) { // one peer's failure is not that of the others
      failures.push(error instanceof Error ? error.message : `${error}`);
    }
  }
  if (failures.length > 0) throw new Error(failures.join("; "));
}
