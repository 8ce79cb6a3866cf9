// Files for Deno and Node from one implementation: Node's own `fs`, which Deno provides too. It is asked for at run
// time (`process.getBuiltinModule`) and not imported, so that bundlers leave it alone and importing this file in a
// browser does no harm; only calling `folder` there is an error. What each method promises is written in
// `core/storage.ts`. Durability follows the usual recipe: temporary name, fsync, rename, fsync of the folder.

import type * as NodeFs from "node:fs";
import type * as NodePath from "node:path";
import { type Entry, NotFound, type Storage } from "../core/storage.ts";

/** The most bytes handed to one read or write: Node refuses 2 GiB and more. */
const PIECE = 1 << 30;

interface Builtins {
  readonly fs: typeof NodeFs.promises;
  readonly path: typeof NodePath;
  /** Windows cannot open a folder, hence cannot sync one. */
  readonly syncFolders: boolean;
}

function builtins(): Builtins {
  const process =
    (globalThis as { process?: { platform?: string; getBuiltinModule?: (name: string) => unknown } })
      .process;
  const fs = process?.getBuiltinModule?.("node:fs") as typeof NodeFs | undefined;
  const path = process?.getBuiltinModule?.("node:path") as typeof NodePath | undefined;
  if (!fs?.promises || !path) {
    throw new TypeError(
      "Cannot open a folder: this runtime offers no file system. Use Deno 2 or Node 20.16 or later; " +
        "elsewhere pass memoryStorage() or a Storage of your own",
    );
  }
  return { fs: fs.promises, path, syncFolders: process!.platform !== "win32" };
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error ? (error as { code?: unknown }).code : undefined;

/** Says a system error in the words of `Storage`; any other error passes through. */
function explain(error: unknown, action: string, named: string): unknown {
  const start = `Cannot ${action} ${named}: `;
  switch (codeOf(error)) {
    case "ENOENT":
    case "ENOTDIR":
      return new NotFound(start + "there is no such file or folder; check the path", { cause: error });
    case "EISDIR":
      return new TypeError(start + "it is a folder, not a file", { cause: error });
    case "ENOSPC":
    case "EDQUOT":
      return new Error(start + "the disk is full; free some space and try again", { cause: error });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new Error(start + "permission denied; check the rights of the file and its folder", {
        cause: error,
      });
    default:
      return error;
  }
}

async function attempt<T>(action: string, named: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explain(error, action, named);
  }
}

async function writeAll(file: NodeFs.promises.FileHandle, data: Uint8Array): Promise<void> {
  for (let at = 0; at < data.length;) {
    at += (await file.write(data, at, Math.min(data.length - at, PIECE))).bytesWritten;
  }
}

/** `bytes` bytes from `start` on, which the file must have. */
async function readAt(file: NodeFs.promises.FileHandle, start: number, bytes: number): Promise<Uint8Array> {
  const out = new Uint8Array(bytes);
  for (let at = 0; at < bytes;) {
    const { bytesRead } = await file.read(out, at, Math.min(bytes - at, PIECE), start + at);
    if (bytesRead === 0) {
      throw new RangeError(`Cannot read byte ${start + at}: the file became shorter meanwhile`);
    }
    at += bytesRead;
  }
  return out;
}

/**
 * The files under `root` (absolute, or relative to the current folder at the time of the call), for Deno and Node.
 * Paths may also be absolute or climb with `..`: the root is where relative paths start, not a fence. Throws
 * `TypeError` in a runtime without a file system.
 *
 * @example
 * ```ts
 * import { folder } from "@foreword/foreword/fs";
 * const files = folder(".");
 * for (const { name, bytes } of await files.list("src")) console.log(name, bytes);
 * ```
 */
