// Files and streams as bytes, and bytes as text, a piece at a time: memory stays constant whatever the input's size. UTF-8
// is checked, never repaired, and what is wrong is named by its offset. What the text means is read in documents.ts.

import type { Storage } from "../../core/storage.ts";
import { firstInvalid } from "../corpus.ts";

const PIECE = 2 ** 22;

/** Bytes as they come. */
export type Bytes = AsyncIterable<Uint8Array>;

/** Bytes `start` to `end` of a file. */
export async function* fileBytes(
  storage: Storage,
  path: string,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end; at += PIECE) {
    yield await storage.readRange(path, at, Math.min(end, at + PIECE));
  }
}

/** What gzip packed, unpacked. `where` names the file in the error for a damaged one. */
export async function* gunzip(bytes: Bytes, where: string): AsyncGenerator<Uint8Array> {
  const source = bytes[Symbol.asyncIterator]();
  const packed = new ReadableStream<BufferSource>({
    async pull(controller) {
      const { value, done } = await source.next();
      if (done) controller.close();
      else controller.enqueue(value as Uint8Array<ArrayBuffer>);
    },
    cancel: async () => void await source.return?.(),
  });
  const reader = packed.pipeThrough(new DecompressionStream("gzip")).getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      yield value;
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // what the decompressor throws; other errors are the source's
    throw new SyntaxError(`Cannot unpack ${where}: it is not whole gzip data; fetch or make it again`, {
      cause: error,
    });
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/**
 * UTF-8 as text, without byte order mark and with `\n` as the only line break. `offset` is where the bytes start in the
 * file, for messages. Throws `SyntaxError` on what is not UTF-8.
 */
export async function* utf8(bytes: Bytes, where: string, offset = 0): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let rest = new Uint8Array(0), at = offset, owed = ""; // a carriage return whose line feed may follow
  const decoded = (data: Uint8Array): string => {
    try {
      return decoder.decode(data as Uint8Array<ArrayBuffer>);
    } catch {
      const wrong = firstInvalid(data);
      throw new SyntaxError(
        `Cannot read ${where}: byte ${at + wrong} (0x${
          data[wrong].toString(16)
        }) is not valid UTF-8; if the text is in ` +
          `another encoding, convert it: iconv -f latin1 -t utf-8 FILE > NEW`,
      );
    }
  };
  let first = offset === 0;
  for await (const piece of bytes) {
    const data = rest.length === 0 ? piece : joined(rest, piece), whole = data.length - unfinished(data);
    let text = owed + decoded(data.subarray(0, whole));
    if (first && text !== "") {
      if (text.startsWith("\ufeff")) text = text.slice(1);
      first = false;
    }
    owed = text.endsWith("\r") ? "\r" : "";
    text = text.slice(0, text.length - owed.length).replace(/\r\n?/g, "\n");
    rest = data.slice(whole);
    at += whole;
    if (text !== "") yield text;
  }
  const text = decoded(rest) + (owed && "\n"); // what is left of a character is an error by now
  if (text !== "") yield text;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** How many bytes at the end belong to a character that is not complete. */
function unfinished(data: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, data.length); back++) {
    const byte = data[data.length - back];
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

/** Whole lines of a text, in groups, without their line feeds; an unfinished one at the end counts. */
export async function* lines(texts: AsyncIterable<string>): AsyncGenerator<string[]> {
  let rest: string[] = []; // pieces of one long line are joined once
  for await (const text of texts) {
    const found = text.split("\n"), last = found.pop()!;
    if (found.length > 0) {
      found[0] = rest.join("") + found[0];
      rest = [];
      yield found;
    }
    if (last !== "") rest.push(last);
  }
  if (rest.length > 0) yield [rest.join("")];
}
