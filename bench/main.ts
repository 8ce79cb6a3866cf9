// The benchmarks: `deno task bench [--only NAME] [--json FILE]` and more flags below. A table goes to stdout, remarks to
// stderr. Nothing here knows what is measured: adding a benchmark is one entry. What rows are called is in report.ts.

import { dirname } from "node:path";
import process from "node:process";
import { Command, Option } from "commander";
import { whole } from "../src/cli/io.ts";
import { benchDecode } from "./decode.ts";
import { benchGrowth } from "./growth.ts";
import { benchOps } from "./ops.ts";
import { benchPeers } from "./peers.ts";
import { type Bench, cores, heading, line, remark, reportOf, type Row } from "./report.ts";
import { benchStartup } from "./startup.ts";
import { benchSteps } from "./step.ts";
import { benchText } from "./text.ts";
import { type TextPart, textParts } from "./text_job.ts";
import { benchGpuHere } from "./webgpu_host.ts";

const benches: Readonly<Record<string, Bench>> = {
  ops: benchOps,
  step: benchSteps,
  decode: benchDecode,
  startup: benchStartup,
  growth: benchGrowth,
  peers: benchPeers,
  text: benchText,
};

// What `--device webgpu` runs instead: one benchmark, because a card is opened once.
const gpuBenches: Readonly<Record<string, Bench>> = {
  webgpu: async function* ({ quick, python }) {
    for await (const row of benchGpuHere({ quick, python, remark })) {
      yield { bench: "webgpu", runtime: "deno", threads: 1, ...row };
    }
  },
};

interface Flags {
  readonly only?: string;
  readonly device: "wasm" | "webgpu";
  readonly json?: string;
  readonly plot?: string;
  readonly threads?: number;
  readonly node?: number;
  readonly quick?: boolean;
  readonly data?: string;
  readonly part?: TextPart;
  readonly python: string;
}

const messageOf = (error: unknown): string => error instanceof Error ? error.message : `${error}`;

// That a file cannot be written must not show at the end.
async function requireFolder(file: string): Promise<void> {
  const folder = dirname(file), found = await Deno.stat(folder).catch(() => null);
  if (!found?.isDirectory) {
    throw new RangeError(`Cannot write ${file}: there is no folder ${folder}; make it first`);
  }
}

async function main(flags: Flags): Promise<void> {
  const { only, device, json, plot, threads, node, quick = false, data, part, python } = flags;
  if (plot !== undefined && only !== undefined && only !== "growth") {
    throw new RangeError(`--plot draws growth, which --only ${only} leaves out: leave out one of the two`);
  }
  const ofCpu = Object.entries({ only, plot, threads, node, part }).find(([, value]) => value !== undefined);
  if (device === "webgpu" && ofCpu) {
    throw new RangeError(`--${ofCpu[0]} is about benchmarks of the CPU: leave it out with --device webgpu`);
  }
  if (part !== undefined && only !== "text") {
    throw new RangeError(`--part names a part of the text benchmark: give --only text as well`);
  }
  for (const file of [json, plot]) if (file !== undefined) await requireFolder(file);
  const rows: Row[] = [],
    versions: Record<string, string> = quick ? { quick: "says nothing about speed" } : {};
  const settings = {
    threads: threads === undefined ? [...new Set([1, cores])] : [threads],
    quick,
    node: node === undefined ? null : `${node}`,
    plot: plot ?? null,
    data: data || null,
    part: part ?? null,
    python,
    note: (found: Readonly<Record<string, string>>) => void Object.assign(versions, found),
  };
  const { machine, versions: { deno, v8 } } = reportOf(rows, versions);
  console.log(`${machine.cpu}, ${machine.cores} cores; Deno ${deno}, V8 ${v8}\n${heading}`);
  const failures: string[] = [];
  for (const [name, bench] of Object.entries(device === "webgpu" ? gpuBenches : benches)) {
    if (only !== undefined && name !== only) continue;
    try {
      for await (const row of bench(settings)) {
        console.log(line(row));
        rows.push(row);
      }
    } catch (error) { // what the others measure is not lost
      failures.push(`${name}: ${messageOf(error)}`);
    }
  }
  for (const [name, version] of Object.entries(versions)) remark(`${name} ${version}`);
  if (json !== undefined) {
    await Deno.writeTextFile(json, `${JSON.stringify(reportOf(rows, versions), null, 2)}\n`);
  }
  if (failures.length > 0) throw new Error(failures.join("; "));
}

const command = new Command("bench")
  .description(
    "Measure the ops, training steps, generation, startup, growth and tokenizers, and compare with other libraries",
  )
  .addOption(new Option("--only <bench>", "one of the benchmarks").choices(Object.keys(benches)))
  .addOption(
    new Option("--device <name>", "the CPU's benchmarks, or those of the GPU").choices(["wasm", "webgpu"])
      .default("wasm"),
  )
  .option("--json <file>", "also write the rows to a file")
  .option("--plot <file>", "draw growth as an SVG")
  .option("--threads <n>", "threads to use; one, then as many as there are cores, unless given", whole(1))
  .option(
    "--node <version>",
    "a major version of Node to fetch with npx; the installed one unless given",
    whole(20),
  )
  .addOption(
    new Option("--data <folder>", "text and vocabularies for the text benchmark; made unless given")
      .env("FOREWORD_DATA"),
  )
  .addOption(new Option("--part <part>", "a part of the text benchmark").choices(textParts))
  .addOption(
    new Option("--python <path>", "with --device webgpu, a Python whose torch is compared with").env(
      "FOREWORD_PYTHON",
    )
      .default("python3"),
  )
  .option("--quick", "try everything out on tiny models; such numbers say nothing about speed")
  .showHelpAfterError("(add --help for the flags)")
  .action(async (flags: Flags) => {
    try {
      await main(flags);
    } catch (error) {
      remark(`error: ${messageOf(error)}`);
      process.exit(1);
    }
  });
await command.parseAsync(process.argv);
