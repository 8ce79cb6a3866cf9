// Any tokenizer by its path, whichever kind the files make it, and back into a folder. What the kinds are is said in bpe.ts,
// bytes/byte_bpe.ts and wordpiece/wordpiece.ts, what tokenizer.json may hold in hugging_face/.

import { NotFound, type Storage } from "../core/storage.ts";
import { type BpeTokenizer, END, UNKNOWN } from "./bpe.ts";
import { BPE_FILES, type BpeFileNames, GPT1_FILES, loadBpe, saveBpe } from "./bpe_files.ts";
import { type ByteBpe, createByteBpe } from "./bytes/byte_bpe.ts";
import { loadByteBpe, saveByteBpe, TRANSFORMERS_FILES } from "./bytes/files.ts";
import { createWordBpe } from "./hugging_face/description.ts";
import { parseTokenizerJson } from "./hugging_face/read.ts";
import { tokenizerJsonOf } from "./hugging_face/write.ts";
import { join, parseEncoder, parseJson, readText, TOKENIZER_CONFIG } from "./vocabulary_files.ts";
import { loadWordPiece, saveVocabulary } from "./wordpiece/files.ts";
import { createWordPiece, type WordPieceTokenizer } from "./wordpiece/wordpiece.ts";

/** A tokenizer of any kind; `kind` tells which. */
export type AnyTokenizer = BpeTokenizer | ByteBpe | WordPieceTokenizer;

/** What a bare vocab.txt does not say: whether it is for text in lower case. */
export const vocabularyTypes = ["bert-uncased", "bert-cased"] as const;

/** One of {@link vocabularyTypes}. */
export type VocabularyType = (typeof vocabularyTypes)[number];

const HUGGING_FACE = "tokenizer.json", VOCABULARY = "vocab.txt";
const SPACE = "\u0120"; // how byte-level files write a space
const PAIRS: readonly BpeFileNames[] = [BPE_FILES, TRANSFORMERS_FILES];

