// A BPE tokenizer as files: the pair that OpenAI published for GPT-1 (token -> id as JSON, merges as text, after a
// version line) and beside it a small tokenizer_config.json with what the pair cannot say: the pre-tokenizer, and a
// fingerprint against mixed-up files. The published pair itself loads without that config, as the paper used it.

import type { Storage } from "../core/storage.ts";
import { bpeParts, type BpeTokenizer, createBpe, END } from "./bpe.ts";
import { type PretokenizerName, pretokenizers } from "./pretokenizers.ts";
import {
  type BpeFileNames,
  encoderText,
  firstPresent,
  join,
  mergesText,
  parseJson,
  readPair,
  readText,
  requireFingerprint,
  TOKENIZER_CONFIG,
  withLine,
} from "./vocabulary_files.ts";

export type { BpeFileNames };

/** The names Foreword writes. */
export const BPE_FILES: BpeFileNames = { encoder: "encoder.json", merges: "vocab.bpe" };
/** The names of GPT-1's release. */
export const GPT1_FILES: BpeFileNames = { encoder: "encoder_bpe_40000.json", merges: "vocab_40000.bpe" };

const FORMAT = "foreword-bpe-1";

/**
 * Writes a tokenizer to a folder, which is created if missing. Under {@link GPT1_FILES} the pair has the names that
 * other readers of GPT-1's files expect.
 */
export async function saveBpe(
  storage: Storage,
  folder: string,
  tokenizer: BpeTokenizer,
  names: BpeFileNames = BPE_FILES,
): Promise<void> {
  await storage.makeFolder(folder);
  const write = (name: string, text: string): Promise<void> =>
    storage.write(join(folder, name), [new TextEncoder().encode(text)]);
  await write(names.encoder, encoderText(tokenizer.tokens));
  await write(names.merges, mergesText(tokenizer.merges));
  const { pretokenizer, size: vocabSize, fingerprint, layout } = tokenizer;
  const config = { format: FORMAT, pretokenizer, vocabSize, fingerprint };
  await write(
    TOKENIZER_CONFIG,
    JSON.stringify(layout ? { ...config, unknown: layout.unknown } : config, null, 2) + "\n",
  );
}

/**
 * Reads a tokenizer from a folder. Without `names` it looks for {@link BPE_FILES}, then {@link GPT1_FILES}. A pair
 * without a config, such as the published one, gets GPT-1's own pre-tokenizer. Rejects with `NotFound` if neither pair
 * is there and with `SyntaxError` if a file is damaged or they do not fit together.
 *
 * @example
 * ```ts
 * import { loadBpe, memoryStorage, saveBpe, trainBpe } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const storage = memoryStorage(), tokenizer = await trainBpe(["low lower lowest"], { vocabSize: 18 });
 * await saveBpe(storage, "tokenizer", tokenizer);
 * assertEquals((await loadBpe(storage, "tokenizer")).fingerprint, tokenizer.fingerprint);
 * ```
 */
export async function loadBpe(storage: Storage, folder: string, names?: BpeFileNames): Promise<BpeTokenizer> {
  const candidates = names ? [names] : [BPE_FILES, GPT1_FILES];
  const found = await firstPresent(storage, folder, candidates);
  const { tokens, merges: pairs } = await readPair(storage, folder, found);
  const config = await readConfig(storage, join(folder, TOKENIZER_CONFIG));
  const where = storage.describe(folder);
  const pretokenizer = config?.pretokenizer ?? "gpt1";
  const parts = config?.unknown !== undefined
    ? bpeParts(tokens, pairs, config.unknown, pretokenizer)
    : { characters: charactersOf(tokens, pairs.length, where), merges: pairs, pretokenizer };
  let tokenizer: BpeTokenizer;
  try {
    tokenizer = await createBpe(parts);
  } catch (error) {
    if (error instanceof SyntaxError) {
      error.message = `Cannot load the tokenizer in ${where}: ${withLine(error.message, found)}`;
    }
    throw error;
  }
  const wrong = tokens.findIndex((token, id) => token !== tokenizer.tokens[id]);
  if (wrong >= 0) {
    throw new SyntaxError(
      `Cannot load the tokenizer in ${where}: id ${wrong} is ${
        JSON.stringify(tokens[wrong])
      } in ${found.encoder} ` +
        `but ${JSON.stringify(tokenizer.tokens[wrong])} by ${found.merges}; take both files from one source`,
    );
  }
  if (config) requireFingerprint(where, config.fingerprint, tokenizer.fingerprint);
  return tokenizer;
}

/** GPT-1's layout leaves, besides `<unk>`, the merges and the newline, each character twice. */
function charactersOf(tokens: readonly string[], merges: number, where: string): string[] {
  const count = (tokens.length - 2 - merges) / 2;
  if (!Number.isInteger(count) || count < 1 || tokens.at(-1) !== "\n" + END) {
    throw new SyntaxError(
      `Cannot load the tokenizer in ${where}: ${tokens.length} tokens with ${merges} merges are not GPT-1's layout ` +
        `(<unk>, characters, characters${END}, merges, newline${END}); take both files from one source`,
    );
  }
  return tokens.slice(1, 1 + count);
}

async function readConfig(
  storage: Storage,
  path: string,
): Promise<{ pretokenizer: PretokenizerName; fingerprint: string; unknown?: string | null } | null> {
  if (await storage.stat(path) === null) return null;
  const where = storage.describe(path), value = parseJson(await readText(storage, path), where);
  const { format, pretokenizer, fingerprint, unknown } = value;
  if (format === undefined) return null; // other programs have a file of this name too
  if (format !== FORMAT || typeof fingerprint !== "string") {
    throw new SyntaxError(
      `Cannot read ${where}: its format is ${JSON.stringify(format)}, this version reads ${FORMAT}`,
    );
  }
  if (typeof pretokenizer !== "string" || !Object.hasOwn(pretokenizers, pretokenizer)) {
    const known = Object.keys(pretokenizers).join(", ");
    throw new SyntaxError(
      `Cannot read ${where}: pretokenizer ${
        JSON.stringify(pretokenizer)
      } is unknown; this version has ${known}`,
    );
  }
  const found = { pretokenizer: pretokenizer as PretokenizerName, fingerprint };
  // Written only for ids that are not in GPT-1's order.
  return unknown === null || typeof unknown === "string" ? { ...found, unknown } : found;
}
