// What a benchmark reports: rows, printed as a table while they come in, and kept as JSON for comparisons with other
// runs. A value is a median; only values of one invocation may be compared, because machines change between them.
// What rows are called is said at `Row`.

import { cpus } from "node:os";
import { coreCount } from "../src/backends/wasm/builds.ts";
import type { TextPart } from "./text_job.ts";
import config from "../deno.json" with { type: "json" };

/**
 * One measured number. Names are stable; M, K, N, B, T, H, D are sizes, SIZE is a model: s, m or gpt1.
 *
 * - `ops`: gemm-MxKxN with packing timed, …-packed without, …-in-turns in every runtime, these taking turns;
 *   gemm-into-…, linear-…; attention-bB-tT-hH-dD, …-forward-backward, and …-gemm-share (%), its rate as a share of the
 *   product's; other ops by their own name and first shape; peak-multiply-add, peak-copy-N-kib for a working set.
 * - `step`: train-SIZE, forward-SIZE and train-SIZE-dropout (ms); …-tokens, …-flops; …-gemm-bound (%), the share of the
 *   time that the formula's operations would take at the product's rate; forward- and gradient-SIZE-half-targets (x), how
 *   many times as fast they are where every second row has a target; train-SIZE-share-FAMILY (%); train-SIZE-in-turns,
 *   forward-SIZE-in-turns and their bounds, in every runtime, these taking turns.
 * - `decode`: decode-SIZE-batch-N.
 * - `startup`: startup-SIZE (s), from the start of a process to the end of its first update; startup-SIZE-later-step (ms);
 *   memory-SIZE-planned by the plans, -linear of the WASM memory, -resident of the process (MB).
 * - `growth`: growth-SYMBOL-N (ms) and growth-SYMBOL-N-bytes, where SYMBOL is what grows.
 * - `webgpu`: gemm-MxKxN, attention-…, and ops that memory holds up; train-SIZE, with dropout, by the host's clock, …-busy
 *   by the GPU's own, each with its -flops, and …-busy-share (%); …-dispatches, …-store and …-temporaries by plan;
 *   prefill-SIZE-batch-N (ms) to the first token and decode-SIZE-batch-N after it, each with -busy, and
 *   decode-…-weights (GB/s), parameters read a token; peak-multiply-add and peak-copy of the card. torch-gemm-… and
 *   torch-train-SIZE are PyTorch's, and …-of-torch (x) how many times as fast ours is. SIZE-f16 is with weights and
 *   activations as halves. auto-rate/launch/wait-DEVICE are what `auto` predicts by, auto-SIZE-DEVICE with …-predicted (ms)
 *   are steps, auto-SIZE-gain with …-predicted (x) what the GPU gains, auto-crossing (channels) where it begins to.
 * - `peers`: gemm-…, train-SIZE, startup-SIZE and memory-SIZE-resident, of ours with `ratioTo` and of the peers.
 * - `text`: KIND is gpt2, wordpiece or gpt1, MB are millions of bytes of UTF-8. KIND-encode from a string to ids and
 *   KIND-decode back, each also -cold, the first pass; KIND-worst-TEXT on 1 MB of a, spaces, base64 or emoji, and …-growth
 *   (x), its time as a multiple of that of half as much; train-byte-bpe-32k (s) on all text, and on its first -twentieth,
 *   -quarter and -half, each with -tokens, fewer where the text yields no more, and -text (MB); prepare-KIND, the command.
 */
export interface Row {
  /** The benchmark it comes from. */
  readonly bench: string;
  /** Unique together with benchmark, runtime and threads. */
  readonly name: string;
  /** What ran it: "deno", "node", either with a flag, or a peer; in `text` a peer and the runtime. */
  readonly runtime: string;
  readonly threads: number;
  readonly unit: string;
  /** A median. */
  readonly value: number;
  /** Whose clock it was measured by, where there are two: the GPU's timestamps or the host. */
  readonly clock?: "gpu" | "host";
  /** `value` as a share of what the machine reached in the same invocation on as many threads. */
  readonly peakShare?: number;
  /** How many times as fast as others (a peer, or the same runtime without its flag), both measured in the same invocation. */
  readonly ratioTo?: Readonly<Record<string, number>>;
}

/** What was asked for. */
export interface Settings {
  /** Numbers of threads, each to be measured. */
  readonly threads: readonly number[];
  /** Whether to try everything out at tiny sizes. Such numbers say nothing about speed. */
  readonly quick: boolean;
  /** A version of Node to fetch; what is installed if `null`. */
  readonly node: string | null;
  /** Where to write the plot of growth; nowhere if `null`. */
  readonly plot: string | null;
  /** A folder with text and tokenizers; both are made if `null`. */
  readonly data: string | null;
  /** What of the text benchmark to measure; all if `null`. */
  readonly part: TextPart | null;
  /** A Python that may have PyTorch, for the GPU. */
  readonly python: string;
  /** Adds to the report's versions. */
  readonly note: (versions: Readonly<Record<string, string>>) => void;
}

/** A benchmark: yields rows as it measures them. */
export type Bench = (settings: Settings) => AsyncGenerator<Row, void, undefined>;

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
export function reportOf(rows: readonly Row[], versions: Readonly<Record<string, string>>): Report {
  const { os, arch } = Deno.build, { deno, v8 } = Deno.version;
  return {
    machine: { cpu: cpus()[0]?.model ?? "unknown", cores, os, arch },
    versions: { foreword: config.version, deno, v8, ...versions },
    rows,
  };
}

const columns = (
  name: string,
  runtime: string,
  threads: string,
  value: string,
  unit: string,
  rest: string,
): string =>
  `${name.padEnd(52)} ${runtime.padEnd(20)} ${threads.padStart(7)} ${value.padStart(10)} ${
    unit.padEnd(8)
  } ${rest}`
    .trimEnd();

/** The line above the rows. */
export const heading: string = columns("", "", "threads", "median", "", "of peak, times others, clock");

/** One row for people. */
export function line(
  { bench, name, runtime, threads, unit, value, peakShare, ratioTo = {}, clock }: Row,
): string {
  const share = peakShare === undefined ? "" : `${(100 * peakShare).toFixed(0)}%`.padStart(5);
  const ratios = Object.entries(ratioTo).map(([peer, ratio]) => `${ratio.toFixed(2)}x ${peer}`).join(", ");
  const short = runtime.replace("--experimental-wasm-revectorize", "+revec");
  return columns(
    `${bench} ${name}`,
    short,
    `${threads}`,
    digits(value),
    unit,
    [share, ratios, clock && `by ${clock}`].filter(Boolean).join("  "),
  );
}

const digits = (value: number): string => value.toFixed(value < 10 ? 2 : value < 1e4 ? 1 : 0);

/** Remarks and progress, apart from the table. */
export const remark = (text: string): void => console.error(text);
