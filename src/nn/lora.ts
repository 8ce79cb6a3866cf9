// Low-rank adapters, after "LoRA: Low-Rank Adaptation of Large Language Models": a dense layer keeps its matrix W (n,m) as
// it is and learns A (n,r) and B (r,m) beside it, y = x·W + b + (alpha / r) (x·A)·B. B starts at 0, so a model with
// adapters starts as the model without. Which layers have one is a model's business; their files are in
// models/gpt1_peft.ts.

import type { Value } from "../graph/graph.ts";
import { add, dropout, linear, product, scaled } from "./layers.ts";
import type { Parameters, ParameterSpec } from "./parameters.ts";

/** Adapters on the dense layers of a model. Plain JSON. */
export interface Lora {
  /** Size between A and B, r; at least 1. */
  readonly rank: number;
  /** What an adapter adds is multiplied by alpha / rank. */
  readonly alpha: number;
  /** The layers that have one, by their published names in a block: `attn/c_attn`. */
  readonly targets: readonly string[];
  /** Rate at which elements of an adapter's own input are dropped in training, in [0, 1); 0 unless given. */
  readonly dropout?: number;
}

/** What multiplies the product of an adapter. */
export const loraScale = ({ alpha, rank }: Pick<Lora, "alpha" | "rank">): number => alpha / rank;

/** Whether a parameter is half of an adapter. */
export const isAdapter = (name: string): boolean => /\/lora_[ab]$/.test(name);

/**
 * The adapter of a dense layer (inputs, outputs). A is drawn from N(0, 1 / (3 n)), which has the variance of the uniform
 * draw that PEFT makes; B is 0.
 */
export const loraSpecs = (name: string, inputs: number, outputs: number, rank: number): ParameterSpec[] => [
  { name: `${name}/lora_a`, shape: [inputs, rank], init: { deviation: 1 / Math.sqrt(3 * inputs) } },
  { name: `${name}/lora_b`, shape: [rank, outputs], init: 0 },
];

/** The dense layer `name`: x (…,n) · w + b, plus what its adapter makes of x where it has one. (…,m) */
export function dense(
  x: Value,
  p: Parameters,
  name: string,
  { lora, rng = null }: { readonly lora?: Lora | undefined; readonly rng?: Value | null } = {},
): Value {
  const y = linear(x, p(`${name}/w`), p(`${name}/b`)); // (…, m)
  if (!lora?.targets.includes(name)) return y;
  return x.graph.scope(`${name.split("/").at(-1)}/lora`, () => {
    const low = product(dropout(x, rng, lora.dropout ?? 0), p(`${name}/lora_a`)); // (…, r)
    return add(y, product(scaled(low, loraScale(lora)), p(`${name}/lora_b`))); // (…, m)
  });
}
