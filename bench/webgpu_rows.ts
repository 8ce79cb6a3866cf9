// What the benchmark of the GPU reports, and whom it compares with: rows, and a peer that does the same work on the same
// card in a process of its own. Nothing here knows a host or a library.

import type { Device } from "../src/backends/backend.ts";
import type { GpuTimer } from "../src/backends/webgpu/timer.ts";
import type { Clock, Seconds } from "./webgpu_clock.ts";
import type { GpuPeak } from "./webgpu_peak.ts";

/** One measured number; the bench adds the rest of a row. */
export interface GpuRow {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  /** Where the time behind the value comes from; absent where there is none. */
  readonly clock?: Clock;
  readonly peakShare?: number;
  /** Threads, if it is not a GPU that worked. */
  readonly threads?: number;
  /** Who ran it, if not this program. */
  readonly runtime?: string;
  readonly ratioTo?: Readonly<Record<string, number>>;
}

/** A product a (M,K) · b (K,N). */
export interface ProductJob {
  readonly kind: "gemm";
  readonly m: number;
  readonly k: number;
  readonly n: number;
  /** Seconds of a batch of products. */
  readonly least: number;
}

/** Training steps of a GPT-1, with its dropout, clipping and Adam. */
export interface TrainJob {
  readonly kind: "train";
  readonly layers: number;
  readonly channels: number;
  readonly heads: number;
  readonly context: number;
  readonly vocab: number;
  readonly batch: number;
  readonly dropout: number;
  readonly adam: Readonly<Record<"rate" | "beta1" | "beta2" | "epsilon" | "maxNorm" | "decay", number>>;
  /** Seconds of a batch of steps. */
  readonly least: number;
}

/** What a peer says of a job: seconds of one run, and of a model its number of parameters and its first loss. */
export interface PeerResult {
  readonly seconds: number;
  readonly parameters?: number;
  readonly loss?: number;
}

/** Another library on the same card, in 32 bits as ours. */
export interface GpuPeer {
  /** As in the names of rows. */
  readonly name: string;
  /** The library and what it runs on, as the `runtime` of rows. */
  readonly runtime: string;
  take(job: ProductJob | TrainJob): Promise<PeerResult>;
}

/** What the parts of the benchmark share. */
export interface GpuBench {
  readonly device: Device;
  /** `null` where the host's clock is taken. */
  readonly timer: GpuTimer | null;
  readonly peak: GpuPeak;
  readonly quick: boolean;
  /** `null` without one to compare with. */
  readonly peer: GpuPeer | null;
  readonly remark: (text: string) => void;
}

/** What the peer says of a job; `null` without a peer, or with a remark where it fails: its failure is not ours. */
export async function askPeer(
  { peer, remark }: Pick<GpuBench, "peer" | "remark">,
  job: ProductJob | TrainJob,
  check: (result: PeerResult) => void = () => {},
): Promise<PeerResult | null> {
  if (!peer) return null;
  try {
    const result = await peer.take(job);
    check(result);
    return result;
  } catch (error) {
    remark(`left out: ${job.kind} of ${peer.runtime}: ${error instanceof Error ? error.message : error}`);
    return null;
  }
}

/** The row of a peer, in the unit of ours, and how many times as fast ours is. */
export function peerRows(
  { name, runtime }: GpuPeer,
  of: (seconds: Seconds) => GpuRow,
  ours: Seconds,
  theirs: number,
): GpuRow[] {
  const ratio = theirs / ours.seconds, mine = of(ours);
  return [
    { ...of({ seconds: theirs, clock: "host" }), name: `${name}-${mine.name}`, runtime },
    {
      name: `${mine.name}-of-${name}`,
      unit: "x",
      value: ratio,
      clock: ours.clock,
      ratioTo: { [runtime]: ratio },
    },
  ];
}
