// GPT-2's published vocabulary: ids against tiktoken's and against published cases, and the worst kinds of text.
// Skipped unless FOREWORD_DATA names a folder that holds tok/gpt2/, and where it does, clean/udhr2/ and lm/novels/.

import { assert, assertEquals } from "@std/assert";
import { get_encoding, type Tiktoken } from "tiktoken";
import { memoryStorage } from "../src/core/memory_storage.ts";
import type { ByteBpe } from "../src/text/bytes/byte_bpe.ts";
import { GPT2_FILES, loadByteBpe } from "../src/text/bytes/files.ts";
import { property, randomText } from "./text_support.ts";

const DATA = Deno.env.get("FOREWORD_DATA") ?? "";
const present = DATA !== "" && await Deno.stat(`${DATA}/tok/gpt2/vocab.bpe`).then(() => true, () => false);
if (!present) console.log("skipped: GPT-2's published tokenizer (no tok/gpt2/vocab.bpe in FOREWORD_DATA)");

async function load(wasm: boolean): Promise<ByteBpe> {
  const files = await Promise.all(
    Object.values(GPT2_FILES).map(async (name) =>
      [name, await Deno.readFile(`${DATA}/tok/gpt2/${name}`)] as const
    ),
  );
  return await loadByteBpe(memoryStorage(Object.fromEntries(files)), "", { wasm });
}

const ours = present ? await load(true) : undefined!,
  peer: Tiktoken = present ? get_encoding("gpt2") : undefined!;

function agree(text: string, what: string): void {
  const ids = ours.encodeText(text), expected = peer.encode_ordinary(text);
  const wrong = expected.findIndex((id, i) => ids[i] !== id);
  assert(wrong < 0 && ids.length === expected.length, `${what}: id ${wrong} differs`);
  assert(ours.decode(ids) === text, `${what}: does not come back`);
}

const test = (name: string, run: () => void | Promise<void>): void =>
  Deno.test({ name, ignore: !present, fn: run });

test("GPT-2's files hold 50,257 tokens and the known ids", async () => {
  assertEquals([ours.size, ours.merges.length, ours.special.get("<|endoftext|>")], [50257, 50000, 50256]);
  const cases: [string, number[]][] = [
    ["The dog", [464, 3290]],
    ["Hello world", [15496, 995]],
    [" the", [262]],
    ["\n", [198]],
    ["", []],
  ];
  for (const tokenizer of [ours, await load(false)]) {
    for (const [text, ids] of cases) assertEquals(tokenizer.encode(text), ids);
    assertEquals(tokenizer.encode("a<|endoftext|>", { special: "all" }).at(-1), 50256);
    assertEquals(tokenizer.encode("<|endoftext|>").length, 7);
  }
});

test("GPT-2's ids are those of the published cases", async () => {
  const path = `${DATA}/tok/fixtures/hf-tokenization.json`;
  const { gpt2 } = JSON.parse(await Deno.readTextFile(path)) as { gpt2: { text: string; ids: number[] }[] };
  assert(gpt2.length > 0);
  for (const { text, ids } of gpt2) assertEquals(ours.encode(text), ids, text);
});

test("GPT-2's ids are tiktoken's on 19 scripts, on novels and on source code", async () => {
  for await (const { name } of Deno.readDir(`${DATA}/clean/udhr2`)) {
    if (name.endsWith(".txt")) agree(await Deno.readTextFile(`${DATA}/clean/udhr2/${name}`), name);
  }
  let novels = 0;
  for await (const { name } of Deno.readDir(`${DATA}/lm/novels/valid`)) {
    agree((await Deno.readTextFile(`${DATA}/lm/novels/valid/${name}`)).slice(0, 300_000), name);
    novels++;
  }
  assert(novels > 0);
  for (
    const path of [
      "../src/text/bytes/byte_bpe.ts",
      "../assembly/text/split_gpt2.ts",
      "../deno.json",
      "../README.md",
    ]
  ) {
    agree(await Deno.readTextFile(new URL(path, import.meta.url)), path);
  }
});

test("GPT-2's ids are tiktoken's on every Unicode scalar value, alone and between letters", () => {
  for (let first = 0; first < 0x110000; first += 0x1000) {
    if (first >= 0xd800 && first < 0xe000) continue;
    const characters = Array.from({ length: 0x1000 }, (_, i) => first + i)
      .filter((code) => code < 0xd800 || code > 0xdfff).map((code) => String.fromCodePoint(code));
    agree(characters.map((c) => `${c}\na${c}b `).join(""), `from U+${first.toString(16)}`);
  }
});

test("GPT-2's ids are tiktoken's on random texts", () =>
  property((random) => {
    for (let i = 0; i < 30; i++) agree(randomText(random, 200), "random text");
  }));

test("GPT-2's ids are tiktoken's on long runs", async () => {
  const base64 = new Uint8Array(30_000).map((_, i) => Math.imul(i, 2654435761) >>> 13).toBase64();
  agree(base64, "base64");
  const plain = await load(false); // tiktoken is quadratic on these
  for (const unit of ["a", " ", "\n", "=", "😀", "👨‍👩‍👧", "ab", "中"]) {
    const text = unit.repeat(3000) + "end";
    agree(unit.repeat(400), unit);
    assertEquals(ours.encodeText(text), plain.encodeText(text), unit);
  }
});
