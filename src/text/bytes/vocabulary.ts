// What a byte-level vocabulary is made of, checked and brought into the form that the coders work on. Symbols are
// numbers: 0 to 255 are bytes, 256 + r is what the merge of rank r makes. Which id a symbol has is the vocabulary's
// choice.

import { BYTE_ORDER, fromPrintable, toPrintable } from "./printable.ts";

/** What a byte-level BPE tokenizer is made of. Tokens are spelt as vocabulary files do it, `Ġ` for a space. */
export interface ByteBpeParts {
  /** Left and right token of each merge, in rank order. */
  readonly merges: readonly (readonly [string, string])[];
  /** Special tokens, each the very text that stands for it, such as `<|endoftext|>`. None unless given. */
  readonly special?: readonly string[];
  /**
   * All tokens in id order, special ones included. Unless given the layout is GPT-2's: the 256 bytes, printable ones
   * first, then what each merge makes, then the special tokens.
   */
  readonly tokens?: readonly string[];
}

/** A checked vocabulary. */
export interface ByteVocabulary {
  /** All tokens in id order, as files spell them. */
  readonly tokens: readonly string[];
  /** The bytes of each id; those of a special token are its text in UTF-8. */
  readonly bytes: readonly Uint8Array<ArrayBuffer>[];
  /** Left and right symbol of each merge, in rank order. */
  readonly pairs: Uint32Array<ArrayBuffer>;
  /** The id of each symbol. */
  readonly ids: Uint32Array<ArrayBuffer>;
  /** The id of each special token. */
  readonly special: ReadonlyMap<string, number>;
}

const spell = (token: string): string => JSON.stringify(token);

/** Checks and arranges the parts. Throws `SyntaxError` if they contradict each other. */
export function byteVocabulary({ merges, special = [], tokens: given }: ByteBpeParts): ByteVocabulary {
  const symbols = new Map(Array.from({ length: 256 }, (_, byte) => [toPrintable(Uint8Array.of(byte)), byte]));
  const spelling = [...symbols.keys()], pairs = new Uint32Array(2 * merges.length);
  for (const [rank, [left, right]] of merges.entries()) {
    const l = symbols.get(left), r = symbols.get(right), made = left + right;
    // Parts that come earlier make every rank lower than those of the merges built on it; the coders need that.
    if (l === undefined || r === undefined) {
      const unknown = l === undefined ? left : right;
      throw new SyntaxError(
        `Merge ${rank} (${left} ${right}) uses ${unknown}, which is neither a byte nor an earlier merge`,
      );
    }
    if (symbols.has(made)) {
      throw new SyntaxError(
        `Merge ${rank} (${left} ${right}) makes ${spell(made)}, as an earlier merge does already`,
      );
    }
    pairs.set([l, r], 2 * rank);
    symbols.set(made, 256 + rank);
    spelling.push(made);
  }
  const tokens = given ?? [...BYTE_ORDER.map((byte) => spelling[byte]), ...spelling.slice(256), ...special];
  const idOf = new Map(tokens.map((token, id) => [token, id]));
  if (idOf.size < tokens.length) {
    const id = tokens.findIndex((token, i) => idOf.get(token) !== i);
    throw new SyntaxError(`Token ${spell(tokens[id])} has two ids, ${id} and ${idOf.get(tokens[id])}`);
  }
  const ids = Uint32Array.from(spelling, (token, symbol) => {
    const id = idOf.get(token);
    if (id !== undefined) return id;
    throw new SyntaxError(
      `Token ${spell(token)} has no id, but ${
        symbol < 256 ? "every byte" : `merge ${symbol - 256}`
      } needs one`,
    );
  });
  return { tokens, pairs, ids, special: specialIds(special, idOf), bytes: bytesOf(tokens, symbols, special) };
}

function specialIds(special: readonly string[], idOf: ReadonlyMap<string, number>): Map<string, number> {
  return new Map(special.map((text) => {
    const id = idOf.get(text);
    if (id === undefined || text === "") throw new SyntaxError(`Special token ${spell(text)} has no id`);
    return [text, id];
  }));
}

function bytesOf(
  tokens: readonly string[],
  symbols: ReadonlyMap<string, number>,
  special: readonly string[],
): Uint8Array<ArrayBuffer>[] {
  const encoder = new TextEncoder(), texts = new Set(special);
  return tokens.map((token, id) => {
    if (texts.has(token)) {
      if (!symbols.has(token)) return encoder.encode(token);
      throw new SyntaxError(
        `Special token ${spell(token)} is also a byte or a merge: a text cannot tell which`,
      );
    }
    if (symbols.has(token)) return fromPrintable(token)!;
    throw new SyntaxError(
      `Token ${spell(token)} (id ${id}) is neither a byte, nor made by a merge, nor special`,
    );
  });
}
