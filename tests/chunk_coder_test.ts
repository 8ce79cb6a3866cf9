// Tokenizers that go by chunks: WebAssembly against plain TypeScript on random texts, with caches and parts so small that
// everything is thrown out and cut through, whole texts against texts in pieces, and published vocabularies on real
// texts when they are at hand (FOREWORD_DATA names a folder that holds tok/, lm/ and clean/).

import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Random } from "../src/core/random.ts";
import { folder } from "../src/platform/fs.ts";
import { type BpeTokenizer, createBpe } from "../src/text/bpe.ts";
import { loadBpe } from "../src/text/bpe_files.ts";
import { type ChunkRules, referenceChunkCoder } from "../src/text/chunk_coder.ts";
import { gpt1Words } from "../src/text/english/gpt1_words.ts";
import { merge } from "../src/text/merge.ts";
import { type PretokenizerName, wordSplitter } from "../src/text/pretokenizers.ts";
import type { Tokenizer } from "../src/text/tokenizer.ts";
import { wasmChunkCoder } from "../src/text/wasm/chunk_coder.ts";
import { wasmMerger } from "../src/text/wasm/merger.ts";
import { compileText } from "../src/text/wasm/module.ts";
import { loadWordPiece } from "../src/text/wordpiece/files.ts";
import { createWordPiece } from "../src/text/wordpiece/wordpiece.ts";
import { property, randomText } from "./text_support.ts";

const compiled = await compileText();
if (compiled === null) throw new Error("these tests need WebAssembly");
const module = compiled;
const TINY = { part: 32, shortBits: 1, longBits: 2, recordBytes: 4096 };

/** What cleaning has rules for, ends of lines that it takes away, all kinds of blanks, halves of pairs, long runs. */
const ODD = [
  ..."\t\n\n\n\r\v\f\x1c\x85\u00a0\u2028\u3000\ufeff\0 <",
  ...[
    "&amp;",
    "&lt;",
    "&EACUTE;",
    "<b>",
    "\r\n",
    "\n \n",
    "\nâ€œfooÀ\n",
    "Ã©",
    "â€œ",
    "\ud83d",
    "\ude00",
    "“don’t”",
  ],
  ...[
    "Mr.",
    "10km",
    "U.S.",
    "a_b",
    "x=y",
    "ΣΑΣ",
    "İ",
    "ﬁ",
    "e\u0301",
    "\u0301",
    "가",
    "生物",
    "[SEP]",
    "…",
    "—",
  ],
  ...["unaffable".repeat(3), "a".repeat(40), "é".repeat(150), "😀".repeat(70)],
];

function oddText(random: Random, length: number): string {
  let text = "";
  while (text.length < length) {
    text += random.below(2) === 0 ? ODD[random.below(ODD.length)] : randomText(random, random.below(12));
  }
  return text;
}

/** Some function from chunks to ids: none to more than there are bytes. */
function rulesOf(size: number, newline?: number): ChunkRules {
  return {
    idsOf(chunk) {
      let hash = chunk.length;
      for (let i = 0; i < chunk.length; i++) hash = (Math.imul(hash, 31) + chunk.charCodeAt(i)) >>> 0;
      const count = Math.max(
        newline === undefined ? 0 : 1,
        chunk.length % 9 === 8 ? 4 * chunk.length : hash % 7,
      );
      return Array.from({ length: count }, (_, i) => (hash + i * 7919) % size);
    },
    bytes: Array.from({ length: size }, (_, id) => new TextEncoder().encode(`${id} `)),
    ...newline !== undefined && { newline },
  };
}

/** The rules, chunk by chunk, with nothing remembered. */
function byDefinition({ idsOf, newline }: ChunkRules, text: string): number[] {
  return text.split(/([\t\n\r ]+)/).flatMap((part, i, all) => {
    if (i % 2 === 0) return part === "" ? [] : Array.from(idsOf(part));
    const inside = all.slice(0, i).join("") !== "" && all.slice(i + 1).join("") !== "";
    return newline !== undefined && inside && part.includes("\n") ? [newline] : [];
  });
}

Deno.test("the coders follow the rules whatever is remembered and wherever parts end", async () => {
  for (const size of [300, 70_000]) {
    for (const newline of [undefined, 7]) {
      const rules = rulesOf(size, newline), tiny = wasmChunkCoder(module, rules, TINY);
      const coders = [tiny, wasmChunkCoder(module, rules), referenceChunkCoder(rules)];
      await property((random) => {
        const text = oddText(random, random.below(600)).toWellFormed(), expected = byDefinition(rules, text);
        for (const coder of coders) {
          const ids = coder.encode(text);
          assertEquals(ids.BYTES_PER_ELEMENT, size > 65536 ? 4 : 2);
          assertEquals([...ids], expected);
          assertEquals(
            new TextDecoder().decode(coder.decodeBytes(ids)),
            expected.map((id) => `${id} `).join(""),
          );
          const before = { state: 0 as const };
          const pieces = text.split(/(?<=[\t\n\r ])/).map((piece) => [...coder.encode(piece, before)]);
          assertEquals(pieces.flat(), expected, "in pieces");
        }
      }, 40);
    }
  }
});

