// The engine of a rule tokenizer, as spaCy 2.0 has it: white space separates chunks; a chunk that is no exception sheds
// prefixes and suffixes until nothing more comes off, and what is left is an exception, a URL or split at infixes.
// The rules of a language are data for it and live elsewhere (english_rules.ts). What a chunk becomes depends on
// the chunk alone, so callers may cache by chunk. Sticking to 2.0: later releases look for exceptions and URLs at
// other moments.

/** What a language tells the engine. Lengths and positions are UTF-16 units. */
export interface TokenizerRules {
  /** Strings with a fixed split: chunks, or what is left of one. The parts joined are the string. */
  readonly exceptions: ReadonlyMap<string, readonly string[]>;
  /** Length of the piece to take off the front of `text`; 0 if none. */
  prefixLength(text: string): number;
  /** Length of the piece to take off the end of `text`; 0 if none. */
  suffixLength(text: string): number;
  /** Matches the separators inside what is left, none of them empty; has the flag `g`. */
  readonly infix: RegExp;
  /** Looks at a chunk once; the result says whether the chunk from `start` to `end` is to stay whole. */
  whole(chunk: string): (start: number, end: number) => boolean;
}

/**
 * Makes the function that splits one chunk (text without white space) into its tokens; joined they are the chunk.
 */
export function chunkSplitter(rules: TokenizerRules): (chunk: string) => readonly string[] {
  const { exceptions, infix } = rules;
  const longest = Math.max(0, ...Array.from(exceptions.keys(), (key) => key.length));
  const exception = (text: string): readonly string[] | undefined =>
    text !== "" && text.length <= longest ? exceptions.get(text) : undefined;

  return (chunk) => {
    const known = exception(chunk);
    if (known) return known;
    const isWhole = rules.whole(chunk), before: string[] = [], after: string[] = [];
    let start = 0, end = chunk.length, middle: readonly string[] | undefined;
    while (start < end && middle === undefined) {
      const text = chunk.slice(start, end);
      if (isWhole(start, end)) {
        middle = [text];
        break;
      }
      let prefix = rules.prefixLength(text), suffix = 0;
      // An exception behind the prefix, or else before the suffix, wins over taking off both.
      middle = prefix > 0 ? exception(text.slice(prefix)) : undefined;
      if (middle === undefined) {
        suffix = rules.suffixLength(text);
        middle = suffix > 0 ? exception(text.slice(0, -suffix)) : undefined;
        if (middle !== undefined) prefix = 0;
        else if (prefix > 0 && prefix + suffix > text.length) suffix = 0;
      }
      if (prefix > 0) before.push(text.slice(0, prefix));
      if (suffix > 0) after.push(text.slice(text.length - suffix));
      start += prefix;
      end -= suffix;
      if (middle === undefined) {
        const rest = chunk.slice(start, end);
        middle = exception(rest);
        if (middle === undefined && prefix + suffix === 0) middle = splitInfixes(rest, infix);
      }
    }
    if (before.length + after.length === 0) return middle ?? [];
    return before.concat(middle ?? [], after.reverse());
  };
}

/** Cuts at every match, except that one at the very start stays with what follows it. */
function splitInfixes(text: string, infix: RegExp): readonly string[] {
  const pieces: string[] = [];
  let start = 0;
  infix.lastIndex = 0; // matchAll would copy the expression, which costs more than most searches
  for (let match = infix.exec(text); match !== null; match = infix.exec(text)) {
    if (match.index === 0) continue;
    if (match.index > start) pieces.push(text.slice(start, match.index));
    pieces.push(match[0]);
    start = infix.lastIndex;
  }
  if (start < text.length) pieces.push(text.slice(start));
  return pieces;
}
