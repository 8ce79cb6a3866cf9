// Byte-pair encoding in GPT-1's form: a word starts as its code points, the last one marked as the end of the word
// (written `</w>` in the files), and the merge of lowest rank is applied until none is left. Which id is which follows
// the released vocabulary: 0 `<unk>`, then C characters, the same C characters with `</w>`, one id per merge in
// order, and last the newline; a vocabulary laid out otherwise is mapped to at the end. Inside, symbols are numbers in
// that order and never strings, so a text that itself contains `</w>` cannot be taken for the mark. How a text becomes words is pretokenizers.ts, the way through a text chunk_coder.ts;
// files are in bpe_files.ts, learning the merges in bpe_train.ts.

import { cached, NO_PROSE } from "./cached.ts";
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
  /** Which id is which, where that is not GPT-1's layout. */
  readonly layout?: BpeLayout;
}

/** A vocabulary in an order of its own. */
export interface BpeLayout {
  /** Every token in id order; what merges make must be among them. */
  readonly tokens: readonly string[];
  /** The token of a character that the vocabulary lacks; null if such characters are left out. */
  readonly unknown: string | null;
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
  const { characters, merges, pretokenizer, layout } = parts;
  const { cleaner, words, newlines } = pretokenizers[pretokenizer];
  const { tokens: symbolTokens, pairs } = vocabulary(parts),
    { tokens, idOf, unknown } = laidOut(symbolTokens, layout);
  const size = tokens.length, finals = characters.length, firstMerge = 1 + 2 * finals;
  const newline = idOf[symbolTokens.length - 1], broken = newline !== null && newline !== unknown;
  const pieces = tokens.map((token) => isFinal(token) ? token.slice(0, -END.length) : token);
  const endsWord = (id: number): boolean => id !== newline && isFinal(tokens[id]);
  const characterSymbols = new Map(characters.map((character, i) => [character, i + 1]));
  const asciiSymbols = Array.from(
    { length: 128 },
    (_, code) => characterSymbols.get(String.fromCharCode(code)) ?? 0,
  );
  const identity = [pretokenizer, characters, merges, ...layout ? [layout.tokens, layout.unknown] : []];
  const fingerprint = await sha256(new TextEncoder().encode(JSON.stringify(identity)));
  const merge = await mergerOf(pairs, symbolTokens.length, firstMerge, wasm);
  const wordIds = (word: string): number[] => {
    const symbols: number[] = [];
    for (let at = 0; at < word.length;) {
      const code = word.codePointAt(at)!;
      symbols.push(code < 128 ? asciiSymbols[code] : characterSymbols.get(String.fromCodePoint(code)) ?? 0);
      at += code > 0xffff ? 2 : 1;
    }
    const last = symbols.length - 1;
    if (symbols[last] !== 0) symbols[last] += finals;
    if (!layout) return merge(symbols);
    return merge(symbols.filter((symbol) => idOf[symbol] !== null)).map((symbol) => idOf[symbol]!);
  };
  const knownIds = cached(wordIds);
  const coder = await createChunkCoder({
    idsOf(chunk) {
      const ids: number[] = [], solve = chunk.length < NO_PROSE ? knownIds : wordIds;
      for (const word of words(chunk)) {
        for (const id of solve(word)) ids.push(id);
      }
      return ids;
    },
    bytes: pieces.map((piece, id) => new TextEncoder().encode(endsWord(id) ? piece + " " : piece)),
    ...newlines && broken && { newline },
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
    ...{ size, fingerprint, tokens, unknown, characters, merges, pretokenizer },
    ...layout && { layout },
    encode: (text) => Array.from(encodeText(text)),
    encodeText,
    encoder: () => chunkEncoder(coder, cleaner),
    decode,
    decoder,
  };
}

const isFinal = (token: string): boolean => token.endsWith(END);

/** The parts of a tokenizer whose tokens, in id order, and merges are known; with a layout only if it is not GPT-1's. */
export function bpeParts(
  tokens: readonly string[],
  merges: BpeParts["merges"],
  unknown: string | null,
  pretokenizer: PretokenizerName,
): BpeParts {
  const count = Math.max(0, Math.floor((tokens.length - 2 - merges.length) / 2));
  const characters = tokens.slice(1, 1 + count), finals = characters.map((character) => character + END);
  const usual = [UNKNOWN, ...characters, ...finals, ...merges.map((pair) => pair.join("")), "\n" + END];
  if (
    unknown === UNKNOWN && usual.length === tokens.length && usual.every((token, id) => token === tokens[id])
  ) {
    return { characters, merges, pretokenizer };
  }
  const spelled = tokens.map((token) => isFinal(token) ? token.slice(0, -END.length) : token);
  const single = spelled.filter((token) => [...token].length === 1 && !/[\n \p{Cs}]/u.test(token));
  return { characters: [...new Set(single)], merges, pretokenizer, layout: { tokens, unknown } };
}

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

/** The tokens in id order, the id of each symbol (null: left out), and that of what the vocabulary cannot spell. */
function laidOut(
  symbols: readonly string[],
  layout: BpeLayout | undefined,
): { tokens: readonly string[]; idOf: readonly (number | null)[]; unknown: number | null } {
  if (!layout) return { tokens: symbols, idOf: symbols.map((_, symbol) => symbol), unknown: 0 };
  const { tokens } = layout, ids = new Map(tokens.map((token, id) => [token, id]));
  if (ids.size < tokens.length) {
    const id = tokens.findIndex((token, i) => ids.get(token) !== i);
    throw new SyntaxError(
      `Token ${JSON.stringify(tokens[id])} has two ids, ${id} and ${ids.get(tokens[id])}`,
    );
  }
  const unknown = layout.unknown === null ? null : ids.get(layout.unknown);
  if (unknown === undefined) {
    throw new SyntaxError(
      `The unknown token ${JSON.stringify(layout.unknown)} has no id; add it to the vocabulary`,
    );
  }
  return { tokens, idOf: symbols.map((token, i) => i === 0 ? unknown : ids.get(token) ?? unknown), unknown };
}

/** All tokens in GPT-1's order, and the symbols on the left and on the right of each merge. */
function vocabulary({ characters, merges, layout }: BpeParts): { tokens: string[]; pairs: Uint32Array } {
  const made = layout && new Set(layout.tokens);
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
    if (made && !made.has(left + right)) complain(`makes ${left + right}, which has no id`);
    add(left + right);
  }
  add("\n" + END);
  return { tokens, pairs };
}
