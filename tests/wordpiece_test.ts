// WordPiece: against a plain implementation of BERT's definition on whole strings, against published cases when they are
// at hand (FOREWORD_DATA names a folder that holds tok/), offsets, pairs, training, and its files, whole and damaged.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { memoryStorage } from "../src/core/memory_storage.ts";
import { Random } from "../src/core/random.ts";
import { folder } from "../src/platform/fs.ts";
import { type BasicOptions, basicWords } from "../src/text/wordpiece/basic.ts";
import { loadWordPiece, parseVocabulary, saveVocabulary } from "../src/text/wordpiece/files.ts";
import { encodePair, tidySpaces, truncatedLengths } from "../src/text/wordpiece/pair.ts";
import { trainWordPiece } from "../src/text/wordpiece/train.ts";
import { createWordPiece } from "../src/text/wordpiece/wordpiece.ts";

const SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const LETTERS = [..."abeisσςßk가", "ᄀ", "ᅡ", "生", "!", ",", "-"];
const TINY = [
  ...SPECIALS,
  ...LETTERS,
  ...LETTERS.map((letter) => `##${letter}`),
  "ab",
  "##ab",
  "##ba",
  "aba",
];
// Whatever has a rule of its own: accents apart and composed, marks that normalization reorders, sigma, signs that
// become punctuation, all kinds of space, dropped characters, astral letters and lone surrogates.
const ALPHABET = [
  ..."aaabbeisAB  ,.!-ÉéßΣΣΑİKŉ가힣生豈\t\n\u00a0\u2028\u3000\u0000\u200d\ufffd\u0301\u0345\u0334\u037e\u2260",
  ..."\u302e\u093c\u1715\u20dd",
  ..."\u{1d165}\u{1d16d}\u{1f600}\u{10400}\u{20000}",
  "\ud83d",
  "\ude00",
];

/** Runs `check` on several seeds; a failure names its seed. */
async function property(check: (random: Random) => void | Promise<void>, seeds = 200): Promise<void> {
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      await check(new Random(seed, "test/wordpiece"));
    } catch (error) {
      throw new Error(`with seed ${seed}`, { cause: error });
    }
  }
}

const randomText = (random: Random, length: number): string =>
  Array.from({ length }, () => ALPHABET[random.below(ALPHABET.length)]).join("");

