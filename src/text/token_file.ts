// A corpus as token ids on disk: little-endian uint16, or uint32 for vocabularies above 65,536, in one plain file,
// and beside it `<name>.json`, which says how to read it: which tokenizer made it (by fingerprint), where documents
// start, how many bytes of text it stands for (for bits per byte), and a SHA-256 of each block, so that both writing
// and checking need one block of memory at a time. Choosing batches from the ids is in batches.ts.

import { NotFound, type Storage } from "../core/storage.ts";
import { type CorpusOptions, documents } from "./corpus.ts";
import { sha256 } from "./digest.ts";
import type { Tokenizer } from "./tokenizer.ts";

const FORMAT = "foreword-tokens", VERSION = 1, BLOCK = 2 ** 22;

/** What the JSON file beside a token file says. */
export interface TokenFileInfo {
  /** Tells the description from any other JSON; readers refuse another value. */
  readonly format: "foreword-tokens";
  /** Of this format: 1. Readers refuse any other. */
  readonly version: number;
  /** Type of an id, little-endian. */
  readonly dtype: "uint16" | "uint32";
  /** Number of ids. */
  readonly count: number;
  /** How many of them stand for text that the vocabulary could not spell. */
  readonly unknown: number;
  /** Ids are below this. */
  readonly vocabSize: number;
  /** For each document, the index of its first id. */
  readonly documents: readonly number[];
  /** UTF-8 bytes of the text that was encoded. */
  readonly bytes: number;
  /** Fingerprint of the tokenizer. */
  readonly tokenizer: string;
  /** Bytes per block; the last block is shorter. */
  readonly block: number;
  /** SHA-256 of each block, in hex. */
  readonly sha256: readonly string[];
}

/** A token file in memory. */
export interface TokenFile {
  /** All documents' ids, one document after another. */
  readonly tokens: Uint16Array | Uint32Array;
  /** The description it was read by, checked against the file. */
  readonly info: TokenFileInfo;
}

/** A document as ids, or a part of one. */
export interface EncodedDocument {
  /** From 0 to the tokenizer's size - 1; gone through once. */
  readonly ids: Iterable<number> | ArrayLike<number>;
  /** UTF-8 bytes of its text. */
  readonly bytes: number;
  /** Whether this continues the document before. */
  readonly continues?: boolean;
}

/** How to encode a corpus. */
export interface EncodeOptions extends CorpusOptions {
  /** Called after each document with the totals so far. */
  readonly onProgress?: (progress: { path: string; documents: number; bytes: number }) => void;
  /** Stops encoding; the promise then rejects with the signal's reason and no token file is left. */
  readonly signal?: AbortSignal;
}

/**
 * Encodes the texts at `source` (see {@link documents}) into a token file at `target`, one document in memory at a
 * time. Documents follow each other without a mark between them, as in GPT-1's pre-training.
 *
 * @example
 * ```ts
 * import { encodeCorpus, memoryStorage, readTokens, trainBpe } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const storage = memoryStorage({ "books/one.txt": "low lower", "books/two.txt": "lowest" });
 * const tokenizer = await trainBpe(["low lower lowest"], { vocabSize: 18 });
 * await encodeCorpus(storage, "books", "books.tokens", tokenizer);
 * const { tokens } = await readTokens(storage, "books.tokens", tokenizer);
 * assertEquals(tokenizer.decode(tokens), "low lower lowest");
 * ```
 */
export function encodeCorpus(
  storage: Storage,
  source: string,
  target: string,
  tokenizer: Tokenizer,
  { extensions, onProgress, signal }: EncodeOptions = {},
): Promise<TokenFileInfo> {
  async function* encoded(): AsyncGenerator<EncodedDocument, void, undefined> {
    let count = 0, total = 0;
    for await (const { path, text, bytes } of documents(storage, source, extensions ? { extensions } : {})) {
      signal?.throwIfAborted();
      yield { ids: tokenizer.encodeText(text), bytes };
      onProgress?.({ path, documents: ++count, bytes: total += bytes });
    }
  }
  return writeTokens(storage, target, tokenizer, encoded());
}

/**
 * Writes documents that are already encoded. Rejects with `RangeError` if there is not a single id (unless `allowEmpty`),
 * or one that the tokenizer does not have.
 */
export async function writeTokens(
  storage: Storage,
  path: string,
  { size, fingerprint, unknown: none }: Pick<Tokenizer, "size" | "fingerprint" | "unknown">,
  encoded: Iterable<EncodedDocument> | AsyncIterable<EncodedDocument>,
  { allowEmpty = false }: { readonly allowEmpty?: boolean } = {},
): Promise<TokenFileInfo> {
  const dtype = size <= 2 ** 16 ? "uint16" : "uint32", width = dtype === "uint16" ? 2 : 4;
  const starts: number[] = [], digests: string[] = [];
  let count = 0, unknown = 0, bytes = 0;

  async function* blocks(): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    let block = new DataView(new ArrayBuffer(BLOCK)), used = 0;
    async function seal(): Promise<Uint8Array<ArrayBuffer>> {
      const data = new Uint8Array(block.buffer, 0, used);
      digests.push(await sha256(data));
      block = new DataView(new ArrayBuffer(BLOCK)); // the storage may still hold on to the old one
      used = 0;
      return data;
    }
    for await (const document of encoded) {
      if (!document.continues) starts.push(count);
      bytes += document.bytes;
      const ids = Symbol.iterator in document.ids ? document.ids : Array.from(document.ids);
      for (const id of ids) {
        if (!(id >= 0 && id < size)) {
          throw new RangeError(
            `Cannot write id ${id} to ${storage.describe(path)}: the tokenizer has ${size} ids`,
          );
        }
        if (width === 2) block.setUint16(used, id, true);
        else block.setUint32(used, id, true);
        count++;
        if (id === none) unknown++;
        if ((used += width) === BLOCK) yield await seal();
      }
    }
    if (count === 0 && !allowEmpty) {
      throw new RangeError(`Cannot write ${storage.describe(path)}: the documents hold no tokens`);
    }
    if (used > 0) yield await seal();
  }

  // Without its description the file counts as unfinished, whatever stops us in between.
  await storage.remove(sidecar(path));
  await storage.write(path, blocks());
  const info: TokenFileInfo = {
    format: FORMAT,
    version: VERSION,
    dtype,
    count,
    unknown,
    vocabSize: size,
    documents: starts,
    bytes,
    tokenizer: fingerprint,
    block: BLOCK,
    sha256: digests,
  };
  await storage.write(sidecar(path), [new TextEncoder().encode(JSON.stringify(info) + "\n")]);
  return info;
}

