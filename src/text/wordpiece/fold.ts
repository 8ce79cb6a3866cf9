// Lower case and accents, code point by code point, so that every character of the result knows which range of the
// original it came from. The text is the same as that of `toLowerCase()` and then `normalize("NFD")` without the
// nonspacing marks (Mn) on the whole; only `normalize` takes time quadratic in a long run of marks, and this does not.

/** Characters with the range of the original, in UTF-16 units, that each was made from. */
export interface Traced {
  /** Single code points. */
  readonly characters: string[];
  /** Where in the original each one's source begins. */
  readonly starts: number[];
  /** Where each one's source ends. */
  readonly ends: number[];
}

/** Nothing yet. */
export const traced = (): Traced => ({ characters: [], starts: [], ends: [] });

/** Adds a character. */
export function trace(
  { characters, starts, ends }: Traced,
  character: string,
  start: number,
  end: number,
): void {
  characters.push(character);
  starts.push(start);
  ends.push(end);
}

/** Lower case of one word, as Python and JavaScript have it: the last sigma of a Greek word is a final one. */
export function lowered({ characters, starts, ends }: Traced): Traced {
  const whole = characters.join("").toLowerCase(), result = traced();
  let at = 0;
  characters.forEach((character, i) => {
    // Sigma is the only letter whose lower case depends on others, and both forms are one unit long.
    const next = at + character.toLowerCase().length;
    for (const low of whole.slice(at, next)) trace(result, low, starts[i], ends[i]);
    at = next;
  });
  return result;
}

const decompositions = new Map<string, readonly string[]>();

/** Canonical decomposition of one word, without nonspacing marks. */
export function withoutAccents({ characters, starts, ends }: Traced): Traced {
  const result = traced();
  let run = 0; // where the combining marks that end the result so far begin
  characters.forEach((character, i) => {
    let parts = decompositions.get(character);
    if (parts === undefined) decompositions.set(character, parts = [...character.normalize("NFD")]);
    for (const part of parts) {
      const mark = /\p{M}/u.test(part), starter = !mark || isStarter(part);
      if (starter) reorder(result, run);
      if (!mark || !/\p{Mn}/u.test(part)) trace(result, part, starts[i], ends[i]);
      if (starter) run = result.characters.length;
    }
  });
  reorder(result, run);
  return result;
}

// Combining classes are not to be had in JavaScript, but normalization shows their order: marks that it swaps are out
// of order, and a starter (class 0) is swapped with nothing. U+0334 has the lowest class, U+0345 the highest.
const swaps = (a: string, b: string): boolean => (a + b).normalize("NFD") !== a + b;
const isStarter = (mark: string): boolean => !swaps(mark, "\u0334") && !swaps("\u0345", mark);

/** Puts the combining marks from `run` on in canonical order; marks of one class stay as they are. */
function reorder({ characters, starts, ends }: Traced, run: number): void {
  if (characters.length - run < 2) return;
  const marks = characters.map((character, i) => ({ character, start: starts[i], end: ends[i] })).slice(run);
  const classes = [...new Set(characters.slice(run))].sort((a, b) => swaps(a, b) ? 1 : swaps(b, a) ? -1 : 0);
  const rank = new Map<string, number>();
  classes.forEach((mark, i) => {
    const before = classes[i - 1];
    rank.set(mark, i > 0 ? rank.get(before)! + Number(swaps(mark, before)) : 0);
  });
  marks.sort((a, b) => rank.get(a.character)! - rank.get(b.character)!);
  // What has moved is no longer where it came from, so the run shares one range and offsets never step back.
  const moved = marks.some(({ character }, i) => character !== characters[run + i]);
  const start = starts[run], end = ends[ends.length - 1];
  marks.forEach((mark, i) => {
    characters[run + i] = mark.character;
    if (moved) [starts[run + i], ends[run + i]] = [start, end];
  });
}
