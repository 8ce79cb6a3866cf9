// Learns a WordPiece vocabulary. BERT's own trainer was never published; this follows the one that most vocabularies
// since were made with, `WordPieceTrainer` of Hugging Face's tokenizers: byte-pair merges by frequency over words
// spelled in characters, those inside a word marked `##`, of which only the resulting tokens are kept. Where that
// program leaves the order to chance, here it is fixed: continuing characters by code point, then lower ids first.

import { learnMerges, Speller } from "../training/merges.ts";
import { checkTraining, countWords, type TrainingOptions } from "../training/word_counts.ts";
import { type BasicOptions, basicWords } from "./basic.ts";
import { BERT_SPECIALS, CONTINUATION, type SpecialTokens } from "./vocabulary.ts";
import { createWordPiece, type WordPieceTokenizer } from "./wordpiece.ts";

/** How to train a WordPiece tokenizer. */
export interface WordPieceTraining extends BasicOptions, TrainingOptions {
  /** Number of ids in the result: special tokens, characters, continuing characters, merged pieces. */
  readonly vocabSize: number;
  /** Most different characters to keep, the most frequent ones; others count as not there. Default 1000. */
  readonly alphabet?: number;
  /** The special tokens, which get the first ids: pad, unknown, classify, separator, mask. */
  readonly special?: SpecialTokens;
  /** Words of more code points than this are left out, since they are unknown whatever is learned. Default 200. */
  readonly maxWordLength?: number;
}

/**
 * Trains a WordPiece tokenizer. The same documents give the same vocabulary, in whatever order they come: the most
 * frequent pair is merged first and, among equals, the one whose left token, then right token, has the lower id.
 *
 * Rejects with `RangeError` if the documents hold no words, too many characters for `vocabSize`, or too little text for
 * that many tokens; the message names the size that would be possible.
 *
 * @example
 * ```ts
 * import { trainWordPiece } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const tokenizer = await trainWordPiece(["low lower lowest slow"], { vocabSize: 22, lowerCase: true });
 * assertEquals(tokenizer.encode("low lows").map((id) => tokenizer.tokens[id]), ["low", "low", "##s"]);
 * ```
 */
export async function trainWordPiece(
  documents: Iterable<string> | AsyncIterable<string>,
  training: WordPieceTraining,
): Promise<WordPieceTokenizer> {
  const { vocabSize, minFrequency = 2, alphabet = 1000, special = BERT_SPECIALS } = training;
  const { maxWordLength = 200, onProgress, signal } = training;
  checkTraining({ vocabSize, minFrequency, alphabet, maxWordLength });
  function* wordsOf(document: string): Generator<string> {
    for (const { text } of basicWords(document, training)) {
      if (text.length <= maxWordLength || [...text].length <= maxWordLength) yield text;
    }
  }
  const { words: frequency } = await countWords(documents, wordsOf, training);
  if (frequency.size === 0) throw new RangeError("Cannot train a tokenizer: the documents hold no words");

  const { pad, unknown, classify, separator, mask } = special;
  const kept = charactersToKeep(frequency, alphabet);
  const spelled = [...frequency].map(([word, count]) => ({ pieces: spell(word, kept), count }));
  const inner = new Set(
    spelled.flatMap(({ pieces }) => pieces.filter((piece) => piece.length > CONTINUATION.length)),
  );
  const tokens: string[] = [], ids = new Map<string, number>();
  const idOf = (token: string): number => {
    if (!ids.has(token)) ids.set(token, tokens.push(token) - 1);
    return ids.get(token)!;
  };
  for (const token of [pad, unknown, classify, separator, mask, ...[...kept].sort(byCodePoint)]) idOf(token);
  for (const token of [...inner].sort(byCodePoint)) idOf(token);
  const smallest = tokens.length;
  if (vocabSize < smallest) {
    throw new RangeError(
      `Cannot train a vocabulary of ${vocabSize} tokens: the special tokens and this text's ${kept.size} characters, ` +
        `at the start of words and inside, take ${smallest}; ask for more, or clean the text`,
    );
  }
  const speller = new Speller();
  for (const { pieces, count } of spelled) {
    pieces.forEach((piece) => speller.push(idOf(piece)));
    speller.end(count);
  }
  await learnMerges(speller.words(), {
    before: (l, r, m, s) => l !== m ? l < m : r < s,
    merge: (l, r) => idOf(tokens[l] + tokens[r].slice(CONTINUATION.length)),
    made: () => tokens.length,
  }, { wanted: vocabSize, minFrequency, onProgress, signal });
  if (tokens.length < vocabSize) {
    throw new RangeError(
      `Cannot train a vocabulary of ${vocabSize} tokens: this text yields at most ${tokens.length} ` +
        `(pairs seen at least ${minFrequency} times); ask for at most that, or add text`,
    );
  }
  const { lowerCase, stripAccents = lowerCase, splitIdeographs = true } = training;
  return await createWordPiece({ tokens, lowerCase, stripAccents, splitIdeographs, special, maxWordLength });
}

/** The most frequent code points; of equals those that come first. */
function charactersToKeep(frequency: ReadonlyMap<string, number>, most: number): Set<string> {
  const counts = new Map<string, number>();
  for (const [word, count] of frequency) {
    for (const character of word) counts.set(character, (counts.get(character) ?? 0) + count);
  }
  const sorted = [...counts].sort(([a, m], [b, n]) => n - m || byCodePoint(a, b));
  return new Set(sorted.slice(0, most).map(([character]) => character));
}

/** A word as characters; only the one that begins the word has no `##`, kept or not. */
function spell(word: string, kept: ReadonlySet<string>): string[] {
  return Array.from(
    word,
    (character, i) => ({ character, piece: i === 0 ? character : CONTINUATION + character }),
  )
    .filter(({ character }) => kept.has(character))
    .map(({ piece }) => piece);
}

function byCodePoint(a: string, b: string): number {
  const last = (token: string): number => [...token].at(-1)!.codePointAt(0)!;
  return last(a) - last(b);
}
