// Any tokenizer by its path: which kind it is, told from the files.

import type { Storage } from "../core/storage.ts";
import { loadBpe } from "./bpe_files.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Kinds that files alone do not tell. */
export const tokenizerTypes: readonly string[] = ["bert-uncased", "bert-cased"];

/** Opens a tokenizer. */
export async function openTokenizer(storage: Storage, path: string, _type?: string): Promise<Tokenizer> {
  return await loadBpe(storage, path);
}

/** Ids of special tokens by their names. */
export function specialIds(_tokenizer: Tokenizer): ReadonlyMap<string, number> {
  return new Map();
}
