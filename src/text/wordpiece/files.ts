// vocab.txt, the file that BERT's vocabularies come in: one token a line, its id the number of the line from 0. It does
// not say whether the model is cased; whoever reads it has to know. tokenizer.json is in ../hugging_face/.

import type { Storage } from "../../core/storage.ts";
import { readText } from "../vocabulary_files.ts";
import { createWordPiece, type WordPieceParts, type WordPieceTokenizer } from "./wordpiece.ts";
import { checkVocabulary } from "./vocabulary.ts";

/**
 * The tokens of a vocab.txt in id order. White space around a token is no part of it. Throws `SyntaxError`, with the
 * line, on an empty file, an empty line, or a token that is there twice; `where` names the file in messages.
 */
export function parseVocabulary(text: string, where: string): string[] {
  const lines = text.split("\n").map((line) => line.trim());
  if (lines.at(-1) === "") lines.pop();
  const fail = (why: string): never => {
    throw new SyntaxError(`Cannot read ${where}: ${why}`);
  };
  if (lines.length === 0) fail("it is empty; a vocabulary has one token a line");
  const seen = new Map<string, number>();
  lines.forEach((token, i) => {
    if (token === "") fail(`line ${i + 1} is empty; a vocabulary has one token a line`);
    const before = seen.get(token);
    if (before !== undefined) {
      fail(`${JSON.stringify(token)} is on line ${before + 1} and on line ${i + 1}; each token has one id`);
    }
    seen.set(token, i);
  });
  return lines;
}

/**
 * Reads a tokenizer from a vocab.txt. Rejects with `NotFound` if it is missing and with `SyntaxError` if it is damaged
 * or lacks `[UNK]`, `[CLS]` or `[SEP]`.
 *
 * @example
 * ```ts
 * import { loadWordPiece, memoryStorage } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const storage = memoryStorage({ "vocab.txt": "[PAD]\n[UNK]\n[CLS]\n[SEP]\nhel\n##lo\n" });
 * const tokenizer = await loadWordPiece(storage, "vocab.txt", { lowerCase: true });
 * assertEquals(tokenizer.encode("Hello"), [4, 5]);
 * ```
 */
export async function loadWordPiece(
  storage: Storage,
  path: string,
  parts: Omit<WordPieceParts, "tokens">,
): Promise<WordPieceTokenizer> {
  const where = storage.describe(path), text = await readText(storage, path);
  const tokens = parseVocabulary(text, where);
  try {
    return await createWordPiece({ ...parts, tokens });
  } catch (error) {
    if (error instanceof SyntaxError) error.message = `Cannot use ${where}: ${error.message}`;
    throw error;
  }
}

/** Writes tokens as a vocab.txt. Rejects with `SyntaxError` if a line could not hold one of them. */
export async function saveVocabulary(
  storage: Storage,
  path: string,
  tokens: readonly string[],
): Promise<void> {
  checkVocabulary(tokens);
  const split = tokens.find((token) => token.trim() !== token || token.includes("\n"));
  if (split !== undefined) {
    throw new SyntaxError(
      `Cannot write ${storage.describe(path)}: the white space of token ${
        JSON.stringify(split)
      } would be lost`,
    );
  }
  await storage.write(path, [new TextEncoder().encode(tokens.map((token) => `${token}\n`).join(""))]);
}
