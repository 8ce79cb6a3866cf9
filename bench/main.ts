// The benchmarks: `deno task bench [--only ops|step|decode] [--json FILE] [--threads N]`. A table goes to stdout, remarks
// to stderr. Nothing here knows what is measured: the benchmarks are in ops.ts, step.ts and decode.ts.

import process from "node:process";
import { Command, Option } from "commander";
import { whole } from "../src/cli/io.ts";
import { benchDecode } from "./decode.ts";
import { benchOps } from "./ops.ts";
import { type Bench, cores, heading, line, remark, reportOf, type Row } from "./report.ts";
import { benchSteps } from "./step.ts";

const benches: Readonly<Record<Row["bench"], Bench>> = {
  ops: benchOps,
  step: benchSteps,
  decode: benchDecode,
};

interface Flags {
  readonly only?: Row["bench"];
  readonly json?: string;
  readonly threads?: number;
}

async function main({ only, json, threads }: Flags): Promise<void> {
  const counts = threads === undefined ? [...new Set([1, cores])] : [threads];
  const chosen = Object.entries(benches).filter(([name]) => only === undefined || name === only);
  if (json !== undefined) await Deno.writeTextFile(json, ""); // a folder that does not exist must not show at the end
  const rows: Row[] = [], { machine, versions } = reportOf(rows);
  console.log(`${machine.cpu}, ${machine.cores} cores; Deno ${versions.deno}, V8 ${versions.v8}\n${heading}`);
  for (const [, bench] of chosen) {
    for await (const row of bench(counts)) {
      console.log(line(row));
      rows.push({ ...row, runtime: "deno" });
    }
  }
  if (json !== undefined) await Deno.writeTextFile(json, `${JSON.stringify(reportOf(rows), null, 2)}\n`);
}

const command = new Command("bench")
  .description("Measure the ops, training steps and generation on this machine")
  .addOption(new Option("--only <bench>", "one of the benchmarks").choices(Object.keys(benches)))
  .option("--json <file>", "also write the rows to a file")
  .option("--threads <n>", "threads to use; one, then as many as there are cores, unless given", whole(1))
  .showHelpAfterError("(add --help for the flags)")
  .action(async (flags: Flags) => {
    try {
      await main(flags);
    } catch (error) {
      remark(`error: ${error instanceof Error ? error.message : error}`);
      process.exit(1);
    }
  });
await command.parseAsync(process.argv);
