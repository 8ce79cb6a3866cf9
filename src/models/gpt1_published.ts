// How GPT-1's weights were published: by OpenAI as one flat array after a list of shapes, and for Hugging Face's
// transformers (model type `openai-gpt`) as named tensors beside a config.json. Both keep tokens and positions in two
// tensors where `we` is one; dense weights are (inputs, outputs) everywhere. Tables only: files are in tasks/gpt1_weights.ts.

import { show } from "../core/shape.ts";
import type { PublishedTensor } from "../nn/published.ts";
import { DROPOUT, type Gpt1Config, parameterSpecs, SPECIALS, withDropout } from "./gpt1.ts";

/** A bound on what a damaged file can make this build; tables have 12 entries for each block. */
const MOST_LAYERS = 10_000;

// The rows of `we`: tokens with special tokens behind them, then positions.
function tableParts(config: Gpt1Config, tokens: string, positions: string): PublishedTensor[] {
  const { vocabSize, specials, context, channels } = config, rows = vocabSize + specials;
  return [
    { name: tokens, shape: [rows, channels], parameter: "we", row: 0 },
    { name: positions, shape: [context, channels], parameter: "we", row: rows },
  ];
}

/** The tensors of a Hugging Face checkpoint, as `OpenAIGPTLMHeadModel` names them; its output projection is tied. */
export function huggingFaceTensors(config: Gpt1Config): PublishedTensor[] {
  const [, ...rest] = parameterSpecs(config), prefix = "transformer";
  const ends: Record<string, string> = { w: "weight", g: "weight", b: "bias" };
  const nameOf = (name: string): string => {
    const parts = name.replace(/^h(\d+)/, "h/$1").split("/");
    return [prefix, ...parts.slice(0, -1), ends[parts.at(-1)!]].join(".");
  };
  return [
    ...tableParts(config, `${prefix}.tokens_embed.weight`, `${prefix}.positions_embed.weight`),
    ...rest.map(({ name, shape }) => ({ name: nameOf(name), shape, parameter: name, row: 0 })),
  ];
}

/** The tensors of the original release in its order: positions, tokens, 12 for each block. Weights have a leading 1. */
export function originalTensors(config: Gpt1Config): PublishedTensor[] {
  const [, ...rest] = parameterSpecs(config);
  return [
    ...tableParts(config, "tokens", "positions").reverse(),
    ...rest.map(({ name, shape }) => ({
      name,
      shape: shape.length === 2 ? [1, ...shape] : shape,
      parameter: name,
      row: 0,
    })),
  ];
}

// Rows of a published table of tokens: those of the tokenizer, and special tokens that fine-tuning put behind them.
function splitRows(rows: number, tokens: number, where: string): { vocabSize: number; specials: number } {
  const specials = rows - tokens;
  if (specials >= 0 && specials <= SPECIALS.length) return { vocabSize: tokens, specials };
  throw new SyntaxError(
    `Cannot use ${where}: it has rows for ${rows} tokens but the tokenizer has ${tokens}; ` +
      "take both from one source, or name the right tokenizer",
  );
}

/**
 * The configuration behind a Hugging Face config.json, for a tokenizer of `tokens` ids.
 *
 * @throws {SyntaxError} that names `where` if it is not of a GPT-1 as it is built here.
 */
