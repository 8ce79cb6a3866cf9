// BERT's words before they are cut into pieces: clean-up, ideographs apart, white space, lower case without accents,
// punctuation apart, in the order of `BasicTokenizer` of google-research/bert. Each word knows which units of the
// original every one of its own units came from. Word pieces are in wordpiece.ts.

import { classOf, DROPPED, IDEOGRAPH, PUNCTUATION, SPACE } from "./characters.ts";
import { lowered, trace, type Traced, traced, withoutAccents } from "./fold.ts";

/** How text becomes words. */
export interface BasicOptions {
  /** Whether words are put in lower case, as for the "uncased" models. */
  readonly lowerCase: boolean;
  /** Whether accents are removed. Default as `lowerCase`. */
  readonly stripAccents?: boolean;
  /** Whether each ideograph is a word. Default true. */
  readonly splitIdeographs?: boolean;
}

/** A word, and where it came from. */
export interface BasicWord {
  /** The word as its pieces are looked up. */
  readonly text: string;
  /** For each UTF-16 unit of `text`, where its source begins in the original, in UTF-16 units. */
  readonly starts: readonly number[];
  /** For each UTF-16 unit of `text`, where its source ends. */
  readonly ends: readonly number[];
}

/**
 * The words of a text as BERT sees them. A mark that is dropped, such as an accent, belongs to no unit of a word.
 *
 * @example
 * ```ts
 * import { basicWords } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const words = [...basicWords("Héllo, you", { lowerCase: true })];
 * assertEquals(words.map(({ text }) => text), ["hello", ",", "you"]);
 * assertEquals(words[2].starts, [7, 8, 9]);
 * ```
 */
export function* basicWords(text: string, options: BasicOptions): Generator<BasicWord, void, undefined> {
  for (const [start, end] of chunks(text)) {
    for (const { text: word, starts, ends } of wordsOfChunk(text.slice(start, end), options)) {
      yield { text: word, starts: starts.map((at) => at + start), ends: ends.map((at) => at + start) };
    }
  }
}

/** Start and end of each run without white space. What BERT makes of one does not depend on the others. */
export function* chunks(text: string): Generator<readonly [number, number], void, undefined> {
  let start = -1;
  for (let at = 0; at < text.length; at++) {
    // Surrogates are never white space, so units will do.
    const isSpace = classOf(text.charCodeAt(at)) === SPACE;
    if (isSpace && start >= 0) yield [start, at];
    if (isSpace) start = -1;
    else if (start < 0) start = at;
  }
  if (start >= 0) yield [start, text.length];
}

/** The words of one run without white space; offsets count from its start. */
export function wordsOfChunk(chunk: string, options: BasicOptions): BasicWord[] {
  const words: BasicWord[] = [];
  for (const part of cleaned(chunk, options.splitIdeographs ?? true)) {
    const lower = options.lowerCase ? lowered(part) : part;
    splitPunctuation(options.stripAccents ?? options.lowerCase ? withoutAccents(lower) : lower, words);
  }
  return words;
}

/** What prints in ASCII, and the words in that. */
const PLAIN = /^[!-~]*$/, PLAIN_WORDS = /[0-9A-Za-z]+|[!-~]/g;

/** The words of a text as strings, without the trace, which takes most of the time. */
export function plainWords(text: string, options: BasicOptions): readonly string[] {
  if (PLAIN.test(text)) return (options.lowerCase ? text.toLowerCase() : text).match(PLAIN_WORDS) ?? [];
  return Array.from(chunks(text)).flatMap(([start, end]) =>
    wordsOfChunk(text.slice(start, end), options).map((word) => word.text)
  );
}

/** The chunk without what is dropped, cut around ideographs. */
function cleaned(chunk: string, splitIdeographs: boolean): Traced[] {
  const parts: Traced[] = [];
  let part = traced(), at = 0;
  for (const character of chunk) {
    const start = at, kind = classOf(character.codePointAt(0)!);
    at += character.length;
    if (kind === DROPPED) continue;
    const alone = splitIdeographs && kind === IDEOGRAPH;
    if (alone && part.characters.length > 0) {
      parts.push(part);
      part = traced();
    }
    trace(part, character, start, at);
    if (alone) {
      parts.push(part);
      part = traced();
    }
  }
  if (part.characters.length > 0) parts.push(part);
  return parts;
}

function splitPunctuation({ characters, starts, ends }: Traced, words: BasicWord[]): void {
  let text = "", from: number[] = [], to: number[] = [];
  const finish = (): void => {
    if (text !== "") words.push({ text, starts: from, ends: to });
    [text, from, to] = ["", [], []];
  };
  characters.forEach((character, i) => {
    const alone = classOf(character.codePointAt(0)!) === PUNCTUATION;
    if (alone) finish();
    text += character;
    for (let unit = 0; unit < character.length; unit++) {
      from.push(starts[i]);
      to.push(ends[i]);
    }
    if (alone) finish();
  });
  finish();
}