Deno.test("the coders take nothing, blanks alone, and chunks of any length at any place", () => {
  const rules = rulesOf(300, 7), coders = [wasmChunkCoder(module, rules, TINY), referenceChunkCoder(rules)];
  for (const coder of coders) {
    for (const text of ["", " ", "\n", " \n\t\r\n ", "\n".repeat(100)]) {
      assertEquals(coder.encode(text).length, 0);
    }
    for (let length = 1; length < 300; length++) {
      for (
        const text of ["x", "\n x", "x \n", " x\n\n\nx"].map((t) => t.replaceAll("x", "x".repeat(length)))
      ) {
        assertEquals([...coder.encode(text)], byDefinition(rules, text));
      }
    }
    assertThrows(() => coder.decodeBytes([0, 300]), RangeError, "Cannot decode id 300");
    assertThrows(() => coder.decodeBytes([1.5]), RangeError, "Cannot decode id 1.5");
  }
});

Deno.test("symbols that are no bytes merge as in TypeScript, few of them or many, words short or long", () =>
  property((random) => {
    const first = [2, 200, 255, 256, 257, 700][random.below(6)], pairs: number[] = [];
    const known = new Map<number, number>(), span = 2 ** 20;
    while (known.size < 40) {
      const pick = (): number =>
        random.below(3) === 0 && known.size > 0
          ? first + random.below(known.size)
          : random.below(Math.min(first, 5));
      const [left, right] = [pick(), pick()];
      if (known.has(left * span + right)) continue;
      known.set(left * span + right, first + known.size);
      pairs.push(left, right);
    }
    const merged = wasmMerger(module, Uint32Array.from(pairs), first);
    for (const length of [0, 1, 2, 3, 30, 64, 65, 400, 3000]) {
      const word = Array.from({ length }, () => random.below(Math.min(first, 5 + random.below(2) * 300)));
      assertEquals(merged(word), merge([...word], (left, right) => known.get(left * span + right)));
    }
  }));

const characters = [..."abcdefghilmnorstuwy.,!'\"&;<>-0123é中ς가\u0301"];
const merges: [string, string][] = [
  ...[["t", "h"], ["th", "e</w>"], ["a", "a"], ["aa", "aa"], ["i", "n"], ["in", "g</w>"], [
    "a",
    "n",
  ]] as const,
  ...[["an", "d</w>"], ["s", "t"], ["e", "r</w>"], ["n", "o"], ["o", "n"], ["aaaa", "aaaa"]] as const,
].map(([left, right]) => [left, right]);
const bpe = (pretokenizer: PretokenizerName, wasm?: boolean): Promise<BpeTokenizer> =>
  createBpe({ characters, merges, pretokenizer }, wasm === undefined ? {} : { wasm });

const letters = [..."abcdefghilmnorstuwyzABCDEMSU0123456789.,!'\"&;<>-_=[]éá中生物ςσ가가😀…—“”’"];
const pieces = ["un", "##aff", "##able", "aa", "##aa", "##aaa", "the", "##the", "[PAD]", "##"];
const tokens = ["[UNK]", "[CLS]", "[SEP]", ...letters, ...letters.map((letter) => `##${letter}`), ...pieces];
const wordPiece = (lowerCase: boolean, wasm = true): Promise<Tokenizer> =>
  createWordPiece({ tokens, lowerCase, maxWordLength: 100 }, { wasm });

const KINDS: Record<string, (wasm?: boolean) => Promise<Tokenizer>> = {
  gpt1: (wasm) => bpe("gpt1", wasm),
  words: (wasm) => bpe("words", wasm),
  bert: (wasm) => bpe("bert", wasm),
  cased: (wasm) => wordPiece(false, wasm),
  uncased: (wasm) => wordPiece(true, wasm),
};

/** All pieces of a text, at random places but not within a surrogate pair. */
function inPieces(random: Random, text: string): string[] {
  const found: string[] = [];
  while (text !== "") {
    let end = Math.min(text.length, 1 + random.below(random.below(2) === 0 ? 4 : 80));
    if (/[\ud800-\udbff]$/.test(text.slice(0, end)) && end < text.length) end++;
    found.push(text.slice(0, end));
    text = text.slice(end);
  }
  return found;
}

