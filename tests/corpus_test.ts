// Documents from files and token files: order, encodings, round trips, and every way a file can be wrong.

import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { memoryStorage } from "../src/core/memory_storage.ts";
import { Random } from "../src/core/random.ts";
import { NotFound, type Storage } from "../src/core/storage.ts";
import { trainBpe } from "../src/text/bpe_train.ts";
import { type Document, documents } from "../src/text/corpus.ts";
import { encodeCorpus, readTokens, type TokenFileInfo, writeTokens } from "../src/text/token_file.ts";

const all = (storage: Storage, path: string, extensions?: string[]): Promise<Document[]> =>
  Array.fromAsync(documents(storage, path, extensions ? { extensions } : {}));

Deno.test("a folder gives its text files, in order, blank and hidden ones left out", async () => {
  const storage = memoryStorage({
    "c/b.txt": "\ufeffTwo\r\nlinesé\rx",
    "c/a/z.TXT": "deep",
    "c/a.md": "not text",
    "c/.hidden.txt": "no",
    "c/.git/x.txt": "no",
    "c/blank.txt": " \n\ufeff",
    "c/0.txt": "first",
  });
  const expected = [
    { path: "c/0.txt", text: "first", bytes: 5 },
    { path: "c/a/z.TXT", text: "deep", bytes: 4 },
    { path: "c/b.txt", text: "Two\nlinesé\nx", bytes: 13 },
  ];
  assertEquals(await all(storage, "c"), expected);
  assertEquals(await all(storage, "c/"), expected);
  assertEquals((await all(storage, "")).map(({ path }) => path), expected.map(({ path }) => path));
  for (const { text, bytes } of expected) assertEquals(new TextEncoder().encode(text).length, bytes);
  assertEquals((await all(storage, "c/a.md")).map(({ text }) => text), ["not text"]);
  assertEquals((await all(storage, "c", [".md"])).map(({ path }) => path), ["c/a.md"]);
});

Deno.test("an empty corpus is an error that names the path", async () => {
  const storage = memoryStorage({ "blank/a.txt": "\n", "none/a.md": "x" });
  await assertRejects(() => all(storage, "blank"), RangeError, "memory:blank: it holds only blank text");
  await assertRejects(() => all(storage, "none"), RangeError, "memory:none: no file in it ends in .txt");
  await assertRejects(() => all(storage, "gone"), NotFound, "memory:gone: there is no such file or folder");
});

Deno.test("text that is not UTF-8 is refused at its first wrong byte", async () => {
  const cases: [number[], number, string][] = [
    [[0x63, 0x61, 0x66, 0xe9, 0x20, 0x6f], 3, "iconv -f latin1"],
    [[0x61, 0x80], 1, "latin1"],
    [[0xc3, 0xa9, 0xc0, 0xaf], 2, "latin1"], // overlong
    [[0xe2, 0x80], 0, "latin1"], // cut off
    [[0xe0, 0x9f, 0xbf], 0, "latin1"],
    [[0x61, 0xed, 0xa0, 0x80], 1, "latin1"], // a surrogate
    [[0xf0, 0x9f, 0x98, 0x80, 0xf4, 0x90, 0x80, 0x80], 4, "latin1"], // above U+10FFFF
    [[0xef, 0xbb, 0xbf, 0x61, 0xff], 4, "latin1"],
    [[0xff, 0xfe, 0x61, 0x00], 0, "iconv -f utf-16"],
  ];
  for (const [bytes, at, remedy] of cases) {
    const storage = memoryStorage({ "a.txt": Uint8Array.from(bytes) });
    const error = await assertRejects(
      () => all(storage, "a.txt"),
      SyntaxError,
      `memory:a.txt: byte ${at} (0x`,
    );
    assertEquals(error.message.includes(remedy), true, error.message);
  }
});

