// tokenizer.json, the file of Hugging Face's tokenizers library, read for the kinds that Foreword has: BERT's WordPiece,
// GPT-2's byte-level BPE and GPT-1's BPE with `</w>`. A file that would tokenize otherwise than those do is refused,
// with the field that says so; `truncation` and `padding` are left to the caller and not looked at.

import { BERT_SPECIALS } from "../wordpiece/vocabulary.ts";
import type {
  ByteBpeDescription,
  TokenizerDescription,
  WordBpeDescription,
  WordPieceDescription,
} from "./description.ts";
import {
  booleanOf,
  countOf,
  expect,
  type Field,
  itemsOf,
  member,
  membersOf,
  parseField,
  refuse,
  stringOf,
} from "./field.ts";
import {
  BERT_PRETOKENIZER,
  bertNormalizer,
  bertTemplate,
  sameJson,
  WORDS_NORMALIZER,
  WORDS_PRETOKENIZER,
} from "./pipelines.ts";

/**
 * What a tokenizer.json describes. Throws `SyntaxError`, naming `where` and the field, if it is damaged or of a kind
 * that this version does not have.
 *
 * @example
 * ```ts
 * import { createWordPiece, parseTokenizerJson, tokenizerJsonOf } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hel", "##lo"];
 * const text = tokenizerJsonOf({ kind: "wordpiece", tokens, lowerCase: true });
 * const description = parseTokenizerJson(text, "tokenizer.json");
 * if (description.kind !== "wordpiece") throw new TypeError("a tokenizer of another kind");
 * assertEquals((await createWordPiece(description)).encode("Hello"), [5, 6]);
 * ```
 */
export function parseTokenizerJson(text: string, where: string): TokenizerDescription {
  const file = parseField(text, where), model = member(file, "model"), type = typeOf(model);
  if (type === "WordPiece") return readWordPiece(file, model);
  if (type !== "BPE") refuse(member(model, "type"), "this version reads WordPiece and BPE");
  const suffix = member(model, "end_of_word_suffix");
  if (suffix.value === "</w>") return readWordBpe(file, model);
  expect(suffix, [""], 'this version reads "</w>", as GPT-1 has, and none, as GPT-2 has');
  return readByteBpe(file, model);
}

/** The model's type; files of old releases do not say it. */
function typeOf(model: Field): string {
  const type = member(model, "type");
  if (type.value !== undefined) return stringOf(type);
  return member(model, "merges").value !== undefined ? "BPE" : "WordPiece";
}

function readWordPiece(file: Field, model: Field): WordPieceDescription {
  expect(member(model, "continuing_subword_prefix"), ["##"], 'this version reads "##"');
  const tokens = readTokens(file, model), normalizer = member(file, "normalizer");
  if (normalizer.value === null || typeNamed(normalizer) !== "BertNormalizer") {
    refuse(normalizer, "this version reads WordPiece with a BertNormalizer");
  }
  expect(member(normalizer, "clean_text"), [true], "this version reads BertNormalizers that clean text");
  const lowerCase = booleanOf(member(normalizer, "lowercase"), true);
  readBertPretokenizer(file);
  const decoder = member(file, "decoder");
  if (decoder.value !== null && decoder.value !== undefined) {
    if (typeNamed(decoder) !== "WordPiece") {
      refuse(decoder, "this version reads WordPiece with a WordPiece decoder");
    }
    expect(member(decoder, "prefix"), ["##"], 'this version reads "##"');
  }
  const padding = member(file, "padding");
  const pad = padding.value ? stringOf(member(padding, "pad_token")) : BERT_SPECIALS.pad;
  const unknown = stringOf(member(model, "unk_token")), longest = member(model, "max_input_chars_per_word");
  const special = { ...BERT_SPECIALS, unknown, pad, ...readFrame(member(file, "post_processor"), tokens) };
  const named = new Set<string>(Object.values(special));
  return {
    kind: "wordpiece",
    tokens,
    lowerCase,
    stripAccents: booleanOf(member(normalizer, "strip_accents"), lowerCase),
    splitIdeographs: booleanOf(member(normalizer, "handle_chinese_chars"), true),
    maxWordLength: longest.value === undefined ? 100 : countOf(longest),
    special,
    added: readAdded(file, true).filter((token) => !named.has(token)),
    tidy: decoder.value ? booleanOf(member(decoder, "cleanup"), true) : false,
  };
}