export function folder(root: string): Storage {
  const { fs, path, syncFolders } = builtins();
  const base = path.resolve(root);
  const at = (name: string): string => path.resolve(base, name);
  const describe = (name: string): string => path.isAbsolute(name) ? name : path.join(root, name);

  async function withFile<T>(
    full: string,
    flags: string,
    work: (file: NodeFs.promises.FileHandle) => Promise<T>,
  ): Promise<T> {
    const file = await fs.open(full, flags);
    try {
      return await work(file);
    } finally {
      await file.close();
    }
  }

  function reading<T>(
    name: string,
    work: (file: NodeFs.promises.FileHandle, size: number) => Promise<T>,
  ): Promise<T> {
    return attempt("read", describe(name), () =>
      withFile(at(name), "r", async (file) => {
        const found = await file.stat();
        if (found.isDirectory()) {
          throw new TypeError(`Cannot read ${describe(name)}: it is a folder, not a file`);
        }
        return await work(file, found.size);
      }));
  }

  async function sync(full: string): Promise<void> {
    if (syncFolders) await withFile(full, "r", (file) => file.sync());
  }

  async function entryAt(full: string): Promise<Entry | null> {
    try {
      const found = await fs.stat(full), isFolder = found.isDirectory();
      return {
        name: path.basename(full),
        kind: isFolder ? "folder" : "file",
        bytes: isFolder ? 0 : found.size,
      };
    } catch (error) {
      if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return null;
      throw error;
    }
  }

  async function makeFolder(full: string): Promise<void> {
    try {
      await fs.mkdir(full);
    } catch (error) {
      const found = await entryAt(full);
      if (found?.kind === "folder") return;
      if (found || codeOf(error) !== "ENOENT" || path.dirname(full) === full) throw error;
      await makeFolder(path.dirname(full));
      return await makeFolder(full);
    }
    await sync(path.dirname(full));
  }

  async function write(name: string, parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void> {
    const full = at(name), marked = `.tmp-${path.basename(full).slice(0, 60)}-${crypto.randomUUID()}`;
    const temporary = path.join(path.dirname(full), marked);
    const doing = <T>(work: () => Promise<T>): Promise<T> => attempt("write", describe(name), work);
    const file = await doing(() => fs.open(temporary, "wx"));
    try {
      try {
        // Errors of `parts` are the caller's own and are not explained as errors of this file.
        for await (const part of parts) await doing(() => writeAll(file, part));
        await doing(() => file.sync());
      } finally {
        await file.close();
      }
      await doing(() => fs.rename(temporary, full));
    } catch (error) {
      await fs.rm(temporary, { force: true }).catch(() => {}); // The first error is the one to report.
      throw error;
    }
    await doing(() => sync(path.dirname(full)));
  }

  return {
    describe,
    write,
    // Pipes and /proc report no size: they are read until they end.
    read: (name) =>
      reading(
        name,
        async (file, size) => size > 0 ? await readAt(file, 0, size) : Uint8Array.from(await file.readFile()),
      ),
    readRange: (name, start, end) =>
      reading(name, async (file, size) => {
        const whole = Number.isSafeInteger(start) && Number.isSafeInteger(end);
        if (!whole || start < 0 || start > end || end > size) {
          throw new RangeError(`Cannot read bytes ${start} to ${end} of ${describe(name)}: it holds ${size}`);
        }
        return await readAt(file, start, end - start);
      }),
    append: (name, data) =>
      attempt("append to", describe(name), () => withFile(at(name), "a", (file) => writeAll(file, data))),
    truncate: (name, bytes) =>
      attempt("shorten", describe(name), () =>
        withFile(at(name), "r+", async (file) => {
          const { size } = await file.stat();
          if (!(Number.isSafeInteger(bytes) && 0 <= bytes && bytes <= size)) {
            throw new RangeError(`Cannot shorten ${describe(name)} to ${bytes} bytes: it holds ${size}`);
          }
          await file.truncate(bytes);
          await file.sync();
        })),
    list: (name) =>
      attempt("list", describe(name), async () => {
        if ((await entryAt(at(name)))?.kind === "file") {
          throw new TypeError(`Cannot list ${describe(name)}: it is a file, not a folder`);
        }
        const entries: Entry[] = [];
        for (const child of (await fs.readdir(at(name))).sort()) {
          const entry = await entryAt(path.join(at(name), child));
          if (entry) entries.push(entry); // A broken link, or removed meanwhile: not there for a reader either.
        }
        return entries;
      }),
    stat: (name) => attempt("look up", describe(name), () => entryAt(at(name))),
    makeFolder: (name) =>
      attempt("make the folder", describe(name), async () => {
        try {
          await makeFolder(at(name));
        } catch (error) {
          if (codeOf(error) !== "EEXIST" && codeOf(error) !== "ENOTDIR") throw error;
          throw new TypeError(`Cannot make the folder ${describe(name)}: a file stands in its way`, {
            cause: error,
          });
        }
      }),
    rename: (from, to) =>
      attempt("rename", `${describe(from)} to ${describe(to)}`, async () => {
        const source = at(from), target = at(to), taken = await entryAt(target);
        const inside = target === source || target.startsWith(source + path.sep) || source === base;
        if (await entryAt(source) && (taken || inside)) {
          const why = taken ? "that is taken" : "that lies inside it";
          throw new RangeError(
            `Cannot rename ${describe(from)} to ${describe(to)}: ${why}; choose another name`,
          );
        }
        await fs.rename(source, target);
        for (const parent of new Set([path.dirname(target), path.dirname(source)])) await sync(parent);
      }),
    remove: (name) =>
      attempt("remove", describe(name), async () => {
        if (at(name) === base) {
          throw new RangeError(`Cannot remove ${describe(name)}: it is the root of this storage`);
        }
        try {
          await fs.rm(at(name), { recursive: true, force: true });
        } catch (error) {
          if (codeOf(error) !== "ENOTDIR") throw error;
        }
      }),
  };
}
