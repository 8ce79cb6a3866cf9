// Seeing a preparation through: what was decided is written first (plan.json), then the prints of documents where copies
// are to be found, then one shard after another, and the index last. Each file is there whole or not at all, so a run that
// was stopped goes on with what is missing. Who does the work, and on how many threads, is up to the caller.

import type { Storage } from "../../core/storage.ts";
import type { TokenFileInfo } from "../token_file.ts";
import type { Tokenizer } from "../tokenizer.ts";
import type { CorpusSource } from "./documents.ts";
import { Copies, type Filters } from "./filters.ts";
import {
  type CorpusUnit,
  divide,
  type OnPiece,
  type PrepareOptions,
  prints,
  shardInfo,
  shardName,
  unitPieces,
  writeShard,
} from "./prepare.ts";
import { readPrints, writePrints } from "./prints_file.ts";

const FORMAT = "foreword-corpus-1", PLAN = "plan.json", PRINTS = "prints", TEMPORARY = ".tmp-";

/** The name of the index in the folder of a prepared corpus. */
export const INDEX = "index.json";

/** What the index of a prepared corpus says. */
export interface CorpusIndex {
  /** Tells the index from any other JSON. */
  readonly format: "foreword-corpus-1";
  /** Fingerprint of the tokenizer. */
  readonly tokenizer: string;
  /** Ids are below this. */
  readonly vocabSize: number;
  /** The id after each document, or null. */
  readonly separator: number | null;
  /** Number of ids in all shards. */
  readonly count: number;
  /** Documents that were kept. */
  readonly documents: number;
  /** Documents left out: on a denied domain, or copies of earlier ones. */
  readonly dropped: { readonly denied: number; readonly copies: number };
  /** UTF-8 bytes of the text that was encoded. */
  readonly bytes: number;
  /** The token files, in order. */
  readonly shards: readonly { readonly name: string; readonly count: number; readonly documents: number }[];
}

/** A piece of work for one thread. */
export type PrepareJob =
  | { readonly kind: "print"; readonly unit: CorpusUnit }
  | { readonly kind: "encode"; readonly unit: CorpusUnit; readonly dropped: ReadonlySet<number> };

/** Does a job; `onPiece` is told of the bytes it has gone through. */
export type PrepareHand = (job: PrepareJob, onPiece: OnPiece) => Promise<void>;

/** What to prepare, where to, and how far it is. */
export interface PrepareRun extends PrepareOptions {
  /** The input, in order. */
  readonly sources: readonly CorpusSource[];
  /** Where the shards go; made if missing. */
  readonly folder: string;
  /** What encodes it. */
  readonly tokenizer: Pick<Tokenizer, "fingerprint" | "size">;
  /** Input bytes in a shard, about. */
  readonly shardBytes: number;
  /** Called with the bytes gone through and to go through, packed files counted as they are. */
  readonly onProgress?: (
    progress: { readonly stage: PrepareJob["kind"]; readonly done: number; readonly of: number },
  ) => void;
}

/** Does a job in this thread. */
export function handOf(
  storage: Storage,
  folder: string,
  tokenizer: Tokenizer,
  options: PrepareOptions,
): PrepareHand {
  return async (job, onPiece) => {
    if (job.kind === "encode") {
      await writeShard(storage, folder, job.unit, tokenizer, options, job.dropped, onPiece);
    } else {
      const found = prints(unitPieces(storage, job.unit, options), options.filters, onPiece);
      await writePrints(storage, printsPath(folder, job.unit), found);
    }
  };
}

/**
 * Prepares a corpus, or goes on with one that was stopped. Every hand takes the next job when it is free; one is enough.
 * Rejects with `RangeError` if the folder was begun with other settings or input.
 */
export async function runPreparation(
  storage: Storage,
  run: PrepareRun,
  hands: readonly PrepareHand[],
): Promise<CorpusIndex> {
  const { folder, filters, sources, shardBytes } = run, units = divide(sources, shardBytes);
  await storage.makeFolder(folder);
  await agree(storage, run);
  for (const { name } of await storage.list(folder)) {
    if (name.startsWith(TEMPORARY)) await storage.remove(`${folder}/${name}`); // a process that died left it
  }
  const filtered = filters.exact || filters.near !== null || filters.deniedDomains.size > 0;
  let dropped = units.map((): ReadonlySet<number> => new Set()), counts = { denied: 0, copies: 0 };
  if (filtered) {
    await storage.makeFolder(`${folder}/${PRINTS}`);
    const missing = await filter(
      units,
      async (unit) => await storage.stat(printsPath(folder, unit)) === null,
    );
    await share(missing.map((unit) => ({ kind: "print", unit })), hands, run);
    ({ dropped, counts } = await compare(storage, folder, units, filters));
  }
  const missing = await filter(units, async (unit) => await shardInfo(storage, folder, unit) === null);
  await share(missing.map((unit) => ({ kind: "encode", unit, dropped: dropped[unit.index] })), hands, run);
  const infos = await Promise.all(units.map(async (unit) => (await shardInfo(storage, folder, unit))!));
  const index = indexOf(run, infos, counts);
  await storage.write(`${folder}/${INDEX}`, [
    new TextEncoder().encode(JSON.stringify(index, null, 2) + "\n"),
  ]);
  await storage.remove(`${folder}/${PRINTS}`);
  return index;
}

