// `foreword tokenizer` as a process, for every kind: train, encode, decode, convert, what files may hold, Ctrl-C, and its
// errors. Where FOREWORD_DATA names a folder with tok/, the published vocabularies too.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Random } from "../src/core/random.ts";
import { makePlace, outcomeOf, type Place } from "./cli_support.ts";

const DATA = Deno.env.get("FOREWORD_DATA") ?? "";
const present = DATA !== "" && await Deno.stat(`${DATA}/tok/bert`).then(() => true, () => false);
if (!present) console.log("skipped: published vocabularies on the command line (no tok/ in FOREWORD_DATA)");

const TEXT = "Tom ran\nhome  [SEP] <|endoftext|>";
const KINDS = {
  gpt1: "--type gpt1 --vocab-size 200",
  words: "--type gpt1 --words words --vocab-size 200",
  bytes: "--type byte-bpe --vocab-size 400",
  pieces: "--type wordpiece --vocab-size 200",
  cased: "--type wordpiece --cased --vocab-size 200",
};

let place: Place;
Deno.test.beforeAll(async () => {
  place = await makePlace();
  await Promise.all(
    Object.entries(KINDS).map(([name, flags]) =>
      place.json(`tokenizer train --corpus corpus.txt ${flags} --out ${name}`)
    ),
  );
  await place.write("text.txt", TEXT);
});
Deno.test.afterAll(() => place.remove());

const encode = (flags: string, ...rest: string[]) =>
  place.json<{ ids: number[]; tokens?: string[] }>(`tokenizer encode ${flags}`, ...rest);
const decode = async (flags: string) =>
  (await place.json<{ text: string }>(`tokenizer decode ${flags}`)).text;

Deno.test("tokenizer: each kind encodes, decodes, shows pieces, and is the same as a tokenizer.json", async () => {
  const texts = {
    gpt1: "tom ran\nhome",
    words: "tom ran\nhome",
    bytes: TEXT,
    pieces: "tom ran home [UNK]",
    cased: "Tom ran home [UNK]",
  };
  for (const name of Object.keys(KINDS) as (keyof typeof KINDS)[]) {
    const use = `--tokenizer ${name}`;
    const { ids, tokens } = await encode(`${use} --text-file text.txt --tokens`);
    assertEquals(tokens?.length, ids.length, name);
    await place.write("ids.json", JSON.stringify({ ids }));
    const text = await decode(`${use} --ids-file ids.json`);
    assert(name === "bytes" ? text === TEXT : text.startsWith(texts[name]), `${name}: ${text}`);
    const made = await place.json<{ vocabSize: number }>(
      `tokenizer convert ${use} --out json/${name}/tokenizer.json`,
    );
    assertEquals(made.vocabSize, name === "bytes" ? 400 : 200);
    if (name === "gpt1") continue; // such a file cannot say GPT-1's own rules
    assertEquals((await encode(`--tokenizer json/${name} --text-file text.txt`)).ids, ids, name);
  }
});

Deno.test("tokenizer: special tokens count as such only where that is asked for", async () => {
  for (const [name, token, id] of [["bytes", "<|endoftext|>", 399], ["pieces", "[SEP]", 3]] as const) {
    const plain = await encode(`--tokenizer ${name} --text-file text.txt --tokens`);
    assertEquals(plain.tokens!.includes(token), false);
    const special = await encode(`--tokenizer ${name} --text-file text.txt --tokens --special`);
    assertEquals(special.tokens!.filter((piece) => piece === token), [token]);
    assert(special.ids.includes(id));
  }
  const out = await place.foreword("tokenizer encode --tokenizer bytes --special --text", "<|endoftext|>");
  assertEquals([out.code, out.stdout], [0, "399\n"]);
});

Deno.test("tokenizer: bytes come back exactly, whatever the file holds", async () => {
  const files: Record<string, string> = {
    crlf: "a\r\nb\r\rc\r\n",
    mark: "\ufeffThe dog\n",
    zero: "a\0b \n\n ",
    script: "低い\u0301 😀👨‍👩‍👧 \u2028\t",
    empty: "",
  };
  for (const [name, text] of Object.entries(files)) {
    await place.write(name, text);
    const { ids } = await encode(`--tokenizer bytes --text-file ${name}`);
    await place.write("ids.txt", ids.join(" "));
    const { code, stdout } = await place.foreword("tokenizer decode --tokenizer bytes --ids-file ids.txt");
    assertEquals([code, new TextEncoder().encode(stdout)], [
      0,
      new TextEncoder().encode(text).slice(name === "mark" ? 3 : 0),
    ]);
    // A TextDecoder takes the mark off what was printed; the ids show that it is there.
    if (name === "mark") {
      assertEquals(ids.length, (await encode("--tokenizer bytes --text", "The dog\n")).ids.length + 3);
    }
  }
  assertEquals(
    (await encode("--tokenizer pieces --text-file mark")).ids,
    (await encode("--tokenizer pieces --text", "The dog")).ids,
  );
  await place.write("wrong", Uint8Array.of(0x61, 0x62, 0xff, 0x63));
  const { code, stderr } = await place.foreword("tokenizer encode --tokenizer bytes --text-file wrong");
  assertMatch(stderr, /^error: Cannot read wrong: byte 2 \(0xff\) is not valid UTF-8/);
  assertEquals(code, 1);
});

