// The tokenizer beside published weights: which files are taken, how words are split when the files do not say, and the
// way out and back in.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { memoryStorage } from "../src/core/memory_storage.ts";
import type { BpeTokenizer } from "../src/text/bpe.ts";
import { createBpe } from "../src/text/bpe.ts";
import { saveBpe } from "../src/text/bpe_files.ts";
import { trainByteBpe } from "../src/text/bytes/train.ts";
import {
  openPublishedTokenizer,
  writePublishedTokenizer,
  writeReleasedTokenizer,
} from "../src/text/hugging_face/gpt1_folder.ts";
import type { PretokenizerName } from "../src/text/pretokenizers.ts";

const tokenizerOf = (pretokenizer: PretokenizerName): Promise<BpeTokenizer> =>
  createBpe({
    characters: ["l", "o", "w", "e", "r"],
    merges: [["l", "o"], ["lo", "w"], ["e", "r</w>"]],
    pretokenizer,
  });

Deno.test("a tokenizer comes back from either layout as it was", async () => {
  for (const name of ["gpt1", "words", "bert"] as const) {
    const storage = memoryStorage(), tokenizer = await tokenizerOf(name);
    await storage.makeFolder("face");
    await storage.makeFolder("release");
    await writePublishedTokenizer(storage, "face", tokenizer, 16);
    await writeReleasedTokenizer(storage, "release", tokenizer);
    for (const folder of ["face", "release"]) {
      assertEquals((await openPublishedTokenizer(storage, folder)).fingerprint, tokenizer.fingerprint);
    }
    const config = JSON.parse(new TextDecoder().decode(await storage.read("face/tokenizer_config.json")));
    assertEquals(config.tokenizer_class, name === "words" ? "PreTrainedTokenizerFast" : "OpenAIGPTTokenizer");
    assertEquals(config.model_max_length, 16);
  }
  const bytes = await trainByteBpe(["low lower lowest"], { vocabSize: 260 }), storage = memoryStorage();
  await storage.makeFolder("face");
  await writePublishedTokenizer(storage, "face", bytes, 16);
  assertEquals((await openPublishedTokenizer(storage, "face")).fingerprint, bytes.fingerprint);
  await assertRejects(
    () => writeReleasedTokenizer(storage, "face", bytes),
    SyntaxError,
    "choose the other format",
  );
});

Deno.test("how words are split where the files do not say", async () => {
  const storage = memoryStorage(), tokenizer = await tokenizerOf("words");
  await storage.makeFolder("face");
  await storage.makeFolder("release");
  await writePublishedTokenizer(storage, "face", tokenizer, 16);
  await writeReleasedTokenizer(storage, "release", tokenizer);
  for (const folder of ["face", "release"]) await storage.remove(`${folder}/tokenizer_config.json`);
  const splitOf = async (folder: string, asked?: PretokenizerName): Promise<unknown> =>
    (await openPublishedTokenizer(storage, folder, asked) as BpeTokenizer).pretokenizer;
  assertEquals(await splitOf("release"), "gpt1", "the release's own files");
  assertEquals(await splitOf("face"), "words", "as tokenizer.json says");
  await storage.remove("face/tokenizer.json");
  assertEquals(await splitOf("face"), "bert", "as transformers does");
  assertEquals(await splitOf("face", "gpt1"), "gpt1", "as asked");
  await storage.write("face/tokenizer_config.json", [new TextEncoder().encode('{"tokenizer_class":"X"}')]);
  assertEquals(await splitOf("face"), "bert", "transformers' own config says nothing of it");
});

Deno.test("the released vocabulary splits as GPT-1 did, whatever files it is in", async () => {
  // 40,000 merges that make the two tokens it is known by; the rest are pairs of characters.
  const characters = Array.from(
    { length: 238 },
    (_, i) => i < 3 ? "thb"[i] : String.fromCharCode(0x4e00 + i),
  );
  characters.splice(3, 8, ..."acelorxy");
  const word = "bachelorette", parts: [string, string][] = [];
  for (let i = 2; i < word.length; i++) {
    parts.push([word.slice(0, i), word[i] + (i === word.length - 1 ? "</w>" : "")]);
  }
  const start: [string, string][] = [["t", "h"], ["b", "a"]], end = parts.pop()!;
  const used = new Set([...start, ...parts].map((pair) => pair.join("")));
  const fill = characters.flatMap((a) => characters.map((b): [string, string] => [a, b]))
    .filter((pair) => !used.has(pair.join(""))).slice(0, 40000 - start.length - parts.length - 1);
  const tokenizer = await createBpe({
    characters,
    merges: [...start, ...parts, ...fill, end],
    pretokenizer: "bert",
  });
  assertEquals([tokenizer.size, tokenizer.tokens[477], tokenizer.tokens[40476]], [
    40478,
    "th",
    "bachelorette</w>",
  ]);
  const storage = memoryStorage();
  await storage.makeFolder("face");
  await writePublishedTokenizer(storage, "face", tokenizer, 512);
  await storage.remove("face/tokenizer_config.json");
  assertEquals((await openPublishedTokenizer(storage, "face") as BpeTokenizer).pretokenizer, "gpt1");
});

Deno.test("tokenizer files that are missing, damaged or unknown", async () => {
  await assertRejects(
    () => openPublishedTokenizer(memoryStorage({ "m/x": "" }), "m"),
    Error,
    "Cannot load a tokenizer",
  );
  const storage = memoryStorage(),
    write = (name: string, text: string) => storage.write(`m/${name}`, [new TextEncoder().encode(text)]);
  await storage.makeFolder("m");
  await writePublishedTokenizer(storage, "m", await tokenizerOf("gpt1"), 16);
  await write("tokenizer_config.json", '{"foreword_pretokenizer":"other"}');
  await assertRejects(
    () => openPublishedTokenizer(storage, "m"),
    SyntaxError,
    'foreword_pretokenizer is "other"',
  );
  await write("tokenizer_config.json", "{}");
  await write("merges.txt", "#version: 0.2\nl o\n");
  const error = await assertRejects(() => openPublishedTokenizer(storage, "m"), SyntaxError);
  assert(error.message.includes("no merge in memory:m/merges.txt makes its token"), error.message);
  // A Foreword folder, as --tokenizer has it, is not mistaken for transformers'.
  await saveBpe(storage, "own", await tokenizerOf("words"));
  assertEquals((await openPublishedTokenizer(storage, "own") as BpeTokenizer).pretokenizer, "words");
});
