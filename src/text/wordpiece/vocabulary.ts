// What a WordPiece vocabulary must fulfil, whatever file it comes from: tokens that are text, each once, and the special
// tokens that encoding needs. Faults are described without the file; who read it puts its name in front.

/** How vocabularies write a piece that continues a word. */
export const CONTINUATION = "##";

/** Tokens with a meaning of their own, as the vocabulary writes them. */
export interface SpecialTokens {
  /** A word that the vocabulary cannot spell. */
  readonly unknown: string;
  /** The first token of every sequence. */
  readonly classify: string;
  /** Ends each segment. */
  readonly separator: string;
  /** Fills up a batch. */
  readonly pad: string;
  /** Stands for a token to be guessed. */
  readonly mask: string;
}

/** The names that BERT's vocabularies use. */
export const BERT_SPECIALS: SpecialTokens = {
  unknown: "[UNK]",
  classify: "[CLS]",
  separator: "[SEP]",
  pad: "[PAD]",
  mask: "[MASK]",
};

/** The ids of the special tokens; null where the vocabulary lacks one that no sequence needs. */
export type SpecialIds = {
  readonly [name in keyof SpecialTokens]: name extends "pad" | "mask" ? number | null : number;
};

/** Throws `SyntaxError` unless every token is well-formed, not empty, and there only once. */
export function checkVocabulary(tokens: readonly string[]): void {
  const ids = new Map<string, number>();
  tokens.forEach((token, id) => {
    if (token === "") throw new SyntaxError(`Token ${id} is empty`);
    if (/\p{Cs}/u.test(token)) throw new SyntaxError(`Token ${id} holds half a surrogate pair`);
    if (ids.has(token)) {
      throw new SyntaxError(`Token ${JSON.stringify(token)} has two ids, ${ids.get(token)} and ${id}`);
    }
    ids.set(token, id);
  });
}

/** The ids of the special tokens. Throws `SyntaxError` if one is missing that every sequence needs. */
export function specialIds(tokens: readonly string[], special: SpecialTokens): SpecialIds {
  const optional = (name: string): number | null => {
    const id = tokens.indexOf(name);
    return id < 0 ? null : id;
  };
  const required = (name: string): number => {
    const id = optional(name);
    if (id === null) {
      throw new SyntaxError(
        `The vocabulary of ${tokens.length} tokens lacks ${name}, which BERT's sequences need; add it or name another`,
      );
    }
    return id;
  };
  return {
    unknown: required(special.unknown),
    classify: required(special.classify),
    separator: required(special.separator),
    pad: optional(special.pad),
    mask: optional(special.mask),
  };
}
