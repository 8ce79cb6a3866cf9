// Trains a byte-level BPE tokenizer: GPT-2's split and layout of ids, merges learned from text. Counting words is in
// ../training/word_counts.ts, learning merges in ../training/byte_merges.ts.

import { learnByteMerges } from "../training/byte_merges.ts";
import { checkTraining, countWords, type TrainingOptions } from "../training/word_counts.ts";
import { type ByteBpe, createByteBpe } from "./byte_bpe.ts";
import { BYTE_ORDER, toPrintable } from "./printable.ts";
import { splitGpt2 } from "./split.ts";

/** How to train a byte-level tokenizer. */
export interface ByteBpeTraining extends TrainingOptions {
  /** Number of ids in the result: 256 bytes, the merges, the special tokens. */
  readonly vocabSize: number;
  /** Tokens with ids of their own, the last ones; the texts are cut at them. Default `["<|endoftext|>"]`. */
  readonly special?: readonly string[];
}

/**
 * Trains a byte-level tokenizer. The same documents give the same tokenizer, in whatever order they come: the pair with
 * the highest count is merged first and, among equals, the one whose left bytes, then right bytes, come last.
 *
 * Rejects with `RangeError` if a special token is empty, there twice or written as a byte is; if the vocabulary is too
 * small for the bytes and special tokens, or the text too little for that many merges, and then the message names the
 * size that would be possible.
 *
 * @example
 * ```ts
 * import { trainByteBpe } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const tokenizer = await trainByteBpe(["low lower lowest", "slow slower"], { vocabSize: 261 });
 * assertEquals(tokenizer.decode(tokenizer.encode("slow 低")), "slow 低");
 * ```
 */
export async function trainByteBpe(
  documents: Iterable<string> | AsyncIterable<string>,
  { vocabSize, special = ["<|endoftext|>"], minFrequency = 2, spill, onProgress, signal }: ByteBpeTraining,
): Promise<ByteBpe> {
  checkTraining({ vocabSize, minFrequency });
  checkSpecial(special);
  const smallest = 256 + special.length, wanted = vocabSize - smallest;
  if (wanted < 0) {
    throw new RangeError(
      `Cannot train a vocabulary of ${vocabSize} tokens: bytes and special tokens alone take ${smallest}; ask for more`,
    );
  }
  const split = (text: string): string[] => cutAt(text, special).flatMap(splitGpt2);
  const { words } = await countWords(documents, split, { spill, signal });
  if (words.size === 0) throw new RangeError("Cannot train a tokenizer: the documents hold no words");
  const learned = await learnByteMerges(words, { wanted, minFrequency, onProgress, signal });
  if (learned.length < wanted) {
    throw new RangeError(
      `Cannot train a vocabulary of ${vocabSize} tokens: this text yields at most ${
        smallest + learned.length
      } ` +
        `(${learned.length} pairs seen at least ${minFrequency} times); ask for at most that, or add text`,
    );
  }
  const print = (bytes: string): string => toPrintable(Uint8Array.from(bytes, (unit) => unit.charCodeAt(0)));
  return await createByteBpe({
    merges: learned.map(([left, right]) => [print(left), print(right)]),
    special,
  });
}

function checkSpecial(special: readonly string[]): void {
  special.forEach((token, i) => {
    const why = token === ""
      ? "it is empty"
      : special.indexOf(token) < i
      ? "it is there twice"
      : BYTE_ORDER.some((byte) => toPrintable(Uint8Array.of(byte)) === token)
      ? "it is how files write a byte; take a longer one"
      : null;
    if (why) throw new RangeError(`Cannot train with the special token ${JSON.stringify(token)}: ${why}`);
  });
}

function cutAt(text: string, special: readonly string[]): string[] {
  return special.reduce((parts, token) => parts.flatMap((part) => part.split(token)), [text]);
}