/** The first and the separating token of BERT's sequences, in either of the two forms that files have. */
function readFrame(field: Field, tokens: readonly string[]): { classify: string; separator: string } {
  const { classify, separator } = BERT_SPECIALS;
  if (field.value === null || field.value === undefined) return { classify, separator };
  const wanted = "this version reads [CLS] A [SEP] and [CLS] A [SEP] B [SEP]";
  const type = typeNamed(field);
  if (type === "BertProcessing") {
    const named = (name: string): string => {
      const [token, id] = itemsOf(member(field, name));
      if (!token || !id || tokens[countOf(id)] !== stringOf(token)) refuse(member(field, name), wanted);
      return stringOf(token);
    };
    return { classify: named("cls"), separator: named("sep") };
  }
  if (type !== "TemplateProcessing") refuse(field, wanted);
  const single = itemsOf(member(field, "single"));
  if (single.length !== 3) refuse(member(field, "single"), wanted);
  const named = (item: Field): readonly [string, number] => {
    const special = member(item, "SpecialToken");
    if (special.value === undefined) refuse(item, wanted);
    const token = stringOf(member(special, "id"));
    return [token, tokens.indexOf(token)];
  };
  const first = named(single[0]), last = named(single[2]);
  if (!sameJson(field.value, bertTemplate(first, last))) refuse(field, wanted);
  return { classify: first[0], separator: last[0] };
}

function readWordBpe(file: Field, model: Field): WordBpeDescription {
  const { tokens, merges } = readBpe(file, model);
  const normalizer = member(file, "normalizer"), pretokenizer = member(file, "pre_tokenizer");
  let name: WordBpeDescription["pretokenizer"] = "bert";
  if (sameJson(normalizer.value, WORDS_NORMALIZER)) {
    if (!sameJson(pretokenizer.value, WORDS_PRETOKENIZER)) {
      refuse(pretokenizer, "it does not fit the normalizer");
    }
    name = "words";
  } else {
    const bert = [null, true].map((accents) => ({
      ...bertNormalizer(true, true, true) as Record<string, null>,
      strip_accents: accents,
    }));
    if (!bert.some((json) => sameJson(normalizer.value, json))) {
      refuse(
        normalizer,
        "this version reads BPE with </w> after a lower-casing BertNormalizer, as GPT-1 has",
      );
    }
    readBertPretokenizer(file);
  }
  const unknown = member(model, "unk_token");
  readNothing(member(file, "post_processor"), []);
  return {
    kind: "word-bpe",
    tokens,
    merges,
    added: readAdded(file, true).filter((token) => token !== unknown.value),
    unknown: unknown.value === null || unknown.value === undefined ? null : stringOf(unknown),
    pretokenizer: name,
  };
}

function readByteBpe(file: Field, model: Field): ByteBpeDescription {
  const { tokens, merges } = readBpe(file, model), normalizer = member(file, "normalizer");
  if (normalizer.value) refuse(normalizer, "this version reads byte-level BPE without a normalizer");
  const pretokenizer = member(file, "pre_tokenizer");
  if (!pretokenizer.value || typeNamed(pretokenizer) !== "ByteLevel") {
    refuse(
      pretokenizer,
      "this version reads BPE with a ByteLevel pre-tokenizer, as GPT-2 has, or with </w>, as GPT-1",
    );
  }
  expect(
    member(pretokenizer, "use_regex"),
    [true],
    "this version reads byte-level BPE with GPT-2's pre-split",
  );
  readNothing(member(file, "post_processor"), ["ByteLevel"]);
  return {
    kind: "byte-bpe",
    tokens,
    merges,
    added: readAdded(file, false),
    addPrefixSpace: booleanOf(member(pretokenizer, "add_prefix_space"), true),
  };
}

