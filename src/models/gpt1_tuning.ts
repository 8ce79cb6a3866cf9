// Which parameters of a GPT-1 are trained when it is fine-tuned: all of them, low-rank adapters beside its matrices, or
// the blocks above the lowest. What is not trained has neither gradient nor moments. The rows of the special tokens lie in
// the table; where that is not trained they are a parameter of their own, which the forward pass puts in their place,
// because fine-tuning draws them at random and they must be learnt.

import { isAdapter, type Lora } from "../nn/lora.ts";

/**
 * What of a GPT-1 is trained; all of it unless given.
 *
 * @example
 * ```ts
 * import { configure, createGpt1, openDevice } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * using device = await openDevice({ device: "wasm", threads: 1 });
 * const lora = { rank: 4, alpha: 8, targets: ["attn/c_attn"] };
 * using model = await createGpt1(device, { ...configure("nano", 500), lora }, { seed: 1 });
 * const trained = model.layout.segments.filter(({ frozen }) => !frozen).map(({ name }) => name);
 * assertEquals(trained.slice(0, 2), ["h0/attn/c_attn/lora_a", "h0/attn/c_attn/lora_b"]);
 * ```
 */
export interface Tuning {
  /** Adapters on matrices of the blocks; with special tokens and classifier they are all that is trained then. */
  readonly lora?: Lora;
  /** How many of the lowest blocks are not trained, and the table with them: 0 for the table alone. An LSTM is a block. */
  readonly frozenLayers?: number;
}

/** The matrices of a block that can have an adapter. */
export const loraTargets = ["attn/c_attn", "attn/c_proj", "mlp/c_fc", "mlp/c_proj"] as const;

/** The parameter that holds the rows of special tokens of a table that is not trained. */
export const SPECIAL_ROWS = "we/specials";

/** Whether the rows of special tokens are a parameter of their own. */
export const ownSpecials = (
  { specials, lora, frozenLayers }: Tuning & { readonly specials: number },
): boolean => specials > 0 && (lora !== undefined || frozenLayers !== undefined);

/** The block that a parameter belongs to, an LSTM being number 0; `null` for the table and the classifier. */
export function blockOf(name: string): number | null {
  const found = /^(?:h(\d+)|lstm)\//.exec(name);
  return found && Number(found[1] ?? 0);
}

/** A configuration of which everything is trained. */
export function untuned<C extends Tuning>(
  { lora: _, frozenLayers: __, ...config }: C,
): Omit<C, keyof Tuning> {
  return config;
}

/** Which parameters are not trained, by name. */
export function frozenBy({ lora, frozenLayers }: Tuning): (name: string) => boolean {
  if (lora) return (name) => !(isAdapter(name) || name === SPECIAL_ROWS || name.startsWith("clf/"));
  if (frozenLayers === undefined) return () => false;
  return (name) => name === "we" || (blockOf(name) ?? Infinity) < frozenLayers;
}

/**
 * Makes sure that there is such a training of a model.
 *
 * @throws {RangeError} for a rank, alpha, rate, matrix or number of layers that the model cannot have.
 */
export function requireTuning(
  { lora, frozenLayers, layers, lstm }: Tuning & { readonly layers: number; readonly lstm?: unknown },
): void {
  if (frozenLayers !== undefined) {
    const blocks = lstm ? 1 : layers;
    if (lora) {
      throw new RangeError(
        "Cannot freeze layers beside adapters: those leave all layers as they are; choose one",
      );
    }
    if (!(Number.isInteger(frozenLayers) && frozenLayers >= 0 && frozenLayers <= blocks)) {
      throw new RangeError(
        `Cannot freeze ${frozenLayers} blocks of a model that has ${blocks}: give 0 to ${blocks}`,
      );
    }
  }
  if (!lora) return;
  const { rank, alpha, targets, dropout = 0 } = lora;
  const refuse = (what: string, remedy: string): never => {
    throw new RangeError(`Cannot put adapters ${what}: ${remedy}`);
  };
  if (lstm) {
    refuse(
      "on an LSTM",
      "they are for the matrices of Transformer blocks; train all of it, or freeze layers",
    );
  }
  if (!(Number.isInteger(rank) && rank >= 1)) refuse(`of rank ${rank}`, "give a whole number of at least 1");
  if (!(alpha > 0 && alpha < Infinity)) refuse(`with alpha ${alpha}`, "give a number above 0");
  if (!(dropout >= 0 && dropout < 1)) refuse(`with dropout ${dropout}`, "give a rate in [0, 1)");
  if (targets.length === 0) refuse("on no matrix", `name some of ${loraTargets.join(", ")}`);
  for (const name of targets) {
    if (loraTargets.some((known) => known === name)) continue;
    refuse(`on ${JSON.stringify(name)}`, `the matrices of a block are ${loraTargets.join(", ")}`);
  }
}