/**
 * Reads a token file and checks every block. Rejects with `NotFound` if it or its description is missing, and with
 * `SyntaxError` if they do not agree, or, when `tokenizer` is given, if another tokenizer made it.
 */
export async function readTokens(
  storage: Storage,
  path: string,
  tokenizer?: Pick<Tokenizer, "fingerprint">,
): Promise<TokenFile> {
  const info = await readTokenInfo(storage, path), where = storage.describe(path);
  const { dtype, count, block, vocabSize } = info, width = dtype === "uint16" ? 2 : 4;
  if (tokenizer && tokenizer.fingerprint !== info.tokenizer) {
    throw new SyntaxError(
      `Cannot use ${where}: it was made with tokenizer ${info.tokenizer.slice(0, 12)}…, not with ` +
        `${tokenizer.fingerprint.slice(0, 12)}…; encode the corpus again with this tokenizer`,
    );
  }
  const file = await storage.stat(path);
  if (file === null) {
    throw new NotFound(`Cannot read ${where}: the file is missing, only its description is there`);
  }
  if (file.bytes !== count * width) {
    throw new SyntaxError(
      `Cannot read ${where}: it has ${file.bytes} bytes, but ${count} ids as ${dtype} take ${
        count * width
      }; ` +
        `encode the corpus again`,
    );
  }
  const tokens = dtype === "uint16" ? new Uint16Array(count) : new Uint32Array(count);
  for (let start = 0, at = 0; start < file.bytes; start += block) {
    const end = Math.min(start + block, file.bytes);
    const data = new Uint8Array(await storage.readRange(path, start, end));
    if (data.length !== end - start || await sha256(data) !== info.sha256[start / block]) {
      throw new SyntaxError(
        `Cannot use ${where}: bytes ${start} to ${end} have changed since they were written; encode the corpus again`,
      );
    }
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    for (let i = 0; i < data.length; i += width) {
      const id = width === 2 ? view.getUint16(i, true) : view.getUint32(i, true);
      if (id >= vocabSize) {
        throw new SyntaxError(`Cannot use ${where}: id ${id} at ${at} is not below ${vocabSize}`);
      }
      tokens[at++] = id;
    }
  }
  return { tokens, info };
}

/** Reads only the description of a token file. Rejects as {@link readTokens} does. */
export async function readTokenInfo(storage: Storage, path: string): Promise<TokenFileInfo> {
  const where = storage.describe(sidecar(path));
  if (await storage.stat(sidecar(path)) === null) {
    throw new NotFound(
      `Cannot read ${storage.describe(path)}: its description ${where} is missing; encode it again`,
    );
  }
  let info: Partial<TokenFileInfo> | null;
  try {
    info = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(await storage.read(sidecar(path))));
  } catch (error) {
    throw new SyntaxError(`Cannot read ${where}: not valid JSON; encode the corpus again`, { cause: error });
  }
  const fault = faultOf(info ?? {});
  if (fault !== null) throw new SyntaxError(`Cannot read ${where}: ${fault}; encode the corpus again`);
  return info as TokenFileInfo;
}

/** What is wrong with a description, or null. */
function faultOf(info: Partial<TokenFileInfo>): string | null {
  if (info.format !== FORMAT) return `its format is ${JSON.stringify(info.format)}, not ${FORMAT}`;
  if (info.version !== VERSION) {
    return `it has version ${info.version}, this program reads version ${VERSION}`;
  }
  if (info.dtype !== "uint16" && info.dtype !== "uint32") {
    return `dtype ${JSON.stringify(info.dtype)} is unknown`;
  }
  const width = info.dtype === "uint16" ? 2 : 4;
  for (const key of ["count", "unknown", "vocabSize", "bytes", "block"] as const) {
    if (!Number.isSafeInteger(info[key]) || info[key]! < 0) return `${key} is ${JSON.stringify(info[key])}`;
  }
  if (typeof info.tokenizer !== "string") return "it names no tokenizer";
  if (info.block! < width || info.block! % width !== 0) return `block is ${info.block}`;
  const blocks = Math.ceil(info.count! * width / info.block!);
  if (!Array.isArray(info.sha256) || info.sha256.length !== blocks) {
    return `it should have ${blocks} checksums`;
  }
  const starts = info.documents;
  const ordered = Array.isArray(starts) &&
    starts.every((start, i) =>
      Number.isSafeInteger(start) && start >= (i === 0 ? 0 : starts[i - 1]) && start <= info.count!
    );
  return ordered ? null : "the starts of its documents are not in order";
}

const sidecar = (path: string): string => `${path}.json`;
