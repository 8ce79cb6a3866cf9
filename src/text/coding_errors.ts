// What every tokenizer says of input it cannot take, in one wording: ids that do not exist and bytes that are not
// UTF-8. The errors of damaged vocabularies are in the files that read them.

/** The error for an id that a tokenizer of `size` ids does not have. */
export function unknownId(id: number, size: number): RangeError {
  return new RangeError(`Cannot decode id ${id}: this tokenizer has ids 0 to ${size - 1}`);
}

/** The error for a byte that no UTF-8 text has at this place. */
export function invalidAt(offset: number, byte: number): SyntaxError {
  const shown = `0x${byte.toString(16).padStart(2, "0")}`;
  return new SyntaxError(
    `Cannot encode bytes that are not UTF-8: the first wrong one is ${shown} at offset ${offset}; ` +
      `convert them first, or ask for replacement characters with { invalid: "replace" }`,
  );
}
