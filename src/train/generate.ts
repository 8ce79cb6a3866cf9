// Generation with a cache: prompts in one run, then a token a run. Prompts of different lengths share a batch, each with
// its own live length and offset; what is cached and what is to be encoded is in generate_rows.ts. Where reading back takes
// longer than a run, tokens are chosen on the device instead (generate_ahead.ts). Only token rows are sampled; special tokens
// and positions, which the training softmax knows, cannot come out.

import { Random } from "../core/random.ts";
import type { Model } from "../nn/model.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { cut, encode, own, type Row } from "./generate_rows.ts";
import { generateAhead } from "./generate_ahead.ts";
import { checkSampling, sample, type Sampling } from "./sampling.ts";

/** Options of `generateTokens`. */
export interface GenerateOptions extends Sampling {
  /** Tokens to generate at most for each prompt. */
  readonly maxTokens: number;
  /** Decides every draw; row b draws from a stream of its own. */
  readonly seed?: number;
  /** Ends generation before the next token. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of `generate`. */
export interface TextOptions extends GenerateOptions {
  /** Generation ends where one of these would come; it is not part of the text. */
  readonly stop?: readonly string[];
}

/**
 * Continues several prompts at once; each round yields the next token of every row. On a device whose `ahead` is above 1
 * tokens are chosen there, and some may be under way that the reader never asks for. A seed fixes the tokens on a device;
 * another device rounds differently, and may pick other tokens of the same distribution.
 *
 * @throws {RangeError} for an empty prompt or sampling settings that make no sense.
 */
export async function* generateTokens<C, R>(
  model: Model<C, R>,
  prompts: readonly (readonly number[])[],
  { maxTokens, seed = 0, signal, ...sampling }: GenerateOptions,
): AsyncGenerator<number[], void, undefined> {
  checkSampling(sampling);
  if (prompts.length === 0 || prompts.some((prompt) => prompt.length === 0)) {
    throw new RangeError("Cannot continue an empty prompt: give at least one word");
  }
  const { context, vocabSize } = model;
  const rows = prompts.map((prompt, b): Row => ({
    cached: 0,
    pending: prompt.slice(-context),
    tokens: [...prompt],
    random: new Random(seed, `generate/${b}`),
  }));
  if (model.device.ahead > 1) return yield* generateAhead(model, rows, { maxTokens, signal, ...sampling });
  for (let round = 0; round < maxTokens && !signal?.aborted; round++) {
    cut(rows, context);
    own(model.store, rows);
    const results = await encode(model, rows, rows.map(({ pending }) => pending));
    const logits = results.logits as Float32Array | Float64Array;
    const width = logits.length / rows.length;
    const tokens = rows.map((row, b) => {
      const token = sample(logits.subarray(b * width, b * width + vocabSize), row.random.next(), sampling);
      row.cached += row.pending.length;
      row.pending = [token];
      row.tokens.push(token);
      return token;
    });
    yield tokens;
  }
}

/**
 * Continues a text and yields the continuation piece by piece.
 *
 * @example
 * ```ts
 * import { configure, createBpe, createGpt1, generate, openDevice } from "@foreword/foreword";
 * using device = await openDevice({ threads: 1 });
 * const tokenizer = await createBpe({ characters: ["a", "b"], merges: [["a", "b</w>"]], pretokenizer: "words" });
 * using model = await createGpt1(device, configure("nano", tokenizer.size), { seed: 1 });
 * let text = "";
 * for await (const piece of generate(model, tokenizer, "ab a", { maxTokens: 5, seed: 1 })) text += piece;
 * ```
 */
export async function* generate<C, R>(
  model: Model<C, R>,
  tokenizer: Tokenizer,
  prompt: string,
  { stop = [], ...options }: TextOptions,
): AsyncGenerator<string, void, undefined> {
  const decoder = tokenizer.decoder(), ids = tokenizer.encode(prompt);
  // The prompt's last word ends in a space that the prompt itself may lack; then it begins the continuation.
  const written = ids.map((id) => decoder.push(id)).join("");
  const keep = Math.max(0, ...stop.map((text) => text.length)) - 1; // may be the start of a stop string
  let held = /\s$/.test(written) && !/\s$/.test(prompt) ? " " : "";
  for await (const [token] of generateTokens(model, [ids], options)) {
    held += decoder.push(token);
    const found = stop.map((text) => held.indexOf(text)).filter((at) => at >= 0);
    if (found.length > 0) {
      const text = held.slice(0, Math.min(...found));
      if (text) yield text;
      return;
    }
    const ready = keep > 0 ? held.slice(0, Math.max(0, held.length - keep)) : held;
    held = held.slice(ready.length);
    if (ready) yield ready;
  }
  held += decoder.end();
  if (held) yield held;
}
