// The pair of files in which OpenAI published its vocabularies: tokens and their ids as JSON, and merges as text, one
// a line behind a version line. Reading and writing them is the same for every kind of BPE; what the tokens mean is
// said in bpe_files.ts and bytes/files.ts.

import { NotFound, type Storage } from "../core/storage.ts";
import { firstInvalid } from "./corpus.ts";

const VERSION_LINE = "#version: 0.2";

/** The file beside a vocabulary that says the rest; other programs have one of this name too. */
export const TOKENIZER_CONFIG = "tokenizer_config.json";

/** The names of the two vocabulary files in their folder. */
export interface BpeFileNames {
  /** Token -> id, JSON. */
  readonly encoder: string;
  /** One merge a line after a version line. */
  readonly merges: string;
}

/** What the file of tokens holds: a JSON object, token -> id. */
export function encoderText(tokens: readonly string[]): string {
  // Not JSON.stringify of an object: that would move the tokens that look like numbers to the front.
  return `{${tokens.map((token, id) => `${JSON.stringify(token)}: ${id}`).join(", ")}}`;
}

/** What the file of merges holds. */
export function mergesText(merges: readonly (readonly [string, string])[]): string {
  return [VERSION_LINE, ...merges.map((pair) => pair.join(" ")), ""].join("\n");
}

/** The first of the pairs of names that is in the folder. Rejects with `NotFound` if none is. */
export async function firstPresent(
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

/** The tokens, in id order, and the merges of a pair of files. Rejects as {@link readText} and with `SyntaxError`. */
export async function readPair(
  storage: Storage,
  folder: string,
  names: BpeFileNames,
): Promise<{ tokens: string[]; merges: [string, string][] }> {
  const [encoder, merges] = [join(folder, names.encoder), join(folder, names.merges)];
  const texts = [await readText(storage, encoder), await readText(storage, merges)];
  const pairs = parseMerges(texts[1], storage.describe(merges));
  return { tokens: parseEncoder(texts[0], storage.describe(encoder)), merges: pairs };
}

/** Throws `SyntaxError` unless a tokenizer is the one that was saved. */
export function requireFingerprint(where: string, saved: string, found: string): void {
  if (saved === found) return;
  throw new SyntaxError(
    `Cannot load the tokenizer in ${where}: ${TOKENIZER_CONFIG} has fingerprint ${
      saved.slice(0, 12)
    }… but the ` +
      `files have ${found.slice(0, 12)}…; they were changed after saving, or mixed up`,
  );
}

/** Whether a token that no merge makes is written like a special one: `<|…|>`, `[MASK]`. */
export const looksSpecial = (token: string): boolean => /^(<.+>|\[.+\])$/.test(token);

/** The text of a file. Rejects with `SyntaxError`, naming the line, if it is not UTF-8. */
export async function readText(storage: Storage, path: string): Promise<string> {
  const data = await storage.read(path);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(data);
  } catch {
    const line = data.subarray(0, firstInvalid(data)).reduce((n, byte) => n + Number(byte === 0x0a), 1);
    throw new SyntaxError(
      `Cannot read ${storage.describe(path)}: line ${line} is not UTF-8 text; fetch or save it again`,
    );
  }
}

/** The tokens of an encoder file in id order; ids must be 0 to n - 1, each once. */
export function parseEncoder(text: string, where: string): string[] {
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

/** The merges of a merges file, in rank order. */
export function parseMerges(text: string, where: string): [string, string][] {
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

/** A fault in the parts of a tokenizer, told by the line of the file with merges instead of by rank. */
export function withLine(fault: string, { merges }: BpeFileNames): string {
  return fault.replace(/^Merge (\d+)/, (_, rank) => `line ${Number(rank) + 2} of ${merges}`);
}

/** The object that a JSON text holds. `where` names it in errors. */
export function parseJson(text: string, where: string): Record<string, unknown> {
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

/** The path of a file in a folder. */
export const join = (folder: string, name: string): string => folder === "" ? name : `${folder}/${name}`;
