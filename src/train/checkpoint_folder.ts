// Checkpoint folders that survive a crash at any moment. A run folder holds `checkpoints/step-00000100/` (any files, and
// `checkpoint.json` with their sizes and SHA-256) and `checkpoints.json`, which says which one is `last` and `best`.
// A checkpoint is written under a temporary name, renamed whole, pointed to, and only then are older ones removed.
// Also here: keeping `metrics.jsonl` in step with the checkpoint a run resumes from. What the files mean is not known.

import { sha256 } from "@noble/hashes/sha2.js";
import { NotFound, type Storage } from "../core/storage.ts";
import type { ByteParts } from "./safetensors.ts";

/** A checkpoint that is not what was saved. The message names the file, what is wrong with it and what to do. */
export class DamagedCheckpoint extends Error {
  /** Always `"DamagedCheckpoint"`. */
  override readonly name = "DamagedCheckpoint";
}

/** What `saveCheckpoint` saves. */
export interface CheckpointContent {
  /** Training steps done, 0 or more. */
  readonly step: number;
  /** Files by name (letters, digits, `.`, `_`, `-`), in bytes or as a stream that is never held whole. */
  readonly files: Readonly<Record<string, ByteParts>>;
  /** Whatever else belongs to it, as JSON: configuration, seeds, data position. JSON has no NaN and no Infinity. */
  readonly info: unknown;
  /** Whether this is now the best one; else the best one so far stays. */
  readonly best?: boolean;
}

/** A checkpoint that was found whole. */
export interface Checkpoint {
  /** Path of its folder in the storage. */
  readonly folder: string;
  /** Training steps done. */
  readonly step: number;
  /** The `info` it was saved with. */
  readonly info: unknown;
  /** Names of its files. */
  readonly files: readonly string[];
  /** Path of one of its files. Throws `NotFound` for a name that is not in `files`. */
  path(name: string): string;
}

/** One line of `listCheckpoints`. */
export interface CheckpointEntry {
  /** The folder's name, which `openCheckpoint` takes. */
  readonly name: string;
  /** Training steps done. */
  readonly step: number;
  /** Whether `last` points to it. */
  readonly last: boolean;
  /** Whether `best` points to it. */
  readonly best: boolean;
}

interface Pointers {
  readonly last: string | null;
  readonly best: string | null;
}

interface Sidecar {
  readonly format: number;
  readonly step: number;
  readonly info: unknown;
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
}

const FORMAT = 1;
const SIDECAR = "checkpoint.json";
const POINTERS = "checkpoints.json";
const TEMPORARY = ".tmp-";
/** step-00000100; a second checkpoint of the same step, as after a crash, is step-00000100-2. */
const FOLDER_NAME = /^step-(\d{8,16})(?:-(\d+))?$/;
const FILE_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;
/** Bytes hashed at a time: about 20 ms, then files and timers get their turn. */
const PIECE = 4 << 20;

const inside = (folder: string, name: string): string => folder === "" ? name : `${folder}/${name}`;

/**
 * Saves a checkpoint of the run in folder `run` and returns the path of its folder. Afterwards the run holds this one
 * and the best one; while it saves, the disk must hold one more. If it rejects, or the process dies, the checkpoint that
 * was `last` before stays so, unless what failed is the removal of older folders; the next save clears up what a crash
 * left. One process at a time may save to a run. Throws `RangeError` or `TypeError` for content that cannot be saved.
 *
 * @example
 * ```ts
 * import { memoryStorage, openCheckpoint, saveCheckpoint } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const storage = memoryStorage(), files = { "weights.bin": new Uint8Array([1, 2, 3]) };
 * await saveCheckpoint(storage, "runs/a", { step: 100, files, info: { seed: 1 } });
 * const checkpoint = await openCheckpoint(storage, "runs/a", "last");
 * assertEquals([checkpoint.step, checkpoint.info], [100, { seed: 1 }]);
 * assertEquals((await storage.read(checkpoint.path("weights.bin"))).length, 3);
 * ```
 */
