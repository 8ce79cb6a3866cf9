// Reading a prepared corpus back: its index, and all shards as one array of ids. Whoever trains on it draws windows from
// these as from a single token file.

import type { Storage } from "../../core/storage.ts";
import { readTokens } from "../token_file.ts";
import type { Tokenizer } from "../tokenizer.ts";
import { type CorpusIndex, INDEX } from "./run.ts";

/** A prepared corpus in memory. */
export interface PreparedCorpus {
  /** The ids of all shards. */
  readonly tokens: Uint16Array | Uint32Array;
  /** What the shards are together. */
  readonly index: CorpusIndex;
}

/** The index of a prepared corpus, or null if the folder holds none. Rejects with `SyntaxError` if it is damaged. */
export async function readCorpusIndex(storage: Storage, folder: string): Promise<CorpusIndex | null> {
  const path = `${folder}/${INDEX}`;
  if (await storage.stat(path) === null) return null;
  const text = new TextDecoder().decode(await storage.read(path));
  let index: Partial<CorpusIndex> | null = null;
  try {
    index = JSON.parse(text);
  } catch {
    // said below
  }
  if (index?.format !== "foreword-corpus-1" || !Array.isArray(index.shards)) {
    throw new SyntaxError(
      `Cannot read ${
        storage.describe(path)
      }: it is not the index of a prepared corpus; run foreword prepare again`,
    );
  }
  return index as CorpusIndex;
}

/**
 * Reads a prepared corpus whole. Rejects with `SyntaxError` if a shard is damaged or another tokenizer made it, and with
 * `NotFound` if one is missing.
 */
export async function readPrepared(
  storage: Storage,
  folder: string,
  tokenizer: Pick<Tokenizer, "fingerprint">,
): Promise<PreparedCorpus> {
  const index = await readCorpusIndex(storage, folder);
  if (!index) {
    throw new SyntaxError(
      `Cannot read ${storage.describe(folder)}: it holds no ${INDEX}; run foreword prepare to the end`,
    );
  }
  const tokens = index.vocabSize <= 2 ** 16 ? new Uint16Array(index.count) : new Uint32Array(index.count);
  let at = 0;
  for (const { name } of index.shards) {
    const shard = await readTokens(storage, `${folder}/${name}`, tokenizer);
    tokens.set(shard.tokens, at);
    at += shard.tokens.length;
  }
  if (at === index.count) return { tokens, index };
  throw new SyntaxError(
    `Cannot read ${
      storage.describe(folder)
    }: its shards hold ${at} ids, its index says ${index.count}; prepare it again`,
  );
}
