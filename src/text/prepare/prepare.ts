// A corpus of any size as token files: the input is divided into units, each unit becomes one shard, and an index says what
// the shards are together. Units depend on the input alone, never on who works on them, so they can be shared out to
// threads; seeing it through, and going on where it was stopped, is in run.ts. Reading is in documents.ts.

import type { Storage } from "../../core/storage.ts";
import type { Tokenizer } from "../tokenizer.ts";
import { type EncodedDocument, readTokenInfo, type TokenFileInfo, writeTokens } from "../token_file.ts";
import { type CorpusSource, type DocumentPiece, type ReadOptions, readSource } from "./documents.ts";
import { type Filters, isDenied, type Print, Printer } from "./filters.ts";

/** What makes one shard. */
export interface CorpusUnit {
  /** Its number, from 0. */
  readonly index: number;
  /** What it is made of. */
  readonly sources: readonly CorpusSource[];
}

/** How the documents of a corpus are read, kept and encoded. */
export interface PrepareOptions extends ReadOptions {
  /** Which documents to leave out. */
  readonly filters: Filters;
  /** The id after each document, or null for none. */
  readonly separator: number | null;
}

/** Called after each piece of a document with its UTF-8 bytes; may throw to stop. */
export type OnPiece = (bytes: number) => void;

/**
 * Divides sources into units of about `bytes` bytes: small files go together, JSON Lines are cut between lines, and any
 * other file stays whole.
 */
export function divide(sources: readonly CorpusSource[], bytes: number): CorpusUnit[] {
  if (!(bytes >= 1)) throw new RangeError(`Cannot make shards of ${bytes} bytes: give at least 1`);
  const units: CorpusUnit[] = [];
  let open: CorpusSource[] = [], size = 0;
  const close = (): void => {
    if (open.length > 0) units.push({ index: units.length, sources: open });
    open = [];
    size = 0;
  };
  for (const source of sources.flatMap((source) => parts(source, bytes))) {
    const length = source.end - source.start;
    if (size + length > bytes) close();
    open.push(source);
    size += length;
  }
  close();
  return units;
}

function parts(source: CorpusSource, bytes: number): CorpusSource[] {
  const length = source.end - source.start;
  if (source.format !== "jsonl" || source.gzip || length <= bytes) return [source];
  const count = Math.ceil(length / bytes), at = (i: number) => source.start + Math.floor(i * length / count);
  return Array.from({ length: count }, (_, i) => ({ ...source, start: at(i), end: at(i + 1) }));
}

/** The name of a unit's shard. */
export function shardName(index: number): string {
  return `shard-${String(index).padStart(5, "0")}.tokens`;
}

/** The documents of a unit, in order. */
export async function* unitPieces(
  storage: Storage,
  unit: CorpusUnit,
  options: ReadOptions,
): AsyncGenerator<DocumentPiece> {
  for (const source of unit.sources) yield* readSource(storage, source, options);
}

/** A print of every document that no list denies, null for those that one does. */
export async function* prints(
  pieces: AsyncIterable<DocumentPiece>,
  filters: Filters,
  onPiece?: OnPiece,
): AsyncGenerator<Print | null> {
  let printer: Printer | null = null, begun = false;
  for await (const { text, begins, fields } of pieces) {
    if (begins) {
      if (begun) yield printer?.finish() ?? null;
      printer = isDenied(fields, filters) ? null : new Printer(filters);
      begun = true;
    }
    printer?.add(text);
    onPiece?.(utf8Length(text));
  }
  if (begun) yield printer?.finish() ?? null;
}

/** Encodes documents. `leavesOut` tells of each, by its number, whether it is left out. */
export async function* encodePieces(
  pieces: AsyncIterable<DocumentPiece>,
  tokenizer: Pick<Tokenizer, "encoder">,
  separator: number | null,
  leavesOut: (document: number) => boolean,
  onPiece?: OnPiece,
): AsyncGenerator<EncodedDocument> {
  const encoder = tokenizer.encoder(), ending = separator === null ? [] : [separator];
  let number = -1, kept = false;
  const end = function* (): Generator<EncodedDocument> {
    if (kept) yield { ids: [...Array.from(encoder.end()), ...ending], bytes: 0, continues: true };
  };
  for await (const { text, begins } of pieces) {
    if (begins) {
      yield* end();
      kept = !leavesOut(++number);
    }
    const bytes = utf8Length(text);
    if (kept) yield { ids: encoder.push(text), bytes, continues: !begins };
    onPiece?.(bytes);
  }
  yield* end();
}

/** Makes the shard of a unit. */
export function writeShard(
  storage: Storage,
  folder: string,
  unit: CorpusUnit,
  tokenizer: Tokenizer,
  options: PrepareOptions,
  dropped: ReadonlySet<number>,
  onPiece?: OnPiece,
): Promise<TokenFileInfo> {
  const encoded = encodePieces(
    unitPieces(storage, unit, options),
    tokenizer,
    options.separator,
    (document) => dropped.has(document),
    onPiece,
  );
  return writeTokens(storage, `${folder}/${shardName(unit.index)}`, tokenizer, encoded, { allowEmpty: true });
}

/** The description of a unit's shard, or null if it is not there yet. */
export async function shardInfo(
  storage: Storage,
  folder: string,
  unit: CorpusUnit,
): Promise<TokenFileInfo | null> {
  const path = `${folder}/${shardName(unit.index)}`;
  if (await storage.stat(path) === null || await storage.stat(`${path}.json`) === null) return null;
  return await readTokenInfo(storage, path);
}

const scratch = new Uint8Array(2 ** 16), encoder = new TextEncoder();

/** Length of a text in UTF-8 bytes. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (let at = 0; at < text.length;) {
    const { read, written } = encoder.encodeInto(text.slice(at), scratch);
    at += read;
    bytes += written;
  }
  return bytes;
}
