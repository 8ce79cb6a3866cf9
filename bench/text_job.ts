// What the benchmark of text (text.ts) and its measuring program (text_subject.ts) tell each other: the job goes over as a
// file, the results come back as lines of JSON. The tokenizers of others are reached by one interface, `TextPeer`.

import type { VocabularyType } from "../src/text/open_tokenizer.ts";

/** The kinds of tokenizers, as the names of rows begin. */
export const kinds = ["gpt2", "wordpiece", "gpt1"] as const;
/** One of {@link kinds}. */
export type Kind = (typeof kinds)[number];

/** What can be measured by itself. */
export const textParts = ["encode", "decode", "worst", "train", "prepare"] as const;
/** One of {@link textParts}. */
export type TextPart = (typeof textParts)[number];

/** Where a tokenizer is. */
export interface TokenizerPlace {
  readonly path: string;
  readonly type?: VocabularyType;
}

/** Text and tokenizers, as absolute paths. */
export interface TextData {
  /** Text in name order. */
  readonly documents: readonly string[];
  readonly tokenizers: Readonly<Partial<Record<Kind, TokenizerPlace>>>;
  /** Whether GPT-2's tokenizer is the published one, which some peers bring with them and cannot exchange. */
  readonly published: boolean;
}

/** What the measuring program is asked for. */
export interface TextJob extends TextData {
  readonly parts: readonly TextPart[];
  readonly quick: boolean;
}

/** What it found: a number, ours or that of the peer named `who`, or something to know. */
export type Finding =
  | {
    readonly name: string;
    readonly who: string | null;
    readonly unit: string;
    readonly value: number;
    readonly ratioTo?: Readonly<Record<string, number>>;
  }
  | { readonly remark: string };

/** A tokenizer of another library. */
export interface TextPeer {
  encode(text: string): ArrayLike<number>;
  /** The text of ids that its own `encode` made; left out where there is nothing to compare. */
  decode?(ids: ArrayLike<number>): string;
}

/** How to open the peers of a kind by name. */
export type TextPeers = Readonly<Partial<Record<Kind, Readonly<Record<string, OpenPeer>>>>>;

/** Opens a peer. */
export interface OpenPeer {
  /** Whether it has GPT-2's own vocabulary and no other. */
  readonly fixed: boolean;
  /** `tokenizerJson` is our tokenizer as Hugging Face's libraries read it. */
  readonly open: (tokenizerJson: () => string) => Promise<TextPeer>;
}
