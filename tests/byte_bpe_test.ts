// Byte-level BPE from the outside: the WebAssembly path and the plain one side by side, on small vocabularies made
// here. What is inside the engine is tested in text_engine_test.ts, GPT-2's own vocabulary in gpt2_tokenizer_test.ts.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { memoryStorage } from "../src/core/memory_storage.ts";
import { NotFound } from "../src/core/storage.ts";
import { type ByteBpe, createByteBpe } from "../src/text/bytes/byte_bpe.ts";
import { loadByteBpe, saveByteBpe, TRANSFORMERS_FILES } from "../src/text/bytes/files.ts";
import { splitGpt2 } from "../src/text/bytes/split.ts";
import { property, randomMerges, randomText } from "./text_support.ts";

const MERGES: [string, string][] = [
  ["a", "a"],
  ["t", "h"],
  ["th", "e"],
  ["Ġ", "the"],
  ["'", "s"],
  ["aa", "aa"],
  ["Ã", "©"],
  ["Ġ", "Ġ"],
  ["ð", "Ł"],
];
const END = "<|end|>", both = [true, false];

const make = (wasm: boolean): Promise<ByteBpe> =>
  createByteBpe({ merges: MERGES, special: [END, "<|end|>>"] }, { wasm });
const spelt = (tokenizer: ByteBpe, ids: Iterable<number>): string =>
  Array.from(ids, (id) => tokenizer.tokens[id]).join(" ");

for (const wasm of both) {
  const name = wasm ? "the engine" : "plain TypeScript";

  Deno.test(`${name} splits, then merges by rank`, async () => {
    const tokenizer = await make(wasm);
    const cases: [string, string][] = [
      ["", ""],
      ["the the", "the Ġthe"],
      ["aaaaaaa", "aaaa aa a"],
      ["it's 'stheé", "i t 's Ġ ' s the Ã©"],
      ["'sthe", "'s the"],
      ["    the", "ĠĠ Ġ Ġthe"],
      ["a \n\n a", "a Ġ Ċ Ċ Ġ a"],
      ["  ", "ĠĠ"],
      ["😀", "ðŁ ĺ Ģ"],
      ["\0\0", "Ā Ā"],
      [END, "< | e n d | >"],
    ];
    for (const [text, tokens] of cases) {
      assertEquals(spelt(tokenizer, tokenizer.encode(text)), tokens, text);
      assertEquals(tokenizer.decode(tokenizer.encode(text)), text);
    }
  });

  Deno.test(`${name} takes special tokens for such only where they are allowed`, async () => {
    const tokenizer = await make(wasm), end = tokenizer.special.get(END)!;
    assertEquals(end, 265);
    assertEquals(tokenizer.encode(`a${END}the`, { special: [END] }), [
      ...tokenizer.encode("a"),
      end,
      ...tokenizer.encode("the"),
    ]);
    assertEquals(tokenizer.encode(`${END}>`, { special: "all" }), [end + 1], "the longest one counts");
    assertEquals(tokenizer.encode(`${END}>`, { special: [END] }), [end, ...tokenizer.encode(">")]);
    assertEquals(tokenizer.decode([end, end]), END + END);
    assertThrows(() => tokenizer.encode("a", { special: ["<pad>"] }), RangeError, 'Cannot allow "<pad>"');
  });

  Deno.test(`${name} gives back every text, in one piece and as a stream`, async () => {
    const tokenizer = await make(wasm);
    await property((random) => {
      const text = randomText(random, 300), ids = tokenizer.encodeText(text);
      assertEquals(tokenizer.decode(ids), text);
      assertEquals(tokenizer.decodeBytes(ids), new TextEncoder().encode(text));
      assertEquals(tokenizer.encodeBytes(new TextEncoder().encode(text)), ids);
      assertEquals(tokenizer.encode(text), [...ids]);
      const stream = tokenizer.decoder();
      const pieces = Array.from(ids, (id) => stream.push(id));
      assert(
        pieces.every((piece) => !piece.includes("\ufffd") || text.includes("\ufffd")),
        "no character was cut",
      );
      assertEquals(pieces.join("") + stream.end(), text);
    });
    const stream = tokenizer.decoder(),
      [first] = tokenizer.encode("é".slice(0, 1)),
      [lead] = tokenizer.encode("ß");
    assertEquals([stream.push(lead), stream.push(first), stream.push(lead), stream.end()], [
      "",
      "\ufffdé",
      "",
      "\ufffd",
    ]);
  });

  Deno.test(`${name} keeps byte order marks, and makes lone surrogates U+FFFD`, async () => {
    const tokenizer = await make(wasm);
    assertEquals(tokenizer.decode(tokenizer.encode("\ufeffa\ufeff")), "\ufeffa\ufeff");
    for (const text of ["\ud83d", "a\ude00b", "\ude00\ud83d", "😀".slice(0, 1) + "a"]) {
      assertEquals(tokenizer.encode(text), tokenizer.encode(text.toWellFormed()));
    }
  });

  Deno.test(`${name} names the place of bytes that are not UTF-8`, async () => {
    const tokenizer = await make(wasm), long = Array.from("x".repeat(40), (c) => c.charCodeAt(0));
    const cases: [number, number[]][] = [
      [0, [0x80]],
      [0, [0xc1, 0x81]],
      [1, [0x61, 0xe2, 0x82]],
      [2, [0xc3, 0xa9, 0xff]],
      [0, [0xed, 0xa0, 0x80]],
      [0, [0xe0, 0x9f, 0x80]],
      [0, [0xf0, 0x8f, 0x80, 0x80]],
      [0, [0xf4, 0x90, 0x80, 0x80]],
      [0, [0xef, 0xbf, 0x61]],
      [0, [0xef, 0xbf]],
      [3, [0xef, 0xbf, 0xbd, 0xe2, 0x28, 0xa1]],
      [40, [...long, 0xf0, 0x9f, 0x98]],
      [43, [...long, 0xe2, 0x82, 0xac, 0xc0]],
    ];
    for (const [offset, bytes] of cases) {
      const data = Uint8Array.from(bytes);
      assertThrows(() => tokenizer.encodeBytes(data), SyntaxError, `at offset ${offset};`, bytes.join());
      const replaced = new TextDecoder("utf-8", { ignoreBOM: true }).decode(data);
      assertEquals(tokenizer.encodeBytes(data, { invalid: "replace" }), tokenizer.encodeText(replaced));
    }
  });

  Deno.test(`${name} refuses ids that do not exist`, async () => {
    const tokenizer = await make(wasm);
    for (const bad of [-1, 267, 1.5, NaN, 2 ** 32]) {
      const says = `Cannot decode id ${bad}: this tokenizer has ids 0 to 266`;
      assertThrows(() => tokenizer.decode([1, bad]), RangeError, says);
      assertThrows(() => tokenizer.decoder().push(bad), RangeError, says);
    }
    assertThrows(() => tokenizer.decodeBytes(Uint16Array.of(1, 300)), RangeError, "id 300");
  });
}

