// A tokenizer by its path: what every kind gives when saved and opened again, which files of a folder count, folders as
// transformers writes them, and what is said where files do not say what they are. The kinds themselves and damage to
// their files are tested in bpe_test.ts, byte_bpe_test.ts, wordpiece_test.ts and tokenizer_json_test.ts.

import { assertEquals, assertRejects } from "@std/assert";
import { memoryStorage } from "../src/core/memory_storage.ts";
import { NotFound, type Storage } from "../src/core/storage.ts";
import { GPT1_FILES, saveBpe } from "../src/text/bpe_files.ts";
import { trainBpe } from "../src/text/bpe_train.ts";
import { saveByteBpe, TRANSFORMERS_FILES } from "../src/text/bytes/files.ts";
import { trainByteBpe } from "../src/text/bytes/train.ts";
import {
  type AnyTokenizer,
  holdsTokenizer,
  openTokenizer,
  saveTokenizer,
  saveTokenizerJson,
  specialTokens,
} from "../src/text/open_tokenizer.ts";
import { saveVocabulary } from "../src/text/wordpiece/files.ts";
import { trainWordPiece } from "../src/text/wordpiece/train.ts";

const TEXTS = ["low lower lowest slow slower 12 12 3", "The Café's low; isn't it? [MASK] <|endoftext|>\nNew"];
const size = { vocabSize: 285, minFrequency: 1 };
const words = await trainBpe(TEXTS, { vocabSize: 80, minFrequency: 1, pretokenizer: "words" });
const gpt1 = await trainBpe(TEXTS, { vocabSize: 80, minFrequency: 1, pretokenizer: "gpt1" });
const bert = await trainBpe(TEXTS, { vocabSize: 80, minFrequency: 1, pretokenizer: "bert" });
const bytes = await trainByteBpe(TEXTS, { ...size, special: ["<|endoftext|>", "[x]"] });
const uncased = await trainWordPiece(TEXTS, { vocabSize: 70, minFrequency: 1, lowerCase: true });
const cased = await trainWordPiece(TEXTS, { vocabSize: 80, minFrequency: 1, lowerCase: false });
const every = { words, gpt1, bert, bytes, uncased, cased };

function same(opened: AnyTokenizer, original: AnyTokenizer, what: string): void {
  assertEquals(opened.kind, original.kind, what);
  assertEquals(opened.fingerprint, original.fingerprint, what);
  assertEquals(opened.tokens, original.tokens, what);
  assertEquals(specialTokens(opened), specialTokens(original), what);
  for (const text of TEXTS) assertEquals(opened.encode(text), original.encode(text), what);
}

/** The files of a folder of the storage, under other names where `names` has them. */
async function filesOf(storage: Storage, from: string, names: Readonly<Record<string, string>> = {}) {
  const files: Record<string, Uint8Array> = {};
  for (const { name } of await storage.list(from)) {
    files[names[name] ?? name] = await storage.read(`${from}/${name}`);
  }
  return files;
}

const under = (folder: string, files: Readonly<Record<string, Uint8Array | string>>) =>
  memoryStorage(Object.fromEntries(Object.entries(files).map(([name, data]) => [`${folder}/${name}`, data])));

Deno.test("every kind is the same when it was saved and is opened again", async () => {
  for (const [name, tokenizer] of Object.entries(every)) {
    const storage = memoryStorage();
    await saveTokenizer(storage, "a/b", tokenizer);
    same(await openTokenizer(storage, "a/b"), tokenizer, name);
    const again = memoryStorage();
    await saveTokenizer(again, "a/b", await openTokenizer(storage, "a/b"));
    assertEquals(await filesOf(again, "a/b"), await filesOf(storage, "a/b"), `${name}: files`);
  }
});

Deno.test("every kind is the same by way of tokenizer.json, but for GPT-1's own way to split", async () => {
  for (const [name, tokenizer] of Object.entries({ ...every, gpt1: bert })) {
    const storage = memoryStorage();
    await saveTokenizerJson(storage, "t.json", tokenizer);
    same(await openTokenizer(storage, "t.json"), tokenizer, name);
    await storage.makeFolder("folder");
    await saveTokenizerJson(storage, "folder/tokenizer.json", tokenizer);
    same(await openTokenizer(storage, "folder"), tokenizer, `${name}: folder`);
  }
  const storage = memoryStorage();
  await saveTokenizerJson(storage, "t.json", gpt1);
  const opened = await openTokenizer(storage, "t.json");
  assertEquals([opened.kind, opened.tokens], ["word-bpe", gpt1.tokens]);
  assertEquals("pretokenizer" in opened && opened.pretokenizer, "bert");
});