/** Refuses what would change the ids; what only moves offsets may stay. */
function readNothing(field: Field, harmless: readonly string[]): void {
  if (!field.value || harmless.includes(typeNamed(field))) return;
  // transformers writes a template that holds nothing but the text.
  const single = typeNamed(field) === "TemplateProcessing" ? itemsOf(member(field, "single")) : [];
  if (single.length !== 1 || member(single[0], "Sequence").value === undefined) {
    refuse(field, "this version reads BPE without tokens added around a text");
  }
}

function readBertPretokenizer(file: Field): void {
  const field = member(file, "pre_tokenizer");
  if (!sameJson(field.value, BERT_PRETOKENIZER)) {
    refuse(field, "a BertNormalizer goes with a BertPreTokenizer");
  }
}

const typeNamed = (field: Field): string => stringOf(member(field, "type"));

/** Tokens and merges, checked against each other. */
function readBpe(file: Field, model: Field): { tokens: string[]; merges: (readonly [string, string])[] } {
  expect(member(model, "dropout"), [0], "this version reads BPE without dropout");
  expect(member(model, "continuing_subword_prefix"), [""], "this version reads BPE without a prefix");
  for (const name of ["byte_fallback", "ignore_merges", "fuse_unk"]) {
    expect(member(model, name), [false], "this version reads BPE without it");
  }
  const tokens = readTokens(file, model), known = new Set(tokens);
  const merges = itemsOf(member(model, "merges")).map((field) => {
    const pair = Array.isArray(field.value) ? itemsOf(field).map(stringOf) : stringOf(field).split(" ");
    const [left, right] = pair;
    if (pair.length !== 2 || !left || !right) refuse(field, "a merge is two tokens");
    const missing = [left, right, left + right].find((token) => !known.has(token));
    if (missing !== undefined) refuse(field, `the vocabulary lacks ${JSON.stringify(missing)}`);
    return [left, right] as const;
  });
  return { tokens, merges };
}

/** All tokens in id order: those of the model and those added to it. */
function readTokens(file: Field, model: Field): string[] {
  const vocabulary = member(model, "vocab"), entries = membersOf(vocabulary);
  const added = itemsOf(member(file, "added_tokens"));
  const tokens: (string | undefined)[] = [];
  const put = (token: string, id: Field): void => {
    const at = countOf(id);
    if (at >= entries.length + added.length) refuse(id, "ids must be 0 and up, without gaps");
    if (tokens[at] !== undefined && tokens[at] !== token) {
      refuse(id, `${JSON.stringify(token)} and ${JSON.stringify(tokens[at])} cannot both have it`);
    }
    tokens[at] = token;
  };
  for (const [token, id] of entries) put(token, id);
  for (const item of added) put(stringOf(member(item, "content")), member(item, "id"));
  if (tokens.length === 0) throw new SyntaxError(`Cannot read ${file.where}: ${vocabulary.path} is empty`);
  return Array.from(tokens, (token, id) => {
    if (token !== undefined) return token;
    throw new SyntaxError(
      `Cannot read ${file.where}: no token of ${vocabulary.path} or added_tokens has id ${id}`,
    );
  });
}

/** The added tokens, which are looked for in a text before anything else is done to it. */
function readAdded(file: Field, normalizes: boolean): string[] {
  return itemsOf(member(file, "added_tokens")).map((item) => {
    for (const name of ["single_word", "lstrip", "rstrip", ...normalizes ? ["normalized"] : []]) {
      expect(member(item, name), [false], "this version reads added tokens that are matched as they stand");
    }
    return stringOf(member(item, "content"));
  });
}