/** BERT's words as its code makes them: one pass over the whole text after another. */
function wordsByDefinition(text: string, lowerCase: boolean): string[] {
  return [...text.toWellFormed()]
    .filter((c) => /[\t\n\r]/.test(c) || !/[\p{Cc}\p{Cf}\ufffd]/u.test(c))
    .map((c) => /[\t\n\r\p{Zs}]/u.test(c) ? " " : c)
    .map((c) => /[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{2a6df}]/u.test(c) ? ` ${c} ` : c)
    .join("")
    .split(/[ \u2028\u2029]+/)
    .map((word) => lowerCase ? word.toLowerCase().normalize("NFD").replace(/\p{Mn}/gu, "") : word)
    .flatMap((word) => word.split(/([!-/:-@[-`{-~]|\p{P})/u))
    .filter((word) => word !== "");
}

/** A word's pieces: at each place the longest that is there. */
function piecesByDefinition(word: string, tokens: readonly string[]): string[] {
  const characters = [...word], pieces: string[] = [];
  for (let start = 0; start < characters.length;) {
    let end = characters.length, piece = "";
    for (; end > start; end--) {
      piece = (start > 0 ? "##" : "") + characters.slice(start, end).join("");
      if (tokens.includes(piece)) break;
    }
    if (end === start) return ["[UNK]"];
    pieces.push(piece);
    start = end;
  }
  return characters.length > 200 ? ["[UNK]"] : pieces;
}

Deno.test("BERT's own examples", async () => {
  const tokens = ["[UNK]", "[CLS]", "[SEP]", "want", "##want", "##ed", "wa", "un", "runn", "##ing", ","];
  const tokenizer = await createWordPiece({ tokens, lowerCase: true });
  assertEquals(tokenizer.encode("UNwantéd,running"), [7, 4, 5, 10, 8, 9]);
  assertEquals(tokenizer.encode("unwantedX running"), [0, 8, 9]);
  assertEquals(tokenizer.encode(""), []);
  const words = (text: string, options: BasicOptions): string[] =>
    [...basicWords(text, options)].map(({ text }) => text);
  assertEquals(words(" \tHeLLo!how  \n Are yoU?  ", { lowerCase: true }), [
    "hello",
    "!",
    "how",
    "are",
    "you",
    "?",
  ]);
  assertEquals(words(" \tHäLLo!", { lowerCase: true, stripAccents: false }), ["hällo", "!"]);
  assertEquals(words(" \tHäLLo!", { lowerCase: false, stripAccents: true }), ["HaLLo", "!"]);
  assertEquals(words("ah博推zz", { lowerCase: false }), ["ah", "博", "推", "zz"]);
  assertEquals(words("ah博推zz", { lowerCase: false, splitIdeographs: false }), ["ah博推zz"]);
});

Deno.test("words and pieces follow the definition, whole text by whole text", async () => {
  for (const lowerCase of [true, false]) {
    const tokenizer = await createWordPiece({ tokens: TINY, lowerCase });
    await property((random) => {
      const text = randomText(random, 1 + random.below(60)), expected = wordsByDefinition(text, lowerCase);
      assertEquals([...basicWords(text, { lowerCase })].map(({ text }) => text), expected);
      const ids = expected.flatMap((word) => piecesByDefinition(word, TINY)).map((piece) =>
        TINY.indexOf(piece)
      );
      assertEquals(tokenizer.encode(text), ids);
      assertEquals(tokenizer.encode(text), ids, "from the cache");
    });
  }
});

Deno.test("every code point alone and between letters follows the definition", () => {
  for (const lowerCase of [true, false]) {
    for (let first = 0; first < 0x3000; first += 256) {
      const text = Array.from({ length: 256 }, (_, i) => {
        const c = String.fromCodePoint(first + i);
        return `${c} a${c}b`;
      }).join(" ");
      const words = [...basicWords(text, { lowerCase })].map(({ text }) => text);
      assertEquals(words, wordsByDefinition(text, lowerCase), `from ${first.toString(16)}`);
    }
  }
});

Deno.test("offsets lead back to the text", async () => {
  const plain = (text: string): string => text.replaceAll("ς", "σ"); // a final sigma is one by what comes after it
  for (const lowerCase of [true, false]) {
    const tokenizer = await createWordPiece({ tokens: TINY, lowerCase });
    await property((random) => {
      const text = randomText(random, 1 + random.below(60));
      const words = [...basicWords(text, { lowerCase })];
      for (const { text: word, starts, ends } of words) {
        const again = [...basicWords(text.slice(starts[0], ends.at(-1)), { lowerCase })];
        assertEquals(again.map(({ text }) => plain(text)), [plain(word)]);
      }
      const { ids, starts, ends } = tokenizer.trace(text);
      assertEquals(ids, tokenizer.encode(text));
      ids.forEach((id, i) => {
        assert(0 <= starts[i] && starts[i] < ends[i] && ends[i] <= text.length);
        if (i > 0) assert(starts[i - 1] <= starts[i] && ends[i - 1] <= ends[i]);
        const source = [...basicWords(text.slice(starts[i], ends[i]), { lowerCase })];
        const token = plain(TINY[id].replace("##", "")),
          folded = plain(source.map(({ text }) => text).join(""));
        // One character can have become several tokens (a Hangul syllable), so a token may be a part of its source.
        if (id !== 1) assert(folded.includes(token), `${JSON.stringify(folded)} has no ${token}`);
      });
    });
  }
  const { starts, ends } = (await createWordPiece({ tokens: TINY, lowerCase: true })).trace(
    "\u0000a\u0301b\u0301 É가",
  );
  assertEquals([starts, ends], [[1, 6, 7, 7], [4, 7, 8, 8]]);
});

Deno.test("one long word or a long run of marks is no worse than any other text", async () => {
  const tokenizer = await createWordPiece({ tokens: TINY, lowerCase: true }), million = 10 ** 6;
  assertEquals(tokenizer.encode("a".repeat(million)), [1]);
  assertEquals(tokenizer.encode("a".repeat(200)).length, 200);
  assertEquals(tokenizer.encode("a".repeat(201)), [1]);
  assertEquals(tokenizer.encode("\u{10400}".repeat(200) + "a!"), [1, TINY.indexOf("!")]);
  assertEquals(tokenizer.encode(`a${"\u0345\u0334".repeat(million / 4)}b`).length, 1);
  assertEquals(
    [...basicWords(`a${"\u{1d16d}\u{1d165}".repeat(million / 4)}`, { lowerCase: true })].length,
    1,
  );
  assertEquals(tokenizer.encode("!".repeat(million / 4)).length, million / 4);
  const unlimited = await createWordPiece({ tokens: TINY, lowerCase: true, maxWordLength: million });
  assertEquals(unlimited.encode("ab".repeat(million / 4)).length, million / 4);
  await assertRejects(
    () => createWordPiece({ tokens: TINY, lowerCase: true, maxWordLength: Infinity }),
    RangeError,
    "maxWordLength Infinity",
  );
});

Deno.test("special tokens in a text are text unless asked for", async () => {
  const tokens = [...TINY, "[", "]", "mask", "[X]"];
  const tokenizer = await createWordPiece({ tokens, lowerCase: true, added: ["[X]"] });
  const text = "a[MASK] [X]![mask]", shown = (ids: number[]): string => ids.map((id) => tokens[id]).join(" ");
  assertEquals(shown(tokenizer.encode(text)), "a [ mask ] [ [UNK] ] ! [ mask ]");
  assertEquals(shown(tokenizer.encode(text, { specials: true })), "a [MASK] [X] ! [ mask ]");
  const { starts, ends } = tokenizer.trace(text, { specials: true });
  assertEquals([starts.slice(1, 4), ends.slice(1, 4)], [[1, 8, 11], [7, 11, 12]]);
});

Deno.test("decoding joins pieces; a stream gives the same; bad ids are refused", async () => {
  const tokenizer = await createWordPiece({ tokens: TINY, lowerCase: true });
  const ids = tokenizer.encode("Aba, abab! is");
  assertEquals(tokenizer.decode(ids), "aba , abab ! is");
  assertEquals(tidySpaces(tokenizer.decode(ids)), "aba, abab! is");
  const stream = tokenizer.decoder();
  assertEquals(ids.map((id) => stream.push(id)).join(""), tokenizer.decode(ids));
  assertEquals(tokenizer.decode([TINY.indexOf("##ab"), TINY.indexOf("##ba")]), "##abba");
  for (const id of [-1, TINY.length, 0.5, NaN]) {
    assertThrows(() => tokenizer.decode([id]), RangeError, `${id}`);
  }
  assertEquals(
    tidySpaces("i ' m sure , do n't you think they ' ve left ?"),
    "i'm sure, don't you think they've left?",
  );
});

Deno.test("pairs: frame, segments, offsets, truncation", async () => {
  const tokenizer = await createWordPiece({ tokens: TINY, lowerCase: true });
  const shown = (ids: number[]): string => ids.map((id) => TINY[id]).join(" ");
  const pair = encodePair(tokenizer, "a ab", "b");
  assertEquals(shown(pair.ids), "[CLS] a ab [SEP] b [SEP]");
  assertEquals(pair.types, [0, 0, 0, 0, 1, 1]);
  assertEquals(pair.texts, [-1, 0, 0, -1, 1, -1]);
  assertEquals([pair.starts, pair.ends], [[0, 0, 2, 0, 0, 0], [0, 1, 4, 0, 1, 0]]);
  assertEquals(shown(encodePair(tokenizer, "a b a", undefined, { maxLength: 4 }).ids), "[CLS] a b [SEP]");
  assertEquals(shown(encodePair(tokenizer, "a b", "", { maxLength: 3 }).ids), "[CLS] [SEP] [SEP]");
  assertThrows(
    () => encodePair(tokenizer, "a", "b", { maxLength: 2 }),
    RangeError,
    "the special ones alone are 3",
  );
  assertThrows(() => encodePair(tokenizer, "a", undefined, { maxLength: NaN }), RangeError, "NaN");
  for (let first = 0; first < 9; first++) {
    for (let second = 0; second < 9; second++) {
      for (let room = 0; room < 20; room++) {
        let [a, b] = [first, second]; // one token at a time, as BERT's scripts do it
        while (a + b > room) a > b ? a-- : b--;
        assertEquals(truncatedLengths([first, second], room), [a, b]);
      }
    }
  }
});

Deno.test("what decides the ids decides the fingerprint", async () => {
  const make = (change: object): Promise<string> =>
    createWordPiece({ tokens: TINY, lowerCase: true, ...change }).then(({ fingerprint }) => fingerprint);
  const changes = [{}, { lowerCase: false }, { stripAccents: false }, { splitIdeographs: false }, {
    maxWordLength: 100,
  }, { tokens: [...TINY, "x"] }];
  assertEquals(new Set(await Promise.all(changes.map(make))).size, changes.length);
  assertEquals(await make({ stripAccents: true, maxWordLength: 200 }), await make({}));
});

/** Training by its definition: all pairs counted again before every merge. */
function vocabularyByDefinition(texts: string[], size: number): string[] {
  const counts = new Map<string, number>();
  for (const word of texts.flatMap((text) => wordsByDefinition(text, true))) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const order = (a: string, b: string): number => a.codePointAt(0)! - b.codePointAt(0)!;
  const inner = [...new Set([...counts.keys()].flatMap((word) => [...word].slice(1)))].sort(order);
  const all = [...new Set([...counts.keys()].flatMap((word) => [...word]))].sort(order);
  const tokens = [...SPECIALS, ...all, ...inner.map((character) => `##${character}`)];
  let words = [...counts].map(([word, n]) => ({ pieces: [...word].map((c, i) => i > 0 ? `##${c}` : c), n }));
  while (tokens.length < size) {
    const pairs = new Map<string, number>();
    for (const { pieces, n } of words) {
      pieces.slice(1).forEach((right, i) => {
        const key = `${tokens.indexOf(pieces[i])} ${tokens.indexOf(right)}`;
        pairs.set(key, (pairs.get(key) ?? 0) + n);
      });
    }
    const ids = (key: string): number[] => key.split(" ").map(Number);
    const [best] = [...pairs].sort(([a, m], [b, n]) =>
      n - m || ids(a)[0] - ids(b)[0] || ids(a)[1] - ids(b)[1]
    )[0];
    const [left, right] = ids(best).map((id) => tokens[id]), token = left + right.slice(2);
    if (!tokens.includes(token)) tokens.push(token);
    words = words.map(({ pieces, n }) => {
      const joined: string[] = [];
      for (let i = 0; i < pieces.length; i++) {
        const match = pieces[i] === left && pieces[i + 1] === right;
        joined.push(match ? token : pieces[i]);
        if (match) i++;
      }
      return { pieces: joined, n };
    });
  }
  return tokens;
}

Deno.test("training follows its definition, in whatever order documents come", async () => {
  await property(async (random) => {
    const letters = "aaabbcd  ";
    const texts = Array.from(
      { length: 3 },
      () => Array.from({ length: 150 }, () => letters[random.below(letters.length)]).join(""),
    );
    const options = { vocabSize: 45, minFrequency: 1, lowerCase: true };
    const { tokens } = await trainWordPiece(texts, options);
    assertEquals(tokens, vocabularyByDefinition(texts, 45));
    assertEquals((await trainWordPiece(texts.toReversed(), options)).tokens, tokens);
  }, 30);
});

Deno.test("training says what is possible, keeps the most frequent characters, can be stopped", async () => {
  const text = ["low lower lowest slow"], lowerCase = true;
  await assertRejects(() => trainWordPiece([" \n"], { vocabSize: 9, lowerCase }), RangeError, "no words");
  await assertRejects(() => trainWordPiece(text, { vocabSize: 9, lowerCase }), RangeError, "take 19");
  await assertRejects(() => trainWordPiece(text, { vocabSize: 99, lowerCase }), RangeError, "at most 22 (");
  await assertRejects(() => trainWordPiece(text, { vocabSize: 0.5, lowerCase }), RangeError, "vocabSize 0.5");
  const few = await trainWordPiece(["aab aab xyz"], { vocabSize: 9, alphabet: 2, lowerCase });
  assertEquals(few.tokens, [...SPECIALS, "a", "b", "##a", "##b"]);
  const long = await trainWordPiece(["ab ".repeat(3) + "z".repeat(30)], {
    vocabSize: 9,
    maxWordLength: 9,
    lowerCase,
  });
  assertEquals(long.tokens, [...SPECIALS, "a", "b", "##b", "ab"]);
  const stop = AbortSignal.abort(new Error("enough"));
  await assertRejects(
    () => trainWordPiece(text, { vocabSize: 20, lowerCase, signal: stop }),
    Error,
    "enough",
  );
  const seen: number[] = [];
  await trainWordPiece(text, {
    vocabSize: 21,
    lowerCase,
    onProgress: ({ made }) => void seen.push(made),
  });
  assertEquals(seen.at(-1), 21);
});

Deno.test("vocab.txt: read, written, and refused with its line", async () => {
  const lines = ["[UNK]", "[CLS]", "[SEP]", "a", "##b"];
  for (const text of [lines.join("\n"), lines.join("\n") + "\n", lines.join("\r\n") + "\r\n"]) {
    assertEquals(parseVocabulary(text, "vocab.txt"), lines);
  }
  const storage = memoryStorage({ "bad.txt": new Uint8Array([0xff]), "short.txt": "[UNK]\n[CLS]\n" });
  await saveVocabulary(storage, "vocab.txt", lines);
  const tokenizer = await loadWordPiece(storage, "vocab.txt", { lowerCase: true });
  assertEquals([tokenizer.tokens, tokenizer.specialIds.pad], [lines, null]);
  const refused: [string, string][] = [
    ["", "v.txt: it is empty"],
    ["[UNK]\n\na\n", "v.txt: line 2 is empty"],
    ["[UNK]\na\nb\r\na\n", 'v.txt: "a" is on line 2 and on line 4'],
  ];
  for (const [text, message] of refused) {
    assertThrows(() => parseVocabulary(text, "v.txt"), SyntaxError, message);
  }
  await assertRejects(() => loadWordPiece(storage, "bad.txt", { lowerCase: true }), SyntaxError, "not UTF-8");
  await assertRejects(
    () => loadWordPiece(storage, "short.txt", { lowerCase: true }),
    SyntaxError,
    "short.txt: The ",
  );
  await assertRejects(
    () => loadWordPiece(storage, "short.txt", { lowerCase: true }),
    SyntaxError,
    "lacks [SEP]",
  );
  await assertRejects(() => saveVocabulary(storage, "v.txt", ["a\nb"]), SyntaxError, "white space");
  await assertRejects(() => saveVocabulary(storage, "v.txt", ["a", "a"]), SyntaxError, "two ids, 0 and 1");
  await assertRejects(
    () => createWordPiece({ tokens: ["\ud83d"], lowerCase: true }),
    SyntaxError,
    "surrogate",
  );
  await assertRejects(
    () => createWordPiece({ tokens: [""], lowerCase: true }),
    SyntaxError,
    "Token 0 is empty",
  );
});

interface Case {
  readonly name: string;
  readonly text: string;
  readonly text_pair?: string;
  readonly tokens: string[];
  readonly ids: number[];
  readonly decoded: string;
}

const data = Deno.env.get("FOREWORD_DATA");
if (!data) console.log("skipped: BERT's published vocabularies (FOREWORD_DATA is not set)");

Deno.test({
  name: "BERT's published vocabularies give the published ids",
  ignore: !data,
  fn: async () => {
    const storage = folder(`${data}/tok`);
    const cases = JSON.parse(new TextDecoder().decode(await storage.read("fixtures/hf-tokenization.json")));
    for (const kind of ["uncased", "cased"]) {
      const tokenizer = await loadWordPiece(storage, `bert/google_${kind}_en_vocab.txt`, {
        lowerCase: kind === "uncased",
      });
      for (const { name, text, text_pair, ids, decoded } of cases[`bert-base-${kind}`] as Case[]) {
        const found = encodePair(tokenizer, text, text_pair, { specials: true }).ids;
        assertEquals(found, ids, `${kind} ${name}`);
        assertEquals(tidySpaces(tokenizer.decode(found)), decoded, `${kind} ${name}`);
      }
    }
  },
});
