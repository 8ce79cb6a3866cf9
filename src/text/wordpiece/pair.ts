// One or two texts as BERT's input: `[CLS] first [SEP]` or `[CLS] first [SEP] second [SEP]`, with segment ids and the
// truncation of BERT's fine-tuning scripts. Padding is left to whoever makes batches. Also the tidying of decoded text
// that Hugging Face applies.

import type { TracedTokens, WordPieceReading, WordPieceTokenizer } from "./wordpiece.ts";

/** How to make a sequence. */
export interface SequenceOptions extends WordPieceReading {
  /** Most tokens the sequence may have, the special ones included. Default: no limit. */
  readonly maxLength?: number;
}

/** One or two texts as a model takes them. All lists are of one length. */
export interface Sequence extends TracedTokens {
  /** Segment of each token: 0 up to the first `[SEP]`, 1 after it. */
  readonly types: number[];
  /** Which text `starts` and `ends` refer to: 0 the first, 1 the second, -1 neither (the special tokens; both are 0). */
  readonly texts: number[];
}

/**
 * Makes a sequence of one text or of two. Too long a pair loses tokens from the end of the longer text, one at a time,
 * of the second when both are as long. Throws `RangeError` if `maxLength` leaves no room for the special tokens.
 *
 * @example
 * ```ts
 * import { createWordPiece, encodePair } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c"];
 * const tokenizer = await createWordPiece({ tokens, lowerCase: true });
 * const { ids, types } = encodePair(tokenizer, "a b c", "c b", { maxLength: 7 });
 * assertEquals(ids.map((id) => tokens[id]).join(" "), "[CLS] a b [SEP] c b [SEP]");
 * assertEquals(types, [0, 0, 0, 0, 1, 1, 1]);
 * ```
 */
export function encodePair(
  tokenizer: WordPieceTokenizer,
  first: string,
  second?: string,
  { maxLength = Infinity, ...reading }: SequenceOptions = {},
): Sequence {
  const { classify, separator } = tokenizer.specialIds;
  const parts = [first, second].filter((text) => text !== undefined).map((text) =>
    tokenizer.trace(text, reading)
  );
  const room = maxLength - 1 - parts.length;
  if (!(room >= 0)) {
    throw new RangeError(
      `Cannot make a sequence of at most ${maxLength} tokens: the special ones alone are ${1 + parts.length}`,
    );
  }
  const lengths = truncatedLengths(parts.map(({ ids }) => ids.length), room);
  const sequence: Sequence = { ids: [], starts: [], ends: [], types: [], texts: [] };
  const add = (id: number, type: number, text = -1, start = 0, end = 0): void => {
    sequence.ids.push(id);
    sequence.types.push(type);
    sequence.texts.push(text);
    sequence.starts.push(start);
    sequence.ends.push(end);
  };
  add(classify, 0);
  parts.forEach(({ ids, starts, ends }, part) => {
    for (let i = 0; i < lengths[part]; i++) add(ids[i], part, part, starts[i], ends[i]);
    add(separator, part);
  });
  return sequence;
}

/** Lengths after taking tokens from the longest part, the last among equals, until they fit into `room` together. */
export function truncatedLengths(lengths: readonly number[], room: number): number[] {
  const [first, second] = lengths;
  if (second === undefined) return [Math.min(first, room)];
  if (first + second <= room) return [first, second];
  const half = Math.floor(room / 2);
  if (second <= half) return [room - second, second];
  return first <= room - half ? [first, room - first] : [room - half, half];
}

// In this order, as Hugging Face's `clean_up_tokenization` lists them.
const TIDY: readonly (readonly [string, string])[] = [
  [" .", "."],
  [" ?", "?"],
  [" !", "!"],
  [" ,", ","],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

/**
 * Decoded English text without the spaces that tokenizing put in front of marks and contractions. It is a guess: the
 * spaces of the original are not in the ids.
 *
 * @example
 * ```ts
 * import { tidySpaces } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * assertEquals(tidySpaces("well , isn ' t it ?"), "well, isn't it?");
 * ```
 */
export function tidySpaces(text: string): string {
  return TIDY.reduce((tidied, [spaced, tight]) => tidied.replaceAll(spaced, tight), text);
}