Deno.test("both paths give the same ids for any merges and any text", () =>
  property(async (random) => {
    const merges = randomMerges(random, 60), parts = { merges };
    const [engine, plain] = await Promise.all(both.map((wasm) => createByteBpe(parts, { wasm })));
    assertEquals(engine.fingerprint, plain.fingerprint);
    for (let i = 0; i < 4; i++) {
      const text = randomText(random, 1 + random.below(400));
      assertEquals(engine.encodeText(text), plain.encodeText(text), JSON.stringify(text));
    }
  }, 40));

Deno.test("tokens may have any ids, and more than 65,536 of them take 32 bits", async () => {
  const plain = await make(false), tokens = plain.tokens.toReversed();
  const reversed = await createByteBpe({ merges: MERGES, tokens, special: [END, "<|end|>>"] });
  assertEquals(reversed.encode("the aaé"), plain.encode("the aaé").map((id) => plain.size - 1 - id));
  const special = Array.from({ length: 70_000 }, (_, i) => `<${i}>`);
  const large = await createByteBpe({ merges: MERGES, special });
  assert(large.encodeText("the") instanceof Uint32Array && plain.encodeText("the") instanceof Uint16Array);
  assertEquals(large.encode("the <69999>aaé", { special: "all" }).at(-1), plain.encode("é")[0]);
  assertEquals(large.decode(large.encode("the <69999>aaé", { special: "all" })), "the <69999>aaé");
});