export async function saveCheckpoint(
  storage: Storage,
  run: string,
  content: CheckpointContent,
): Promise<string> {
  const { step, files, info, best = false } = content;
  if (!Number.isSafeInteger(step) || step < 0) {
    throw new RangeError(`Cannot save a checkpoint at step ${step}: a step is an integer from 0`);
  }
  for (const name of Object.keys(files)) {
    if (!FILE_NAME.test(name) || name === SIDECAR) {
      throw new RangeError(
        `Cannot save a file named ${
          JSON.stringify(name)
        } in a checkpoint: use letters, digits, ".", "_" and "-", ` +
          `and leave ${SIDECAR} to the checkpoint itself`,
      );
    }
  }
  const plainInfo: unknown = JSON.parse(JSON.stringify(info ?? null)); // A TypeError comes now, not after gigabytes.
  const pointers = await readPointers(storage, run), root = inside(run, "checkpoints");
  await storage.makeFolder(root);
  await sweep(storage, root, (name) => name.startsWith(TEMPORARY));
  await sweep(storage, run, (name) => name.startsWith(`${TEMPORARY}${POINTERS}-`));

  const name = freeName(step, (await storage.list(root)).map((entry) => entry.name));
  const temporary = `${root}/${TEMPORARY}${name}`, folder = `${root}/${name}`;
  try {
    await storage.makeFolder(temporary);
    const saved: [string, { bytes: number; sha256: string }][] = [];
    for (const [file, data] of Object.entries(files)) {
      const digest = new Digest();
      await storage.write(`${temporary}/${file}`, digest.tap(data));
      saved.push([file, digest.result()]);
    }
    const sidecar: Sidecar = { format: FORMAT, step, info: plainInfo, files: Object.fromEntries(saved) };
    await storage.write(`${temporary}/${SIDECAR}`, [json({ ...sidecar, sha256: hashOf(sidecar) })]);
    await storage.rename(temporary, folder);
  } catch (error) {
    await storage.remove(temporary).catch(() => {}); // Frees a full disk; the first error is the one to report.
    throw error;
  }
  const now: Pointers = { last: name, best: best ? name : pointers.best };
  await storage.write(inside(run, POINTERS), [json(now)]);
  await sweep(storage, root, (found) => FOLDER_NAME.test(found) && found !== now.last && found !== now.best);
  return folder;
}

/**
 * Opens a checkpoint by pointer (`"last"`, `"best"`) or by folder name and checks every file of it against size and
 * SHA-256 (about 0.2 GB a second). Throws `NotFound` if there is no such checkpoint, `DamagedCheckpoint` if it is not
 * what was saved.
 */
