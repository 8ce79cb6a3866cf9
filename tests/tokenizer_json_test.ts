// tokenizer.json: what is written is read again as the same, what Hugging Face's library wrote is understood (the files
// below have its form, with small vocabularies), and what would tokenize otherwise is refused with file and field.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Random } from "../src/core/random.ts";
import { folder } from "../src/platform/fs.ts";
import { createBpe } from "../src/text/bpe.ts";
import { loadBpe } from "../src/text/bpe_files.ts";
import { trainBpe } from "../src/text/bpe_train.ts";
import { createWordBpe, type TokenizerDescription } from "../src/text/hugging_face/description.ts";
import { WORDS_NORMALIZER, WORDS_PRETOKENIZER } from "../src/text/hugging_face/pipelines.ts";
import { parseTokenizerJson } from "../src/text/hugging_face/read.ts";
import { tokenizerJsonOf } from "../src/text/hugging_face/write.ts";
import { words } from "../src/text/pretokenizers.ts";
import { loadWordPiece } from "../src/text/wordpiece/files.ts";
import { createWordPiece } from "../src/text/wordpiece/wordpiece.ts";

/** An added token as Hugging Face's library writes it. */
const added = (id: number, content: string, change: object = {}): object => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
  ...change,
});
const BERT_NORMALIZER = {
  type: "BertNormalizer",
  clean_text: true,
  handle_chinese_chars: true,
  strip_accents: null,
  lowercase: true,
};
const HEAD = { version: "1.0", truncation: null, padding: null };

const WORDPIECE = {
  ...HEAD,
  added_tokens: ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map((token, id) => added(id, token)),
  normalizer: BERT_NORMALIZER,
  pre_tokenizer: { type: "BertPreTokenizer" },
  post_processor: {
    type: "TemplateProcessing",
    single: [
      { SpecialToken: { id: "[CLS]", type_id: 0 } },
      { Sequence: { id: "A", type_id: 0 } },
      { SpecialToken: { id: "[SEP]", type_id: 0 } },
    ],
    pair: [
      { SpecialToken: { id: "[CLS]", type_id: 0 } },
      { Sequence: { id: "A", type_id: 0 } },
      { SpecialToken: { id: "[SEP]", type_id: 0 } },
      { Sequence: { id: "B", type_id: 1 } },
      { SpecialToken: { id: "[SEP]", type_id: 1 } },
    ],
    special_tokens: {
      "[CLS]": { id: "[CLS]", ids: [2], tokens: ["[CLS]"] },
      "[SEP]": { id: "[SEP]", ids: [3], tokens: ["[SEP]"] },
    },
  },
  decoder: { type: "WordPiece", prefix: "##", cleanup: true },
  model: {
    type: "WordPiece",
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 100,
    vocab: { "5": 6, "[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4, "##b": 5 },
  },
};
const byteLevel = (trim: boolean): object => ({
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: trim,
  use_regex: true,
});
const BYTES = {
  ...HEAD,
  added_tokens: [added(5, "<|endoftext|>")],
  normalizer: null,
  pre_tokenizer: byteLevel(true),
  post_processor: byteLevel(false),
  decoder: byteLevel(true),
  model: {
    type: "BPE",
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: "",
    end_of_word_suffix: "",
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab: { l: 0, o: 1, w: 2, lo: 3, low: 4, "<|endoftext|>": 5 },
    merges: [["l", "o"], ["lo", "w"]] as unknown[],
  },
};
const WORDS = {
  ...HEAD,
  added_tokens: [added(0, "<unk>")],
  normalizer: BERT_NORMALIZER,
  pre_tokenizer: { type: "BertPreTokenizer" },
  post_processor: null,
  decoder: { type: "BPEDecoder", suffix: "</w>" },
  model: {
    ...BYTES.model,
    unk_token: "<unk>",
    continuing_subword_prefix: null,
    end_of_word_suffix: "</w>",
    vocab: { "<unk>": 0, l: 1, o: 2, "l</w>": 3, "o</w>": 4, lo: 5, "loo</w>": 6, "\n</w>": 7 },
    merges: ["l o", "lo o</w>"],
  },
};

const read = (file: object): TokenizerDescription => parseTokenizerJson(JSON.stringify(file), "t.json");
function ofKind<K extends TokenizerDescription["kind"]>(
  kind: K,
  description: TokenizerDescription,
): Extract<TokenizerDescription, { kind: K }> {
  assertEquals(description.kind, kind);
  return description as Extract<TokenizerDescription, { kind: K }>;
}

Deno.test("WordPiece as Hugging Face writes it", async () => {
  const description = ofKind("wordpiece", read(WORDPIECE));
  const tokenizer = await createWordPiece(description);
  assertEquals(tokenizer.tokens, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "##b", "5"]);
  assertEquals([tokenizer.maxWordLength, tokenizer.lowerCase, tokenizer.stripAccents], [100, true, true]);
  assertEquals(tokenizer.encode("ÁB 5 x"), [4, 5, 6, 1]);
  const written = JSON.parse(tokenizerJsonOf(description));
  assertEquals(written, WORDPIECE);

  const cased = { ...BERT_NORMALIZER, lowercase: false, strip_accents: true, handle_chinese_chars: false };
  const other = ofKind(
    "wordpiece",
    read({
      ...WORDPIECE,
      normalizer: cased,
      post_processor: { type: "BertProcessing", sep: ["a", 4], cls: ["[CLS]", 2] },
      padding: { pad_token: "5", pad_id: 6 },
      decoder: null,
    }),
  );
  const { lowerCase, stripAccents, splitIdeographs, special, tidy } = other;
  assertEquals([lowerCase, stripAccents, splitIdeographs, tidy], [false, true, false, false]);
  assertEquals([special?.separator, special?.pad], ["a", "5"]);
  const again = ofKind("wordpiece", parseTokenizerJson(tokenizerJsonOf(other), "t.json"));
  assertEquals((await createWordPiece(again)).special.separator, "a");

  const more = ofKind(
    "wordpiece",
    read({ ...WORDPIECE, added_tokens: [...WORDPIECE.added_tokens, added(7, "[X]")] }),
  );
  assertEquals([more.tokens.at(-1), more.added], ["[X]", ["[X]"]]);
  assertEquals((await createWordPiece(more)).encode("a[X]", { specials: true }), [4, 7]);
});

