// Preparing a corpus: what is read, from any kind of file and whatever the pieces; which documents are kept; that shards,
// hands and interruptions do not change the ids; and what is said of bad input.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { memoryStorage } from "../src/core/memory_storage.ts";
import { Random } from "../src/core/random.ts";
import type { Storage } from "../src/core/storage.ts";
import { trainBpe } from "../src/text/bpe_train.ts";
import { trainByteBpe } from "../src/text/bytes/train.ts";
import { specialTokens } from "../src/text/open_tokenizer.ts";
import { utf8 } from "../src/text/prepare/byte_streams.ts";
import { type CorpusSource, findSources, readSource } from "../src/text/prepare/documents.ts";
import { type Filters, isDenied, keepAll } from "../src/text/prepare/filters.ts";
import { NearDuplicates, resemblance, Signature } from "../src/text/prepare/near_duplicates.ts";
import { divide, utf8Length } from "../src/text/prepare/prepare.ts";
import { readPrepared } from "../src/text/prepare/prepared.ts";
import { handOf, type PrepareHand, type PrepareRun, runPreparation } from "../src/text/prepare/run.ts";
import { trainWordPiece } from "../src/text/wordpiece/train.ts";

const LEARNT = "the quick brown fox jumps over the lazy dog, the fox and the dog 0123456789";
const tokenizer = await trainBpe([LEARNT], { vocabSize: 78 });

async function gzip(text: string): Promise<Uint8Array> {
  const packed = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.slice(at, at + size));
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  return await Array.fromAsync(items);
}

/** The texts of all documents. */
async function texts(storage: Storage, sources: readonly CorpusSource[]): Promise<string[]> {
  const found: string[] = [];
  for (const source of sources) {
    for await (const { text, begins } of readSource(storage, source)) {
      if (begins) found.push(text);
      else found[found.length - 1] += text;
    }
  }
  return found;
}

const jsonl = (texts: readonly string[], fields: object = {}): string =>
  texts.map((text) => JSON.stringify({ ...fields, text }) + "\n").join("");

function runOf(sources: readonly CorpusSource[], settings: Partial<PrepareRun> = {}): PrepareRun {
  return {
    sources,
    folder: "out",
    tokenizer,
    shardBytes: 2 ** 28,
    filters: keepAll,
    separator: null,
    ...settings,
  };
}

async function prepare(storage: Storage, run: PrepareRun, hands = 1): Promise<number[]> {
  const hand = handOf(storage, run.folder, tokenizer, run);
  await runPreparation(storage, run, Array.from({ length: hands }, () => hand));
  return Array.from((await readPrepared(storage, run.folder, tokenizer)).tokens);
}

Deno.test("UTF-8 is the same text in pieces of any size", async () => {
  const text = "\ufeffa\r\nb\rc\n\r\n é€😀\r", bytes = new TextEncoder().encode(text);
  for (let size = 1; size <= bytes.length; size++) {
    const pieces = await collect(utf8(inPieces(bytes, size), "x"));
    assertEquals(pieces.join(""), "a\nb\nc\n\n é€😀\n", `pieces of ${size}`);
  }
});

Deno.test("bytes that are not UTF-8 are named by their offset", async () => {
  for (
    const [bytes, at] of [[[97, 98, 0xff], 2], [[0xc3, 0xa9, 0xe2, 0x82], 2], [
      [0xed, 0xa0, 0x80],
      0,
    ]] as const
  ) {
    for (const size of [1, 2, 9]) {
      const read = () => collect(utf8(inPieces(Uint8Array.from(bytes), size), "book.txt", 100));
      await assertRejects(read, SyntaxError, `Cannot read book.txt: byte ${100 + at} `);
    }
  }
});

Deno.test("documents of text files and JSON Lines, plain and packed", async () => {
  const storage = memoryStorage({
    "in/a.txt": "one\ntwo\n",
    "in/b.jsonl": jsonl(["three\r\nthree", "four"]) + "\n" + `{"text":"five"}`,
    "in/c.txt.gz": await gzip("six"),
    "in/d/e.ndjson.gz": await gzip(jsonl(["seven"])),
    "in/.hidden.txt": "no",
    "in/readme.md": "no",
  });
  const found = await texts(storage, await findSources(storage, "in"));
  assertEquals(found, ["one\ntwo\n", "three\nthree", "four", "five", "six", "seven"]);
});

Deno.test("JSON Lines are cut between lines, wherever the parts end", async () => {
  const random = new Random(1, "test/prepare");
  const all = Array.from({ length: 30 }, (_, i) => `${i} ${"é".repeat(random.below(20))}`);
  const storage = memoryStorage({ "in.jsonl": jsonl(all) }), sources = await findSources(storage, "in.jsonl");
  for (const bytes of [1, 7, 40, 100, 10_000]) {
    const parts = divide(sources, bytes).flatMap((unit) => unit.sources);
    assertEquals(await texts(storage, parts), all, `parts of ${bytes}`);
  }
});

