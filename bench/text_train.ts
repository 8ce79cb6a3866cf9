// Training a tokenizer of a wanted size on text that may be too little for it: then of the largest size it yields, which
// the trainers name in their complaint.

/** A size that the text yields: `wanted`, or less. */
export interface Trained<T> {
  readonly tokenizer: T;
  readonly vocabSize: number;
}

/** Trains with `wanted` ids or as many as the text yields. */
export async function trainUpTo<T>(
  train: (vocabSize: number) => Promise<T>,
  wanted: number,
): Promise<Trained<T>> {
  try {
    return { tokenizer: await train(wanted), vocabSize: wanted };
  } catch (error) {
    const most = error instanceof RangeError && /yields at most (\d+)/.exec(error.message);
    if (!most) throw error;
    return { tokenizer: await train(Number(most[1])), vocabSize: Number(most[1]) };
  }
}

/** The first `share` of some documents, by length; the last of them is cut. */
export function firstShare(documents: readonly string[], share: number): string[] {
  let room = Math.ceil(share * documents.reduce((sum, { length }) => sum + length, 0));
  const taken: string[] = [];
  for (const document of documents) {
    if (room <= 0) break;
    taken.push(prefix(document, room));
    room -= document.length;
  }
  return taken;
}

/** The first `units` UTF-16 units of a text, or one less where that would cut a character. */
export function prefix(text: string, units: number): string {
  const last = text.charCodeAt(units - 1);
  return text.slice(0, units < text.length && last >= 0xd800 && last < 0xdc00 ? units - 1 : units);
}