Deno.test("byte-level BPE as Hugging Face writes it, now and in old releases", () => {
  const description = ofKind("byte-bpe", read(BYTES));
  assertEquals(description, {
    kind: "byte-bpe",
    tokens: ["l", "o", "w", "lo", "low", "<|endoftext|>"],
    merges: [["l", "o"], ["lo", "w"]],
    added: ["<|endoftext|>"],
    addPrefixSpace: false,
  });
  assertEquals(JSON.parse(tokenizerJsonOf(description)), BYTES);
  const { type: _, byte_fallback: __, ignore_merges: ___, ...model } = BYTES.model;
  const { use_regex: ____, ...pretokenizer } = BYTES.pre_tokenizer as Record<string, unknown>;
  const old = {
    ...BYTES,
    pre_tokenizer: pretokenizer,
    added_tokens: [added(5, "<|endoftext|>", { normalized: true })],
    model: { ...model, merges: ["l o", "lo w"] },
  };
  assertEquals(read(old), description);
});

Deno.test("GPT-1's BPE as Hugging Face writes it", async () => {
  const description = ofKind("word-bpe", read(WORDS));
  assertEquals(description.merges, [["l", "o"], ["lo", "o</w>"]]);
  assertEquals([description.unknown, description.pretokenizer, description.added], ["<unk>", "bert", []]);
  const tokenizer = await createWordBpe(description, "t.json");
  assertEquals(tokenizer.encode("LOO, lo!"), [6, 0, 1, 4, 0]);
  const text = tokenizerJsonOf(description);
  assertEquals(parseTokenizerJson(text, "t.json"), description);
  const { "l</w>": _, ...vocab } = WORDS.model.vocab;
  const other = { ...WORDS, model: { ...WORDS.model, vocab: { ...vocab, "x</w>": 3 } } };
  await assertRejects(
    () => createWordBpe(ofKind("word-bpe", read(other)), "t.json"),
    SyntaxError,
    'Cannot use t.json: id 3 is "x</w>", which is not GPT-1\'s layout',
  );
  const none = ofKind("word-bpe", read({ ...WORDS, model: { ...WORDS.model, unk_token: null } }));
  await assertRejects(() => createWordBpe(none, "t.json"), SyntaxError, "unknown token is null");
});

Deno.test("a tokenizer trained here comes back from tokenizer.json as the same", async () => {
  const trained = await trainBpe(["low lower lowest 12 1 2"], { vocabSize: 26, minFrequency: 1 });
  const text = tokenizerJsonOf({ ...trained, unknown: "<unk>", added: [] });
  const description = ofKind("word-bpe", parseTokenizerJson(text, "t.json"));
  assertEquals(description.pretokenizer, "words");
  assertEquals((await createWordBpe(description, "t.json")).fingerprint, trained.fingerprint);
  // Tokens that look like numbers stay where they are in the file, in id order.
  const written = [...text.slice(text.indexOf('"vocab"')).matchAll(/^ {6}"(.*)": (\d+),?$/gm)].map((
    [, , id],
  ) => Number(id));
  assertEquals(written, trained.tokens.map((_, id) => id));
});