Deno.test("files are put together up to the size of a shard", () => {
  const source = (end: number): CorpusSource => ({
    path: `${end}.txt`,
    format: "text",
    gzip: false,
    start: 0,
    end,
  });
  const sizes = divide([5, 4, 20, 1, 2].map(source), 10).map(({ sources }) => sources.map(({ end }) => end));
  assertEquals(sizes, [[5, 4], [20], [1, 2]]);
});

Deno.test("shards, hands and interruptions do not change the ids", async () => {
  const random = new Random(2, "test/prepare"), words = ["the", "quick", "fox", "dog", "\n", "lazy"];
  const document = () => Array.from({ length: 1 + random.below(30) }, () => words[random.below(6)]).join(" ");
  const all = Array.from({ length: 40 }, document);
  const files = { "in/a.txt": all[0], "in/b.jsonl": jsonl(all.slice(1)) };
  const whole = all.flatMap((text) => [...tokenizer.encode(text), 0]);
  for (const [shardBytes, hands] of [[2 ** 28, 1], [100, 1], [700, 3]]) {
    const storage = memoryStorage(files), sources = await findSources(storage, "in");
    const run = runOf(sources, { shardBytes, separator: 0 });
    let left = 2; // the third job fails
    const failing: PrepareHand = async (job, onPiece) => {
      if (left-- === 0) throw new Error("power cut");
      await handOf(storage, "out", tokenizer, run)(job, onPiece);
    };
    if (divide(sources, shardBytes).length > 2) {
      await assertRejects(() => runPreparation(storage, run, [failing]), Error, "power cut");
      assertEquals(await storage.stat("out/index.json"), null);
    }
    assertEquals(await prepare(storage, run, hands), whole, `shards of ${shardBytes}`);
  }
});

Deno.test("a text of many pieces is encoded as in one", async () => {
  const text = Array.from({ length: 4500 }, (_, i) => `${" ".repeat(1000)}line ${i}, the fox`).join("\n");
  assert(utf8Length(text) > 2 ** 22);
  const storage = memoryStorage({ "a.txt": text });
  assertEquals(await prepare(storage, runOf(await findSources(storage, "a.txt"))), tokenizer.encode(text));
});

Deno.test("copies, near copies and denied domains are left out, across shards", async () => {
  const long = Array.from({ length: 60 }, (_, i) => `word${i}`).join(" ");
  const all = [long, "the fox", ` the fox\n`, long.replace("word30", "other"), "the dog", long.toUpperCase()];
  const storage = memoryStorage({
    "in/a.jsonl": jsonl(all.slice(0, 3)),
    "in/b.jsonl": jsonl(all.slice(3)) + jsonl(["lazy"], { url: "https://www.spam.example/x" }),
  });
  const sources = await findSources(storage, "in");
  const kept = async (folder: string, filters: Partial<Filters>, shardBytes: number) => {
    const run = runOf(sources, { folder, shardBytes, filters: { ...keepAll, ...filters } });
    const ids = await prepare(storage, run, 2),
      index = (await readPrepared(storage, folder, tokenizer)).index;
    return { ids, dropped: index.dropped, documents: index.documents };
  };
  const ids = (...texts: string[]) => texts.flatMap((text) => tokenizer.encode(text));
  assertEquals(await kept("all", {}, 50), {
    ids: ids(...all, "lazy"),
    dropped: { denied: 0, copies: 0 },
    documents: 7,
  });
  assertEquals(await kept("exact", { exact: true }, 50), {
    ids: ids(...all.filter((_, i) => i !== 2), "lazy"),
    dropped: { denied: 0, copies: 1 },
    documents: 6,
  });
  assertEquals(await kept("near", { near: 0.7, deniedDomains: new Set(["spam.example"]) }, 300), {
    ids: ids(long, "the fox", "the dog"),
    dropped: { denied: 1, copies: 3 },
    documents: 3,
  });
  assertEquals(await storage.stat("near/prints"), null);
});

Deno.test("signatures estimate the resemblance of shingles", () => {
  const random = new Random(3, "test/prepare");
  const sign = (words: readonly string[]): Uint32Array => {
    const signature = new Signature();
    signature.add(words.join(" "));
    return signature.values()!;
  };
  for (const changed of [0, 3, 10, 40]) {
    const words = Array.from({ length: 400 }, () => `w${random.below(1e6)}`), other = [...words];
    for (let i = 0; i < changed; i++) other[Math.floor((i + 0.5) * 400 / changed)] = "x";
    const shingles = (list: readonly string[]) =>
      new Set(list.slice(4).map((_, i) => list.slice(i, i + 5).join(" ")));
    const a = shingles(words), b = shingles(other), both = a.intersection(b).size;
    const exact = both / (a.size + b.size - both);
    assert(Math.abs(resemblance(sign(words), sign(other)) - exact) < 0.12, `${changed} words changed`);
  }
  assertEquals(new Signature().values(), null);
  assertThrows(() => new NearDuplicates(0.3), RangeError, "above 0.5");
});

