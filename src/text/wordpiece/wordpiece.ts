// WordPiece as BERT uses it: each word of basic.ts is cut from the left into the longest pieces that the vocabulary
// has, those inside a word written with `##`; a word that cannot be cut to its end is one `[UNK]`. Follows
// `WordpieceTokenizer` of google-research/bert. Sequences for the model ([CLS] … [SEP] …) are in pair.ts, vocab.txt in
// files.ts, training in train.ts.

import { sha256 } from "../digest.ts";
import { beforeLastBlank, encoderAtCuts } from "../encoder_at_cuts.ts";
import type { Decoder, Tokenizer } from "../tokenizer.ts";
import { type BasicOptions, type BasicWord, chunks, wordsOfChunk } from "./basic.ts";
import {
  BERT_SPECIALS,
  checkVocabulary,
  CONTINUATION,
  type SpecialIds,
  specialIds,
  type SpecialTokens,
} from "./vocabulary.ts";

/** What a WordPiece tokenizer is made of. */
export interface WordPieceParts extends BasicOptions {
  /** Every token in id order. */
  readonly tokens: readonly string[];
  /** Words of more code points than this are unknown. Default 200, as in BERT's code; Hugging Face has 100. */
  readonly maxWordLength?: number;
  /** What the special tokens are called. Default {@link BERT_SPECIALS}. */
  readonly special?: SpecialTokens;
  /** Further tokens that are looked for in a text that is read with `specials`. Default none. */
  readonly added?: readonly string[];
}

/** Ids with the ranges of the text they stand for. */
export interface TracedTokens {
  /** One id a token. */
  readonly ids: number[];
  /** For each token, where its first character begins in the text, in UTF-16 units. */
  readonly starts: number[];
  /** For each token, where its last character ends. */
  readonly ends: number[];
}

/** How to read a text. */
export interface WordPieceReading {
  /**
   * Whether a special token that is written out in the text, such as `[MASK]`, is that token, as Hugging Face has it.
   * Default false: the text is nothing but text, as in BERT's own code.
   */
  readonly specials?: boolean;
}

/** A WordPiece tokenizer, with the parts it was made of. */
export interface WordPieceTokenizer extends Tokenizer, Required<WordPieceParts> {
  /** Tells it from the other kinds. */
  readonly kind: "wordpiece";
  /** The ids of the special tokens; `pad` and `mask` are null in a vocabulary without them. */
  readonly specialIds: SpecialIds;
  /** The ids of a text. */
  encode(text: string, reading?: WordPieceReading): number[];
  /**
   * The ids of a text and where they come from. Starts never decrease, nor do ends; tokens overlap only where one
   * character became several, such as a Hangul syllable in an uncased model.
   */
  trace(text: string, reading?: WordPieceReading): TracedTokens;
}

const CACHED_CHUNKS = 2 ** 16, CACHED_LENGTH = 64;

/**
 * Makes a tokenizer from a vocabulary. Rejects with `SyntaxError` if a token is empty or there twice, or if `[UNK]`,
 * `[CLS]` or `[SEP]` is missing.
 *
 * @example
 * ```ts
 * import { createWordPiece } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const tokens = ["[UNK]", "[CLS]", "[SEP]", "want", "##want", "##ed", "wa", "un", "runn", "##ing", ","];
 * const tokenizer = await createWordPiece({ tokens, lowerCase: true });
 * const { ids, starts, ends } = tokenizer.trace("UNwantéd,running");
 * assertEquals(ids.map((id) => tokens[id]), ["un", "##want", "##ed", ",", "runn", "##ing"]);
 * assertEquals([starts[2], ends[2]], [6, 8]);
 * assertEquals(tokenizer.decode(ids), "unwanted , running");
 * ```
 */
