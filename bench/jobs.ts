// The jobs of contests, written to folders: a product, and a model with its weights, one batch and GPT-1's optimizer.
// The same files are read by our own contestant and by the peers.

import { Random } from "../src/core/random.ts";
import { parameterSpecs } from "../src/models/gpt1.ts";
import { initialValues } from "../src/nn/parameters.ts";
import { gpt1Optimizer } from "../src/train/update.ts";
import type { Job, Tensor } from "./contest.ts";
import { type Size, tokensFor } from "./sizes.ts";

/** Sizes of a product: a (M,K) · b (K,N). */
export interface Product {
  readonly m: number;
  readonly k: number;
  readonly n: number;
}

/** The product that all comparisons share, and its name in rows. */
export const PRODUCT: Product & { readonly name: string } = {
  name: "gemm-480x768x768",
  m: 480,
  k: 768,
  n: 768,
};

/** Floating-point operations of a product. */
export const productFlops = ({ m, k, n }: Product): number => 2 * m * k * n;

const { beta1, beta2, epsilon, maxNorm, groups } = gpt1Optimizer;
const idle = {
  repeats: 1,
  config: { channels: 0, heads: 0, layers: 0 },
  batch: 0,
  length: 0,
  ids: [],
  positions: [],
  targets: [],
  adam: { rate: 1e-4, beta1, beta2, epsilon, maxNorm, decay: groups[0].decay },
} as const;

/** Operands for a product, a and b. */
export function operands({ m, k, n }: Product): [Float32Array, Float32Array] {
  const random = new Random(1, "product"),
    make = (length: number) => Float32Array.from({ length }, () => random.normal());
  return [make(m * k), make(k * n)];
}

/** Writes a product to be computed `repeats` times a turn; the folder. */
export function productJob(product: Product, threads: number, repeats: number): Promise<string> {
  const { m, k, n } = product, tensors = [{ name: "a", shape: [m, k] }, { name: "b", shape: [k, n] }];
  const values = operands(product);
  const job: Job = { ...idle, kind: "gemm", threads, repeats, tensors };
  return writeJob(job, (_, i) => values[i]);
}

/** Writes a model and a batch, for updates or for the loss alone; the folder. */
export function modelJob(
  { config, batch }: Size,
  kind: "train" | "forward",
  threads: number,
): Promise<string> {
  const { context: length, vocabSize, specials } = config, count = batch * length;
  const text = tokensFor(config, count + 1), specs = parameterSpecs(config);
  const job: Job = {
    ...idle,
    kind,
    threads,
    tensors: specs.map(({ name, shape }) => ({ name, shape })),
    config,
    batch,
    length,
    ids: Array.from(text.subarray(0, count)),
    positions: Array.from({ length: count }, (_, i) => vocabSize + specials + i % length),
    targets: Array.from(text.subarray(1)),
  };
  return writeJob(job, (_, i) => initialValues(specs[i], 1));
}

async function writeJob(
  job: Job,
  valuesOf: (tensor: Tensor, index: number) => Float32Array,
): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "foreword-bench-" });
  await Deno.writeTextFile(`${folder}/job.json`, JSON.stringify(job));
  using file = await Deno.open(`${folder}/tensors.bin`, { write: true, create: true });
  const writer = file.writable.getWriter();
  for (const [i, tensor] of job.tensors.entries()) {
    const values = valuesOf(tensor, i);
    await writer.write(new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength));
  }
  await writer.close();
  return folder;
}

/** Does something with a job's folder, which is removed afterwards. */
export async function withJob<T>(made: Promise<string>, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await made;
  try {
    return await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