Deno.test("the first wrong byte is where the decoder starts to object", async () => {
  const random = new Random(5, "test/utf8"),
    interesting = [0x41, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2];
  interesting.push(0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff);
  const accepts = (data: Uint8Array, stream: boolean): boolean => {
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(data, { stream });
      return true;
    } catch {
      return false;
    }
  };
  for (let round = 0; round < 2000; round++) {
    const data = Uint8Array.from({ length: 1 + random.below(6) }, () => interesting[random.below(18)]);
    const outcome = await all(memoryStorage({ a: data }), "a").catch((error: Error) => error);
    if (accepts(data, false)) continue;
    const at = Number(/byte (\d+)/.exec((outcome as Error).message)?.[1]);
    // What comes before is complete text; with this byte's sequence it no longer is.
    assertEquals(accepts(data.subarray(0, at), false), true, `${data}: ${at}`);
    assertEquals(
      [1, 2, 3, 4].some((n) => at + n <= data.length && accepts(data.subarray(at, at + n), false)),
      false,
    );
  }
});

const TEXTS = { "c/a.txt": "low lower lowest\nslow", "c/b.txt": "slower é low", "c/c.txt": "ß lowest" };

Deno.test("a corpus encoded is what its documents encode to", async () => {
  const storage = memoryStorage(TEXTS),
    tokenizer = await trainBpe(Object.values(TEXTS).slice(0, 2), { vocabSize: 22 });
  const seen: unknown[] = [];
  const info = await encodeCorpus(storage, "c", "out.tokens", tokenizer, { onProgress: (p) => seen.push(p) });
  const ids = Object.values(TEXTS).map((text) => tokenizer.encode(text));
  assertEquals(info.documents, [0, ids[0].length, ids[0].length + ids[1].length]);
  assertEquals([info.count, info.unknown, info.dtype], [ids.flat().length, 1, "uint16"]);
  assertEquals(info.bytes, Object.values(TEXTS).join("").length + 2);
  assertEquals(seen.at(-1), { path: "c/c.txt", documents: 3, bytes: info.bytes });
  const read = await readTokens(storage, "out.tokens", tokenizer);
  assertEquals(read, { tokens: Uint16Array.from(ids.flat()), info });
  assertEquals([...await storage.read("out.tokens")], ids.flat().flatMap((id) => [id & 255, id >> 8]));
});

Deno.test("wide vocabularies take four bytes, long files several blocks", async () => {
  const storage = memoryStorage(), ids = [0, 65536, 1, 99999];
  const info = await writeTokens(storage, "t", { size: 100_000, fingerprint: "f", unknown: 0 }, [{
    ids,
    bytes: 9,
  }]);
  assertEquals([info.dtype, (await storage.read("t")).length], ["uint32", 16]);
  assertEquals((await readTokens(storage, "t")).tokens, Uint32Array.from(ids));

  const long = Uint16Array.from({ length: 2 ** 22 + 3 }, (_, i) => i % 65521);
  const two = [{ ids: long.subarray(0, 100), bytes: 1 }, { ids: long.subarray(100), bytes: 1 }];
  const { sha256 } = await writeTokens(storage, "t", { size: 65536, fingerprint: "f", unknown: 0 }, two);
  assertEquals(sha256.length, 3);
  const { tokens } = await readTokens(storage, "t");
  assertEquals(tokens.length === long.length && tokens.every((id, i) => id === long[i]), true);
});

Deno.test("what cannot be a token file is not written", async () => {
  const storage = memoryStorage({ "c/a.txt": "x", "old": "kept" }),
    identity = { size: 10, fingerprint: "f", unknown: 0 };
  await assertRejects(() => writeTokens(storage, "old", identity, []), RangeError, "hold no tokens");
  for (const id of [10, -1, NaN]) {
    await assertRejects(
      () => writeTokens(storage, "old", identity, [{ ids: [id], bytes: 1 }]),
      RangeError,
      `id ${id}`,
    );
  }
  assertEquals(new TextDecoder().decode(await storage.read("old")), "kept");
  const signal = AbortSignal.abort(new Error("enough")), tokenizer = await trainBpe(["x"], { vocabSize: 4 });
  await assertRejects(() => encodeCorpus(storage, "c", "t", tokenizer, { signal }), Error, "enough");
  assertEquals(await storage.stat("t"), null);
});