Deno.test("published pairs open without a config, under OpenAI's names and transformers'", async () => {
  const storage = memoryStorage();
  await saveTokenizer(storage, "bytes", bytes);
  await saveTokenizer(storage, "gpt1", gpt1);
  await storage.remove("bytes/tokenizer_config.json");
  await storage.remove("gpt1/tokenizer_config.json");
  const transformers = { "encoder.json": TRANSFORMERS_FILES.encoder, "vocab.bpe": TRANSFORMERS_FILES.merges };
  const release = { "encoder.json": GPT1_FILES.encoder, "vocab.bpe": GPT1_FILES.merges };
  const config = { "tokenizer_config.json": '{"model_max_length": 512}' };
  for (const names of [{}, transformers]) {
    for (const extra of [{}, config]) {
      const pair = await filesOf(storage, "bytes", names);
      same(await openTokenizer(under("f", { ...pair, ...extra }), "f"), bytes, "bytes");
      const words = await filesOf(storage, "gpt1", names);
      same(await openTokenizer(under("f", { ...words, ...extra }), "f"), gpt1, "GPT-1");
    }
  }
  const files = { ...await filesOf(storage, "gpt1", release), ...config };
  same(await openTokenizer(under("f", files), "f"), gpt1, "GPT-1's release");
});

Deno.test("a vocab.txt needs its type, unless transformers' config beside it has it", async () => {
  const storage = memoryStorage({
    "said/tokenizer_config.json": '{"do_lower_case": false}',
    "unsaid/tokenizer_config.json": '{"model_max_length": 512}',
  });
  for (const folder of ["said", "unsaid"]) await saveVocabulary(storage, `${folder}/vocab.txt`, cased.tokens);
  const lower = async (path: string, type?: "bert-uncased" | "bert-cased") => {
    const opened = await openTokenizer(storage, path, type);
    return opened.kind === "wordpiece" && opened.lowerCase;
  };
  assertEquals(await lower("said"), false);
  assertEquals(await lower("said", "bert-uncased"), true); // who asks for it gets it
  assertEquals(await lower("unsaid/vocab.txt", "bert-cased"), false);
  for (const path of ["unsaid", "unsaid/vocab.txt", "said/vocab.txt"]) {
    await assertRejects(() => openTokenizer(storage, path), RangeError, "say --type bert-uncased or");
  }
});

Deno.test("a type that the files contradict is refused", async () => {
  const storage = memoryStorage();
  for (const [name, tokenizer] of Object.entries(every)) await saveTokenizer(storage, name, tokenizer);
  same(await openTokenizer(storage, "cased", "bert-cased"), cased, "cased");
  for (
    const [name, is] of [["bytes", "a byte-level BPE"], ["gpt1", "a BPE of words"], ["cased", "bert-cased"]]
  ) {
    await assertRejects(
      () => openTokenizer(storage, name, "bert-uncased"),
      RangeError,
      `Cannot open memory:${name} as bert-uncased: its files are ${is}; leave the type out`,
    );
  }
});

Deno.test("where a folder holds several tokenizers, the order is fixed", async () => {
  const storage = memoryStorage(), file = (name: string) => `all/${name}`;
  const steps: [AnyTokenizer, () => Promise<void>][] = [
    [bytes, () => saveByteBpe(storage, "all", bytes, TRANSFORMERS_FILES)],
    [uncased, () => saveVocabulary(storage, file("vocab.txt"), uncased.tokens)],
    [words, () => saveTokenizerJson(storage, file("tokenizer.json"), words)],
    [gpt1, () => saveBpe(storage, "all", gpt1, GPT1_FILES)],
    [words, () => saveBpe(storage, "all", words)],
  ];
  for (const [i, [tokenizer, add]] of steps.entries()) {
    await add();
    if (i < steps.length - 1) {
      await storage.write(file("tokenizer_config.json"), [new TextEncoder().encode("{}")]);
    }
    const type = tokenizer === uncased ? "bert-uncased" : undefined;
    // `[x]` and `<|endoftext|>` look like special tokens, so the pair alone says enough.
    same(await openTokenizer(storage, "all", type), tokenizer, `step ${i}`);
  }
});

