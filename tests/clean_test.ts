// Cleaning of text: each step on small cases of its own, the order of the steps, segments, options, the short way
// against the long one, random strings, and ftfy's published cases where they are at hand (FOREWORD_DATA names a folder
// that holds clean/ftfy/).

import { assert, assertEquals } from "@std/assert";
import { Random } from "../src/core/random.ts";
import { looksLikeMojibake, mayHoldMojibake } from "../src/text/clean/badness.ts";
import {
  hasRareCharacters,
  normalizeWidth,
  removeControls,
  removeTerminalEscapes,
  replaceSurrogates,
  splitLigatures,
  straightenQuotes,
  unifyLineBreaks,
} from "../src/text/clean/characters.ts";
import { SINGLE_BYTE_CODECS } from "../src/text/clean/codecs.ts";
import { decodeInconsistentUtf8, fixC1Controls, fixEncoding } from "../src/text/clean/fix_encoding.ts";
import { fixText, type FixTextOptions } from "../src/text/clean/fix_text.ts";
import { hasReferences, unescapeHtml } from "../src/text/clean/html.ts";
import { standardize } from "../src/text/clean/standardize.ts";
import { decodeUtf8Variants, replaceLossySequences, restoreByteA0 } from "../src/text/clean/utf8.ts";

function table<T>(name: string, step: (text: string) => T, cases: readonly (readonly [string, T])[]): void {
  Deno.test(name, () => {
    for (const [text, expected] of cases) assertEquals(step(text), expected, JSON.stringify(text));
  });
}

/** The UTF-8 bytes of a text, one character each. */
const utf8 = (text: string): string => String.fromCharCode(...new TextEncoder().encode(text));

table("terminal escapes", removeTerminalEscapes, [
  ["\x1b[1;31mred\x1b[0m ink", "red ink"],
  ["\x1b[mbare\x1b[\u0663K", "bare"],
  ["\x1b[12", "\x1b[12"],
  ["[1m", "[1m"],
]);

table("ligatures", splitLigatures, [
  ["e\ufb03cient \ufb02oor \ufb05 \ufb06", "efficient floor ſt st"],
  ["ĲS ŉ ǅep", "IJS \u02bcn Džep"],
  ["æ œ ﷲ", "æ œ ﷲ"],
]);

table("width", normalizeWidth, [
  ["Ｗｉｄｅ！\u3000ｶﾞ", "Wide! カ\u3099"],
  ["￥ 漢字", "¥ 漢字"],
]);

table("quotes", straightenQuotes, [
  ["\u2018a\u2019 \u201ab\u201b \u201cc\u201d \u201ed\u201f", "'a' 'b' \"c\" \"d\""],
  ["o\u02bcclock \u02bb", "o'clock \u02bb"],
]);

table("line breaks", unifyLineBreaks, [
  ["a\r\nb\rc\n\rd\u2028e\u2029f\x85g", "a\nb\nc\n\nd\ne\nf\ng"],
  ["a\vb\fc", "a\vb\fc"],
]);

table("surrogates", replaceSurrogates, [
  ["\ud83d\ude00", "\u{1f600}"],
  ["\ude00\ud83d", "\ufffd\ufffd"],
]);

table("controls", removeControls, [
  ["\ufeffa\x00b\x0bc\x1bd\x7fe", "abcde"],
  ["\ufff9x\ufffc\u206a", "x"],
  ["\t\n\f\r\x85\u200d\u202e\ufffd", "\t\n\f\r\x85\u200d\u202e\ufffd"],
]);

table("C1 controls", fixC1Controls, [["1\x964 \x80", "1–4 €"], ["\x81", "\x81"]]);

table("HTML references", unescapeHtml, [
  ["&lt;b&gt; &eacute;&Eacute;&EACUTE; &szlig;&SZLIG;", "<b> éÉÉ ßSS"],
  ["&fjlig; &NotEqualTilde; &check;", "fj \u2242\u0338 ✓"],
  ["&amp &amp;amp; &eAcute; &nosuch; &;", "&amp &amp; &eAcute; &nosuch; &;"],
  ["&LTDOT; &ltdot; &AMP;", "&LTDOT; ⋖ &"], // a browser reads &LT here
  ["&CounterClockwiseContourIntegral;", "&CounterClockwiseContourIntegral;"], // 31 letters
  ["&#233;&#xe9;&#XE9;", "ééé"],
  ["&#0;&#xd800;&#1114112;&#99999999999999999999;", "\ufffd\ufffd\ufffd\ufffd"],
  ["&#128;&#x81;&#150;", "€\x81–"],
  ["[&#1;&#x7f;&#xfdd0;&#x1ffff;]", "[]"],
  ["&#59; &#x; &#12a; &#233 &#x110000000;", "&#59; &#x; &#12a; &#233 \ufffd"],
]);

