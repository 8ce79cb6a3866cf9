// One table of cases that every `Storage` must pass, run over files and over memory; then what only files have to do:
// leave nothing behind when a write fails, take absolute paths, follow links.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { memoryStorage } from "../src/core/memory_storage.ts";
import { NotFound, type Storage } from "../src/core/storage.ts";
import { folder } from "../src/platform/fs.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = async (storage: Storage, path: string): Promise<string> =>
  new TextDecoder().decode(await storage.read(path));
const names = async (storage: Storage, path: string): Promise<string[]> =>
  (await storage.list(path)).map((entry) => entry.name);

const CASES: Record<string, (storage: Storage) => Promise<void>> = {
  "writes from sync and async parts, and replaces": async (s) => {
    await s.write("a", [bytes("one"), bytes(""), bytes("two")]);
    assertEquals(await text(s, "a"), "onetwo");
    await s.write(
      "a",
      async function* () {
        yield bytes("x");
        await Promise.resolve();
        yield bytes("yz").subarray(1);
      }(),
    );
    assertEquals(await text(s, "a"), "xz");
    await s.write("empty", []);
    assertEquals(await s.stat("empty"), { name: "empty", kind: "file", bytes: 0 });
    assertEquals(await s.read("empty"), new Uint8Array(0));
  },
  "takes views over shared memory": async (s) => {
    await s.write("a", [new Uint8Array(new SharedArrayBuffer(4)).fill(65)]);
    await s.append("a", new Uint8Array(new SharedArrayBuffer(2)).fill(66));
    assertEquals(await text(s, "a"), "AAAABB");
  },
  "keeps the old file when a write fails": async (s) => {
    await s.write("a", [bytes("old")]);
    const failing = function* (): Generator<Uint8Array> {
      yield bytes("new");
      throw new RangeError("out of parts");
    };
    await assertRejects(() => s.write("a", failing()), RangeError, "out of parts");
    await assertRejects(() => s.write("b", failing()), RangeError, "out of parts");
    assertEquals(await text(s, "a"), "old");
    assertEquals(await names(s, "."), ["a"]);
  },
  "does not share its bytes with the caller": async (s) => {
    const mine = bytes("abc");
    await s.write("a", [mine]);
    mine[0] = 88;
    (await s.read("a"))[1] = 88;
    (await s.readRange("a", 0, 3))[2] = 88;
    assertEquals(await text(s, "a"), "abc");
  },
  "reads ranges": async (s) => {
    await s.write("a", [bytes("0123456789")]);
    const part = await s.readRange("a", 3, 7);
    assertEquals([new TextDecoder().decode(part), part.byteOffset, part.buffer.byteLength], ["3456", 0, 4]);
    assertEquals((await s.readRange("a", 10, 10)).length, 0);
    for (const [start, end] of [[0, 11], [-1, 2], [5, 4], [0, 1.5], [NaN, 2], [11, 12]]) {
      await assertRejects(() => s.readRange("a", start, end), RangeError, "it holds 10");
    }
  },
  "appends and truncates": async (s) => {
    await s.append("log", bytes("one\n"));
    await s.append("log", bytes("two\n"));
    assertEquals(await text(s, "log"), "one\ntwo\n");
    await s.truncate("log", 5);
    assertEquals(await text(s, "log"), "one\nt");
    for (const size of [6, -1, 0.5]) {
      await assertRejects(() => s.truncate("log", size), RangeError, "it holds 5");
    }
    await s.truncate("log", 0);
    assertEquals(await text(s, "log"), "");
  },
  "lists sorted, with kinds and sizes": async (s) => {
    await s.makeFolder("f/sub/deep");
    await s.makeFolder("f/sub");
    await s.write("f/b", [bytes("12")]);
    await s.write("f/B", [bytes("1")]);
    await s.write("f/é", []);
    assertEquals(await s.list("f"), [
      { name: "B", kind: "file", bytes: 1 },
      { name: "b", kind: "file", bytes: 2 },
      { name: "sub", kind: "folder", bytes: 0 },
      { name: "é", kind: "file", bytes: 0 },
    ]);
    assertEquals(await names(s, ""), ["f"]);
    assertEquals(await names(s, "f/sub"), ["deep"]);
    assertEquals(await s.stat("f/sub/"), { name: "sub", kind: "folder", bytes: 0 });
    assertEquals(await s.stat("f/./sub/../b"), { name: "b", kind: "file", bytes: 2 });
  },
  "renames files and folders, onto nothing": async (s) => {
    await s.makeFolder("x/y");
    await s.write("x/y/a", [bytes("1")]);
    await s.write("b", [bytes("2")]);
    await s.rename("x/y", "z");
    assertEquals([await names(s, "."), await names(s, "x"), await text(s, "z/a")], [
      ["b", "x", "z"],
      [],
      "1",
    ]);
    await s.rename("b", "x/c");
    assertEquals(await text(s, "x/c"), "2");
    await assertRejects(() => s.rename("x/c", "z/a"), RangeError, "taken");
    await assertRejects(() => s.rename("z", "x"), RangeError, "taken");
    await assertRejects(() => s.rename("z", "z/q"), RangeError, "inside");
    await assertRejects(() => s.rename(".", "q"), RangeError);
    await assertRejects(() => s.rename("nope", "q"), NotFound, "nope");
    await assertRejects(() => s.rename("x/c", "nope/c"), NotFound, "nope");
    assertEquals([await text(s, "x/c"), await text(s, "z/a")], ["2", "1"]);
  },
  "removes whole folders, and what is not there": async (s) => {
    await s.makeFolder("x/y");
    await s.write("x/y/a", [bytes("1")]);
    await s.write("b", [bytes("1")]);
    await s.remove("x");
    await s.remove("b");
    await s.remove("nope/nope");
    assertEquals(await s.list("."), []);
    await s.write("b", []);
    await s.remove("b/under-a-file");
    await assertRejects(() => s.remove("."), RangeError, "root");
    assertEquals(await names(s, "."), ["b"]);
  },
  "names what is missing": async (s) => {
    await s.write("file", [bytes("1")]);
    for (const path of ["gone", "gone/deeper", "file/below"]) {
      assertEquals(await s.stat(path), null);
      await assertRejects(() => s.read(path), NotFound, path);
      await assertRejects(() => s.readRange(path, 0, 0), NotFound, path);
      await assertRejects(() => s.truncate(path, 0), NotFound, path);
      await assertRejects(() => s.list(path), NotFound, path);
      if (path === "gone") continue;
      await assertRejects(() => s.write(path, [bytes("1")]), NotFound, path);
      await assertRejects(() => s.append(path, bytes("1")), NotFound, path);
    }
    assertEquals(await names(s, "."), ["file"]);
  },
  "tells files from folders": async (s) => {
    await s.makeFolder("dir/in");
    await s.write("file", []);
    await assertRejects(() => s.read("dir"), TypeError, "folder");
    await assertRejects(() => s.readRange("dir", 0, 0), TypeError, "folder");
    await assertRejects(() => s.write("dir", [bytes("1")]), TypeError, "folder");
    await assertRejects(() => s.append("dir", bytes("1")), TypeError, "folder");
    await assertRejects(() => s.truncate("dir", 0), TypeError, "folder");
    await assertRejects(() => s.list("file"), TypeError, "file");
    await assertRejects(() => s.makeFolder("file"), TypeError, "file");
    await assertRejects(() => s.makeFolder("file/a/b"), TypeError, "file");
    assertEquals(await names(s, "."), ["dir", "file"]);
    assertEquals(await names(s, "dir"), ["in"]);
  },
  "describes paths so that a person finds them": (s) => {
    assert(s.describe("a/b.txt").includes("b.txt"));
    return Promise.resolve();
  },
};

