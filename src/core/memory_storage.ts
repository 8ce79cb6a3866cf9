// A `Storage` that lives in memory: for tests, and for browsers and edge functions without a file system. It keeps the
// promises of `storage.ts` and copies bytes on the way in and out, so that it behaves as files do. Nothing is durable.

import { type Entry, NotFound, type Storage } from "./storage.ts";

/** A folder is a map of names, a file its bytes. */
type Folder = Map<string, Folder | Uint8Array<ArrayBuffer>>;
type Item = Folder | Uint8Array<ArrayBuffer>;

const isFolder = (item: Item | undefined): item is Folder => item instanceof Map;

/** The names along a path; "a//b/./../c" is ["a", "c"]. */
function split(path: string): string[] {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "" || name === ".") continue;
    if (name !== "..") names.push(name);
    else if (names.pop() === undefined) {
      throw new RangeError(`Cannot use the path ${path}: it climbs above the root`);
    }
  }
  return names;
}

const describe = (path: string): string => `memory:${split(path).join("/")}`;

/**
 * A storage in memory that holds `files` (path to text or bytes; folders are made as needed). A leading `/` means nothing.
 *
 * @example
 * ```ts
 * import { memoryStorage } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const storage = memoryStorage({ "corpus/a.txt": "Once" });
 * assertEquals(await storage.list("corpus"), [{ name: "a.txt", kind: "file", bytes: 4 }]);
 * ```
 */
export function memoryStorage(files: Readonly<Record<string, string | Uint8Array>> = {}): Storage {
  const root: Folder = new Map();

  function find(path: string): Item | undefined {
    let item: Item | undefined = root;
    for (const name of split(path)) item = isFolder(item) ? item.get(name) : undefined;
    return item;
  }

  function fileAt(action: string, path: string): Uint8Array<ArrayBuffer> {
    const item = find(path);
    if (item === undefined) throw missing(action, path);
    if (isFolder(item)) throw new TypeError(`Cannot ${action} ${describe(path)}: it is a folder, not a file`);
    return item;
  }

  /** The folder that holds `path`, and the last name. */
  function place(action: string, path: string): [Folder, string] {
    const names = split(path), last = names.pop() ?? "", parent = find(names.join("/"));
    if (!isFolder(parent)) throw missing(action, path);
    return [parent, last];
  }

  function put(action: string, path: string, data: Uint8Array<ArrayBuffer>): void {
    const [parent, name] = place(action, path);
    if (isFolder(find(path))) {
      throw new TypeError(`Cannot ${action} ${describe(path)}: it is a folder, not a file`);
    }
    parent.set(name, data);
  }

  function makeFolder(path: string): void {
    let item: Item = root;
    for (const name of split(path)) {
      if (isFolder(item) && !item.has(name)) item.set(name, new Map());
      const next: Item | undefined = isFolder(item) ? item.get(name) : undefined;
      if (!isFolder(next)) {
        throw new TypeError(`Cannot make the folder ${describe(path)}: a file stands in its way`);
      }
      item = next;
    }
  }

  for (const [path, content] of Object.entries(files)) {
    makeFolder(split(path).slice(0, -1).join("/"));
    put(
      "write",
      path,
      typeof content === "string" ? new TextEncoder().encode(content) : Uint8Array.from(content),
    );
  }

  return {
    describe,
    read: later((path: string) => fileAt("read", path).slice()),
    readRange: later((path: string, start: number, end: number) => {
      const data = fileAt("read", path), whole = Number.isSafeInteger(start) && Number.isSafeInteger(end);
      if (!whole || start < 0 || start > end || end > data.length) {
        throw new RangeError(
          `Cannot read bytes ${start} to ${end} of ${describe(path)}: it holds ${data.length}`,
        );
      }
      return data.slice(start, end);
    }),
    write: async (path, parts) => {
      place("write", path); // Before the parts are produced, as a file system would.
      const copies: Uint8Array[] = [];
      for await (const part of parts) copies.push(part.slice());
      put("write", path, join(copies));
    },
    append: later((path: string, data: Uint8Array) =>
      put("append to", path, join(find(path) ? [fileAt("append to", path), data] : [data]))
    ),
    truncate: later((path: string, bytes: number) => {
      const data = fileAt("shorten", path);
      if (!(Number.isSafeInteger(bytes) && 0 <= bytes && bytes <= data.length)) {
        throw new RangeError(`Cannot shorten ${describe(path)} to ${bytes} bytes: it holds ${data.length}`);
      }
      put("shorten", path, data.slice(0, bytes));
    }),
    list: later((path: string) => {
      const item = find(path);
      if (item === undefined) throw missing("list", path);
      if (!isFolder(item)) throw new TypeError(`Cannot list ${describe(path)}: it is a file, not a folder`);
      return [...item.keys()].sort().map((name) => entry(name, item.get(name)!));
    }),
    stat: later((path: string) => {
      const item = find(path);
      return item === undefined ? null : entry(split(path).at(-1) ?? "", item);
    }),
    makeFolder: later(makeFolder),
    rename: later((from: string, to: string) => {
      const item = find(from),
        [parent, name] = place("rename", from),
        [target, newName] = place("rename to", to);
      if (item === undefined) throw missing("rename", from);
      const inside = split(from).every((part, i) => split(to)[i] === part);
      if (inside || find(to) !== undefined) {
        const why = find(to) === undefined ? "that lies inside it" : "that is taken";
        throw new RangeError(
          `Cannot rename ${describe(from)} to ${describe(to)}: ${why}; choose another name`,
        );
      }
      parent.delete(name);
      target.set(newName, item);
    }),
    remove: later((path: string) => {
      const names = split(path), last = names.pop();
      if (last === undefined) {
        throw new RangeError(`Cannot remove ${describe(path)}: it is the root of this storage`);
      }
      const parent = find(names.join("/"));
      if (isFolder(parent)) parent.delete(last);
    }),
  };
}

/** Makes errors of immediate work come as rejections, as they do from files. */
function later<A extends unknown[], T>(work: (...args: A) => T): (...args: A) => Promise<T> {
  return (...args) => new Promise((resolve) => resolve(work(...args)));
}

function missing(action: string, path: string): NotFound {
  return new NotFound(`Cannot ${action} ${describe(path)}: there is no such file or folder; check the path`);
}

function entry(name: string, item: Item): Entry {
  return isFolder(item) ? { name, kind: "folder", bytes: 0 } : { name, kind: "file", bytes: item.length };
}

function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
