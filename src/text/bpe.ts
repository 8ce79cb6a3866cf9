// Byte-pair encoding in GPT-1's form: a word starts as its code points, the last one marked as the end of the word
// (written `</w>` in the files), and the merge of lowest rank is applied until none is left. Which id is which follows
// the released vocabulary: 0 `<unk>`, then C characters, the same C characters with `</w>`, one id per merge in
// order, and last the newline. Inside, symbols are ids and never strings, so a text that itself contains `</w>`
// cannot be taken for the mark. Files are in bpe_files.ts, learning the merges in bpe_train.ts,
// merging in merge.ts.

import { sha256 } from "./digest.ts";
import { merge } from "./merge.ts";
import { type PretokenizerName, pretokenizers } from "./standardize.ts";
import type { Decoder, Encoder, Tokenizer } from "./tokenizer.ts";

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

const CACHED_WORDS = 2 ** 16, CACHED_LENGTH = 64;

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
export async function createBpe(parts: BpeParts): Promise<BpeTokenizer> {
  const { characters, merges, pretokenizer } = parts;
  const split = pretokenizers[pretokenizer];
  const { tokens, merged } = vocabulary(parts);
  const size = tokens.length, newline = size - 1, finals = characters.length;
  const texts = tokens.map((token) => isFinal(token) ? token.slice(0, -END.length) : token);
  const characterIds = new Map(characters.map((character, i) => [character, i + 1]));
  const fingerprint = await sha256(
    new TextEncoder().encode(JSON.stringify([pretokenizer, characters, merges])),
  );
  const cache = new Map<string, readonly number[]>();

  function encodeWord(word: string): readonly number[] {
    if (word === "\n") return [newline];
    const symbols = Array.from(word, (character) => characterIds.get(character) ?? 0);
    const last = symbols.length - 1;
    if (symbols[last] !== 0) symbols[last] += finals;
    return merge(symbols, (left, right) => merged.get(left * size + right));
  }

  function encode(text: string): number[] {
    const ids: number[] = [];
    for (const word of split(text)) {
      let found = cache.get(word);
      if (found === undefined) {
        found = encodeWord(word);
        if (cache.size >= CACHED_WORDS) cache.clear();
        if (word.length <= CACHED_LENGTH) cache.set(word, found);
      }
      for (const id of found) ids.push(id);
    }
    return ids;
  }

  // A pre-tokenizer goes line by line and joins lines that are not blank by one newline, so a text can be cut there.
  function encoder(): Encoder {
    let rest = "", started = false;
    const part = (text: string): readonly number[] => {
      const ids = encode(text);
      if (ids.length > 0 && started) ids.unshift(newline);
      started ||= ids.length > 0;
      return ids;
    };
    return {
      push(text) {
        const cut = text.lastIndexOf("\n");
        if (cut < 0) {
          rest += text;
          return [];
        }
        const whole = rest + text.slice(0, cut);
        rest = text.slice(cut + 1);
        return part(whole);
      },
      end() {
        const ids = part(rest);
        rest = "";
        started = false;
        return ids;
      },
    };
  }

  function decoder(): Decoder {
    let gap = ""; // the space owed to the last word, unless a line break follows
    return {
      push(id) {
        if (!(id >= 0 && id < size && Number.isInteger(id))) {
          throw new RangeError(`Cannot decode id ${id}: this tokenizer has ids 0 to ${size - 1}`);
        }
        const piece = id === newline ? "\n" : gap + texts[id];
        gap = id !== newline && isFinal(tokens[id]) ? " " : "";
        return piece;
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

  const encodeText = (text: string) => Uint32Array.from(encode(text));
  return {
    kind: "word-bpe",
    unknown: 0,
    ...{ size, fingerprint, encode, encodeText, encoder, decode, decoder },
    ...{ tokens, characters, merges, pretokenizer },
  };
}

const isFinal = (token: string): boolean => token.endsWith(END);

/** All tokens in id order, and for each pair that merges, as left * size + right, the id it becomes. */
function vocabulary({ characters, merges }: BpeParts): { tokens: string[]; merged: Map<number, number> } {
  const tokens = [UNKNOWN], ids = new Map([[UNKNOWN, 0]]);
  const size = 2 + 2 * characters.length + merges.length;
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
    if ([...character].length !== 1 || character === "\n" || character === " ") {
      throw new SyntaxError(`Id ${tokens.length} should be one character, not ${JSON.stringify(character)}`);
    }
    add(character);
  }
  for (const character of characters) add(character + END);
  const merged = new Map<number, number>();
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
    merged.set(l * size + r, tokens.length);
    add(left + right);
  }
  add("\n" + END);
  return { tokens, merged };
}