Deno.test("references are found where something could be decoded", () => {
  assert(hasReferences("a &lt; b"));
  assert(hasReferences("&#1;"));
  for (const text of ["R&D", "a & b;", "&; &amp", "&#;", "x;"]) assert(!hasReferences(text), text);
});

Deno.test("single-byte encodings are one to one and agree with the platform's", () => {
  const all = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join("");
  assertEquals(SINGLE_BYTE_CODECS.map(({ name }) => name), [
    ...["latin-1", "windows-1252", "windows-1251", "windows-1250", "windows-1253", "windows-1254"],
    ...["windows-1257", "iso-8859-2", "macroman", "cp437"],
  ]);
  for (const { name, sloppy, encode, decode } of SINGLE_BYTE_CODECS) {
    assertEquals(encode(decode(all)), all, name);
    assertEquals(encode("\u4e00"), null, name);
    assertEquals([encode("\ufffd"), encode("\x1a")], sloppy ? ["\x1a", null] : [null, "\x1a"], name);
    if (["latin-1", "cp437"].includes(name)) continue; // no such label, or Windows-1252 under it
    const platform = new TextDecoder(name === "macroman" ? "macintosh" : name)
      .decode(Uint8Array.from(all, (byte) => byte.charCodeAt(0)));
    for (const [byte, character] of [...platform].entries()) {
      const expected = byte === 0x1a && sloppy ? "\ufffd" : character === "\ufffd" ? all[byte] : character;
      assertEquals(decode(all[byte]), expected, `${name} ${byte}`);
    }
  }
});

table("UTF-8 variants", decodeUtf8Variants, [
  [utf8("naïve 日 \u{1f600}"), "naïve 日 \u{1f600}"],
  ["\xed\xa0\xbd\xed\xb8\x80 \xc0\x80 \xed\x95\x9c", "\u{1f600} \0 한"],
  ["\xef\xbb\xbfa", "\ufeffa"],
  ["\xed\xa0\xbd", null],
  ["\xed\xb8\x80\xed\xa0\xbd", null],
  ["\xc0\x81", null],
  ["\xe9t\xe9", null],
  ["\xe2\x80", null],
  ["a\xc0\n", "a\0"], // ftfy's `$` takes the last newline
]);

table("byte A0 is restored", restoreByteA0, [
  ["voil\xc3 la", "voil\xc3\xa0 la"],
  ["\xc3 s nove, \xc3 quelas", "\xc3\xa0s nove, \xc3\xa0quelas"],
  ["\xc2 \xc5 ", "\xc2\xa0\xc5\xa0"],
  ["\xe2\x80 \xe3 \x81", "\xe2\x80\xa0\xe3\xa0\x81"],
  ["\xf0\x9f\x98 ", "\xf0\x9f\x98\xa0"],
  ["\xe0 \xa4 \xe1 \x80 \xc4 ", "\xe0 \xa4 \xe1 \x80 \xc4 "],
]);

table("lossy sequences", replaceLossySequences, [
  ["\xe2\x80\x1a \xe2?\x9d", `${utf8("\ufffd")} ${utf8("\ufffd")}`],
  ["\xc3? \xc4?", `${utf8("\ufffd")} \xc4?`],
  ["\xed\xa0\x1a\xed\xb8\x80", utf8("\ufffd")],
  ["\x1a", utf8("\ufffd")],
  ["what? \xe2\x80\x9d", "what? \xe2\x80\x9d"],
]);

Deno.test("mojibake is told from good text", () => {
  const broken = [
    ...[
      "cafÃ©",
      "itâ€™s",
      "a\x85b",
      "Ð¿ÑƒÑ‚ÑŒ",
      "‚Äútwo‚Äù",
      "вЂ“",
      "œ.",
      "a Ã ",
      "ā€œ",
      "β€™",
      "Γ©Γ",
      "à²",
      "√©",
      "├⌐",
    ],
    ...["Å°", "x Â £5", "ØªØ§", "ГўВЂВ™s"],
  ];
  const good = [
    ...[
      "café",
      "ÄÖÜ",
      "£5 – “è” ©",
      "Œuvre",
      "Привет",
      "Ελλάδα",
      "¿qué?",
      "A°",
      "日本",
      "\u{1f600}",
      "ΒΓΞΟ",
      "╔Π",
      "",
    ],
  ];
  for (const text of broken) assert(looksLikeMojibake(text), text);
  for (const text of good) assert(!looksLikeMojibake(text), text);
  assert(!looksLikeMojibake("-\nÃ c") && mayHoldMojibake("-\nÃ c"));
});

