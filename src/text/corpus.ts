// Text files as documents: one file or a folder of them, in a fixed order, as UTF-8 that has been checked. Cleaning
// and tokenizing come later (pretokenizers.ts, bpe.ts); token files are in token_file.ts. A text in another encoding is
// refused rather than guessed at, because a wrong guess would only show in what the model writes.

import { NotFound, type Storage } from "../core/storage.ts";

/** One text of a corpus. */
export interface Document {
  /** Its path in the storage. */
  readonly path: string;
  /** Its text without byte order mark, with `\n` as the only line break. */
  readonly text: string;
  /** Length of `text` in UTF-8 bytes. */
  readonly bytes: number;
}

/** Which files of a folder belong to a corpus. */
export interface CorpusOptions {
  /** File name endings, in lower case. Default `[".txt"]`. A path that names a file is read whatever its ending. */
  readonly extensions?: readonly string[];
}

// Below every engine's limit on the length of a string (V8's is 2^29 - 24).
const LARGEST = 512_000_000;

/**
 * The documents of a file, or of a folder and its subfolders, ordered by name. Names that start with a dot and blank
 * files are passed over. Rejects with `NotFound` if nothing is at `path`, with `RangeError` if it holds no text or a
 * file over 512 MB, and with `SyntaxError` if a file is not UTF-8.
 *
 * @example
 * ```ts
 * import { documents, type Storage } from "@foreword/foreword";
 * async function size(storage: Storage, path: string): Promise<number> {
 *   let bytes = 0;
 *   for await (const document of documents(storage, path)) bytes += document.bytes;
 *   return bytes;
 * }
 * ```
 */
export async function* documents(
  storage: Storage,
  path: string,
  { extensions = [".txt"] }: CorpusOptions = {},
): AsyncGenerator<Document, void, undefined> {
  const root = await storage.stat(path);
  if (root === null) {
    throw new NotFound(
      `Cannot read the corpus ${storage.describe(path)}: there is no such file or folder; check the path`,
    );
  }
  let files = 0, found = 0;
  const named = root.kind === "file" ? [{ path }] : filesIn(storage, path);
  for await (const file of named) {
    if (root.kind === "folder" && !extensions.some((ending) => file.path.toLowerCase().endsWith(ending))) {
      continue;
    }
    files++;
    const document = await readDocument(storage, file.path);
    if (document === null) continue;
    found++;
    yield document;
  }
  if (found > 0) return;
  const where = storage.describe(path);
  if (files > 0) {
    throw new RangeError(
      `Cannot use the corpus ${where}: it holds only blank text; give a file with text in it`,
    );
  }
  throw new RangeError(
    `Cannot use the corpus ${where}: no file in it ends in ${extensions.join(" or ")}; add one`,
  );
}

/** All files in a folder and its subfolders, ordered by name; names that start with a dot are passed over. */
export async function* filesIn(
  storage: Storage,
  folder: string,
): AsyncGenerator<{ readonly path: string; readonly bytes: number }, void, undefined> {
  for (const { name, kind, bytes } of await storage.list(folder)) {
    if (name.startsWith(".")) continue;
    const path = folder === "" ? name : folder.endsWith("/") ? folder + name : `${folder}/${name}`;
    if (kind === "folder") yield* filesIn(storage, path);
    else yield { path, bytes };
  }
}

/** The document in a file, or null if it is blank. */
async function readDocument(storage: Storage, path: string): Promise<Document | null> {
  const entry = await storage.stat(path);
  if (entry !== null && entry.bytes > LARGEST) {
    throw new RangeError(
      `Cannot read ${storage.describe(path)}: ${entry.bytes} bytes are too many for one document (at most ` +
        `${LARGEST}); split it, for example with: split -C 256m --additional-suffix=.txt`,
    );
  }
  const data = await storage.read(path);
  const original = decodeUtf8(data, storage.describe(path));
  const text = original.replace(/\r\n?/g, "\n");
  if (text.trim() === "") return null;
  const mark = data[0] === 0xef && data[1] === 0xbb && data[2] === 0xbf ? 3 : 0;
  return { path, text, bytes: data.length - mark - (original.length - text.length) };
}

/** UTF-8 as text, without byte order mark. Throws `SyntaxError` with the offset of the first byte that is not UTF-8. */
export function decodeUtf8(data: Uint8Array, where: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(data);
  } catch {
    const at = firstInvalid(data);
    const wide = (data[0] === 0xff && data[1] === 0xfe) || (data[0] === 0xfe && data[1] === 0xff);
    const from = wide ? "utf-16" : "latin1";
    throw new SyntaxError(
      `Cannot read ${where}: byte ${at} (0x${data[at].toString(16)}) is not valid UTF-8; if the file is in ` +
        `${wide ? "UTF-16" : "Latin-1"}, convert it: iconv -f ${from} -t utf-8 FILE > NEW`,
    );
  }
}

/** Offset of the first byte that cannot belong to UTF-8 text, by table 3-7 of the Unicode standard. */
export function firstInvalid(data: Uint8Array): number {
  let at = 0;
  while (at < data.length) {
    const lead = data[at];
    const length = lead < 0x80
      ? 1
      : lead < 0xc2
      ? 0
      : lead < 0xe0
      ? 2
      : lead < 0xf0
      ? 3
      : lead < 0xf5
      ? 4
      : 0;
    if (length === 0) return at;
    // The second byte also excludes overlong forms, surrogates and what lies above U+10FFFF.
    const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    for (let k = 1; k < length; k++) {
      const byte = data[at + k];
      if (!(byte >= (k === 1 ? low : 0x80) && byte <= (k === 1 ? high : 0xbf))) return at;
    }
    at += length;
  }
  return at;
}
