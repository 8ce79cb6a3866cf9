// Generation with a cache: prompts in one run, then a token a run. Prompts of different lengths share a batch, each with
// its own live length and offset. When a row's context is full, its last half is encoded again and generation goes on.
// Only token rows are sampled; special tokens and positions, which the training softmax knows, cannot come out.

import { Random } from "../core/random.ts";
import type { Model } from "../nn/model.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
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

interface Row {
  /** Tokens whose keys and values are cached. */
  cached: number;
  /** Tokens to encode next. */
  pending: number[];
  /** Everything so far, to encode again when the context is full. */
  readonly tokens: number[];
  readonly random: Random;
}

/**
 * Continues several prompts at once; each round yields the next token of every row.
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
  for (let round = 0; round < maxTokens && !signal?.aborted; round++) {
    for (const row of rows) {
      if (row.cached + row.pending.length <= context) continue;
      row.cached = 0;
      row.pending = row.tokens.slice(-Math.max(1, Math.floor(context / 2)));
    }
    const logits = await decode(model, rows);
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

// Whose tokens the cache in a model's store holds. There is one for each batch size, and generations may take turns on it.
const owners = new WeakMap<object, Map<number, readonly Row[]>>();

// Encodes the pending tokens of all rows, in the smallest plan that holds them. Lengths are 1 or a power of two.
async function decode<C, R>(model: Model<C, R>, rows: readonly Row[]): Promise<Float32Array | Float64Array> {
  const owner = owners.get(model.store) ?? new Map<number, readonly Row[]>();
  if (owner.get(rows.length) !== rows) {
    for (const row of rows) { // what was cached is there no more
      row.pending = row.tokens.slice(-(row.cached + row.pending.length));
      row.cached = 0;
    }
    owners.set(model.store, owner.set(rows.length, rows));
  }
  const longest = Math.max(...rows.map(({ pending }) => pending.length));
  const length = Math.min(model.context, 2 ** Math.ceil(Math.log2(longest)));
  const tokens = new Int32Array(rows.length * length);
  rows.forEach(({ pending }, b) => tokens.set(pending, b * length));
  const { logits } = await model.decode(rows.length, length).run({
    ids: model.inputIds(tokens, length, rows.map(({ cached }) => cached)),
    extents: Int32Array.from(rows.flatMap(({ cached, pending }) => [cached, pending.length])),
    last: Int32Array.from(rows, ({ pending }) => pending.length - 1),
  });
  return logits as Float32Array | Float64Array;
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
