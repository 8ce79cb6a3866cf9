// tokenizer.json written so that Hugging Face's tokenizers and transformers open it and give the same ids. What cannot
// be said in that file is refused rather than changed. The reverse is in read.ts.

import { BERT_SPECIALS, checkVocabulary, specialIds } from "../wordpiece/vocabulary.ts";
import type { TokenizerDescription, WordPieceDescription } from "./description.ts";
import {
  BERT_PRETOKENIZER,
  bertNormalizer,
  bertTemplate,
  type Json,
  WORDS_NORMALIZER,
  WORDS_PRETOKENIZER,
} from "./pipelines.ts";

/**
 * The text of a tokenizer.json. Throws `SyntaxError` if the description contradicts itself, for example by a merge of
 * a token that is not there.
 *
 * @example
 * ```ts
 * import { tokenizerJsonOf, trainBpe } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const { tokens, merges, pretokenizer } = await trainBpe(["low lower lowest"], { vocabSize: 18 });
 * const text = tokenizerJsonOf({ kind: "word-bpe", tokens, merges, pretokenizer, unknown: "<unk>", added: [] });
 * assertEquals(JSON.parse(text).model.end_of_word_suffix, "</w>");
 * ```
 */
export function tokenizerJsonOf(description: TokenizerDescription): string {
  const { tokens } = description;
  checkVocabulary(tokens);
  const sections = sectionsOf(description), vocabulary = vocabularyText(tokens);
  const { model, ...rest } = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(description),
    ...sections,
  };
  // The vocabulary is put in as text: an object would move the tokens that look like numbers to the front.
  const body = JSON.stringify(rest, null, 2).slice(0, -2);
  const settings = JSON.stringify(model, null, 2).slice(0, -2).replaceAll("\n", "\n  ");
  return `${body},\n  "model": ${settings},\n    "vocab": ${vocabulary}\n  }\n}\n`;
}

interface Sections {
  readonly normalizer: Json;
  readonly pre_tokenizer: Json;
  readonly post_processor: Json;
  readonly decoder: Json;
  readonly model: Json;
}

function sectionsOf(description: TokenizerDescription): Sections {
  if (description.kind === "wordpiece") return wordPieceSections(description);
  const { kind, tokens, merges } = description, known = new Set(tokens);
  for (const [i, [left, right]] of merges.entries()) {
    const missing = [left, right, left + right].find((token) => !known.has(token));
    if (missing === undefined) continue;
    throw new SyntaxError(
      `Cannot write merge ${i} (${left} ${right}) to a tokenizer.json: the vocabulary lacks ${
        JSON.stringify(missing)
      }`,
    );
  }
  const unknown = kind === "word-bpe" ? description.unknown : null;
  const model = {
    type: "BPE",
    dropout: null,
    unk_token: unknown,
    continuing_subword_prefix: "",
    end_of_word_suffix: kind === "word-bpe" ? "</w>" : "",
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    merges,
  };
  if (kind === "word-bpe") {
    const ours = description.pretokenizer === "words";
    return {
      normalizer: ours ? WORDS_NORMALIZER : bertNormalizer(true, true, true),
      pre_tokenizer: ours ? WORDS_PRETOKENIZER : BERT_PRETOKENIZER,
      post_processor: null,
      decoder: { type: "BPEDecoder", suffix: "</w>" },
      model,
    };
  }
  const byteLevel = {
    type: "ByteLevel",
    add_prefix_space: description.addPrefixSpace ?? false,
    use_regex: true,
  };
  return {
    normalizer: null,
    pre_tokenizer: { ...byteLevel, trim_offsets: true },
    post_processor: { ...byteLevel, trim_offsets: false },
    decoder: { ...byteLevel, trim_offsets: true },
    model,
  };
}

function wordPieceSections(description: WordPieceDescription): Sections {
  const { tokens, lowerCase, special = BERT_SPECIALS } = description, ids = specialIds(tokens, special);
  const { stripAccents = lowerCase, splitIdeographs = true, maxWordLength = 200, tidy = true } = description;
  return {
    normalizer: bertNormalizer(lowerCase, stripAccents, splitIdeographs),
    pre_tokenizer: BERT_PRETOKENIZER,
    post_processor: bertTemplate([special.classify, ids.classify], [special.separator, ids.separator]),
    decoder: { type: "WordPiece", prefix: "##", cleanup: tidy },
    model: {
      type: "WordPiece",
      unk_token: special.unknown,
      continuing_subword_prefix: "##",
      max_input_chars_per_word: maxWordLength,
    },
  };
}

/** Every token that is no piece of text, in id order. */
function addedTokens(description: TokenizerDescription): Json {
  const { kind, tokens, added = [] } = description, ids = new Map(tokens.map((token, id) => [token, id]));
  const absent = added.find((token) => !ids.has(token));
  if (absent !== undefined) {
    throw new SyntaxError(`Cannot write added token ${JSON.stringify(absent)}: the vocabulary lacks it`);
  }
  const named = kind === "wordpiece"
    ? Object.values(description.special ?? BERT_SPECIALS) as string[]
    : kind === "word-bpe" && description.unknown !== null
    ? [description.unknown]
    : [];
  return [...new Set([...named, ...added])]
    .flatMap((content) => ids.has(content) ? [{ id: ids.get(content)!, content }] : [])
    .sort((a, b) => a.id - b.id)
    .map(({ id, content }) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    }));
}

function vocabularyText(tokens: readonly string[]): string {
  const entries = tokens.map((token, id) => `      ${JSON.stringify(token)}: ${id}`);
  return `{\n${entries.join(",\n")}\n    }`;
}
