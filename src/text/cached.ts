// A memory for what is computed from short strings again and again: chunks of a text, words. It is for results that
// depend on the string alone.

const CACHED = 2 ** 16, CACHED_LENGTH = 64;

/** UTF-16 units of a chunk from which on remembering its parts costs more than it saves: what is so long is no prose. */
export const NO_PROSE = 2048;

/**
 * `make` with a memory for short strings. It has two generations: when the young one is full it becomes the old one,
 * and what is still in use is taken over from there.
 */
export function cached<T>(make: (text: string) => T): (text: string) => T {
  let young = new Map<string, T>(), old = young;
  return (text) => {
    const found = young.get(text);
    if (found !== undefined) return found;
    if (text.length > CACHED_LENGTH) return make(text);
    // Engines keep a whole text alive for the sake of a slice of it; a copy through a longer string does not.
    const key = `${text} `.slice(0, -1), made = old.get(key) ?? make(key);
    if (young.size >= CACHED) {
      old = young;
      young = new Map();
    }
    young.set(key, made);
    return made;
  };
}
