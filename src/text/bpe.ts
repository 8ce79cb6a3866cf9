// Byte-pair encoding in GPT-1's form: a word starts as its code points, the last one marked as the end of the word
// (written `</w>` in the files), and the merge of lowest rank is applied until none is left. Which id is which follows
// the released vocabulary: 0 `<unk>`, then C characters, the same C characters with `</w>`, one id per merge in
// order, and last the newline. Inside, symbols are ids and never strings, so a text that itself contains `</w>`
// cannot be taken for the mark. How a text becomes words is pretokenizers.ts, the way through a text chunk_coder.ts;
// files are in bpe_files.ts, learning the merges in bpe_train.ts.

import { cached } from "./cached.ts";
import { chunkEncoder, createChunkCoder } from "./chunk_coder.ts";
import { unknownId } from "./coding_errors.ts";
import { sha256 } from "./digest.ts";
import { merge } from "./merge.ts";
import { type PretokenizerName, pretokenizers } from "./pretokenizers.ts";
import type { Decoder, IdArray, Tokenizer } from "./tokenizer.ts";
import { asList } from "./wasm/decode_ids.ts";
import { wasmMerger } from "./wasm/merger.ts";
import { compileText } from "./wasm/module.ts";

/** The end-of-word mark as vocabulary files write it. */
export const END = "</w>";
/** The token of what the vocabulary cannot spell; its id is 0. */
export const UNKNOWN = "<unk>";

/** What a BPE tokenizer is made of. */
export interface BpeParts {
  /** Single code points, in id order from 1. */
  readonly characters: readonly string[];
  /** Left and right token of each merge, in rank order, as the merges file writes them. */
  readonly merges: readonly (readonly [string, string])[];
  /** How text is split into words first. */
  readonly pretokenizer: PretokenizerName;
}

/** A byte-pair tokenizer, with the parts it was made of. */
export interface BpeTokenizer extends Tokenizer, BpeParts {
  /** Tells it from the other kinds. */
  readonly kind: "word-bpe";
}

/** What a tokenizer runs on. */
export interface BpeOptions {
  /** Whether to use WebAssembly where there is some; `true` unless given. The ids are the same. */
  readonly wasm?: boolean;
}

/**
 * Makes a tokenizer from characters and merges. Throws `SyntaxError` if they contradict each other: a merge of
 * tokens that do not exist yet, or one token in two places.
 *
 * @example
 * ```ts
 * import { createBpe } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const tokenizer = await createBpe({
 *   characters: ["l", "o", "w", "e", "r"],
 *   merges: [["l", "o"], ["lo", "w"], ["e", "r</w>"]],
 *   pretokenizer: "words",
 * });
 * assertEquals(tokenizer.encode("Lower").map((id) => tokenizer.tokens[id]), ["low", "er</w>"]);
 * ```
 */
export async function createBpe(
  parts: BpeParts,
  { wasm = true }: BpeOptions = {},
): Promise<BpeTokenizer> {
  const { characters, merges, pretokenizer } = parts;
  const { cleaner, words, newlines } = pretokenizers[pretokenizer];
  const { tokens, pairs } = vocabulary(parts);
  const size = tokens.length, newline = size - 1, finals = characters.length, firstMerge = 1 + 2 * finals;
  const pieces = tokens.map((token) => isFinal(token) ? token.slice(0, -END.length) : token);
  const endsWord = (id: number): boolean => id !== newline && isFinal(tokens[id]);
  const characterIds = new Map(characters.map((character, i) => [character, i + 1]));
  const fingerprint = await sha256(
    new TextEncoder().encode(JSON.stringify([pretokenizer, characters, merges])),
  );
  const merge = await mergerOf(pairs, size, firstMerge, wasm);
  const wordIds = cached((word) => {
    const symbols: number[] = [];
    for (const character of word) symbols.push(characterIds.get(character) ?? 0);
    const last = symbols.length - 1;
    if (symbols[last] !== 0) symbols[last] += finals;
    return merge(symbols);
  });
  const coder = await createChunkCoder({
    idsOf: (chunk) => words(chunk).flatMap(wordIds),
    bytes: pieces.map((piece, id) => new TextEncoder().encode(endsWord(id) ? piece + " " : piece)),
    ...newlines && { newline },
  }, wasm);

  const encodeText = (text: string): IdArray => coder.encode(cleaner()(text));

  function decoder(): Decoder {
    let gap = ""; // the space owed to the last word, unless a line break follows
    return {
      push(id) {
        if (pieces[id] === undefined) throw unknownId(id, size);
        const piece = id === newline ? "\n" : gap + pieces[id];
        gap = endsWord(id) ? " " : "";
        return piece;
      },
      end: () => "",
    };
  }

  // The bytes have a space behind every word, also where a line break follows; no other spaces are in them.
  const decode = (ids: Iterable<number>): string =>
    new TextDecoder("utf-8", { ignoreBOM: true }).decode(coder.decodeBytes(asList(ids)))
      .replace(/ \n/g, "\n").trim();

  return {
    kind: "word-bpe",
    unknown: 0,
    ...{ size, fingerprint, tokens, characters, merges, pretokenizer },
    encode: (text) => Array.from(encodeText(text)),
    encodeText,
    encoder: () => chunkEncoder(coder, cleaner),
    decode,
    decoder,
  };
}

const isFinal = (token: string): boolean => token.endsWith(END);

/** Merges ids of characters; `pairs` holds the ids on the left and on the right of each merge. */
async function mergerOf(
  pairs: Uint32Array,
  size: number,
  first: number,
  wasm: boolean,
): Promise<(symbols: number[]) => number[]> {
  const module = wasm ? await compileText() : null;
  if (module !== null) return wasmMerger(module, pairs, first);
  const merged = new Map<number, number>();
  for (let i = 0; i < pairs.length; i += 2) merged.set(pairs[i] * size + pairs[i + 1], first + i / 2);
  return (symbols) => merge(symbols, (left, right) => merged.get(left * size + right));
}

/** All tokens in id order, and the ids on the left and on the right of each merge. */
function vocabulary({ characters, merges }: BpeParts): { tokens: string[]; pairs: Uint32Array } {
  const tokens = [UNKNOWN], ids = new Map([[UNKNOWN, 0]]);
  const pairs = new Uint32Array(2 * merges.length);
  const add = (token: string): void => {
    if (ids.has(token)) {
      throw new SyntaxError(
        `Token ${JSON.stringify(token)} has two ids, ${ids.get(token)} and ${tokens.length}`,
      );
    }
    ids.set(token, tokens.length);
    tokens.push(token);
  };
  for (const character of characters) {
    if ([...character].length !== 1 || /[\n \p{Cs}]/u.test(character)) {
      throw new SyntaxError(`Id ${tokens.length} should be one character, not ${JSON.stringify(character)}`);
    }
    add(character);
  }
  for (const character of characters) add(character + END);
  for (const [rank, [left, right]] of merges.entries()) {
    const l = ids.get(left), r = ids.get(right);
    const complain = (why: string): never => {
      throw new SyntaxError(`Merge ${rank} (${left} ${right}) ${why}`);
    };
    // Parts that come earlier also make every rank lower than those of the merges built on it; `merge` needs that.
    if (!l || !r) {
      return complain(`uses ${l ? right : left}, which is neither a character nor an earlier merge`);
    }
    if (isFinal(left)) return complain(`continues ${left}, which ends a word`);
    if (isFinal(left + right) !== isFinal(right)) return complain(`spells out the mark ${END}`);
    pairs.set([l, r], 2 * rank);
    add(left + right);
  }
  add("\n" + END);
  return { tokens, pairs };
}