/**
 * Opens a tokenizer: a folder that was saved here, a folder with a published pair of files (GPT-1's or GPT-2's, also
 * under the names that transformers gives them), a tokenizer.json or a folder with one, a vocab.txt or a folder with
 * one. `type` is needed for a vocab.txt without a tokenizer_config.json that says `do_lower_case`.
 *
 * In a folder that holds several of these, the first one counts: what was saved here, GPT-1's files, tokenizer.json,
 * vocab.txt, another pair.
 *
 * Rejects with `NotFound` if nothing of the kind is there, with `SyntaxError` if a file is damaged or of a kind that
 * this version does not have, with `RangeError` if `type` is missing or the files are of another one.
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
  const tokenizer = await open(storage, path, type);
  const found = tokenizer.kind === "wordpiece" && (tokenizer.lowerCase ? "bert-uncased" : "bert-cased");
  if (type === undefined || type === found) return tokenizer;
  const is = found || (tokenizer.kind === "byte-bpe" ? "a byte-level BPE" : "a BPE of words");
  throw new RangeError(
    `Cannot open ${storage.describe(path)} as ${type}: its files are ${is}; leave the type out`,
  );
}

async function open(storage: Storage, path: string, type?: VocabularyType): Promise<AnyTokenizer> {
  const entry = await storage.stat(path), where = storage.describe(path);
  if (entry === null) {
    throw new NotFound(
      `Cannot load a tokenizer from ${where}: there is no such file or folder; check the path`,
    );
  }
  if (entry.kind === "file") {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const pair = [GPT1_FILES, ...PAIRS].find(({ encoder, merges }) => name === encoder || name === merges);
    if (pair) {
      throw new RangeError(
        `Cannot load a tokenizer from ${where} alone: ${pair.encoder} and ${pair.merges} belong together; ` +
          "give the folder that holds both",
      );
    }
    return path.endsWith(".json") ? await fromJson(storage, path) : await fromVocabulary(storage, path, type);
  }
  const has = async (name: string): Promise<boolean> =>
    (await storage.stat(join(path, name)))?.kind === "file";
  const hasPair = async ({ encoder, merges }: BpeFileNames): Promise<boolean> =>
    await has(encoder) && await has(merges);
  const config = await has(TOKENIZER_CONFIG) ? await readConfig(storage, join(path, TOKENIZER_CONFIG)) : {};
  if (config.format === "foreword-bpe-1") return await loadBpe(storage, path);
  if (config.format === "foreword-byte-bpe-1") return await loadByteBpe(storage, path);
  // The original files first: a tokenizer.json beside GPT-1's says how transformers splits, which is not how GPT-1 did.
  if (await hasPair(GPT1_FILES)) return await loadBpe(storage, path, GPT1_FILES);
  if (await has(HUGGING_FACE)) return await fromJson(storage, join(path, HUGGING_FACE));
  if (await has(VOCABULARY)) {
    const lower = config.do_lower_case;
    const said = typeof lower === "boolean" ? lower ? "bert-uncased" : "bert-cased" : undefined;
    return await fromVocabulary(storage, join(path, VOCABULARY), type ?? said);
  }
  for (const names of PAIRS) if (await hasPair(names)) return await fromPair(storage, path, names);
  throw new NotFound(
    `Cannot load a tokenizer from ${where}: it holds no ${HUGGING_FACE}, no ${VOCABULARY}, and no pair such as ` +
      `${[GPT1_FILES, ...PAIRS].map(({ encoder, merges }) => `${encoder} + ${merges}`).join(" or ")}`,
  );
}

/** Whether a folder holds any of the files that {@link openTokenizer} looks for. */
export async function holdsTokenizer(storage: Storage, folder: string): Promise<boolean> {
  const pairs = [GPT1_FILES, ...PAIRS].flatMap((names) => Object.values(names) as string[]);
  const files = [TOKENIZER_CONFIG, HUGGING_FACE, VOCABULARY, ...pairs].map((name) =>
    storage.stat(join(folder, name))
  );
  return (await Promise.all(files)).some((file) => file !== null);
}

/**
 * Writes a tokenizer to a folder, created if missing, from which {@link openTokenizer} opens it again. Rejects with
 * `RangeError` if the folder holds files of another tokenizer, which would be opened in its place.
 */
export async function saveTokenizer(
  storage: Storage,
  folder: string,
  tokenizer: AnyTokenizer,
): Promise<void> {
  if (tokenizer.kind === "word-bpe") return await saveBpe(storage, folder, tokenizer);
  if (tokenizer.kind === "byte-bpe") return await saveByteBpe(storage, folder, tokenizer);
  for (const other of [TOKENIZER_CONFIG, ...Object.values(GPT1_FILES)]) {
    if (await storage.stat(join(folder, other)) === null) continue;
    throw new RangeError(
      `Cannot save the tokenizer in ${storage.describe(folder)}: it holds ${other} of another one; ` +
        "choose another folder",
    );
  }
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
    ? tokenizerJsonOf({
      ...tokenizer,
      unknown: tokenizer.layout ? tokenizer.layout.unknown : UNKNOWN,
      added: [],
    })
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

async function readConfig(storage: Storage, path: string): Promise<Record<string, unknown>> {
  return parseJson(await readText(storage, path), storage.describe(path));
}

/** The two files do not say of which kind they are; but only GPT-1's mark the end of a word, and no byte is `</w>`. */
async function fromPair(storage: Storage, folder: string, names: BpeFileNames): Promise<AnyTokenizer> {
  const encoder = join(folder, names.encoder);
  const tokens = parseEncoder(await readText(storage, encoder), storage.describe(encoder));
  const marked = tokens.some((token) => token.endsWith(END)) && !tokens.includes(SPACE);
  return marked ? await loadBpe(storage, folder, names) : await loadByteBpe(storage, folder, { names });
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