for (const [name, make] of Object.entries(KINDS)) {
  Deno.test(`${name}: the same with WebAssembly and without, whole and in pieces, back to text`, async () => {
    const fast = await make(), plain = await make(false), encoders = [fast.encoder(), plain.encoder()];
    assertEquals(fast.fingerprint, plain.fingerprint);
    await property((random) => {
      const text = oddText(random, random.below(500)), ids = plain.encode(text);
      assertEquals(fast.encode(text), ids);
      assertEquals([...fast.encodeText(text)], ids);
      for (const encoder of encoders) {
        const parts = inPieces(random, text).map((piece) => [...Array.from(encoder.push(piece))]);
        assertEquals([...parts.flat(), ...Array.from(encoder.end())], ids, "in pieces");
      }
      const some = ids.slice(random.below(ids.length + 1)), stream = fast.decoder();
      const back = some.map((id) => stream.push(id)).join("").trim();
      for (
        const list of [
          some,
          Uint16Array.from(some),
          new Set(some).size === some.length ? new Set(some) : some,
        ]
      ) {
        assertEquals([fast.decode(list), plain.decode(list)], [back, back]);
      }
    }, 60);
    for (const id of [-1, fast.size, 0.5]) {
      for (const tokenizer of [fast, plain]) {
        const message = `Cannot decode id ${id}: this tokenizer has ids 0 to ${fast.size - 1}`;
        assertThrows(() => tokenizer.decode([id]), RangeError, message);
        assertThrows(() => tokenizer.decoder().push(id), RangeError, message);
      }
    }
  });

  Deno.test(`${name}: chunks without end take time in proportion`, async () => {
    const tokenizer = await make(), began = performance.now();
    for (const run of ["a", " ", "\n", "aA0+/bQ", "😀", "e\u0301", "'", "."]) {
      const length = 2 ** 20 / run.length;
      assert(tokenizer.encodeText(run.repeat(length)).length <= 2 ** 20);
    }
    assert(performance.now() - began < 40_000, "quadratic in the length of a chunk");
  });
}

Deno.test("the tokenizer's words are the splitter's words", () =>
  property((random) => {
    const text = oddText(random, 400), whole = [...gpt1Words(text)];
    for (const slice of [0, 7, 2 ** 20]) assertEquals([...wordSplitter("gpt1")(text, slice)], whole);
  }));

Deno.test("lone surrogates count as U+FFFD", async () => {
  for (const name of ["gpt1", "words", "bert"] as const) {
    const parts = { characters: ["a", "\ufffd"], merges: [], pretokenizer: name };
    const ids = (await createBpe(parts)).encode("a\ud800a");
    assertEquals(ids, (await createBpe(parts)).encode("a\ufffda"));
  }
});

const DATA = Deno.env.get("FOREWORD_DATA");
if (DATA === undefined) console.log("skipped: published vocabularies on real texts (no FOREWORD_DATA)");

Deno.test(
  { name: "published vocabularies: real texts have the same ids both ways", ignore: !DATA },
  async () => {
    const storage = folder(`${DATA}/tok`), read = (path: string) => Deno.readTextFileSync(`${DATA}/${path}`);
    const udhr = [...Deno.readDirSync(`${DATA}/clean/udhr2`)].map(({ name }) => name).filter((n) =>
      n.endsWith(".txt")
    );
    const texts = [
      "lm/novels/valid/Chesterton_Napoleon_1904.txt",
      ...udhr.sort().map((n) => `clean/udhr2/${n}`),
    ].map(read);
    const { characters, merges } = await loadBpe(storage, "gpt1");
    const vocabulary = async (lowerCase: boolean): Promise<readonly string[]> => {
      const name = lowerCase ? "uncased" : "cased";
      return (await loadWordPiece(storage, `bert/google_${name}_en_vocab.txt`, { lowerCase })).tokens;
    };
    for (const pretokenizer of ["gpt1", "words", "bert"] as const) {
      const parts = { characters, merges, pretokenizer };
      const fast = await createBpe(parts), plain = await createBpe(parts, { wasm: false });
      for (const text of texts) assertEquals(fast.encodeText(text), plain.encodeText(text));
    }
    for (const lowerCase of [true, false]) {
      const parts = { tokens: await vocabulary(lowerCase), lowerCase };
      const fast = await createWordPiece(parts), plain = await createWordPiece(parts, { wasm: false });
      for (const text of texts) {
        const ids = fast.encodeText(text);
        assertEquals(ids, plain.encodeText(text));
        assertEquals([...ids], fast.trace(text).ids);
      }
    }
  },
);
