// White space as Python sees it, for cutting a text into chunks. Rule tokenizers decide by chunk, so whoever cuts with
// JavaScript's idea of white space gets other tokens.

/** Python's str.isspace, not JavaScript's `\s`: with U+001C-001F and U+0085, without U+FEFF. */
export function isSpace(code: number): boolean {
  if (code <= 0x20) return code === 0x20 || code >= 0x1c || (code >= 9 && code <= 13);
  if (code < 0x2000) return code === 0x85 || code === 0xa0 || code === 0x1680;
  return code <= 0x200a || code === 0x2028 || code === 0x2029 || code === 0x202f || code === 0x205f ||
    code === 0x3000;
}

/** Where the run of white space, or of anything else if `space` is false, ends that begins at `start`. */
export function spanEnd(text: string, start: number, space: boolean): number {
  let end = start;
  while (end < text.length && isSpace(text.charCodeAt(end)) === space) end++;
  return end;
}
