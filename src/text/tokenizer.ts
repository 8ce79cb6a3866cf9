// What the rest of Foreword knows of a tokenizer: text to ids, ids to text, and an identity that checkpoints and
// token files store. Implementations live in their own files (bpe.ts, bytes/byte_bpe.ts); special tokens of tasks are
// not here, they are rows of the model above `size`.

import type { IdArray } from "./wasm/id_buffer.ts";

export type { IdArray };

/** Turns ids that arrive one at a time into text. Its pieces, joined, are what `decode` gives before it trims. */
export interface Decoder {
  /** The text that this id adds; whole characters only. Throws `RangeError` if the tokenizer has no such id. */
  push(id: number): string;
  /** What is still held back: U+FFFD if the ids end within a character, else nothing. */
  end(): string;
}

/** Turns a text that arrives in pieces into ids: all it gives, joined, is what `encode` gives for the whole text. */
export interface Encoder {
  /** The ids that are certain by now. A piece may end anywhere but inside a surrogate pair. */
  push(text: string): ArrayLike<number>;
  /** The ids of what is left. The encoder then starts a new text. */
  end(): ArrayLike<number>;
}

/** Text to ids and back. */
export interface Tokenizer {
  /** Number of ids; they are 0 to size - 1. */
  readonly size: number;
  /** Every token in id order, as vocabulary files spell it. */
  readonly tokens: readonly string[];
  /** The id of what the vocabulary cannot spell; `null` where there is nothing of the kind. */
  readonly unknown: number | null;
  /** SHA-256, in hex, of everything that decides which ids a text gets. */
  readonly fingerprint: string;
  /** The ids of a text, without any begin or end mark. */
  encode(text: string): number[];
  /** The same ids in a typed array, for whole documents. It may be a view of a somewhat larger buffer. */
  encodeText(text: string): IdArray;
  /** An encoder for texts that do not fit into memory, or are still being written. */
  encoder(): Encoder;
  /**
   * The text of some ids. Byte-level tokenizers give exactly the text that was encoded, others a text without white
   * space at either end. Throws `RangeError` on an id that does not exist.
   */
  decode(ids: Iterable<number>): string;
  /** A decoder for one stream of ids, for printing text while it is generated. */
  decoder(): Decoder;
}
