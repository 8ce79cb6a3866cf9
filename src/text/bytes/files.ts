// A byte-level tokenizer as files: the pair that OpenAI published for GPT-2 and beside it a small
// tokenizer_config.json with what the pair cannot say: which tokens are special, and a fingerprint against mixed-up
// files. The published pair itself loads without that config; then tokens that no merge makes count as special if
// they are written like one, `<|...|>`.

import type { Storage } from "../../core/storage.ts";
import {
  type BpeFileNames,
  encoderText,
  firstPresent,
  join,
  looksSpecial,
  mergesText,
  parseJson,
  readPair,
  readText,
  requireFingerprint,
  TOKENIZER_CONFIG,
  withLine,
} from "../vocabulary_files.ts";
import { type ByteBpe, type ByteBpeOptions, createByteBpe } from "./byte_bpe.ts";
import { toPrintable } from "./printable.ts";

/** The names of GPT-2's release, which Foreword writes. */
export const GPT2_FILES: BpeFileNames = { encoder: "encoder.json", merges: "vocab.bpe" };
/** The names that the same two files have in transformers. */
export const TRANSFORMERS_FILES: BpeFileNames = { encoder: "vocab.json", merges: "merges.txt" };

const FORMAT = "foreword-byte-bpe-1";

/** Writes a tokenizer to a folder, which is created if missing. */
export async function saveByteBpe(
  storage: Storage,
  folder: string,
  tokenizer: ByteBpe,
  names: BpeFileNames = GPT2_FILES,
): Promise<void> {
  const { tokens, merges, special, size: vocabSize, fingerprint } = tokenizer;
  await storage.makeFolder(folder);
  const write = (name: string, text: string): Promise<void> =>
    storage.write(join(folder, name), [new TextEncoder().encode(text)]);
  await write(names.encoder, encoderText(tokens));
  await write(names.merges, mergesText(merges));
  const config = { format: FORMAT, special: [...special.keys()], vocabSize, fingerprint };
  await write(TOKENIZER_CONFIG, `${JSON.stringify(config, null, 2)}\n`);
}

/**
 * Reads a tokenizer from a folder. Without `names` it looks for {@link GPT2_FILES}, then {@link TRANSFORMERS_FILES}.
 * Rejects with `NotFound` if neither pair is there and with `SyntaxError` if a file is damaged or they do not fit.
 *
 * @example
 * ```ts
 * import { createByteBpe, loadByteBpe, memoryStorage, saveByteBpe } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const storage = memoryStorage(), tokenizer = await createByteBpe({ merges: [["l", "o"], ["lo", "w"]] });
 * await saveByteBpe(storage, "tokenizer", tokenizer);
 * assertEquals((await loadByteBpe(storage, "tokenizer")).fingerprint, tokenizer.fingerprint);
 * ```
 */
export async function loadByteBpe(
  storage: Storage,
  folder: string,
  { names, ...options }: ByteBpeOptions & { readonly names?: BpeFileNames } = {},
): Promise<ByteBpe> {
  const found = await firstPresent(storage, folder, names ? [names] : [GPT2_FILES, TRANSFORMERS_FILES]);
  const where = storage.describe(folder), { tokens, merges } = await readPair(storage, folder, found);
  const config = await readConfig(storage, join(folder, TOKENIZER_CONFIG));
  const special = config?.special ?? unmade(tokens, merges).filter(looksSpecial);
  let tokenizer: ByteBpe;
  try {
    tokenizer = await createByteBpe({ tokens, merges, special }, options);
  } catch (error) {
    if (error instanceof SyntaxError) {
      error.message = `Cannot load the tokenizer in ${where}: ${withLine(error.message, found)}; ` +
        `take ${found.encoder} and ${found.merges} from one source`;
    }
    throw error;
  }
  if (config) requireFingerprint(where, config.fingerprint, tokenizer.fingerprint);
  return tokenizer;
}

/** Tokens that are neither a byte nor made by a merge. */
function unmade(tokens: readonly string[], merges: readonly (readonly [string, string])[]): string[] {
  const made = new Set(merges.map((pair) => pair.join("")));
  for (let byte = 0; byte < 256; byte++) made.add(toPrintable(Uint8Array.of(byte)));
  return tokens.filter((token) => !made.has(token));
}

// Other programs have a file of this name too; without a format of ours it says nothing to us.
async function readConfig(
  storage: Storage,
  path: string,
): Promise<{ special: string[]; fingerprint: string } | null> {
  if (await storage.stat(path) === null) return null;
  const where = storage.describe(path);
  const { format, special, fingerprint } = parseJson(await readText(storage, path), where);
  if (format === undefined) return null;
  if (format !== FORMAT) {
    throw new SyntaxError(
      `Cannot read ${where}: its format is ${JSON.stringify(format)}, a byte-level tokenizer has ${FORMAT}`,
    );
  }
  if (typeof fingerprint !== "string") {
    throw new SyntaxError(
      `Cannot read ${where}: the field "fingerprint" should be a text; save the tokenizer again`,
    );
  }
  if (!Array.isArray(special) || !special.every((token) => typeof token === "string")) {
    throw new SyntaxError(
      `Cannot read ${where}: the field "special" should be a list of texts; save the tokenizer again`,
    );
  }
  return { special, fingerprint };
}