export async function createWordPiece(parts: WordPieceParts): Promise<WordPieceTokenizer> {
  const { tokens, lowerCase, maxWordLength = 200, special = BERT_SPECIALS, added = [] } = parts;
  const { stripAccents = lowerCase, splitIdeographs = true } = parts;
  const options = { lowerCase, stripAccents, splitIdeographs };
  if (!(Number.isSafeInteger(maxWordLength) && maxWordLength > 0)) {
    throw new RangeError(
      `Cannot make a tokenizer with maxWordLength ${maxWordLength}: it must be a positive whole number`,
    );
  }
  checkVocabulary(tokens);
  const ids = specialIds(tokens, special), { size, cut } = pieces(tokens, ids.unknown, maxWordLength);
  const fingerprint = await sha256(
    new TextEncoder().encode(JSON.stringify(["wordpiece", options, maxWordLength, special, added, tokens])),
  );
  const specialByText = new Map(
    [...Object.values(special), ...added].map((token) => [token, tokens.indexOf(token)]),
  );
  const specialPattern = alternatives([...specialByText].filter(([, id]) => id >= 0).map(([token]) => token));
  const cache = new Map<string, TracedTokens>();

  function ofChunk(chunk: string): TracedTokens {
    let found = cache.get(chunk);
    if (found === undefined) {
      found = { ids: [], starts: [], ends: [] };
      for (const word of wordsOfChunk(chunk, options)) cut(word, found);
      if (cache.size >= CACHED_CHUNKS) cache.clear();
      if (chunk.length <= CACHED_LENGTH) cache.set(chunk, found);
    }
    return found;
  }

  /** Hands over each chunk and each special token, with the place where it starts. */
  function walk(text: string, specials: boolean, take: (tokens: TracedTokens, start: number) => void): void {
    const plain = (from: number, to: number): void => {
      const part = from === 0 && to === text.length ? text : text.slice(from, to);
      for (const [start, end] of chunks(part, splitIdeographs)) {
        take(ofChunk(part.slice(start, end)), from + start);
      }
    };
    let done = 0;
    for (const { 0: token, index } of specials ? text.matchAll(specialPattern) : []) {
      plain(done, index);
      take({ ids: [specialByText.get(token)!], starts: [0], ends: [token.length] }, index);
      done = index + token.length;
    }
    plain(done, text.length);
  }

  function encode(text: string, { specials = false }: WordPieceReading = {}): number[] {
    const all: number[] = [];
    walk(text, specials, ({ ids }) => {
      for (const id of ids) all.push(id);
    });
    return all;
  }

  function trace(text: string, { specials = false }: WordPieceReading = {}): TracedTokens {
    const all: TracedTokens = { ids: [], starts: [], ends: [] };
    walk(text, specials, ({ ids, starts, ends }, start) => {
      ids.forEach((id, i) => {
        all.ids.push(id);
        all.starts.push(start + starts[i]);
        all.ends.push(start + ends[i]);
      });
    });
    return all;
  }

  function decoder(): Decoder {
    let started = false;
    return {
      push(id) {
        if (!(id >= 0 && id < size && Number.isInteger(id))) {
          throw new RangeError(`Cannot decode id ${id}: this tokenizer has ids 0 to ${size - 1}`);
        }
        const token = tokens[id],
          continues = started && token.startsWith(CONTINUATION) && token !== CONTINUATION;
        const gap = started && !continues ? " " : "";
        started = true;
        return gap + (continues ? token.slice(CONTINUATION.length) : token);
      },
      end: () => "",
    };
  }

  function decode(ids: Iterable<number>): string {
    const stream = decoder();
    let text = "";
    for (const id of ids) text += stream.push(id);
    return text.trim();
  }

  return {
    kind: "wordpiece",
    ...options,
    tokens,
    unknown: ids.unknown,
    maxWordLength,
    special,
    added,
    specialIds: ids,
    size,
    fingerprint,
    encode,
    encodeText: (text) => Uint32Array.from(encode(text)),
    encoder: () => encoderAtCuts(encode, beforeLastBlank),
    trace,
    decode,
    decoder,
  };
}

/** A function that cuts words into pieces of this vocabulary, and the number of its tokens. */
function pieces(
  tokens: readonly string[],
  unknown: number,
  maxWordLength: number,
): { size: number; cut: (word: BasicWord, into: TracedTokens) => void } {
  const initial = new Map<string, number>(), inner = new Map<string, number>();
  let longest = 0;
  tokens.forEach((token, id) => {
    initial.set(token, id);
    if (token.startsWith(CONTINUATION)) inner.set(token.slice(CONTINUATION.length), id);
    longest = Math.max(longest, token.length);
  });

  function cut({ text, starts, ends }: BasicWord, into: TracedTokens): void {
    const before = into.ids.length;
    const add = (id: number, start: number, end: number): void => {
      into.ids.push(id);
      into.starts.push(starts[start]);
      into.ends.push(ends[end - 1]);
    };
    let start = text.length > maxWordLength && [...text].length > maxWordLength ? -1 : 0;
    while (start >= 0 && start < text.length) {
      const pieces = start === 0 ? initial : inner;
      let end = Math.min(text.length, start + longest), id: number | undefined;
      while (end > start && (id = pieces.get(text.slice(start, end))) === undefined) end--;
      if (id === undefined) start = -1;
      else {
        add(id, start, end);
        start = end;
      }
    }
    if (start >= 0) return;
    for (const list of [into.ids, into.starts, into.ends]) list.length = before;
    add(unknown, 0, text.length);
  }

  return { size: tokens.length, cut };
}

/** Matches any of the texts, the longest where several fit. */
function alternatives(texts: readonly string[]): RegExp {
  const sorted = [...texts].sort((a, b) => b.length - a.length);
  return new RegExp(sorted.map((text) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|"), "g");
}