const printsPath = (folder: string, { index }: CorpusUnit): string => `${folder}/${PRINTS}/${index}`;

async function filter<T>(items: readonly T[], keeps: (item: T) => Promise<boolean>): Promise<T[]> {
  const kept = await Promise.all(items.map(keeps));
  return items.filter((_, i) => kept[i]);
}

/** Hands take jobs in order. The first failure ends all, once the jobs under way have ended. */
async function share(
  jobs: readonly PrepareJob[],
  hands: readonly PrepareHand[],
  { onProgress }: PrepareRun,
): Promise<void> {
  const waiting = [...jobs], of = jobs.reduce((sum, { unit }) => sum + bytesOf(unit), 0);
  const through = new Map<PrepareJob, number>(); // of each job begun; of packed files more bytes come out than go in
  let failure: { readonly error: unknown } | undefined;
  await Promise.all(hands.map(async (hand) => {
    for (let job = waiting.shift(); job && !failure; job = waiting.shift()) {
      const current = job, size = bytesOf(job.unit);
      const advance = (bytes: number): void => {
        through.set(current, Math.min(size, (through.get(current) ?? 0) + bytes));
        const done = through.values().reduce((sum, part) => sum + part, 0);
        onProgress?.({ stage: current.kind, done, of });
      };
      try {
        await hand(job, advance);
        advance(size);
      } catch (error) {
        failure ??= { error };
      }
    }
  }));
  if (failure) throw failure.error;
}

const bytesOf = ({ sources }: CorpusUnit): number =>
  sources.reduce((sum, { start, end }) => sum + end - start, 0);

/** Writes the plan, or checks that the one in the folder is the same. */
async function agree(storage: Storage, run: PrepareRun): Promise<void> {
  const { folder, tokenizer, separator, filters, sources, shardBytes, textField = "text" } = run;
  const path = `${folder}/${PLAN}`,
    plan = {
      format: FORMAT,
      tokenizer: tokenizer.fingerprint,
      separator,
      textField,
      shardBytes,
      filters: { ...filters, deniedDomains: [...filters.deniedDomains].sort() },
      sources,
    };
  const text = JSON.stringify(plan, null, 1) + "\n";
  if (await storage.stat(path) === null) {
    if ((await storage.list(folder)).some(({ name }) => !name.startsWith(TEMPORARY))) {
      throw new RangeError(
        `Cannot prepare a corpus in ${storage.describe(folder)}: it holds other files; choose another`,
      );
    }
    return await storage.write(path, [new TextEncoder().encode(text)]);
  }
  const before = new TextDecoder().decode(await storage.read(path));
  if (before === text) return;
  let differs = "its plan is damaged";
  try {
    const old = JSON.parse(before),
      key = Object.keys(plan).find((key) =>
        JSON.stringify(old[key]) !== JSON.stringify(plan[key as keyof typeof plan])
      );
    differs = `it was begun with another ${key === "sources" ? "input" : key}`;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new RangeError(
    `Cannot go on in ${
      storage.describe(folder)
    }: ${differs}; give the same settings, or choose another folder`,
  );
}

async function compare(
  storage: Storage,
  folder: string,
  units: readonly CorpusUnit[],
  filters: Filters,
): Promise<{ dropped: ReadonlySet<number>[]; counts: CorpusIndex["dropped"] }> {
  const copies = new Copies(filters), dropped: Set<number>[] = [], counts = { denied: 0, copies: 0 };
  for (const unit of units) {
    const left = new Set<number>();
    let document = 0;
    for await (const print of readPrints(storage, printsPath(folder, unit))) {
      const reason = print === null ? "denied" : copies.has(print) ? "copies" : null;
      if (reason) {
        counts[reason]++;
        left.add(document);
      }
      document++;
    }
    dropped.push(left);
  }
  return { dropped, counts };
}

function indexOf(
  run: PrepareRun,
  infos: readonly TokenFileInfo[],
  dropped: CorpusIndex["dropped"],
): CorpusIndex {
  const sum = (value: (info: TokenFileInfo) => number): number =>
    infos.reduce((total, info) => total + value(info), 0);
  return {
    format: FORMAT,
    tokenizer: run.tokenizer.fingerprint,
    vocabSize: run.tokenizer.size,
    separator: run.separator,
    count: sum(({ count }) => count),
    documents: sum(({ documents }) => documents.length),
    dropped,
    bytes: sum(({ bytes }) => bytes),
    shards: infos.map(({ count, documents }, index) => ({
      name: shardName(index),
      count,
      documents: documents.length,
    })),
  };
}
