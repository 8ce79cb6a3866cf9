// How often each word of a corpus occurs, in bounded memory. When too many different words have come together they are
// written, sorted, to a shard in a storage; at the end the shards are merged as sorted streams. If even the merged words
// are too many, the rarest are left out: `dropped` says how many, and how rare. Splitting texts into words is the
// tokenizers' business.

import type { Storage } from "../../core/storage.ts";
import { Heap } from "../heap.ts";

/** Where counts go that do not fit into memory. */
export interface Spill {
  /** Holds the shards. */
  readonly storage: Storage;
  /** A folder for them, which is made, and removed again at the end. */
  readonly folder: string;
  /** Different words held in memory at a time, about 100 bytes each. Default 4,000,000. */
  readonly words?: number;
}

/** What every trainer of a vocabulary is told. */
export interface TrainingOptions {
  /** Number of ids in the result. */
  readonly vocabSize: number;
  /** Pairs seen less often than this are not merged. Default 2. */
  readonly minFrequency?: number;
  /** Where counts of words go that do not fit into memory. Without it, all are held in memory. */
  readonly spill?: Spill;
  /** Called now and then with the merges made and wanted; a WordPiece counts all its tokens. */
  readonly onProgress?: (progress: { readonly made: number; readonly of: number }) => void;
  /** Stops training; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** What was counted. */
export interface WordCounts {
  /** Words and their occurrences, in no particular order. */
  readonly words: Map<string, number>;
  /** Different words left out because they were too many, and the most often that one of them occurs. */
  readonly dropped: { readonly words: number; readonly atMost: number };
}

/** Throws `RangeError` unless these settings of a trainer are positive whole numbers. */
export function checkTraining(settings: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(settings)) {
    if (Number.isSafeInteger(value) && value >= 1) continue;
    throw new RangeError(
      `Cannot train a tokenizer with ${name} ${value}: it must be a positive whole number`,
    );
  }
}

type Entry = readonly [word: string, count: number];

const WORDS = 4_000_000, LINES = 4096, PIECE = 2 ** 20;

/** Counts all words of some documents. Without `spill` everything stays in memory. */
export async function countWords<T>(
  documents: Iterable<T> | AsyncIterable<T>,
  wordsOf: (document: T) => Iterable<string>,
  { spill, signal }: { readonly spill?: Spill | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<WordCounts> {
  const most = spill ? spill.words ?? WORDS : Infinity, shards: string[] = [];
  if (!(most >= 1)) throw new RangeError(`Cannot hold ${most} words in memory: give at least 1`);
  let words = new Map<string, number>();
  try {
    for await (const document of documents) {
      signal?.throwIfAborted();
      for (const word of wordsOf(document)) {
        words.set(word, (words.get(word) ?? 0) + 1);
        if (words.size < most) continue;
        shards.push(await writeShard(spill!, shards.length, words));
        words = new Map();
      }
    }
    if (shards.length === 0) return { words, dropped: { words: 0, atMost: 0 } };
    const streams = [sorted(words), ...shards.map((path) => readShard(spill!.storage, path))];
    return await keepFrequent(merged(streams), most);
  } finally {
    if (shards.length > 0) await spill!.storage.remove(spill!.folder);
  }
}

function sorted(words: ReadonlyMap<string, number>): Entry[] {
  return [...words].sort(([a], [b]) => a < b ? -1 : 1);
}

async function writeShard(
  { storage, folder }: Spill,
  index: number,
  words: Map<string, number>,
): Promise<string> {
  const path = `${folder}/${index}.jsonl`, entries = sorted(words), encoder = new TextEncoder();
  function* lines(): Generator<Uint8Array> {
    for (let at = 0; at < entries.length; at += LINES) {
      yield encoder.encode(
        entries.slice(at, at + LINES).map((entry) => JSON.stringify(entry) + "\n").join(""),
      );
    }
  }
  await storage.makeFolder(folder);
  await storage.write(path, lines());
  return path;
}

async function* readShard(storage: Storage, path: string): AsyncGenerator<Entry> {
  const { bytes } = (await storage.stat(path))!, decoder = new TextDecoder();
  let rest = "";
  for (let start = 0; start < bytes; start += PIECE) {
    const piece = await storage.readRange(path, start, Math.min(bytes, start + PIECE));
    const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield JSON.parse(line) as Entry;
  }
}

/** The entries of sorted streams in order, counts of the same word added up. */
async function* merged(streams: readonly (Iterable<Entry> | AsyncIterable<Entry>)[]): AsyncGenerator<Entry> {
  interface Head {
    entry: Entry;
    readonly stream: Iterator<Entry> | AsyncIterator<Entry>;
  }
  const heads = new Heap<Head>((a, b) => a.entry[0] < b.entry[0]);
  const advance = async (stream: Head["stream"]): Promise<void> => {
    const { value, done } = await stream.next();
    if (!done) heads.push({ entry: value, stream });
  };
  for (const stream of streams) {
    await advance(
      Symbol.asyncIterator in stream ? stream[Symbol.asyncIterator]() : stream[Symbol.iterator](),
    );
  }
  let current: [string, number] | null = null;
  for (let head = heads.pop(); head; head = heads.pop()) {
    const [word, count] = head.entry;
    if (current?.[0] === word) current[1] += count;
    else {
      if (current) yield current;
      current = [word, count];
    }
    await advance(head.stream);
  }
  if (current) yield current;
}

/** At most `most` words: whenever there are more, those are dropped that occur no more often than the rarest. */
async function keepFrequent(entries: AsyncIterable<Entry>, most: number): Promise<WordCounts> {
  const words = new Map<string, number>();
  let dropped = 0, atMost = 0;
  for await (const [word, count] of entries) {
    if (count <= atMost) {
      dropped++;
      continue;
    }
    words.set(word, count);
    if (words.size <= most) continue;
    atMost = Infinity;
    for (const count of words.values()) atMost = Math.min(atMost, count);
    for (const [word, count] of words) {
      if (count <= atMost && words.delete(word)) dropped++;
    }
  }
  return { words, dropped: { words: dropped, atMost } };
}
