// Inside the text engine: the scanner against the published expression on every Unicode scalar value, long pieces, and
// parts and caches so small that borders fall everywhere and everything is thrown out again.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { referenceCoder } from "../src/text/bytes/reference.ts";
import { splitGpt2 } from "../src/text/bytes/split.ts";
import { LETTERS, NUMBERS, SPACES, UNICODE_RELEASE } from "../src/text/bytes/unicode_classes.ts";
import { type ByteBpeParts, byteVocabulary } from "../src/text/bytes/vocabulary.ts";
import { classTable } from "../src/text/wasm/classes.ts";
import { type Coder, createCoder } from "../src/text/wasm/coder.ts";
import { createEngine, type Engine, type EngineOptions } from "../src/text/wasm/engine.ts";
import { compileText } from "../src/text/wasm/module.ts";
import { property, randomMerges, randomText } from "./text_support.ts";

const classes = classTable([LETTERS, NUMBERS, SPACES]), module = await compileText();

function engineOf(parts: ByteBpeParts, options?: EngineOptions): Engine {
  const { pairs, ids, bytes } = byteVocabulary(parts);
  if (module === null) throw new Error("these tests need WebAssembly");
  return createEngine(module, { classes, merges: pairs, ids, tokens: bytes }, options);
}

/** Where the scanner lets pieces begin, by byte. */
function scan(engine: Engine, text: string): number[] {
  const utf8 = new TextEncoder().encode(text),
    area = engine.layOut(utf8.length),
    { memory, functions } = engine;
  memory.bytes(area.text, utf8.length).set(utf8);
  memory.bytes(area.text + utf8.length, 60).fill(0x80); // what is behind the text must not matter
  const end = area.text + utf8.length,
    count = functions.splitGpt2(area.text, end, 1, engine.classes, area.starts);
  const starts = memory.words(area.starts, count + 1);
  assertEquals(starts[count], end);
  return Array.from(starts.subarray(0, count), (start) => start - area.text);
}

function scanByDefinition(text: string): number[] {
  let at = 0;
  return splitGpt2(text).map((piece) => {
    const start = at;
    for (let i = 0; i < piece.length; i++) { // half a surrogate pair counts two bytes
      const unit = piece.charCodeAt(i);
      at += unit < 0x80 ? 1 : unit < 0x800 || (unit & 0xf800) === 0xd800 ? 2 : 3;
    }
    return start;
  });
}

Deno.test("the scanner splits every Unicode scalar value as the expression does, alone and between others", () => {
  const engine = engineOf({ merges: [] });
  for (let first = 0; first < 0x110000; first += 0x4000) {
    const scalars = Array.from({ length: 0x4000 }, (_, i) => first + i).filter((code) =>
      code < 0xd800 || code > 0xdfff
    );
    if (scalars.length === 0) continue;
    const text = scalars.map((code) => String.fromCodePoint(code)).map((c) => `${c}a${c} ${c}1${c}  `).join(
      "!",
    );
    const found = scan(engine, text), expected = scanByDefinition(text);
    const wrong = expected.findIndex((start, i) => found[i] !== start);
    assert(
      wrong < 0 && found.length === expected.length,
      `between U+${first.toString(16)} and the next 16,384`,
    );
  }
});

Deno.test("the scanner splits random texts as the expression does", () =>
  property((random) => {
    const engine = engineOf({ merges: [] });
    for (let i = 0; i < 50; i++) {
      const text = randomText(random, 1 + random.below(150));
      assertEquals(scan(engine, text), scanByDefinition(text), JSON.stringify(text));
    }
  }));