export async function openCheckpoint(
  storage: Storage,
  run: string,
  which: string,
): Promise<Checkpoint> {
  const pointer = which === "last" || which === "best" ? which : null;
  const pointers = pointer && await readPointers(storage, run);
  const name = pointer && pointers ? pointers[pointer] : which;
  const folder = `${inside(run, "checkpoints")}/${name}`;
  const found = name !== null && FOLDER_NAME.test(name) && await storage.stat(folder);
  const other = pointers && ([["best", pointers.best], ["last", pointers.last]] as const)
    .find(([, target]) => target !== null && target !== name);
  const remedy = other
    ? `use --checkpoint ${other[0]}, or copy the folder again from where it is whole`
    : "copy the folder again from where it is whole, or use another checkpoint";
  const damaged = (what: string, file = "", cause?: unknown): DamagedCheckpoint =>
    new DamagedCheckpoint(`${storage.describe(inside(folder, file))} ${what}; ${remedy}`, { cause });

  if (!found && pointer && name !== null) throw damaged("is missing");
  if (!found) {
    const names = await folderNames(storage, run);
    throw new NotFound(
      `Cannot open checkpoint ${JSON.stringify(which)} of ${storage.describe(run)}: ` +
        (names.length
          ? `there is none; its folders are ${names.join(", ")}; name one of them`
          : "none was saved yet"),
    );
  }

  const sidecar = await readSidecar(
    storage,
    `${folder}/${SIDECAR}`,
    (what, cause) => damaged(what, SIDECAR, cause),
  );
  const files = Object.keys(sidecar.files);
  for (const file of files) {
    const path = `${folder}/${file}`, wanted = sidecar.files[file], entry = await storage.stat(path);
    if (entry?.kind !== "file") throw damaged(entry ? "is a folder, not a file" : "is missing", file);
    if (entry.bytes !== wanted.bytes) {
      throw damaged(`holds ${entry.bytes} bytes, not the ${wanted.bytes} saved`, file);
    }
    const digest = new Digest();
    for (let at = 0; at < entry.bytes; at += PIECE) {
      digest.add(await storage.readRange(path, at, Math.min(entry.bytes, at + PIECE)));
    }
    if (digest.result().sha256 !== wanted.sha256) {
      throw damaged("has other bytes than were saved (SHA-256)", file);
    }
  }
  const path = (file: string): string => {
    if (files.includes(file)) return `${folder}/${file}`;
    throw new NotFound(
      `Cannot find ${file} in checkpoint ${storage.describe(folder)}: its files are ${files.join(", ")}`,
    );
  };
  return { folder, step: sidecar.step, info: sidecar.info, files, path };
}

/** The checkpoints of a run by step, unchecked; none if nothing was saved. */
export async function listCheckpoints(storage: Storage, run: string): Promise<CheckpointEntry[]> {
  const pointers = await readPointers(storage, run);
  return (await folderNames(storage, run)).map((name) => ({
    name,
    step: Number(FOLDER_NAME.exec(name)![1]),
    last: name === pointers.last,
    best: name === pointers.best,
  }));
}

/** Adds one record to a file of JSON lines, creating it if missing. Not synced: see `cutMetrics`. */
export async function appendLine(storage: Storage, path: string, record: object): Promise<void> {
  await appendLines(storage, path, [record]);
}

/** Adds records in one go, as `appendLine` does one. */
export async function appendLines(storage: Storage, path: string, records: readonly object[]): Promise<void> {
  const lines = records.map((record) => JSON.stringify(record) + "\n").join("");
  await storage.append(path, new TextEncoder().encode(lines));
}

/**
 * Takes out of a file of JSON lines the records that `keep` refuses, as a run does with those after the step it resumes
 * from, and a last line that a crash tore. Returns how many lines went. No error if there is no file; `SyntaxError` for
 * a bad line before the last.
 */
export async function cutMetrics(
  storage: Storage,
  path: string,
  keep: (record: Record<string, unknown>) => boolean,
): Promise<number> {
  if (await storage.stat(path) === null) return 0;
  const text = new TextDecoder().decode(await storage.read(path)), lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop(); // After the last newline there is no line.
  const kept = lines.filter((line, i) => {
    const record = parseRecord(line);
    if (record) return keep(record);
    if (i === lines.length - 1) return false;
    throw new SyntaxError(
      `Cannot read line ${i + 1} of ${storage.describe(path)}: it is not a JSON object; remove the line`,
    );
  });
  const whole = kept.map((line) => line + "\n").join("");
  if (whole !== text) await storage.write(path, [new TextEncoder().encode(whole)]);
  return lines.length - kept.length;
}

/** Counts and hashes bytes on their way. */
class Digest {
  readonly #hash = sha256.create();
  #bytes = 0;

  add(part: Uint8Array): void {
    this.#hash.update(part);
    this.#bytes += part.length;
  }

  async *tap(data: ByteParts): AsyncGenerator<Uint8Array> {
    for await (const part of data instanceof Uint8Array ? [data] : data) {
      for (let at = 0; at < part.length; at += PIECE) {
        const piece = part.subarray(at, at + PIECE);
        this.add(piece);
        yield piece;
      }
    }
  }