Deno.test("tokenizer: ids are read from lists and from JSON", async () => {
  const { ids } = await encode("--tokenizer bytes --text", "the dog");
  const written = {
    list: ids.join(", "),
    lines: ids.join("\n") + "\n",
    array: JSON.stringify(ids),
    object: JSON.stringify({ ids }),
  };
  for (const [name, content] of Object.entries(written)) {
    await place.write(name, content);
    assertEquals(await decode(`--tokenizer bytes --ids-file ${name}`), "the dog", name);
  }
  assertEquals(await decode(`--tokenizer bytes --ids ${ids.join(",")}`), "the dog");
});

Deno.test("tokenizer says what is wrong in one line, and leaves nothing", async () => {
  await place.write("null.json", '{"ids":[1,null]}');
  const train = "tokenizer train --corpus corpus.txt --vocab-size 300 --out new";
  const cases: [string, RegExp][] = [
    ["tokenizer encode --tokenizer bytes", /^error: Give either --text or --text-file\n$/],
    ["tokenizer encode --tokenizer bytes --text a --text-file text.txt", /^error: Give either --text or/],
    [
      "tokenizer encode --tokenizer words --text a --special",
      /^error: words has no special tokens: leave --special out/,
    ],
    [
      "tokenizer encode --tokenizer none --text a",
      /^error: Cannot load a tokenizer from none: there is no such/,
    ],
    [
      "tokenizer encode --tokenizer pieces/vocab.txt --text a",
      /say --type bert-uncased or --type bert-cased\n$/,
    ],
    [
      "tokenizer encode --tokenizer bytes --type bert-cased --text a",
      /^error: Cannot open bytes as bert-cased/,
    ],
    ["tokenizer encode --tokenizer bytes/vocab.bpe --text a", /give the folder that holds both\n$/],
    [
      "tokenizer encode --tokenizer bytes --text-file none",
      /^error: Cannot read none: there is no such file/,
    ],
    ["tokenizer decode --tokenizer bytes", /^error: Give either --ids or --ids-file\n$/],
    [
      "tokenizer decode --tokenizer bytes --ids 1,400",
      /^error: --ids holds 400: it must be whole numbers from 0 to 399/,
    ],
    ["tokenizer decode --tokenizer bytes --ids 1.5", /^error: --ids holds "1.5": /],
    ["tokenizer decode --tokenizer bytes --ids-file null.json", /^error: null.json holds null: /],
    [
      "tokenizer convert --tokenizer bytes --out text.txt",
      /^error: text.txt is there already: choose another --out/,
    ],
    [train.replace("new", "words"), /^error: words already holds a tokenizer: choose another --out/],
    [`${train} --special x`, /^error: --special goes with --type byte-bpe, not gpt1\n$/],
    [`${train} --type byte-bpe --cased`, /^error: --cased goes with --type wordpiece, not byte-bpe\n$/],
    [`${train} --type wordpiece --words bert`, /^error: --words goes with --type gpt1, not wordpiece\n$/],
    [`${train} --type byte-bpe --special <a> <a>`, /special token "<a>": it is there twice\n$/],
    [
      `${train.replace("300", "100000")} --type byte-bpe`,
      /this text yields at most \d+ .*; ask for at most that/,
    ],
    [
      `${train.replace("300", "20")} --type wordpiece`,
      /^error: Cannot train a vocabulary of 20 tokens: the special/,
    ],
  ];
  const outcomes = await Promise.all(cases.map(([line]) => place.foreword(line)));
  for (const [i, [line, message]] of cases.entries()) {
    assertMatch(outcomes[i].stderr, message, line);
    assertEquals([outcomes[i].code, outcomes[i].stdout, outcomes[i].stderr.trimEnd().split("\n").length], [
      1,
      "",
      1,
    ], line);
  }
  assertEquals(await place.tree("new"), {});
});

Deno.test("tokenizer: Ctrl-C while training leaves nothing", async () => {
  const random = new Random(1, "test/cli_tokenizer"); // many different words, so that merging takes a while
  const word = () => Array.from({ length: 8 }, () => String.fromCharCode(97 + random.below(26))).join("");
  await place.write("many.txt", Array.from({ length: 150_000 }, word).join(" "));
  for (const delay of [300, 600, 900]) {
    const child = place.start(
      "tokenizer train --corpus many.txt --type byte-bpe --vocab-size 40000 --out stopped",
    );
    const timer = setTimeout(() => child.kill("SIGINT"), delay);
    const { code, signal, stderr } = outcomeOf(await child.output());
    clearTimeout(timer);
    if (code === 0) await Deno.remove(`${place.path}/stopped`, { recursive: true }); // it was quicker than that
    else assert(code === 130 || signal === "SIGINT", `${code}: ${stderr}`);
    assertEquals(await Deno.stat(`${place.path}/stopped`).catch(() => null), null);
  }
});

Deno.test({ name: "tokenizer: published vocabularies", ignore: !present }, async () => {
  const cases: [string, number[]][] = [
    [`--tokenizer ${DATA}/tok/gpt2`, [15496, 995]],
    [`--tokenizer ${DATA}/tok/gpt1`, [3570, 1276]],
    [`--tokenizer ${DATA}/tok/bert/google_uncased_en_vocab.txt --type bert-uncased`, [7592, 2088]],
    [`--tokenizer ${DATA}/tok/bert/google_cased_en_vocab.txt --type bert-cased`, [8667, 1362]],
  ];
  await place.write("hello.txt", "Hello world");
  for (const [flags, ids] of cases) {
    assertEquals((await encode(`${flags} --text-file hello.txt`)).ids, ids, flags);
    const text = await decode(`${flags} --ids ${ids.join(",")}`);
    assertEquals(text.toLowerCase(), "hello world", flags);
  }
});
