// Any tokenizer by its path, whichever kind the files make it, and back into a folder. What the kinds are is said in bpe.ts,
// bytes/byte_bpe.ts and wordpiece/wordpiece.ts, what tokenizer.json may hold in hugging_face/.

import { NotFound, type Storage } from "../core/storage.ts";
import type { BpeTokenizer } from "./bpe.ts";
import { BPE_FILES, GPT1_FILES, loadBpe, saveBpe } from "./bpe_files.ts";
import { type ByteBpe, createByteBpe } from "./bytes/byte_bpe.ts";
import { loadByteBpe, saveByteBpe, TRANSFORMERS_FILES } from "./bytes/files.ts";
import { createWordBpe } from "./hugging_face/description.ts";
import { parseTokenizerJson } from "./hugging_face/read.ts";
import { tokenizerJsonOf } from "./hugging_face/write.ts";
import { join, parseEncoder, parseJson, readText } from "./vocabulary_files.ts";
import { loadWordPiece, saveVocabulary } from "./wordpiece/files.ts";
import { createWordPiece, type WordPieceTokenizer } from "./wordpiece/wordpiece.ts";

/** A tokenizer of any kind; `kind` tells which. */
export type AnyTokenizer = BpeTokenizer | ByteBpe | WordPieceTokenizer;

/** What a bare vocab.txt does not say: whether it is for text in lower case. */
export const vocabularyTypes = ["bert-uncased", "bert-cased"] as const;

/** One of {@link vocabularyTypes}. */
export type VocabularyType = (typeof vocabularyTypes)[number];

const CONFIG = "tokenizer_config.json", HUGGING_FACE = "tokenizer.json", VOCABULARY = "vocab.txt";

/**
 * Opens a tokenizer: a folder that was saved here, a published pair of files (GPT-1's or GPT-2's), a tokenizer.json or
 * a folder with one, a vocab.txt or a folder with one. `type` is needed for a bare vocab.txt.
 *
 * Rejects with `NotFound` if nothing of the kind is there, with `SyntaxError` if a file is damaged or of a kind that
 * this version does not have, with `RangeError` if `type` is missing or makes no sense.
 *
 * @example
 * ```ts
 * import { memoryStorage, openTokenizer } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const storage = memoryStorage({ "bert/vocab.txt": "[PAD]\n[UNK]\n[CLS]\n[SEP]\nhel\n##lo\n" });
 * const tokenizer = await openTokenizer(storage, "bert", "bert-uncased");
 * assertEquals(tokenizer.encode("Hello"), [4, 5]);
 * ```
 */
export async function openTokenizer(
  storage: Storage,
  path: string,
  type?: VocabularyType,
): Promise<AnyTokenizer> {
  const entry = await storage.stat(path), where = storage.describe(path);
  if (entry === null) {
    throw new NotFound(
      `Cannot load a tokenizer from ${where}: there is no such file or folder; check the path`,
    );
  }
  if (entry.kind === "file") {
    return path.endsWith(".json") ? await fromJson(storage, path) : await fromVocabulary(storage, path, type);
  }
  const has = async (name: string): Promise<boolean> =>
    (await storage.stat(join(path, name)))?.kind === "file";
  const hasPair = async ({ encoder, merges }: { encoder: string; merges: string }): Promise<boolean> =>
    await has(encoder) && await has(merges);
  const format = await has(CONFIG) ? await formatIn(storage, join(path, CONFIG)) : undefined;
  if (format === "foreword-bpe-1") return await loadBpe(storage, path);
  if (format === "foreword-byte-bpe-1") return await loadByteBpe(storage, path);
  // The original files first: a tokenizer.json beside GPT-1's says how transformers splits, which is not how GPT-1 did.
  if (await hasPair(GPT1_FILES)) return await loadBpe(storage, path, GPT1_FILES);
  if (await has(HUGGING_FACE)) return await fromJson(storage, join(path, HUGGING_FACE));
  if (await has(VOCABULARY)) return await fromVocabulary(storage, join(path, VOCABULARY), type);
  if (await hasPair(BPE_FILES)) {
    const encoder = join(path, BPE_FILES.encoder);
    const tokens = parseEncoder(await readText(storage, encoder), storage.describe(encoder));
    return await (tokens.some((token) => token.endsWith("</w>")) ? loadBpe : loadByteBpe)(storage, path);
  }
  if (await hasPair(TRANSFORMERS_FILES)) return await loadByteBpe(storage, path);
  throw new NotFound(
    `Cannot load a tokenizer from ${where}: it holds no ${HUGGING_FACE}, no ${VOCABULARY}, and no pair such as ` +
      `${BPE_FILES.encoder} + ${BPE_FILES.merges} or ${GPT1_FILES.encoder} + ${GPT1_FILES.merges}`,
  );
}