Deno.test("damaged token files are refused, each with its reason", async () => {
  const storage = memoryStorage(), ids = [1, 2, 3, 4, 5];
  const write = () =>
    writeTokens(storage, "t", { size: 6, fingerprint: "abc", unknown: 0 }, [{ ids, bytes: 9 }]);
  const editInfo = async (changes: Partial<Record<keyof TokenFileInfo, unknown>>): Promise<void> => {
    const info = JSON.parse(new TextDecoder().decode(await storage.read("t.json")));
    await storage.write("t.json", [new TextEncoder().encode(JSON.stringify({ ...info, ...changes }))]);
  };
  const cases: [() => Promise<void>, string][] = [
    [() => storage.append("t", Uint8Array.of(0)), "it has 11 bytes, but 5 ids as uint16 take 10"],
    [() => storage.truncate("t", 8), "it has 8 bytes"],
    [() => storage.write("t", [Uint8Array.of(1, 0, 2, 0, 3, 0, 5, 0, 5, 0)]), "bytes 0 to 10 have changed"],
    [() => storage.write("t.json", [new TextEncoder().encode("{")]), "not valid JSON"],
    [() => storage.write("t.json", [new TextEncoder().encode("null")]), "its format is undefined"],
    [() => editInfo({ format: "other" }), 'its format is "other"'],
    [() => editInfo({ version: 2 }), "it has version 2"],
    [() => editInfo({ dtype: "int8" }), 'dtype "int8" is unknown'],
    [() => editInfo({ dtype: "uint32" }), "5 ids as uint32 take 20"],
    [() => editInfo({ count: -1 }), "count is -1"],
    [() => editInfo({ count: 4 }), "4 ids as uint16 take 8"],
    [() => editInfo({ vocabSize: 5 }), "id 5 at 4 is not below 5"],
    [() => editInfo({ block: 3 }), "block is 3"],
    [() => editInfo({ sha256: [] }), "it should have 1 checksums"],
    [() => editInfo({ documents: [0, 6] }), "the starts of its documents are not in order"],
    [() => editInfo({ documents: null }), "the starts of its documents are not in order"],
    [() => editInfo({ tokenizer: 1 }), "it names no tokenizer"],
  ];
  for (const [damage, reason] of cases) {
    await write();
    assertEquals((await readTokens(storage, "t", { fingerprint: "abc" })).tokens.length, 5);
    await damage();
    await assertRejects(() => readTokens(storage, "t"), SyntaxError, reason);
  }
  await write();
  await assertRejects(
    () => readTokens(storage, "t", { fingerprint: "xyz" }),
    SyntaxError,
    "made with tokenizer abc",
  );
  await storage.remove("t");
  await assertRejects(() => readTokens(storage, "t"), NotFound, "the file is missing");
  await storage.remove("t.json");
  await assertRejects(() => readTokens(storage, "t"), NotFound, "its description memory:t.json is missing");
});

Deno.test("a write that fails half-way does not leave a readable file", async () => {
  const storage = memoryStorage(), identity = { size: 6, fingerprint: "abc", unknown: 0 };
  await writeTokens(storage, "t", identity, [{ ids: [1], bytes: 1 }]);
  const before = await storage.read("t");
  function* failing(): Generator<{ ids: number[]; bytes: number }> {
    yield { ids: [2, 3], bytes: 2 };
    throw new Error("disk on fire");
  }
  await assertRejects(() => writeTokens(storage, "t", identity, failing()), Error, "disk on fire");
  assertEquals(await storage.read("t"), before);
  await assertRejects(() => readTokens(storage, "t"), NotFound, "is missing");
  assertNotEquals(before.length, 0);
});