async function withFolder(work: (root: string) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir({ prefix: "foreword-storage-" });
  try {
    await work(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

for (const [name, check] of Object.entries(CASES)) {
  Deno.test(`memoryStorage ${name}`, () => check(memoryStorage()));
  Deno.test(`folder ${name}`, () => withFolder((root) => check(folder(root))));
}

Deno.test("memoryStorage starts with the files it is given and has no way out of its root", async () => {
  const storage = memoryStorage({ "/a/b.txt": "é", "c": new Uint8Array([1, 2]) });
  assertEquals([await text(storage, "a/b.txt"), (await storage.read("c")).length], ["é", 2]);
  await assertRejects(() => storage.read("a/../../c"), RangeError, "above the root");
  assertThrows(() => memoryStorage({ "a": "", "a/b": "" }), TypeError, "stands in its way");
});

Deno.test("folder takes absolute and climbing paths, makes its root, and says paths as they were given", () =>
  withFolder(async (root) => {
    const storage = folder(`${root}/run`);
    await assertRejects(() => storage.list("."), NotFound, "run");
    await storage.makeFolder(".");
    await storage.write(`${root}/up`, [bytes("absolute")]);
    assertEquals(await text(storage, "../up"), "absolute");
    assertEquals(storage.describe(`${root}/up`), `${root}/up`);
    assertEquals(folder("runs/x").describe("a.txt").replaceAll("\\", "/"), "runs/x/a.txt");
    assertEquals(folder(".").describe("a.txt"), "a.txt");
    assertEquals((await folder(".").stat("deno.json"))?.kind, "file");
  }));

Deno.test({
  name: "folder follows links, skips broken ones, and explains missing rights",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withFolder(async (root) => {
      const storage = folder(root);
      await storage.write("real", [bytes("123")]);
      await Deno.symlink(`${root}/real`, `${root}/link`);
      await Deno.symlink(`${root}/gone`, `${root}/broken`);
      assertEquals(await storage.list("."), [
        { name: "link", kind: "file", bytes: 3 },
        { name: "real", kind: "file", bytes: 3 },
      ]);
      if (Deno.uid() === 0) return; // Root may do everything.
      await Deno.chmod(root, 0o500);
      await assertRejects(() => storage.write("new", [bytes("1")]), Error, "permission denied");
      await Deno.chmod(root, 0o700);
    }),
});

Deno.test("folder streams large files in and reads them by position", () =>
  withFolder(async (root) => {
    const storage = folder(root), block = new Uint8Array(1 << 20);
    const blocks = function* (): Generator<Uint8Array> {
      for (let i = 0; i < 8; i++) yield block.fill(i); // One buffer, reused: the writer must not hold on to it.
    };
    await storage.write("big", blocks());
    assertEquals((await storage.stat("big"))?.bytes, 8 << 20);
    for (let i = 0; i < 8; i++) {
      assertEquals([...await storage.readRange("big", i * block.length, i * block.length + 2)], [i, i]);
    }
  }));

Deno.test("folder writes under the temporary name that Storage documents", () =>
  withFolder(async (root) => {
    const storage = folder(root), long = "n".repeat(250);
    for (const name of ["a.txt", long]) {
      let meanwhile: string[] = [];
      await storage.write(
        name,
        async function* () {
          meanwhile = await names(storage, ".");
          yield bytes("1");
        }(),
      );
      assertEquals(meanwhile.filter((found) => found.startsWith(`.tmp-${name.slice(0, 60)}-`)).length, 1);
    }
    assertEquals(await names(storage, "."), ["a.txt", long]);
  }));

Deno.test("folder says where files can be had when the runtime has none", () => {
  const holder = globalThis as { process?: unknown },
    process = Object.getOwnPropertyDescriptor(globalThis, "process")!;
  Object.defineProperty(globalThis, "process", { value: undefined, configurable: true, writable: true });
  try {
    assertEquals(holder.process, undefined);
    assertThrows(() => folder("."), TypeError, "Node 20.16");
  } finally {
    Object.defineProperty(globalThis, "process", process);
  }
});