Deno.test("a domain list denies its domains and what is below them", () => {
  const filters: Filters = { ...keepAll, deniedDomains: new Set(["bad.org", "x.co.uk"]) };
  const denied = (url: unknown) => isDenied({ url }, filters);
  assertEquals(
    ["http://bad.org/a", "a.BAD.org", "https://u@y.x.co.uk:80/", "bad.org."].map(denied),
    Array(4).fill(true),
  );
  assertEquals(
    ["http://notbad.org", "co.uk", "bad.org.evil.com", 7, undefined].map(denied),
    Array(5).fill(false),
  );
});

Deno.test("bad input is refused with its place", async () => {
  const storage = memoryStorage({
    "bad.jsonl": `{"text":"a"}\nnot json\n`,
    "field.jsonl": `{"body":"a","url":"b"}\n`,
    "number.jsonl": `7\n`,
    "cut.txt.gz": (await gzip("some text that is long enough")).slice(0, 20),
    "odd": "text",
    "folder/readme.md": "x",
    "used/thing.txt": "x",
    "fine.txt": "the fox",
  });
  const read = async (path: string) =>
    await prepare(storage, runOf(await findSources(storage, path), { folder: `out-${path}` }));
  const cases: [string, string][] = [
    ["bad.jsonl", "line 2 of memory:bad.jsonl: it is not valid JSON"],
    [
      "field.jsonl",
      'its field "text" is missing; name the field that holds the text with --text-field (it has body, url)',
    ],
    ["number.jsonl", "should hold a JSON object"],
    ["cut.txt.gz", "is not whole gzip data"],
    ["odd", "say --format text or --format jsonl"],
    ["folder", "no file in it ends in .txt"],
    ["missing", "there is no such file or folder"],
  ];
  for (const [path, message] of cases) await assertRejects(() => read(path), Error, message);
  const sources = await findSources(storage, "fine.txt");
  await assertRejects(
    () => prepare(storage, runOf(sources, { folder: "used" })),
    RangeError,
    "it holds other files",
  );
  await prepare(storage, runOf(sources));
  await assertRejects(
    () => prepare(storage, runOf(sources, { separator: 1 })),
    RangeError,
    "with another separator",
  );
});

Deno.test("every kind of tokenizer: ids are those of each document, and the separator", async () => {
  const documents = [
    "The fox, the dog!\n\nIt's\r\nlazy  ",
    " 0123\n",
    "",
    "caf\u00e9 \u4f4e \ud83d\ude00\tfox",
    "\ufeffdog <|endoftext|>",
  ];
  const texts = [LEARNT, ...documents], size = { vocabSize: 300, minFrequency: 1 };
  const kinds = [
    await trainBpe(texts, { vocabSize: 100, minFrequency: 1, pretokenizer: "gpt1" }),
    await trainByteBpe(texts, size),
    await trainWordPiece(texts, { vocabSize: 120, minFrequency: 1, lowerCase: true }),
  ];
  const storage = memoryStorage({ "in.jsonl": jsonl(documents), "in.txt": documents[0] });
  for (const tokenizer of kinds) {
    const separator = [...specialTokens(tokenizer).values()].at(0) ?? null, folder = `of-${tokenizer.kind}`;
    const after = separator === null ? [] : [separator];
    const sources = [...await findSources(storage, "in.jsonl"), ...await findSources(storage, "in.txt")];
    const run = { ...runOf(sources, { folder, separator, shardBytes: 40 }), tokenizer };
    await runPreparation(storage, run, [handOf(storage, folder, tokenizer, run)]);
    const { tokens, index } = await readPrepared(storage, folder, tokenizer);
    // A carriage return is no line break of its own in a corpus.
    const expected = [...documents, documents[0]].flatMap((text) => [
      ...tokenizer.encode(text.replaceAll("\r\n", "\n")),
      ...after,
    ]);
    assertEquals(Array.from(tokens), expected, tokenizer.kind);
    assertEquals([index.documents, index.separator], [documents.length + 1, separator]);
  }
});

Deno.test("what a killed process left behind neither stops the next one nor stays", async () => {
  const storage = memoryStorage({ "a.txt": "the fox", "out/.tmp-plan.json-1": "{" });
  const run = runOf(await findSources(storage, "a.txt"));
  await prepare(storage, run);
  await storage.write("out/.tmp-shard-00000.tokens-2", [new Uint8Array(9)]);
  await storage.remove("out/shard-00000.tokens");
  await prepare(storage, run);
  const names = (await storage.list("out")).map(({ name }) => name);
  assertEquals(names, ["index.json", "plan.json", "shard-00000.tokens", "shard-00000.tokens.json"]);
});