export function fromHuggingFaceConfig(
  json: Readonly<Record<string, unknown>>,
  tokens: number,
  where: string,
): Gpt1Config {
  const refuse = (name: string, wanted: string): never => {
    const found = JSON.stringify(json[name])?.slice(0, 60) ?? "missing";
    throw new SyntaxError(
      `Cannot use ${where}: ${name} is ${found}, ${wanted}; take the file that belongs to the weights`,
    );
  };
  const demand = (name: string, allowed: readonly unknown[], absent: boolean): void => {
    if (json[name] === undefined ? absent : allowed.includes(json[name])) return;
    refuse(name, `but GPT-1 has ${JSON.stringify(allowed[0])}`);
  };
  demand("model_type", ["openai-gpt"], false);
  demand("afn", ["gelu"], true); // what transformers calls so here is the tanh form
  demand("layer_norm_epsilon", [1e-5], true);
  demand("tie_word_embeddings", [true], true);
  const count = (name: string, most: number = 2 ** 31): number => {
    const value = json[name];
    const fine = typeof value === "number" && Number.isSafeInteger(value) && value >= 1 && value <= most;
    return fine ? value : refuse(name, `not a whole number from 1 to ${most}`);
  };
  const rate = (name: string): number => {
    const value = json[name] ?? DROPOUT; // as transformers does
    return typeof value === "number" && value >= 0 && value < 1
      ? value
      : refuse(name, "not a rate from 0 to 1");
  };
  const config: Gpt1Config = {
    ...splitRows(count("vocab_size"), tokens, where),
    context: count("n_positions"),
    channels: count("n_embd"),
    heads: count("n_head"),
    layers: count("n_layer", MOST_LAYERS),
    embeddingDropout: rate("embd_pdrop"),
    attentionDropout: rate("attn_pdrop"),
    residualDropout: rate("resid_pdrop"),
    classifierDropout: rate("summary_first_dropout"),
  };
  if (config.channels % config.heads !== 0) {
    refuse("n_head", `which does not divide n_embd ${config.channels}`);
  }
  return config;
}

/** The config.json of a model for transformers. */
export function huggingFaceConfig(config: Gpt1Config): Record<string, unknown> {
  return {
    architectures: ["OpenAIGPTLMHeadModel"],
    model_type: "openai-gpt",
    afn: "gelu",
    vocab_size: config.vocabSize + config.specials,
    n_positions: config.context,
    n_ctx: config.context,
    n_embd: config.channels,
    n_head: config.heads,
    n_layer: config.layers,
    embd_pdrop: config.embeddingDropout,
    attn_pdrop: config.attentionDropout,
    resid_pdrop: config.residualDropout,
    summary_first_dropout: config.classifierDropout,
    layer_norm_epsilon: 1e-5,
    initializer_range: 0.02,
    tie_word_embeddings: true,
    torch_dtype: "float32",
  };
}

/**
 * The configuration behind the shapes of the original release, for a tokenizer of `tokens` ids. Shapes do not tell
 * the heads: those of the released model unless given. Dropout is the paper's.
 *
 * @throws {SyntaxError} that names `where` for shapes that are not those of a GPT-1 in the order of the release.
 * @throws {RangeError} if the heads are needed, or do not divide the channels.
 */
export function fromOriginalShapes(
  shapes: readonly (readonly number[])[],
  { tokens, heads, where }: { tokens: number; heads?: number | undefined; where: string },
): Gpt1Config {
  const [positions, table] = shapes, layers = (shapes.length - 2) / 12;
  const bad = positions?.length !== 2 || table?.length !== 2 || positions[1] !== table[1];
  if (bad || !Number.isInteger(layers) || layers < 1) {
    throw new SyntaxError(
      `Cannot use ${where}: it lists ${shapes.length} shapes that begin ${
        shapes.slice(0, 2).map(show).join(" ")
      }, ` +
        "not positions, tokens and 12 for each block; download it again",
    );
  }
  const [context, channels] = positions, count = heads ?? (channels === 768 ? 12 : null);
  if (count === null || channels % count !== 0) {
    throw new RangeError(
      `Cannot tell the heads of a model of ${channels} channels from its shapes` +
        `${
          count === null ? "" : `: ${count} do not divide them`
        }; give the number of heads it was trained with`,
    );
  }
  const sizes = { ...splitRows(table[0], tokens, where), context, channels, layers, heads: count };
  const config = withDropout(sizes, DROPOUT);
  originalTensors(config).forEach(({ name, shape }, i) => {
    if (shape.join() === shapes[i].join()) return;
    throw new SyntaxError(
      `Cannot use ${where}: shape ${i} is ${show(shapes[i])} where ${name} ${show(shape)} belongs; ` +
        "the order is positions, tokens, then each block's attention, norm, MLP, norm",
    );
  });
  return config;
}
