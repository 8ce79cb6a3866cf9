// The one door between Foreword and files. The library never opens a file itself: whoever wants files passes a
// `Storage`. `src/platform/fs.ts` implements it for Deno and Node, `memory_storage.ts` for tests and for browsers
// without a file system; one table of cases (`tests/storage_test.ts`) holds both to what is written here.
// Paths are `/`-separated and relative to what the implementation calls its root; "" and "." are the root itself.

/** What a path names. */
export interface Entry {
  /** The last part of the path. */
  readonly name: string;
  /** What it is. Whatever is not a folder counts as a file. */
  readonly kind: "file" | "folder";
  /** Size of a file; 0 for a folder. */
  readonly bytes: number;
}

/**
 * Files by path. Unless a method says otherwise it rejects with `NotFound` when the path, or the folder that would hold
 * it, is missing, with `TypeError` when a folder stands where a file is wanted or the reverse, and with `RangeError`
 * when a position is outside of the file.
 */
export interface Storage {
  /** How this storage names a path to a person, for messages. */
  describe(path: string): string;
  /** The whole file, in a buffer of its own. */
  read(path: string): Promise<Uint8Array>;
  /** Bytes `[start, end)` of the file, in a buffer of their own that starts at offset 0, so typed views fit on it. */
  readRange(path: string, start: number, end: number): Promise<Uint8Array>;
  /**
   * Writes a file from its parts, synced to the medium, through a temporary name: it is there whole or not at all, and
   * whatever the path held before stays until then. If `parts` throws, so does this. A process that dies meanwhile may
   * leave a file `.tmp-NAME-...` (NAME is the file's, or its start) in the same folder.
   */
  write(path: string, parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void>;
  /** Adds to the end of a file, creating it if missing. Not synced: a crash may lose or tear the last additions. */
  append(path: string, data: Uint8Array): Promise<void>;
  /** Shortens a file to `bytes`, synced. */
  truncate(path: string, bytes: number): Promise<void>;
  /** Entries of a folder, sorted by name (by UTF-16 code units). */
  list(path: string): Promise<Entry[]>;
  /** What the path is, or `null` if nothing is there. */
  stat(path: string): Promise<Entry | null>;
  /** Creates a folder and its parents; no error if it exists. */
  makeFolder(path: string): Promise<void>;
  /** Renames a file or folder and syncs its parent folder. The target must not exist: else `RangeError`. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or folder with all it holds; no error if it is missing. The root itself is refused (`RangeError`). */
  remove(path: string): Promise<void>;
}

/** A path that is not there. The message names the path and what wanted it. */
export class NotFound extends Error {
  /** Always `"NotFound"`. */
  override readonly name = "NotFound";
}
