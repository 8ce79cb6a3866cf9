// Special tokens within texts. Which of them count is the caller's choice, text by text: what users write must not be
// able to end a document. Where two could begin, the longer one counts.

/** Part of a text: ordinary, or a special token. */
export type Segment = { readonly text: string } | { readonly id: number };

/** Splits a text at the special tokens that are allowed; all of the others stay ordinary text. */
export function* segments(
  text: string,
  special: ReadonlyMap<string, number>,
  allowed: "all" | readonly string[],
): Generator<Segment, void, undefined> {
  const names = allowed === "all" ? [...special.keys()] : [...allowed];
  for (const name of names) {
    if (!special.has(name)) {
      const known = special.size > 0 ? `it has ${[...special.keys()].join(", ")}` : "it has none";
      throw new RangeError(
        `Cannot allow ${JSON.stringify(name)}: not a special token of this tokenizer; ${known}`,
      );
    }
  }
  if (names.length === 0) return yield { text };
  const escaped = names.sort((a, b) => b.length - a.length).map((name) =>
    name.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")
  );
  let at = 0;
  for (const { 0: found, index } of text.matchAll(new RegExp(escaped.join("|"), "g"))) {
    if (index > at) yield { text: text.slice(at, index) };
    yield { id: special.get(found)! };
    at = index + found.length;
  }
  if (at < text.length) yield { text: text.slice(at) };
}
