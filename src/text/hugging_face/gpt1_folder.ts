// The tokenizer files that lie beside published GPT-1 weights: the release's pair, or what transformers saves for model
// type `openai-gpt` (vocab.json, merges.txt, tokenizer.json, tokenizer_config.json). They agree on the tokens but not on how
// text is split into words, which is decided here.

import type { Storage } from "../../core/storage.ts";
import { GPT1_FILES } from "../bpe_files.ts";
import { END, UNKNOWN } from "../bpe.ts";
import { TRANSFORMERS_FILES } from "../bytes/files.ts";
import { type AnyTokenizer, openTokenizer, saveTokenizerJson } from "../open_tokenizer.ts";
import { type PretokenizerName, pretokenizers } from "../pretokenizers.ts";
import {
  encoderText,
  join,
  looksSpecial,
  mergesText,
  parseJson,
  readPair,
  readText,
  TOKENIZER_CONFIG,
} from "../vocabulary_files.ts";
import { createWordBpe, type WordBpeDescription } from "./description.ts";
import { parseTokenizerJson } from "./read.ts";

const HUGGING_FACE = "tokenizer.json";
/** Where tokenizer_config.json says how words are split; transformers passes over it. */
const SPLIT = "foreword_pretokenizer";

/**
 * Opens the tokenizer in a folder of published weights. Words are split as `pretokenizer` says; else as the folder says,
 * if Foreword exported it; else GPT-1's own way for the release's files and its vocabulary wherever it is, which is what
 * those weights were trained on; else as tokenizer.json says, or as transformers does without one.
 *
 * Rejects with `NotFound` if there are no files, `SyntaxError` if they are damaged or contradict each other.
 */
export async function openPublishedTokenizer(
  storage: Storage,
  folder: string,
  pretokenizer?: PretokenizerName,
): Promise<AnyTokenizer> {
  const has = async (name: string): Promise<boolean> =>
    (await storage.stat(join(folder, name)))?.kind === "file";
  const pairs = [GPT1_FILES, TRANSFORMERS_FILES];
  const present = await Promise.all(
    pairs.map(async (pair) => await has(pair.encoder) && await has(pair.merges)),
  );
  const pair = pairs.find((_, i) => present[i]), json = join(folder, HUGGING_FACE);
  const described = await has(HUGGING_FACE)
    ? parseTokenizerJson(await readText(storage, json), storage.describe(json))
    : null;
  let found: WordBpeDescription | null = described?.kind === "word-bpe" ? described : null;
  if (pair) {
    const { tokens, merges } = await readPair(storage, folder, pair);
    const words = { kind: "word-bpe", added: [], unknown: UNKNOWN, pretokenizer: "bert" } as const;
    if (tokens.some((token) => token.endsWith(END))) {
      const [encoder, file] = [pair.encoder, pair.merges].map((name) => storage.describe(join(folder, name)));
      requireMade(tokens, merges, encoder, file);
      found = { ...found ?? words, tokens, merges };
    }
  }
  if (!found) return await openTokenizer(storage, folder);
  const original = pair === GPT1_FILES || isReleased(found.tokens);
  const split = pretokenizer ?? await saidSplit(storage, folder) ?? (original ? "gpt1" : found.pretokenizer);
  return await createWordBpe({ ...found, pretokenizer: split }, storage.describe(folder));
}

/** Two files can be of two sources, or one cut short: every token but characters and special ones must be made. */
function requireMade(
  tokens: readonly string[],
  merges: readonly (readonly [string, string])[],
  encoder: string,
  file: string,
): void {
  const made = new Set(merges.map((pair) => pair.join("")));
  const unmade = tokens.find((token) => {
    const spelled = token.endsWith(END) ? token.slice(0, -END.length) : token;
    return [...spelled].length > 1 && !made.has(token) && !looksSpecial(token);
  });
  if (unmade === undefined) return;
  throw new SyntaxError(
    `Cannot use ${encoder}: no merge in ${file} makes its token ${
      JSON.stringify(unmade)
    }; take both files from one source`,
  );
}

/** The vocabulary of 40,478 ids that OpenAI published, by its size and two of its merges. */
const isReleased = (tokens: readonly string[]): boolean =>
  tokens.length === 40478 && tokens[477] === "th" && tokens[40476] === `bachelorette${END}`;

async function saidSplit(storage: Storage, folder: string): Promise<PretokenizerName | null> {
  const path = join(folder, TOKENIZER_CONFIG);
  if (await storage.stat(path) === null) return null;
  const where = storage.describe(path), name = parseJson(await readText(storage, path), where)[SPLIT];
  if (name === undefined) return null;
  if (typeof name === "string" && Object.hasOwn(pretokenizers, name)) return name as PretokenizerName;
  throw new SyntaxError(
    `Cannot use ${where}: ${SPLIT} is ${JSON.stringify(name).slice(0, 60)}; this version has ` +
      Object.keys(pretokenizers).join(", "),
  );
}

/** Writes the tokenizer of a model of `context` positions as transformers loads it, into a folder that exists. */
export async function writePublishedTokenizer(
  storage: Storage,
  folder: string,
  tokenizer: AnyTokenizer,
  context: number,
): Promise<void> {
  const write = (name: string, text: string): Promise<void> =>
    storage.write(join(folder, name), [new TextEncoder().encode(text)]);
  await saveTokenizerJson(storage, join(folder, HUGGING_FACE), tokenizer);
  const words = tokenizer.kind === "word-bpe" ? tokenizer : null;
  if (words) {
    await write(TRANSFORMERS_FILES.encoder, encoderText(words.tokens));
    await write(TRANSFORMERS_FILES.merges, mergesText(words.merges));
  }
  // transformers' own class for GPT-1 splits as BERT does whatever tokenizer.json says, so it is named only then.
  const config = {
    tokenizer_class: words && words.pretokenizer !== "words"
      ? "OpenAIGPTTokenizer"
      : "PreTrainedTokenizerFast",
    model_max_length: context,
    ...(words ? { unk_token: UNKNOWN, [SPLIT]: words.pretokenizer } : {}),
  };
  await write(TOKENIZER_CONFIG, `${JSON.stringify(config, null, 2)}\n`);
}

/** Writes a tokenizer of GPT-1's kind under the release's names, into a folder that exists. `SyntaxError` for others. */
export async function writeReleasedTokenizer(
  storage: Storage,
  folder: string,
  tokenizer: AnyTokenizer,
): Promise<void> {
  if (tokenizer.kind !== "word-bpe") {
    throw new SyntaxError(
      `Cannot write a ${tokenizer.kind} tokenizer in the files of GPT-1's release: choose the other format`,
    );
  }
  const write = (name: string, text: string): Promise<void> =>
    storage.write(join(folder, name), [new TextEncoder().encode(text)]);
  await write(GPT1_FILES.encoder, encoderText(tokenizer.tokens));
  await write(GPT1_FILES.merges, mergesText(tokenizer.merges));
  await write(TOKENIZER_CONFIG, `${JSON.stringify({ [SPLIT]: tokenizer.pretokenizer }, null, 2)}\n`);
}
