// What `prepare` reads: text files, each one document, and JSON Lines, each line one document, plain or packed by gzip.
// A document comes in one piece or, where it is long, in several, so that memory stays constant. Which documents are kept
// is decided in filters.ts.

import { NotFound, type Storage } from "../../core/storage.ts";
import { filesIn } from "../corpus.ts";
import { fileBytes, gunzip, lines, utf8 } from "./byte_streams.ts";

/** How the documents of a file are written. */
export type SourceFormat = "text" | "jsonl";

/** A file to read, or a part of one. */
export interface CorpusSource {
  /** Where it is in the storage. */
  readonly path: string;
  /** How its documents are written. */
  readonly format: SourceFormat;
  /** Whether it is packed. */
  readonly gzip: boolean;
  /** The bytes to read. In JSON Lines, the lines that start there. */
  readonly start: number;
  /** Behind the last of these bytes. */
  readonly end: number;
}

/** A document, or the next piece of one. Pieces end at line breaks, or at least outside of words. */
export interface DocumentPiece {
  /** Its text, with `\n` as the only line break. */
  readonly text: string;
  /** Whether a document begins here. */
  readonly begins: boolean;
  /** Other fields of its line of JSON. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** How lines of JSON are read. */
export interface ReadOptions {
  /** The field that holds the text. Default `"text"`. */
  readonly textField?: string;
}

/** UTF-16 units from which on a line is no longer kept whole. */
const LONGEST_LINE = 2 ** 24;

const ENDINGS: Readonly<Record<string, SourceFormat>> = {
  ".txt": "text",
  ".jsonl": "jsonl",
  ".ndjson": "jsonl",
};

/**
 * The sources at a path: a file, or all files in a folder and its subfolders that end in .txt, .jsonl or .ndjson, or
 * these with .gz, ordered by name. Names that start with a dot are passed over. `format` is for a file with another
 * ending. Rejects with `NotFound` if nothing is there, with `RangeError` if it holds no such file.
 */
export async function findSources(
  storage: Storage,
  path: string,
  format?: SourceFormat,
): Promise<CorpusSource[]> {
  const root = await storage.stat(path), where = storage.describe(path);
  if (root === null) {
    throw new NotFound(`Cannot read ${where}: there is no such file or folder; check the path`);
  }
  if (root.kind === "file") {
    const source = sourceOf(path, root.bytes, format);
    if (source) return [source];
    throw new RangeError(
      `Cannot tell how ${where} is written from its name: say --format text or --format jsonl`,
    );
  }
  const sources: CorpusSource[] = [];
  for await (const file of filesIn(storage, path)) {
    const source = sourceOf(file.path, file.bytes);
    if (source) sources.push(source);
  }
  if (sources.length > 0) return sources;
  throw new RangeError(
    `Cannot use ${where}: no file in it ends in ${
      Object.keys(ENDINGS).join(", ")
    } or one of these with .gz; add one`,
  );
}

function sourceOf(path: string, bytes: number, format?: SourceFormat): CorpusSource | null {
  const lower = path.toLowerCase(), gzip = lower.endsWith(".gz"), plain = gzip ? lower.slice(0, -3) : lower;
  const found = format ?? Object.entries(ENDINGS).find(([ending]) => plain.endsWith(ending))?.[1];
  return found ? { path, format: found, gzip, start: 0, end: bytes } : null;
}

/** The documents of a source. Rejects with `SyntaxError`, naming the place, on what is not UTF-8, JSON or gzip. */
export async function* readSource(
  storage: Storage,
  source: CorpusSource,
  options: ReadOptions = {},
): AsyncGenerator<DocumentPiece> {
  const { path, format, gzip, start, end } = source, where = storage.describe(path);
  if (format !== "jsonl" || gzip) {
    const bytes = fileBytes(storage, path, start, end);
    return yield* readStream(gzip ? gunzip(bytes, where) : bytes, format, where, options);
  }
  // The line that a part begins in the middle of belongs to the part before.
  const from = start === 0 ? 0 : await nextLine(storage, path, start - 1);
  const until = await nextLine(storage, path, end - 1);
  if (from < until) yield* readStream(fileBytes(storage, path, from, until), format, where, options, from);
}

/** The documents of a stream of bytes. `offset` is where they start in their file, for messages. */
export async function* readStream(
  bytes: AsyncIterable<Uint8Array>,
  format: SourceFormat,
  where: string,
  { textField = "text" }: ReadOptions = {},
  offset = 0,
): AsyncGenerator<DocumentPiece> {
  const text = utf8(bytes, where, offset);
  if (format === "text") {
    let begins = true;
    for await (const piece of wholeLines(text)) {
      yield { text: piece, begins, fields: {} };
      begins = false;
    }
    return;
  }
  let number = 0;
  for await (const group of lines(text)) {
    for (const line of group) {
      number++;
      if (line.trim() !== "") yield documentOf(line, textField, () => placeOf(where, number, offset));
    }
  }
}

/** The same text in pieces that end after a line feed or, in a line beyond measure, before a space. */
async function* wholeLines(texts: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of texts) {
    const all = rest + text, line = all.lastIndexOf("\n") + 1;
    const cut = line > 0 ? line : all.length > LONGEST_LINE ? Math.max(0, all.lastIndexOf(" ")) : 0;
    if (cut > 0) yield all.slice(0, cut);
    rest = all.slice(cut);
  }
  if (rest !== "") yield rest;
}

const placeOf = (where: string, line: number, offset: number): string =>
  offset === 0 ? `line ${line} of ${where}` : `line ${line} after byte ${offset} of ${where}`;

function documentOf(line: string, textField: string, place: () => string): DocumentPiece {
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch (error) {
    throw new SyntaxError(`Cannot read ${place()}: it is not valid JSON (${(error as Error).message})`, {
      cause: error,
    });
  }
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) {
    throw new SyntaxError(
      `Cannot read ${place()}: it should hold a JSON object, such as {"${textField}": "…"}`,
    );
  }
  const { [textField]: text, ...others } = fields as Record<string, unknown>;
  if (typeof text !== "string") {
    const has = Object.keys(fields).slice(0, 8).join(", ") || "none";
    throw new SyntaxError(
      `Cannot read ${place()}: its field "${textField}" is ${
        text === undefined ? "missing" : "not a text"
      }; ` +
        `name the field that holds the text with --text-field (it has ${has})`,
    );
  }
  return { text: text.replace(/\r\n?/g, "\n"), begins: true, fields: others };
}

/** The offset after the first line feed at or after `from`, or the end of the file. */
async function nextLine(storage: Storage, path: string, from: number): Promise<number> {
  const { bytes } = (await storage.stat(path))!;
  let at = Math.max(0, from);
  for await (const piece of fileBytes(storage, path, at, bytes)) {
    const found = piece.indexOf(10);
    if (found >= 0) return at + found + 1;
    at += piece.length;
  }
  return bytes;
}