table("encoding", fixEncoding, [
  ["déjà vu — “quoted”", "déjà vu — “quoted”"],
  ["It isnâ€™t", "It isn’t"],
  ["cafÃƒÂ©", "café"],
  ["voilÃ la fin", "voilà la fin"],
  ["Ð¿Ñ\x80Ð¸Ð²ÐµÑ\x82", "привет"],
  ["РїСЂРёРІРµС‚", "привет"],
  ["‚Äúdone‚Äù", "“done”"],
  ["caf├⌐", "café"],
  ["â€œlostâ€\ufffd", "“lost\ufffd"],
  ["Яâ€™s", "Я’s"],
  ["√© – a", "√© – a"], // in MacRoman a dash and a space are not bytes D0 A0
  ["Ã\x1a Ã©", "Ã\x1a é"], // byte 1A is a loss only where U+FFFD is encoded as it
  ["1999\x962001", "1999–2001"],
  ["&Atilde;&copy;", "&Atilde;&copy;"],
  ["Ã©À\n", "é\0"], // as with UTF-8 variants
]);

table("inconsistent UTF-8", decodeInconsistentUtf8, [
  ["日本 Ã©tÃ© “ok”", "日本 été “ok”"],
  ["Ã©", "Ã©"], // all there is
]);

Deno.test("every misreading of a text is undone, once and twice", () => {
  const texts = [
    "“Où est le café ?” – «naïve» …",
    "“Größe” – Œuvre, n’est-ce pas…",
    "“Привет” — мир…",
    "日本語の“文字”",
  ];
  for (const text of texts) {
    for (const { name, decode } of SINGLE_BYTE_CODECS) {
      const once = decode(utf8(text));
      assertEquals(fixEncoding(once), text, name);
      assertEquals(fixEncoding(decode(utf8(once))), text, `${name}, twice`);
    }
  }
});

const clean = (options?: FixTextOptions) => (text: string): string => fixText(text, options);

table("the steps together", clean(), [
  ["", ""],
  ["plain & simple; R&D\n", "plain & simple; R&D\n"],
  ["\ufeff“Ｏｎｅ”\r\n&hellip;two\x1b[0m\x00", '"One"\n…two'],
  ["e\u0301&#769;", "é\u0301"],
  ["&amp;amp;eacute;", "é"],
  ["&Atilde;&copy;", "é"], // references, then encoding
  ["ŉ", "'n"], // a ligature, then its quote
  ["A\u0302\u00a9 (C)", "© (C)"], // composed, then mojibake in the next round
  ["o&#13;k", "o\nk"],
  ["\ud800x", "\ufffdx"],
]);

table("references stop where HTML begins", clean(), [
  ["&lt;\n&gt;", "<\n>"],
  ["&lt;\na < b &lt;\n&gt;", "<\na < b &lt;\n&gt;"],
  ["&amp;\r<p>&amp;", "&amp;\n<p>&amp;"],
]);
Deno.test("references stop for all that follows", () => {
  const text = `<\n${"-".repeat(100_000)}\n&amp;`;
  assert(fixText(text) === text);
});
table("references always", clean({ html: true }), [["<p>&amp;", "<p>&"]]);
table("references never", clean({ html: false }), [["&amp;", "&amp;"]]);
table("steps left out", clean({ skip: ["quotes", "lineBreaks", "encoding"], form: null }), [
  ["“e\u0301”\r\n", "“e\u0301”\r\n"],
  ["Ã©\x96\ufb01", "Ã©–fi"],
]);
table("another form", clean({ form: "NFKC" }), [["x² …", "x2 ..."]]);

Deno.test("lines are cleaned by themselves, of any length", () => {
  const line = "Ã© ’".repeat(20_000) + "\n";
  assertEquals(fixText(line.repeat(2) + "Я Ã \n’"), ("é '".repeat(20_000) + "\n").repeat(2) + "Я Ã \n'");
  // A segment ends after a million code points, so that CRLF and a letter with its accent may be cut in two.
  const long = "\u{1f600}".repeat(999_999);
  assertEquals(fixText(`${long}\r\n`), `${long}\n\n`);
  assertEquals(fixText(`${long}e\u0301`), `${long}e\u0301`);
});