Deno.test("the split is the published expression's, with Unicode's white space", () => {
  assertEquals(splitGpt2("I'll don't 'tis I'LL x''s"), [
    "I",
    "'ll",
    " don",
    "'t",
    " '",
    "tis",
    " I",
    "'",
    "LL",
    " x",
    "''",
    "s",
  ]);
  assertEquals(splitGpt2("a\u0085 b\ufeffc\x1cd\u3000e"), [
    "a",
    "\u0085",
    " b",
    "\ufeff",
    "c",
    "\x1c",
    "d",
    "\u3000",
    "e",
  ]);
});

Deno.test("parts that contradict each other are refused", async () => {
  const bytes = (await createByteBpe({ merges: [] })).tokens, special = ["<s>"];
  const cases: [Parameters<typeof createByteBpe>[0], string][] = [
    [{ merges: [["t", "he"]] }, "Merge 0 (t he) uses he, which is neither a byte nor an earlier merge"],
    [{ merges: [["a", "b"], ["a", "b"]] }, 'Merge 1 (a b) makes "ab", as an earlier merge does already'],
    [{ merges: [], tokens: bytes.slice(1) }, 'Token "!" has no id, but every byte needs one'],
    [{ merges: [["a", "b"]], tokens: bytes }, 'Token "ab" has no id, but merge 0 needs one'],
    [{ merges: [], tokens: [...bytes, "a"] }, 'Token "a" has two ids'],
    [
      { merges: [], tokens: [...bytes, "ab"] },
      'Token "ab" (id 256) is neither a byte, nor made by a merge, nor special',
    ],
    [{ merges: [], special, tokens: bytes }, 'Special token "<s>" has no id'],
    [
      { merges: [["a", "b"]], special: ["ab"], tokens: [...bytes, "ab"] },
      'Special token "ab" is also a byte or a merge',
    ],
  ];
  for (const [parts, says] of cases) await assertRejects(() => createByteBpe(parts), SyntaxError, says);
});

Deno.test("saved and loaded, a byte-level tokenizer is the same; damaged files are refused", async () => {
  const tokenizer = await make(true);
  for (const names of [undefined, TRANSFORMERS_FILES]) {
    const storage = memoryStorage();
    await saveByteBpe(storage, "t", tokenizer, names);
    assertEquals((await loadByteBpe(storage, "t")).fingerprint, tokenizer.fingerprint);
    await storage.remove("t/tokenizer_config.json");
    const published = await loadByteBpe(storage, "t");
    assertEquals([...published.special.keys()], [END, "<|end|>>"]);
  }
  const cases: [string, (text: string) => string, string][] = [
    ["encoder.json", (text) => text.slice(0, -3), "encoder.json: not valid JSON"],
    [
      "encoder.json",
      (text) => text.replace('"the": 258', '"thx": 258'),
      'Token "the" has no id, but merge 2 needs one',
    ],
    ["vocab.bpe", (text) => text.replace("t h\n", "t h i\n"), 'vocab.bpe: line 3 is "t h i", not two tokens'],
    [
      "vocab.bpe",
      (text) => text.replace("th e\n", ""),
      "uses the, which is neither a byte nor an earlier merge",
    ],
    [
      "vocab.bpe",
      (text) => text.replace("ð Ł\n", ""),
      'Token "ðŁ" (id 264) is neither a byte, nor made by a merge',
    ],
    [
      "tokenizer_config.json",
      (text) => text.replace("byte-bpe-1", "bpe-1"),
      'its format is "foreword-bpe-1"',
    ],
    [
      "tokenizer_config.json",
      (text) => text.replace(/"special": \[[^\]]*\]/, '"special": 1'),
      'the field "special"',
    ],
    ["tokenizer_config.json", (text) => text.replace(tokenizer.fingerprint, "0"), "mixed up"],
  ];
  for (const [file, change, says] of cases) {
    const storage = memoryStorage();
    await saveByteBpe(storage, "t", tokenizer);
    const text = new TextDecoder().decode(await storage.read(`t/${file}`)), changed = change(text);
    assert(changed !== text, file);
    await storage.write(`t/${file}`, [new TextEncoder().encode(changed)]);
    await assertRejects(() => loadByteBpe(storage, "t"), SyntaxError, says);
  }
  await assertRejects(() => loadByteBpe(memoryStorage(), "t"), NotFound, "encoder.json + vocab.bpe or");
});
