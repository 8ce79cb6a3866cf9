// GPT-1 as its released code (openai/finetune-transformer-lm) and its paper define it: post-LN decoder blocks, one matrix
// `we` for tokens, special tokens and positions that is also the output projection, tanh GELU, dropout on that matrix, on
// attention probabilities and on both projections. Parameter names are the scopes of the released graph. This file says
// what the model is; recording it for a purpose is in gpt1_plans.ts, and training is in src/train. For the paper's ablation
// an LSTM layer stands in place of the blocks (lstm_layer.ts); nothing else differs then.

import type { Value } from "../graph/graph.ts";
import { addLayerNorm, dropout, embed, gelu, placeRows } from "../nn/layers.ts";
import { dense, loraSpecs } from "../nn/lora.ts";
import type { Parameters, ParameterSpec } from "../nn/parameters.ts";
import { type Recompute, recomputed } from "../nn/recompute.ts";
import { ownSpecials, requireTuning, SPECIAL_ROWS, type Tuning } from "./gpt1_tuning.ts";
import { type LstmLayer, lstmLayer, lstmSpecs } from "./lstm_layer.ts";

/** What fixes the shapes and the dropout of a GPT-1, and which of its parameters are trained. */
export interface Gpt1Config extends Tuning {
  /** Tokens of the vocabulary, V; rows 0..V-1 of `we`. */
  readonly vocabSize: number;
  /** Special tokens behind them: 0 when pre-training, 3 (start, delimiter, classify) when fine-tuning. */
  readonly specials: number;
  /** Positions, T at most; the last rows of `we`. */
  readonly context: number;
  /** Width of a hidden state, C; a multiple of `heads`. */
  readonly channels: number;
  /** Attention heads of each block, of C / H channels each. */
  readonly heads: number;
  /** Blocks, named `h0` on. */
  readonly layers: number;
  /** The ablation's layer behind the blocks, of which there are none then: see `lstmSize`. */
  readonly lstm?: LstmLayer;
  /** Rate at which elements of `we` are dropped, one mask for input and output. All rates lie in [0, 1). */
  readonly embeddingDropout: number;
  /** Rate on attention probabilities, after the softmax. */
  readonly attentionDropout: number;
  /** Rate on what attention and the MLP add to the residual stream. */
  readonly residualDropout: number;
  /** Rate on the hidden state that the classifier reads. */
  readonly classifierDropout: number;
}

/** Sizes of a model without a vocabulary. */
export type Gpt1Size = Pick<Gpt1Config, "context" | "channels" | "heads" | "layers" | "lstm">;

/** Named sizes, from one that trains in seconds to the paper's. */
export const presets = {
  nano: { context: 64, channels: 64, heads: 2, layers: 2 },
  micro: { context: 128, channels: 96, heads: 3, layers: 3 },
  mini: { context: 128, channels: 128, heads: 4, layers: 4 },
  small: { context: 256, channels: 256, heads: 8, layers: 6 },
  medium: { context: 256, channels: 384, heads: 6, layers: 6 },
  large: { context: 512, channels: 512, heads: 8, layers: 8 },
  gpt1: { context: 512, channels: 768, heads: 12, layers: 12 },
} as const satisfies Record<string, Gpt1Size>;

/** The name of a preset. */
export type Gpt1Preset = keyof typeof presets;

/** Order of the special tokens behind the vocabulary, as the released code adds them. */
export const SPECIALS = ["_start_", "_delimiter_", "_classify_"] as const;

/** Dropout rate of the paper, everywhere. */
export const DROPOUT = 0.1;

const EPSILON = 1e-5, DEVIATION = 0.02;

/** A configuration from a preset or sizes, with the paper's dropout unless told otherwise. */
export function configure(
  size: Gpt1Preset | Gpt1Size,
  vocabSize: number,
  { specials = 0, rate = DROPOUT }: { specials?: number; rate?: number } = {},
): Gpt1Config {
  const sizes: Gpt1Size | undefined = typeof size === "string" ? presets[size] : size;
  if (!sizes) {
    throw new RangeError(`There is no preset "${size}"; the presets are ${Object.keys(presets).join(", ")}`);
  }
  if (sizes.channels % sizes.heads !== 0) {
    throw new RangeError(
      `${sizes.channels} channels cannot be shared by ${sizes.heads} heads: choose a multiple`,
    );
  }
  return withDropout({ vocabSize, specials, ...sizes }, rate);
}

/** The configuration with one dropout rate everywhere. */
export function withDropout<C extends Gpt1Size & Pick<Gpt1Config, "vocabSize" | "specials">>(
  config: C,
  rate: number,
): C & Gpt1Config {
  return {
    ...config,
    embeddingDropout: rate,
    attentionDropout: rate,
    residualDropout: rate,
    classifierDropout: rate,
  };
}

/** Rows of `we`: tokens, special tokens, positions. */
export const tableRows = ({ vocabSize, specials, context }: Gpt1Config): number =>
  vocabSize + specials + context;

/** The id of a special token. */
export function specialToken({ vocabSize, specials }: Gpt1Config, name: (typeof SPECIALS)[number]): number {
  const index = SPECIALS.indexOf(name);
  if (index >= specials) {
    throw new RangeError(`The model has no special token ${name}: it was not prepared for fine-tuning`);
  }
  return vocabSize + index;
}