/** Writes a tokenizer to a folder, created if missing, from which {@link openTokenizer} opens it again. */
export async function saveTokenizer(
  storage: Storage,
  folder: string,
  tokenizer: AnyTokenizer,
): Promise<void> {
  if (tokenizer.kind === "word-bpe") return await saveBpe(storage, folder, tokenizer);
  if (tokenizer.kind === "byte-bpe") return await saveByteBpe(storage, folder, tokenizer);
  await storage.makeFolder(folder);
  await saveVocabulary(storage, join(folder, VOCABULARY), tokenizer.tokens);
  await saveTokenizerJson(storage, join(folder, HUGGING_FACE), tokenizer);
}

/**
 * Writes a tokenizer.json, which Hugging Face's libraries read. A GPT-1 tokenizer with GPT-1's own pre-tokenizer is
 * written with the one that transformers has for GPT-1 instead, since such a file cannot say spaCy's rules.
 */
export async function saveTokenizerJson(
  storage: Storage,
  path: string,
  tokenizer: AnyTokenizer,
): Promise<void> {
  const text = tokenizer.kind === "word-bpe"
    ? tokenizerJsonOf({ ...tokenizer, unknown: tokenizer.tokens[0], added: [] })
    : tokenizer.kind === "byte-bpe"
    ? tokenizerJsonOf({ ...tokenizer, added: [...tokenizer.special.keys()] })
    : tokenizerJsonOf(tokenizer);
  await storage.write(path, [new TextEncoder().encode(text)]);
}

/** The ids of the tokens that stand for themselves in texts, such as `<|endoftext|>` or `[MASK]`. */
export function specialTokens(tokenizer: AnyTokenizer): ReadonlyMap<string, number> {
  if (tokenizer.kind === "byte-bpe") return tokenizer.special;
  if (tokenizer.kind === "word-bpe") return new Map();
  const { special, added, tokens } = tokenizer;
  const named = [...Object.values(special) as string[], ...added].map((token) =>
    [token, tokens.indexOf(token)] as const
  );
  return new Map(named.filter(([, id]) => id >= 0));
}

async function formatIn(storage: Storage, path: string): Promise<unknown> {
  return parseJson(await readText(storage, path), storage.describe(path)).format;
}

async function fromJson(storage: Storage, path: string): Promise<AnyTokenizer> {
  const where = storage.describe(path),
    description = parseTokenizerJson(await readText(storage, path), where);
  try {
    if (description.kind === "word-bpe") return await createWordBpe(description, where);
    if (description.kind === "wordpiece") return await createWordPiece(description);
    const { tokens, merges, added } = description;
    if (!description.addPrefixSpace) return await createByteBpe({ tokens, merges, special: added });
  } catch (error) {
    if (error instanceof SyntaxError && !error.message.includes(where)) {
      error.message = `Cannot use ${where}: ${error.message}`;
    }
    throw error;
  }
  throw new SyntaxError(
    `Cannot use ${where}: its pre_tokenizer puts a space before each text (add_prefix_space), which this version does not`,
  );
}

async function fromVocabulary(
  storage: Storage,
  path: string,
  type: VocabularyType | undefined,
): Promise<WordPieceTokenizer> {
  if (type === undefined) {
    throw new RangeError(
      `Cannot tell what ${storage.describe(path)} is for: say --type ${vocabularyTypes.join(" or --type ")}`,
    );
  }
  return await loadWordPiece(storage, path, { lowerCase: type === "bert-uncased" });
}