// Characters that steps are about, with more of those that mojibake is made of.
const POOL = [
  ...[..."ÃÂâ€™œ“”‘ÐÑØ×àéüłŁï»¿¨©°±²·£¥ƒ„…†‡ˆ‰Šžœ–—˜ЯРСвЂΓβ≥√ā│═ß aAz.?;\n\n"],
  ...[
    "\xa0",
    "\xad",
    "\x80",
    "\x85",
    "\x9d",
    "\x1a",
    "\x1b[1m",
    "\0",
    "\x7f",
    "\r",
    "\r\n",
    "\u2028",
    "\ufffd",
  ],
  ...[
    "\u0301",
    "\u0302",
    "e\u0301",
    "\ufb01",
    "ŉ",
    "ǆ",
    "\u3000",
    "ｱ",
    "\uff9e",
    "\ufeff",
    "\u206a",
    "\u02bc",
  ],
  ...[
    "\ud800",
    "\udc00",
    "\u{1f600}",
    "&amp;",
    "&#",
    "&",
    "<",
    "&EACUTE;",
    "&#150;",
    "&#13;",
    "&Acirc;",
    "x",
  ],
];
const SEEDS = 3000;

Deno.test(`random strings of seeds 0-${SEEDS - 1}: nothing throws, the short way changes nothing, twice is once`, () => {
  const rare = "\0\x85ﬁŉ\u3000\ufeff\ud800";
  let repeated = 0, quick = 0;
  for (let seed = 0; seed < SEEDS; seed++) {
    const random = new Random(seed, "test/clean");
    const text = Array.from({ length: 1 + random.below(12) }, () => POOL[random.below(POOL.length)]).join("");
    const fixed = fixText(text), about = `seed ${seed}: ${JSON.stringify(text)}`;
    assertEquals(fixed.normalize("NFC"), fixed, about);
    assert(fixed.isWellFormed() && removeControls(fixed) === fixed, about);
    // With a BOM, which is removed, a line takes the long way.
    if (!/[\n&]/.test(text) && !looksLikeMojibake(text + "\ufeff")) {
      assertEquals(fixText(text + "\ufeff"), fixed, about);
      if (![...rare].some((character) => text.includes(character))) quick++;
    }
    for (const character of rare) if (text.includes(character)) assert(hasRareCharacters(text), about);
    for (const line of text.split("\n")) {
      if (looksLikeMojibake(line)) assert(mayHoldMojibake(text), about);
    }
    // A line that was broken is looked at as two the next time, as with ftfy.
    const breaks = (lines: string): number => lines.split("\n").length;
    if (breaks(fixed) === breaks(text)) {
      assertEquals(fixText(fixed), fixed, about);
      repeated++;
    }
  }
  assert(repeated > SEEDS / 2 && quick > SEEDS / 20, `${repeated} repeated, ${quick} short`);
});

table("standardize in both variants", (text) => [standardize(text), standardize(text, "hugging-face")], [
  ["a\\b  c", ["a\\b c", "a \\ b c"]],
  ["\\\\+\\\n", ["\\\\ + \\", "\\\\ + \\"]],
  ["x+\\+y", ["x + \\ + y", "x + \\ + y"]],
]);

const CASES = `${Deno.env.get("FOREWORD_DATA") ?? ""}/clean/ftfy`;
const present = Deno.env.has("FOREWORD_DATA") && await Deno.stat(CASES).then(() => true, () => false);
if (!present) console.log("skipped: ftfy's published cases (no clean/ftfy in FOREWORD_DATA)");

interface Case {
  readonly label: string;
  readonly original: string;
  readonly fixed: string;
  readonly "fixed-encoding"?: string;
  readonly expect: "pass" | "fail";
}

Deno.test({ name: "ftfy's published cases", ignore: !present }, async () => {
  let passed = 0;
  for await (const { name } of Deno.readDir(CASES)) {
    if (!name.endsWith(".json")) continue;
    for (const entry of JSON.parse(await Deno.readTextFile(`${CASES}/${name}`)) as Case[]) {
      const { label, original, fixed, expect } = entry;
      if (expect !== "pass") continue;
      assertEquals(fixText(original), fixed, label);
      assertEquals(fixEncoding(original), entry["fixed-encoding"] ?? fixed, label);
      passed++;
    }
  }
  assert(passed > 100, `only ${passed} cases`);
  console.log(`${passed} published cases`);
});