Deno.test("a tokenizer is not saved where another would be opened in its place", async () => {
  for (const other of [words, bytes]) {
    const storage = memoryStorage();
    assertEquals(await holdsTokenizer(storage, "f"), false);
    await saveTokenizer(storage, "f", other);
    assertEquals(await holdsTokenizer(storage, "f"), true);
    const before = await filesOf(storage, "f");
    await assertRejects(
      () => saveTokenizer(storage, "f", cased),
      RangeError,
      "of another one; choose another",
    );
    assertEquals(await filesOf(storage, "f"), before);
  }
  const storage = memoryStorage();
  await saveTokenizer(storage, "f", cased);
  await saveTokenizer(storage, "f", bytes); // its config says which files count
  same(await openTokenizer(storage, "f"), bytes, "over another");
});

Deno.test("paths that hold no tokenizer are refused, each with what to do", async () => {
  const storage = memoryStorage({
    "empty/readme.md": "x",
    "half/vocab.bpe": "#version: 0.2\n",
    "config/tokenizer_config.json": "{",
    "other/tokenizer_config.json": '{"format": "foreword-bpe-9"}',
  });
  const cases: [string, typeof NotFound | typeof RangeError | typeof SyntaxError, string][] = [
    ["none", NotFound, "Cannot load a tokenizer from memory:none: there is no such file or folder"],
    [
      "empty",
      NotFound,
      "it holds no tokenizer.json, no vocab.txt, and no pair such as encoder_bpe_40000.json",
    ],
    ["half", NotFound, "and no pair such as"],
    [
      "half/vocab.bpe",
      RangeError,
      "encoder.json and vocab.bpe belong together; give the folder that holds both",
    ],
    ["config", SyntaxError, "Cannot read memory:config/tokenizer_config.json: not valid JSON"],
    ["other", NotFound, "it holds no tokenizer.json"],
  ];
  for (const [path, type, message] of cases) {
    await assertRejects(() => openTokenizer(storage, path), type, message);
  }
});

Deno.test("faults are named by file and line or field", async () => {
  const storage = memoryStorage(), text = new TextEncoder();
  await saveTokenizer(storage, "bytes", bytes);
  await saveTokenizer(storage, "bert", cased);
  await saveTokenizer(storage, "gpt1", gpt1);
  const read = async (path: string) => new TextDecoder().decode(await storage.read(path));
  const [left, right] = bytes.merges[1];
  const cases: [string, string, (content: string) => string | Uint8Array, string][] = [
    [
      "bytes",
      "vocab.bpe",
      (t) => t.replace(`\n${left} ${right}\n`, "\nzz y\n"),
      "line 3 of vocab.bpe (zz y) uses zz",
    ],
    ["bytes", "vocab.bpe", (t) => t.replace(`\n${left} ${right}\n`, "\nzz\n"), 'vocab.bpe: line 3 is "zz"'],
    [
      "bytes",
      "vocab.bpe",
      (t) => Uint8Array.of(...text.encode(t), 0xff),
      `line ${bytes.merges.length + 2} is not UTF-8`,
    ],
    ["bytes", "encoder.json", (t) => t.slice(0, -9), "encoder.json: not valid JSON"],
    ["gpt1", "encoder.json", (t) => t.replace(": 7,", ": 8,"), "encoder.json: token "],
    [
      "bytes",
      "tokenizer_config.json",
      (t) => JSON.stringify({ ...JSON.parse(t), special: 1 }),
      'the field "special"',
    ],
    ["bytes", "tokenizer_config.json", (t) => t.replace("[x]", "[y]"), "[y]"],
    ["bert", "tokenizer.json", (t) => t.replace('"WordPiece"', '"Unigram"'), 'decoder is {"type":"Unigram"'],
    [
      "bert",
      "tokenizer.json",
      (t) => t.replace('"lowercase": false', '"lowercase": 1'),
      "normalizer.lowercase is 1",
    ],
  ];
  for (const [folder, name, damage, message] of cases) {
    const path = `${folder}/${name}`, before = await read(path), after = damage(before);
    await storage.write(path, [typeof after === "string" ? text.encode(after) : after]);
    const error = await assertRejects(() => openTokenizer(storage, folder), SyntaxError);
    assertEquals(
      [error.message.includes(message), error.message.includes(`memory:${folder}`)],
      [true, true],
      error.message,
    );
    await storage.write(path, [text.encode(before)]);
  }
});