  result(): { bytes: number; sha256: string } {
    const hex = Array.from(this.#hash.digest(), (byte) => byte.toString(16).padStart(2, "0")).join("");
    return { bytes: this.#bytes, sha256: hex };
  }
}

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value, null, 2) + "\n");

/** The sidecar's checksum of itself. Compact JSON of what was parsed from JSON is the same text every time. */
function hashOf(sidecar: unknown): string {
  const digest = new Digest();
  digest.add(new TextEncoder().encode(JSON.stringify(sidecar)));
  return digest.result().sha256;
}

function parseRecord(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : null;
  } catch {
    return null;
  }
}

async function readSidecar(
  storage: Storage,
  path: string,
  damaged: (what: string, cause?: unknown) => DamagedCheckpoint,
): Promise<Sidecar> {
  if (await storage.stat(path) === null) throw damaged("is missing");
  const parsed = parseRecord(new TextDecoder().decode(await storage.read(path)));
  if (!parsed) throw damaged("is not a JSON object");
  const { sha256: wanted, ...sidecar } = parsed;
  if (hashOf(sidecar) !== wanted) throw damaged("has other content than was saved (SHA-256)");
  if (sidecar.format !== FORMAT) {
    throw damaged(`is of format ${sidecar.format}, where this version reads ${FORMAT}`);
  }
  if (!isSidecar(sidecar)) throw damaged("does not describe a checkpoint");
  return sidecar;
}

/** The checksum shows accidents only; a name such as "../x" is refused whoever wrote it. */
function isSidecar(value: Record<string, unknown>): value is Record<string, unknown> & Sidecar {
  const { step, files } = value as {
    step?: unknown;
    files?: Record<string, { bytes?: unknown } | null> | null;
  };
  return Number.isSafeInteger(step) && typeof files === "object" && files !== null &&
    Object.entries(files).every(([name, file]) => FILE_NAME.test(name) && Number.isSafeInteger(file?.bytes));
}

async function readPointers(storage: Storage, run: string): Promise<Pointers> {
  const path = inside(run, POINTERS);
  if (await storage.stat(path) === null) return { last: null, best: null };
  const { last, best } = parseRecord(new TextDecoder().decode(await storage.read(path))) ?? {};
  const isName = (value: unknown): value is string => typeof value === "string" && FOLDER_NAME.test(value);
  if (isName(last) && (best === null || isName(best))) return { last, best };
  const names = (await folderNames(storage, run)).join(", ");
  throw new DamagedCheckpoint(
    `${storage.describe(path)} does not say which checkpoint is last and which is best; ` +
      `write {"last": "NAME", "best": null} into it with one of: ${names}`,
  );
}

/** The checkpoint folders of a run, by step. */
async function folderNames(storage: Storage, run: string): Promise<string[]> {
  const root = inside(run, "checkpoints");
  if (await storage.stat(root) === null) return [];
  const order = (name: string): number[] => FOLDER_NAME.exec(name)!.slice(1).map((part) => Number(part ?? 1));
  return (await storage.list(root)).map((entry) => entry.name).filter((name) => FOLDER_NAME.test(name))
    .sort((a, b) => order(a)[0] - order(b)[0] || order(a)[1] - order(b)[1]);
}

/** The first name for a step that no folder has. */
function freeName(step: number, taken: readonly string[]): string {
  const first = `step-${String(step).padStart(8, "0")}`;
  let name = first;
  for (let n = 2; taken.includes(name); n++) name = `${first}-${n}`;
  return name;
}

/** Removes entries of a folder. Each goes by one rename first, so that no checkpoint is ever there in part. */
async function sweep(storage: Storage, folder: string, drop: (name: string) => boolean): Promise<void> {
  for (const { name } of await storage.list(folder)) {
    if (!drop(name)) continue;
    const temporary = name.startsWith(TEMPORARY) ? name : TEMPORARY + name;
    if (temporary !== name) await storage.rename(inside(folder, name), inside(folder, temporary));
    await storage.remove(inside(folder, temporary));
  }
}
