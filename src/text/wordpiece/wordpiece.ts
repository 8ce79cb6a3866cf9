// WordPiece as BERT uses it: each word of basic.ts is cut from the left into the longest pieces that the vocabulary
// has, those inside a word written with `##`; a word that cannot be cut to its end is one `[UNK]`. Follows
// `WordpieceTokenizer` of google-research/bert. Sequences for the model ([CLS] … [SEP] …) are in pair.ts, vocab.txt in
// files.ts, training in train.ts.

import { cached } from "../cached.ts";
import { createChunkCoder } from "../chunk_coder.ts";
import { unknownId } from "../coding_errors.ts";
import { sha256 } from "../digest.ts";
import { encoderAtBlanks } from "../encoder_at_blanks.ts";
import type { Decoder, IdArray, Tokenizer } from "../tokenizer.ts";
import { asList } from "../wasm/decode_ids.ts";
import { IdBuffer } from "../wasm/id_buffer.ts";
import { type BasicOptions, chunks, easyWords, wordsOfChunk } from "./basic.ts";
import { pieceCutter } from "./pieces.ts";
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
  /** The same ids in a typed array. It may be a view of a somewhat larger buffer. */
  encodeText(text: string, reading?: WordPieceReading): IdArray;
  /**
   * The ids of a text and where they come from. Starts never decrease, nor do ends; tokens overlap only where one
   * character became several, such as a Hangul syllable in an uncased model.
   */
  trace(text: string, reading?: WordPieceReading): TracedTokens;
}

/** What a tokenizer runs on. */
export interface WordPieceOptions {
  /** Whether to use WebAssembly where there is some; `true` unless given. The ids are the same. */
  readonly wasm?: boolean;
}

const isContinuing = (token: string): boolean => token.startsWith(CONTINUATION) && token !== CONTINUATION;

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
export async function createWordPiece(
  parts: WordPieceParts,
  { wasm = true }: WordPieceOptions = {},
): Promise<WordPieceTokenizer> {
  const { tokens, lowerCase, maxWordLength = 200, special = BERT_SPECIALS, added = [] } = parts;
  const { stripAccents = lowerCase, splitIdeographs = true } = parts;
  const options = { lowerCase, stripAccents, splitIdeographs };
  if (!(Number.isSafeInteger(maxWordLength) && maxWordLength > 0)) {
    throw new RangeError(
      `Cannot make a tokenizer with maxWordLength ${maxWordLength}: it must be a positive whole number`,
    );
  }
  checkVocabulary(tokens);
  const ids = specialIds(tokens, special), size = tokens.length;
  const cut = pieceCutter(tokens, ids.unknown, maxWordLength);
  const fingerprint = await sha256(
    new TextEncoder().encode(JSON.stringify(["wordpiece", options, maxWordLength, special, added, tokens])),
  );
  const specialByText = new Map(
    [...Object.values(special), ...added].map((token) => [token, tokens.indexOf(token)]),
  );
  const specialPattern = alternatives([...specialByText].filter(([, id]) => id >= 0).map(([token]) => token));
  const ofChunk = cached((chunk) => {
    const found: TracedTokens = { ids: [], starts: [], ends: [] };
    for (const { text, starts, ends } of wordsOfChunk(chunk, options)) {
      const cuts: number[] = [];
      cut(text, found.ids, cuts);
      cuts.forEach((end, i) => {
        found.starts.push(starts[i > 0 ? cuts[i - 1] : 0]);
        found.ends.push(ends[end - 1]);
      });
    }
    return found;
  });
  const idsOf = (chunk: string): number[] => {
    const found: number[] = [], words = easyWords(chunk, options);
    if (words !== null) { for (const word of words) cut(word, found, []); }
    else {
      for (const [start, end] of chunks(chunk, splitIdeographs)) {
        for (const id of ofChunk(chunk.slice(start, end)).ids) found.push(id);
      }
    }
    return found;
  };
  const pieces = tokens.map((token) => isContinuing(token) ? token.slice(CONTINUATION.length) : ` ${token}`);
  const coder = await createChunkCoder(
    { idsOf, bytes: pieces.map((piece) => new TextEncoder().encode(piece)) },
    wasm,
  );

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

  function encodeText(text: string, { specials = false }: WordPieceReading = {}): IdArray {
    if (!specials) return coder.encode(text.toWellFormed());
    const ids = new IdBuffer(size);
    let done = 0;
    for (const { 0: token, index } of text.matchAll(specialPattern)) {
      ids.append(coder.encode(text.slice(done, index).toWellFormed()));
      ids.append([specialByText.get(token)!]);
      done = index + token.length;
    }
    ids.append(coder.encode(text.slice(done).toWellFormed()));
    return ids.take();
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
        if (tokens[id] === undefined) throw unknownId(id, size);
        const piece = started ? pieces[id] : tokens[id];
        started = true;
        return piece;
      },
      end: () => "",
    };
  }

  function decode(ids: Iterable<number>): string {
    const list = asList(ids), first = tokens[list[0]] ?? "";
    const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(coder.decodeBytes(list));
    // What continues a word is written out where there is no word before it.
    return (isContinuing(first) ? CONTINUATION + text : text).trim();
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
    encode: (text, reading) => Array.from(encodeText(text, reading)),
    encodeText,
    encoder: () => encoderAtBlanks(encodeText),
    trace,
    decode,
    decoder,
  };
}

/** Matches any of the texts, the longest where several fit. */
function alternatives(texts: readonly string[]): RegExp {
  const sorted = [...texts].sort((a, b) => b.length - a.length);
  return new RegExp(sorted.map((text) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|"), "g");
}
