// What Foreword knows of a tokenizer.json: one of three kinds, as plain data that the tokenizers here are made of.
// Reading is in read.ts, writing in write.ts, the pipelines of normalizers and so on that both know in pipelines.ts.

import { type BpeParts, bpeParts, type BpeTokenizer, createBpe } from "../bpe.ts";
import type { WordPieceParts } from "../wordpiece/wordpiece.ts";

/** BERT's tokenizer: WordPiece on BERT's words. Goes into `createWordPiece` as it is. */
export interface WordPieceDescription extends WordPieceParts {
  /** Which of the kinds this is. */
  readonly kind: "wordpiece";
  /** Whether decoding takes out spaces before marks (`tidySpaces`). Default true. */
  readonly tidy?: boolean;
}

/** GPT-2's tokenizer: byte-pair encoding of bytes, after GPT-2's pre-split. */
export interface ByteBpeDescription {
  /** Which of the kinds this is. */
  readonly kind: "byte-bpe";
  /** Every token in id order, each byte written as GPT-2's files write it. */
  readonly tokens: readonly string[];
  /** Left and right token of each merge, in rank order. */
  readonly merges: readonly (readonly [string, string])[];
  /** Tokens that are never split nor merged: `<|endoftext|>`. */
  readonly added: readonly string[];
  /** Whether a space is put before a text that begins without one. Default false. */
  readonly addPrefixSpace?: boolean;
}

/** GPT-1's tokenizer: byte-pair encoding of words whose end is marked `</w>`. */
export interface WordBpeDescription {
  /** Which of the kinds this is. */
  readonly kind: "word-bpe";
  /** Every token in id order. */
  readonly tokens: readonly string[];
  /** Left and right token of each merge, in rank order. */
  readonly merges: readonly (readonly [string, string])[];
  /** Tokens that are never split nor merged. */
  readonly added: readonly string[];
  /** The token of a character that the vocabulary lacks; null if such characters are left out. */
  readonly unknown: string | null;
  /**
   * How text is split into words: as BERT does, in lower case (`"bert"`, what transformers has for GPT-1), or by
   * Foreword's `words`.
   */
  readonly pretokenizer: BpeParts["pretokenizer"];
}

/** A tokenizer.json. */
export type TokenizerDescription = WordPieceDescription | ByteBpeDescription | WordBpeDescription;

/**
 * The tokenizer of a description of GPT-1's kind, whatever the order of its ids. Rejects with `SyntaxError` if its parts
 * contradict each other; `where` names the file in the message.
 */
export async function createWordBpe(
  { tokens, merges, unknown, pretokenizer }: WordBpeDescription,
  where: string,
): Promise<BpeTokenizer> {
  try {
    return await createBpe(bpeParts(tokens, merges, unknown, pretokenizer));
  } catch (error) {
    if (error instanceof SyntaxError) error.message = `Cannot use ${where}: ${error.message}`;
    throw error;
  }
}
