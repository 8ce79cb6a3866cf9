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
  for (const [start, end] of chunks(text, options.splitIdeographs ?? true)) {
    for (const { text: word, starts, ends } of wordsOfChunk(text.slice(start, end), options)) {
      yield { text: word, starts: starts.map((at) => at + start), ends: ends.map((at) => at + start) };
    }
  }
}

/**
 * Start and end of each run without white space, and of each ideograph if they are apart. What BERT makes of one does
 * not depend on the others.
 */
export function* chunks(
  text: string,
  splitIdeographs: boolean,
): Generator<readonly [number, number], void, undefined> {
  let start = -1;
  for (let at = 0, next = 0; at < text.length; at = next) {
    const code = text.codePointAt(at)!, kind = classOf(code);
    next = at + (code > 0xffff ? 2 : 1);
    const alone = splitIdeographs && kind === IDEOGRAPH;
    if (start >= 0 && (alone || kind === SPACE)) {
      yield [start, at];
      start = -1;
    }
    if (alone) yield [at, next];
    else if (kind !== SPACE && start < 0) start = at;
  }
  if (start >= 0) yield [start, text.length];
}

const ASCII = /^[!-~]*$/, ASCII_WORDS = /[0-9A-Za-z]+|[!-~]/g;
// Letters, numbers and signs; no marks, of which a long run would take `normalize` quadratic time.
const EASY = /^[[\p{L}\p{N}\p{P}\p{S}]--[\p{Ideographic}\ufffd]]*$/v;
const PUNCTUATION_OR_WORD = /[!-/:-@[-`{-~\p{P}]|[^!-/:-@[-`{-~\p{P}]+/gu;

/**
 * The words of a text that holds no white space, marks, ideographs or characters that are dropped; null of any other.
 * They are those of {@link basicWords}, but without the trace they take little time.
 */
export function easyWords(
  text: string,
  { lowerCase, stripAccents = lowerCase }: BasicOptions,
): readonly string[] | null {
  if (ASCII.test(text)) return (lowerCase ? text.toLowerCase() : text).match(ASCII_WORDS) ?? [];
  if (!EASY.test(text)) return null;
  const lower = lowerCase ? text.toLowerCase() : text;
  const plain = stripAccents ? lower.normalize("NFD").replace(/\p{Mn}/gu, "") : lower;
  return plain.match(PUNCTUATION_OR_WORD) ?? [];
}

/** The words of one of the {@link chunks}; offsets count from its start. */
export function wordsOfChunk(
  chunk: string,
  { lowerCase, stripAccents = lowerCase }: BasicOptions,
): BasicWord[] {
  const kept = traced();
  let at = 0;
  for (const character of chunk) {
    const start = at;
    at += character.length;
    if (classOf(character.codePointAt(0)!) !== DROPPED) trace(kept, character, start, at);
  }
  const lower = lowerCase ? lowered(kept) : kept;
  return splitPunctuation(stripAccents ? withoutAccents(lower) : lower);
}

function splitPunctuation({ characters, starts, ends }: Traced): BasicWord[] {
  const words: BasicWord[] = [];
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
  return words;
}