Deno.test("the pipeline written for `words` means what `words` does", () => {
  type Step = { type: string; pattern: { Regex: string }; content: string };
  const pattern = (source: string): RegExp =>
    new RegExp(source.replace(/\\x\{(\w+)\}/g, "\\u{$1}").replace("\\A", "^").replace("\\z", "$"), "gu");
  const steps = (WORDS_NORMALIZER as unknown as { normalizers: Step[] }).normalizers;
  const split = pattern((WORDS_PRETOKENIZER as unknown as Step).pattern.Regex);
  const run = (text: string): string[] => {
    for (const step of steps) {
      if (step.type === "NFC") text = text.normalize("NFC");
      else if (step.type === "Lowercase") text = text.toLowerCase();
      else text = text.replace(pattern(step.pattern.Regex), () => step.content);
    }
    return text.match(split) ?? [];
  };
  const alphabet = [
    ..."aaan''tTsSdé12  \n\t\r.,!?-—…´‘’“”(~_#*\u0301\u001c\u0085\u2029\ufeff",
    "n't",
    "\n \n",
    "...",
    "--",
  ];
  for (let seed = 1; seed <= 500; seed++) {
    const random = new Random(seed, "test/words");
    const text = Array.from({ length: 1 + random.below(40) }, () => alphabet[random.below(alphabet.length)])
      .join("");
    assertEquals(run(text), [...words(text)], `with seed ${seed}: ${JSON.stringify(text)}`);
  }
});

Deno.test("what this version does not have is refused with file and field", () => {
  const BARE = { ...BYTES, added_tokens: [] };
  const model = (base: { model: object }, change: object): object => ({
    ...base,
    model: { ...base.model, ...change },
  });
  const normalizer = (change: object): object => ({
    ...WORDPIECE,
    normalizer: { ...BERT_NORMALIZER, ...change },
  });
  const refused: [object | string, string][] = [
    ["{", "Cannot read t.json: not valid JSON"],
    ["[]", "Cannot read t.json: the file is []; it should be an object"],
    [{}, "Cannot read t.json: model is missing"],
    [model(BYTES, { type: "Unigram" }), 'model.type is "Unigram"; this version reads WordPiece and BPE'],
    [model(BYTES, { end_of_word_suffix: "_" }), 'model.end_of_word_suffix is "_"'],
    [model(BYTES, { dropout: 0.1 }), "model.dropout is 0.1"],
    [model(BYTES, { byte_fallback: true }), "model.byte_fallback is true"],
    [model(BYTES, { ignore_merges: true }), "model.ignore_merges is true"],
    [model(BYTES, { continuing_subword_prefix: "##" }), 'model.continuing_subword_prefix is "##"'],
    [model(BYTES, { merges: ["l o", "low"] }), 'model.merges[1] is "low"; a merge is two tokens'],
    [model(BYTES, { merges: [["l", "o", "w"]] }), 'model.merges[0] is ["l","o","w"]'],
    [model(BYTES, { merges: [["l", "x"]] }), 'model.merges[0] is ["l","x"]; the vocabulary lacks "x"'],
    [model(BYTES, { merges: [["o", "l"]] }), 'the vocabulary lacks "ol"'],
    [model(BYTES, { merges: "l o" }), 'model.merges is "l o"; it should be a list'],
    [
      model(BYTES, { vocab: { l: 0, o: 1, w: 2, lo: 3 }, merges: [] }),
      "added_tokens[0].id is 5; ids must be 0 and up, without gaps",
    ],
    [
      model(BYTES, { vocab: { l: 0, o: 2, "<|endoftext|>": 5, w: 1, lo: 3 }, merges: [] }),
      "no token of model.vocab or added_tokens has id 4",
    ],
    [model(BARE, { vocab: { l: 0, o: 0 } }), 'model.vocab.o is 0; "o" and "l" cannot both have it'],
    [model(BARE, { vocab: { l: 0, o: 1e9 } }), "model.vocab.o is 1000000000; ids must be 0 and up"],
    [model(BARE, { vocab: { l: -1 } }), "model.vocab.l is -1; it should be a whole number"],
    [model(BARE, { vocab: {}, merges: [] }), "model.vocab is empty"],
    [{ ...BYTES, normalizer: { type: "NFC" } }, 'normalizer is {"type":"NFC"}'],
    [{ ...BYTES, pre_tokenizer: { type: "Metaspace" } }, 'pre_tokenizer is {"type":"Metaspace"}'],
    [{ ...BYTES, pre_tokenizer: null }, "pre_tokenizer is null"],
    [
      { ...BYTES, pre_tokenizer: { ...byteLevel(true), use_regex: false } },
      "pre_tokenizer.use_regex is false",
    ],
    [{ ...BYTES, post_processor: WORDPIECE.post_processor }, "post_processor is {"],
    [
      { ...BYTES, added_tokens: [added(5, "<|endoftext|>", { lstrip: true })] },
      "added_tokens[0].lstrip is true",
    ],
    [{ ...WORDS, normalizer: null }, "normalizer is null"],
    [{ ...WORDS, normalizer: { ...BERT_NORMALIZER, lowercase: false } }, "normalizer is {"],
    [{ ...WORDS, normalizer: WORDS_NORMALIZER }, "it does not fit the normalizer"],
    [{ ...WORDS, pre_tokenizer: { type: "Whitespace" } }, "pre_tokenizer is {"],
    [
      { ...WORDS, added_tokens: [added(0, "<unk>", { normalized: true })] },
      "added_tokens[0].normalized is true",
    ],
    [model(WORDPIECE, { continuing_subword_prefix: "@@" }), 'model.continuing_subword_prefix is "@@"'],
    [model(WORDPIECE, { unk_token: undefined }), "model.unk_token is missing"],
    [normalizer({ clean_text: false }), "normalizer.clean_text is false"],
    [normalizer({ lowercase: "yes" }), 'normalizer.lowercase is "yes"; it should be true or false'],
    [normalizer({ type: "Lowercase" }), "normalizer is {"],
    [{ ...WORDPIECE, pre_tokenizer: { type: "Whitespace" } }, "pre_tokenizer is {"],
    [{ ...WORDPIECE, decoder: { type: "ByteLevel" } }, "decoder is {"],
    [{ ...WORDPIECE, post_processor: { type: "ByteLevel" } }, "post_processor is {"],
    [
      { ...WORDPIECE, post_processor: { type: "BertProcessing", sep: ["a", 5], cls: ["[CLS]", 2] } },
      "processor.sep is [",
    ],
    [
      {
        ...WORDPIECE,
        post_processor: { ...WORDPIECE.post_processor, pair: WORDPIECE.post_processor.single },
      },
      "post_processor is {",
    ],
  ];
  for (const [file, message] of refused) {
    const text = typeof file === "string" ? file : JSON.stringify(file);
    const error = assertThrows(() => parseTokenizerJson(text, "t.json"), SyntaxError, message);
    assert(error.message.startsWith("Cannot read t.json: ") && error.message.length < 250, error.message);
  }
});