Deno.test(`the classes are those of Unicode ${UNICODE_RELEASE}, and the engine's where it knows no newer ones`, () => {
  const contains = (ranges: readonly number[], code: number): boolean => {
    let at = 0;
    while (at < ranges.length && ranges[at + 1] < code) at += 2;
    return at < ranges.length && ranges[at] <= code;
  };
  for (let code = 0; code < 0x30000; code += 7) { // white space never changes, letters and numbers are only added
    const c = String.fromCodePoint(code);
    if (contains(LETTERS, code)) assert(/[\p{L}\p{Cn}]/u.test(c), `letter U+${code.toString(16)}`);
    if (contains(NUMBERS, code)) assert(/[\p{N}\p{Cn}]/u.test(c), `number U+${code.toString(16)}`);
    assertEquals(contains(SPACES, code), /\p{White_Space}/u.test(c));
  }
  const count = (ranges: readonly number[]) =>
    ranges.reduce((sum, code, i) => sum + (i % 2 ? code + 1 : -code), 0);
  assertEquals([count(LETTERS), count(NUMBERS), count(SPACES)], [141_028, 1911, 25]);
});

Deno.test("neither the borders of parts nor full caches show in the ids", () =>
  property((random) => {
    const parts = { merges: randomMerges(random, 80) }, plain = referenceCoder(byteVocabulary(parts));
    const tiny = createCoder(engineOf(parts, { part: 64, shortBits: 1, longBits: 1, recordBytes: 2048 }));
    const usual = createCoder(engineOf(parts));
    for (let i = 0; i < 6; i++) {
      const text = randomText(random, 1 + random.below(600)), expected = plain.encodeText(text);
      for (const coder of [tiny, usual]) {
        assertEquals(coder.encodeText(text), expected, JSON.stringify(text));
        assertEquals(coder.encodeBytes(new TextEncoder().encode(text)), expected, JSON.stringify(text));
        assertEquals(coder.decodeBytes(expected), new TextEncoder().encode(text.toWellFormed()));
      }
    }
  }));

Deno.test("pieces of every length around the limits of caches and merges have the right ids", () =>
  property((random) => {
    const parts = { merges: randomMerges(random, 200) }, plain = referenceCoder(byteVocabulary(parts));
    const coder = createCoder(engineOf(parts, { recordBytes: 4096 })), letters = "aaaabcdest";
    for (let length = 1; length < 300; length = length < 80 ? length + 1 : length + 13) {
      const piece = Array.from({ length }, () => letters[random.below(letters.length)]).join("");
      for (const text of [piece, " ".repeat(length), "a".repeat(length), "\0".repeat(length)]) {
        const expected = plain.encodeText(text);
        assertEquals(coder.encodeText(text), expected, text);
        assertEquals(coder.encodeText(text), expected, `${text}, from the cache`);
      }
    }
  }, 5));

Deno.test("a very long piece is merged from the left, in runs and out of them", () => {
  const merges: [string, string][] = [["a", "a"], ["aa", "a"], ["aa", "aa"], ["b", "aa"], ["aaaa", "aaaa"], [
    "Ġ",
    "Ġ",
  ]];
  const plain = referenceCoder(byteVocabulary({ merges })),
    coder = createCoder(engineOf({ merges }, { part: 128 }));
  for (
    const text of [
      "a".repeat(9001),
      "baa".repeat(3001),
      " ".repeat(7777),
      "aab".repeat(500) + "a".repeat(501),
    ]
  ) {
    assertEquals(coder.encodeText(text), plain.encodeText(text), text.slice(0, 9));
  }
});

Deno.test("what is not UTF-8 is found wherever parts end", () => {
  const coder: Coder = createCoder(engineOf({ merges: [] }, { part: 64 })),
    valid = new TextEncoder().encode("aé€😀 ".repeat(60));
  for (let offset = 0; offset < valid.length; offset++) {
    const damaged = valid.slice();
    damaged[offset] = 0xff;
    const lead = valid.subarray(0, offset + 1).findLastIndex((byte) => (byte & 0xc0) !== 0x80);
    assertThrows(() => coder.encodeBytes(damaged), SyntaxError, `at offset ${lead};`);
    if (lead < offset) {
      assertThrows(() => coder.encodeBytes(valid.slice(0, offset)), SyntaxError, `at offset ${lead};`);
    }
  }
});
