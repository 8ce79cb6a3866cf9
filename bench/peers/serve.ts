// The protocol of a contest, as contestants in JavaScript speak it; ../contest.ts is the other side. A job is a folder
// that the referee has written. Each line on stdin asks for one turn, each line on stdout answers one: how long it took,
// the numbers that all contestants must agree on, and the memory that the process holds.

import { readFileSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Job, Tensor, Turn } from "../contest.ts";

/** A job with the values of its tensors. */
export type FullJob = Omit<Job, "tensors"> & {
  readonly tensors: readonly (Tensor & { values: Float32Array })[];
};

/** A job made ready. */
export interface Ready {
  /** What a turn needs fresh; not timed. */
  readonly before?: () => void;
  /** Takes a turn: the numbers that contestants must agree on. */
  readonly turn: () => Promise<number[]>;
}

/** Makes a kind of job ready. */
export type Prepare = (job: FullJob) => Promise<Ready>;

/** Serves turns of the job whose folder is the program's argument, until stdin ends. */
export async function serve(
  kinds: Readonly<Partial<Record<Job["kind"], Prepare>>>,
): Promise<void> {
  const job = readJob(process.argv[2]), prepare = kinds[job.kind];
  if (!prepare) {
    throw new RangeError(
      `There is no "${job.kind}" here: only ${Object.keys(kinds).join(", ")}`,
    );
  }
  const { before, turn } = await prepare(job);
  for await (const _ of createInterface({ input: process.stdin })) {
    before?.();
    const began = performance.now(), values = await turn();
    const seconds = (performance.now() - began) / 1000;
    const answer: Turn = {
      seconds,
      values,
      resident: process.memoryUsage().rss,
    };
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  process.exit(0); // whatever worker threads there are
}

function readJob(folder: string): FullJob {
  const job = JSON.parse(readFileSync(`${folder}/job.json`, "utf8")) as Job;
  const { buffer, byteOffset, length } = readFileSync(`${folder}/tensors.bin`);
  let at = byteOffset;
  const tensors = job.tensors.map(({ name, shape }) => {
    const bytes = 4 * shape.reduce((product, n) => product * n, 1);
    return {
      name,
      shape,
      values: new Float32Array(buffer.slice(at, at += bytes)),
    };
  });
  if (at !== byteOffset + length) {
    throw new RangeError(`The tensors of ${folder} are not those of its job`);
  }
  return { ...job, tensors };
}

/** The elements of a product that contestants must agree on. */
export const sampled = (values: ArrayLike<number>): number[] =>
  Array.from({ length: 64 }, (_, i) => values[(i * 4999) % values.length]);

/** By what GPT-1's Adam multiplies the quotient of the moments at update n. */
export const stepSize = (
  { rate, beta1, beta2 }: { rate: number; beta1: number; beta2: number },
  n: number,
): number => rate * Math.sqrt(1 - beta2 ** n) / (1 - beta1 ** n);