/**
 * All parameters, in the order of the released weight files (positions and tokens there are two tensors); what is trained
 * in place of a table or of matrices follows each.
 *
 * @throws {RangeError} for adapters or frozen layers that the model cannot have.
 */
export function parameterSpecs(config: Gpt1Config, classifier: number | null = null): ParameterSpec[] {
  requireTuning(config);
  const { channels: C, layers, lstm, lora, specials } = config, normal = { deviation: DEVIATION };
  const plain = (name: string, n: number, m: number): ParameterSpec[] => [
    { name: `${name}/w`, shape: [n, m], init: normal },
    { name: `${name}/b`, shape: [m], init: 0 },
  ];
  const norm = (name: string): ParameterSpec[] => [
    { name: `${name}/g`, shape: [C], init: 1 },
    { name: `${name}/b`, shape: [C], init: 0 },
  ];
  const adaptable = (i: number, name: string, n: number, m: number): ParameterSpec[] => [
    ...plain(`h${i}/${name}`, n, m),
    ...(lora?.targets.includes(name) ? loraSpecs(`h${i}/${name}`, n, m, lora.rank) : []),
  ];
  const block = (i: number): ParameterSpec[] => [
    ...adaptable(i, "attn/c_attn", C, 3 * C),
    ...adaptable(i, "attn/c_proj", C, C),
    ...norm(`h${i}/ln_1`),
    ...adaptable(i, "mlp/c_fc", C, 4 * C),
    ...adaptable(i, "mlp/c_proj", 4 * C, C),
    ...norm(`h${i}/ln_2`),
  ];
  return [
    { name: "we", shape: [tableRows(config), C], init: normal },
    ...(ownSpecials(config) ? [{ name: SPECIAL_ROWS, shape: [specials, C], init: normal }] : []),
    ...Array.from({ length: layers }, (_, i) => block(i)).flat(),
    ...(lstm ? lstmSpecs(C, lstm) : []),
    ...(classifier === null ? [] : plain("clf", C, classifier)),
  ];
}

/** What `hidden` needs besides parameters: how to look back, and random numbers when training. */
export interface Forward {
  /** Causal self-attention between the two projections: (B,T,3C) to (B,T,C). */
  readonly attend: (qkv: Value) => Value;
  /** The way through the steps of an LSTM, for a model with one: (B,T,4U) and weights (U,4U) to states (B,T,U). */
  readonly recur?: (gates: Value, weights: Value) => Value;
  /** [seed, draw] (2), or `null` for no dropout. */
  readonly rng: Value | null;
  /** What the backward pass computes again; nothing unless given. */
  readonly recompute?: Recompute;
}

/**
 * The table as this forward pass sees it: with the rows of its special tokens where they are a parameter of their own, and
 * with elements dropped when training, once for input and output.
 */
export function table(p: Parameters, config: Gpt1Config, rng: Value | null): Value {
  const we = p("we"); // (V + specials + context, C)
  return we.graph.scope("we", () => {
    const whole = ownSpecials(config) ? placeRows(we, p(SPECIAL_ROWS), config.vocabSize) : we;
    return dropout(whole, rng, config.embeddingDropout);
  });
}

/**
 * Hidden states (B,T,C) of the last block, or of the LSTM. `ids` (B,T,2) holds a row of the table for each token and each
 * position.
 *
 * @throws {TypeError} for a model with an LSTM and no `recur`.
 */
export function hidden(
  p: Parameters,
  config: Gpt1Config,
  we: Value,
  ids: Value,
  { recompute = "none", recur, ...forward }: Forward,
): Value {
  const { graph } = we;
  let x = embed(we, ids); // (B, T, C)
  for (let i = 0; i < config.layers; i++) {
    const parameters: Parameters = (name) => p(`h${i}/${name}`);
    const body = () => block(x, parameters, config, { ...forward, recompute });
    x = graph.scope(`h${i}`, () => recomputed(graph, recompute, "block", body));
  }
  if (!config.lstm) return x;
  if (!recur) throw new TypeError("Cannot run an LSTM without a way through its steps: give `recur`");
  return lstmLayer(x, p, { recur, rng: forward.rng, rate: config.residualDropout });
}

// Post-LN: the norm follows the residual sum.
function block(
  x: Value,
  p: Parameters,
  { residualDropout: rate, lora }: Gpt1Config,
  { attend, rng, recompute }: Required<Omit<Forward, "recur">>,
): Value {
  const { graph } = x, layer = (x: Value, name: string) => dense(x, p, name, { lora, rng });
  const n = recomputed(graph, recompute, "attention", () => {
    const a = graph.scope("attn", () => {
      const qkv = layer(x, "attn/c_attn"); // (B, T, 3C)
      return dropout(layer(attend(qkv), "attn/c_proj"), rng, rate); // (B, T, C)
    });
    return graph.scope("ln_1", () => addLayerNorm(x, a, p("ln_1/g"), p("ln_1/b"), EPSILON)); // (B, T, C)
  });
  const m = graph.scope("mlp", () => {
    const h = gelu(layer(n, "mlp/c_fc")); // (B, T, 4C)
    return dropout(layer(h, "mlp/c_proj"), rng, rate); // (B, T, C)
  });
  return graph.scope("ln_2", () => addLayerNorm(n, m, p("ln_2/g"), p("ln_2/b"), EPSILON)); // (B, T, C)
}
