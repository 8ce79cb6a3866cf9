// The paper's ablation as a size to configure: a GPT-1 whose blocks are one LSTM layer. Everything else stays, as in the
// paper's "same framework": one matrix for tokens, special tokens and positions that is also the output, its dropout, the
// heads, the losses. So `createGpt1`, and whatever trains, scores, fine-tunes and generates, takes it like any GPT-1.

import { type Gpt1Preset, type Gpt1Size, presets } from "./gpt1.ts";

/** The paper's ablation. */
export const PAPER_UNITS = 2048;

/**
 * The size of an LSTM with the table and the context of a preset or of sizes. As many units as make its layer about as
 * large as the blocks it replaces, unless given; the paper has 2,048 whatever the size.
 *
 * @throws {RangeError} for units that are not a positive whole number.
 *
 * @example
 * ```ts
 * import { configure, createGpt1, lstmSize, openDevice } from "@foreword/foreword";
 * using device = await openDevice({ device: "wasm", threads: 1 });
 * using model = await createGpt1(device, configure(lstmSize("nano"), 500), { seed: 1 });
 * console.log(model.config.lstm!.units, "units");
 * ```
 */
export function lstmSize(size: Gpt1Preset | Gpt1Size, units?: number): Gpt1Size {
  const { context, channels, layers } = typeof size === "string" ? presets[size] : size;
  const chosen = units ?? matchingUnits({ channels, layers });
  if (!(Number.isInteger(chosen) && chosen > 0)) {
    throw new RangeError(`Cannot make an LSTM of ${chosen} units: give a positive whole number`);
  }
  return { context, channels, heads: 1, layers: 0, lstm: { units: chosen } };
}

/**
 * The units for which an LSTM layer has about as many parameters as the blocks of a GPT-1, to a multiple of 4: for `mini`
 * 372, for `gpt1` 4,156.
 */
export function matchingUnits({ channels: C, layers }: Pick<Gpt1Size, "channels" | "layers">): number {
  // 4 U² + (5 C + 4) U + C = L (12 C² + 13 C), the count of lstm_layer.ts on the left and of gpt1.ts on the right
  const half = (5 * C + 4) / 8, constant = (C - layers * (12 * C * C + 13 * C)) / 4;
  return Math.max(4, 4 * Math.round((Math.sqrt(half * half - constant) - half) / 4));
}
