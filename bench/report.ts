// What a benchmark reports: rows, printed as a table while they come in, and kept as JSON for comparisons with other
// runs. A value is a median; only values of one invocation may be compared, because machines change between them.

import { cpus } from "node:os";
import { coreCount } from "../src/backends/wasm/builds.ts";
import config from "../deno.json" with { type: "json" };

/** One measured number. */
export interface Row {
  readonly bench: "ops" | "step" | "decode";
  readonly name: string;
  /** What ran it. */
  readonly runtime: string;
  readonly threads: number;
  readonly unit: string;
  /** A median. */
  readonly value: number;
  /** `value` as a share of what the machine reached in the same invocation on as many threads. */
  readonly peakShare?: number;
}

/** A row of this runtime, before that is filled in. */
export type Measured = Omit<Row, "runtime">;

/** A benchmark: yields rows as it measures them. */
export type Bench = (threads: readonly number[]) => AsyncGenerator<Measured, void, undefined>;

/** Everything an invocation measured. */
export interface Report {
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly os: string;
    readonly arch: string;
  };
  readonly versions: Readonly<Record<string, string>>;
  readonly rows: readonly Row[];
}

/** Cores that this process may use. */
export const cores: number = coreCount();

/** A report on this machine. */
export function reportOf(rows: readonly Row[]): Report {
  const { os, arch } = Deno.build, { deno, v8 } = Deno.version;
  return {
    machine: { cpu: cpus()[0]?.model ?? "unknown", cores, os, arch },
    versions: { foreword: config.version, deno, v8 },
    rows,
  };
}

const columns = (name: string, threads: string, value: string, unit: string, share: string): string =>
  `${name.padEnd(66)} ${threads.padStart(7)} ${value.padStart(10)} ${unit.padEnd(8)} ${share.padStart(7)}`
    .trimEnd();

/** The line above the rows. */
export const heading: string = columns("", "threads", "median", "", "of peak");

/** One row for people. */
export function line({ bench, name, threads, unit, value, peakShare }: Measured): string {
  const share = peakShare === undefined ? "" : `${(100 * peakShare).toFixed(0)}%`;
  return columns(`${bench} ${name}`, `${threads}`, value.toFixed(value < 10 ? 2 : 1), unit, share);
}

/** Remarks and progress, apart from the table. */
export const remark = (text: string): void => console.error(text);
