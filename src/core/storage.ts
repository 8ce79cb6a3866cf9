// The one door between Foreword and files. The library never opens a file itself: whoever wants files passes a
// `Storage`. `src/platform/fs.ts` implements it for Deno and Node; `memoryStorage` below serves tests and browsers
// without a file system. Paths are `/`-separated and relative to what the implementation calls its root.

/** What a path names. */
export interface Entry {
  readonly name: string;
  readonly kind: "file" | "folder";
  readonly bytes: number;
}

/** Files by path. Every method rejects with `NotFound` when the path is missing, unless it says otherwise. */
export interface Storage {
  /** How this storage names a path to a person, for messages. */
  describe(path: string): string;
  /** The whole file. */
  read(path: string): Promise<Uint8Array>;
  /** Bytes `[start, end)` of the file. */
  readRange(path: string, start: number, end: number): Promise<Uint8Array>;
  /** Writes a file from its parts, synced to the medium, through a temporary name: it is there whole or not at all. */
  write(path: string, parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void>;
  /** Adds to the end of a file, creating it if missing. */
  append(path: string, data: Uint8Array): Promise<void>;
  /** Shortens a file to `bytes`. */
  truncate(path: string, bytes: number): Promise<void>;
  /** Entries of a folder, sorted by name. */
  list(path: string): Promise<Entry[]>;
  /** What the path is, or `null` if nothing is there. */
  stat(path: string): Promise<Entry | null>;
  /** Creates a folder and its parents; no error if it exists. */
  makeFolder(path: string): Promise<void>;
  /** Renames a file or folder and syncs its parent folder. The target must not exist. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or folder with all it holds; no error if it is missing. */
  remove(path: string): Promise<void>;
}

/** A path that is not there. The message names the path and what wanted it. */
export class NotFound extends Error {
  override readonly name = "NotFound";
}
