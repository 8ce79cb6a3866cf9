// A BPE tokenizer as files: the pair that OpenAI published for GPT-1 (token -> id as JSON, merges as text, after a
// version line) and beside it a small tokenizer_config.json with what the pair cannot say: the pre-tokenizer, and a
// fingerprint against mixed-up files. The published pair itself loads without that config, as the paper used it.

import { NotFound, type Storage } from "../core/storage.ts";
import { type BpeTokenizer, createBpe, END } from "./bpe.ts";
import { type PretokenizerName, pretokenizers } from "./standardize.ts";

/** The names of the two vocabulary files in their folder. */
export interface BpeFileNames {
  /** Token -> id, JSON. */
  readonly encoder: string;
  /** One merge a line after a version line. */
  readonly merges: string;
}

/** The names Foreword writes. */
export const BPE_FILES: BpeFileNames = { encoder: "encoder.json", merges: "vocab.bpe" };
/** The names of GPT-1's release. */
export const GPT1_FILES: BpeFileNames = { encoder: "encoder_bpe_40000.json", merges: "vocab_40000.bpe" };

const CONFIG = "tokenizer_config.json", FORMAT = "foreword-bpe-1", VERSION_LINE = "#version: 0.2";

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
  // Not JSON.stringify of an object: that would move the tokens that look like numbers to the front.
  const entries = tokenizer.tokens.map((token, id) => `${JSON.stringify(token)}: ${id}`);
  await write(names.encoder, `{${entries.join(", ")}}`);
  await write(names.merges, [VERSION_LINE, ...tokenizer.merges.map((pair) => pair.join(" ")), ""].join("\n"));
  const { pretokenizer, size: vocabSize, fingerprint } = tokenizer;
  await write(
    CONFIG,
    JSON.stringify({ format: FORMAT, pretokenizer, vocabSize, fingerprint }, null, 2) + "\n",
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
  const encoder = await readText(storage, join(folder, found.encoder));
  const merges = await readText(storage, join(folder, found.merges));
  const config = await readConfig(storage, join(folder, CONFIG));
  const where = storage.describe(folder);
  const pairs = parseMerges(merges, storage.describe(join(folder, found.merges)));
  const tokens = parseEncoder(encoder, storage.describe(join(folder, found.encoder)));
  const characters = charactersOf(tokens, pairs.length, where);
  let tokenizer: BpeTokenizer;
  try {
    tokenizer = await createBpe({ characters, merges: pairs, pretokenizer: config?.pretokenizer ?? "gpt1" });
  } catch (error) {
    if (error instanceof SyntaxError) {
      error.message = `Cannot load the tokenizer in ${where}: ${error.message}`;
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
  if (config && config.fingerprint !== tokenizer.fingerprint) {
    throw new SyntaxError(
      `Cannot load the tokenizer in ${where}: ${CONFIG} has fingerprint ${
        config.fingerprint.slice(0, 12)
      }… but the ` +
        `files have ${tokenizer.fingerprint.slice(0, 12)}…; they were changed after saving, or mixed up`,
    );
  }
  return tokenizer;
}

async function firstPresent(
  storage: Storage,
  folder: string,
  candidates: readonly BpeFileNames[],
): Promise<BpeFileNames> {
  for (const names of candidates) {
    const files = await Promise.all(Object.values(names).map((name) => storage.stat(join(folder, name))));
    if (files.every((file) => file?.kind === "file")) return names;
  }
  const wanted = candidates.map((names) => `${names.encoder} + ${names.merges}`).join(" or ");
  throw new NotFound(`Cannot load a tokenizer from ${storage.describe(folder)}: it does not hold ${wanted}`);
}

async function readText(storage: Storage, path: string): Promise<string> {
  const data = await storage.read(path);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(data);
  } catch {
    throw new SyntaxError(
      `Cannot read ${storage.describe(path)}: it is not UTF-8 text; fetch or save it again`,
    );
  }
}

/** The tokens of an encoder file in id order; ids must be 0 to n - 1, each once. */
function parseEncoder(text: string, where: string): string[] {
  const value = parseJson(text, where);
  const entries = Object.entries(value ?? {});
  const tokens = new Array<string>(entries.length);
  for (const [token, id] of entries) {
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= entries.length || id in tokens) {
      throw new SyntaxError(
        `Cannot read ${where}: token ${JSON.stringify(token)} has id ${JSON.stringify(id)}, ` +
          `but the ${entries.length} tokens must have the ids 0 to ${entries.length - 1}, each once`,
      );
    }
    tokens[id] = token;
  }
  return tokens;
}

function parseMerges(text: string, where: string): [string, string][] {
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  if (!lines[0].startsWith("#version")) {
    throw new SyntaxError(
      `Cannot read ${where}: the first line should be a version such as "${VERSION_LINE}"`,
    );
  }
  if (lines.at(-1) === "") lines.pop();
  return lines.slice(1).map((line, i) => {
    const [left, right, ...rest] = line.split(" ");
    if (left && right && rest.length === 0) return [left, right];
    throw new SyntaxError(
      `Cannot read ${where}: line ${i + 2} is ${JSON.stringify(line)}, not two tokens with a space between`,
    );
  });
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
): Promise<{ pretokenizer: PretokenizerName; fingerprint: string } | null> {
  if (await storage.stat(path) === null) return null;
  const where = storage.describe(path), value = parseJson(await readText(storage, path), where);
  const { format, pretokenizer, fingerprint } = value;
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
  return { pretokenizer: pretokenizer as PretokenizerName, fingerprint };
}

function parseJson(text: string, where: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new SyntaxError(`Cannot read ${where}: not valid JSON (${(error as Error).message})`, {
      cause: error,
    });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new SyntaxError(`Cannot read ${where}: it should hold a JSON object`);
}

const join = (folder: string, name: string): string => folder === "" ? name : `${folder}/${name}`;