Deno.test("a description that contradicts itself is not written", () => {
  const bytes = { kind: "byte-bpe" as const, tokens: ["a", "b"], merges: [], added: [] };
  assertThrows(
    () => tokenizerJsonOf({ ...bytes, merges: [["a", "b"]] }),
    SyntaxError,
    "Cannot write merge 0 (a b)",
  );
  assertThrows(() => tokenizerJsonOf({ ...bytes, added: ["c"] }), SyntaxError, 'added token "c"');
  assertThrows(() => tokenizerJsonOf({ ...bytes, tokens: ["a", "a"] }), SyntaxError, "two ids");
  assertThrows(
    () => tokenizerJsonOf({ kind: "wordpiece", tokens: ["a"], lowerCase: true }),
    SyntaxError,
    "[UNK]",
  );
});

const data = Deno.env.get("FOREWORD_DATA");
if (!data) console.log("skipped: published tokenizers as tokenizer.json (FOREWORD_DATA is not set)");

Deno.test({
  name: "published tokenizers go through tokenizer.json unchanged",
  ignore: !data,
  fn: async () => {
    const storage = folder(`${data}/tok`);
    const bert = await loadWordPiece(storage, "bert/google_cased_en_vocab.txt", { lowerCase: false });
    const wordpiece = ofKind(
      "wordpiece",
      parseTokenizerJson(tokenizerJsonOf(bert), "t"),
    );
    assertEquals((await createWordPiece(wordpiece)).fingerprint, bert.fingerprint);
    const gpt1 = await loadBpe(storage, "gpt1");
    const text = tokenizerJsonOf({ ...gpt1, unknown: "<unk>", added: [] });
    const words = ofKind("word-bpe", parseTokenizerJson(text, "t"));
    // Such a file cannot say spaCy's rules: it has the words that transformers has for GPT-1.
    const fast = await createBpe({ ...gpt1, pretokenizer: "bert" });
    assertEquals((await createWordBpe(words, "t")).fingerprint, fast.fingerprint);
  },
});
