// The normalizers, pre-tokenizers, post-processors and decoders of the kinds that Foreword reads and writes, as
// tokenizer.json has them. Fields that hold no choice are compared as they stand, so reading and writing cannot drift
// apart.

/** JSON that is written, or compared with what was read. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** Whether two JSON values are the same, in whatever order their members come. */
export function sameJson(a: unknown, b: Json): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const names = Object.keys(b);
  return Object.keys(a).length === names.length &&
    names.every((name) =>
      Object.hasOwn(a, name) &&
      sameJson((a as Record<string, unknown>)[name], (b as Record<string, Json>)[name])
    );
}

/** BERT's pre-tokenizer, which GPT-1 has in transformers as well. */
export const BERT_PRETOKENIZER: Json = { type: "BertPreTokenizer" };

const replaced = (pattern: string, content: string): Json => ({
  type: "Replace",
  pattern: { Regex: pattern },
  content,
});
// Python's `\s`, for Oniguruma.
const SPACE =
  "\\x{9}-\\x{d}\\x{1c}-\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}" +
  "\\x{205f}\\x{3000}";
const LETTER = "[\\p{L}\\p{M}]";

/**
 * Foreword's `words` (pretokenizers.ts) by the means of tokenizer.json: the replacements in the normalizer, where a run
 * of white space with a line break becomes one line break, and the words as what is left of a split.
 */
export const WORDS_NORMALIZER: Json = {
  type: "Sequence",
  normalizers: [
    { type: "NFC" },
    replaced("[\\x{2018}-\\x{201b}\\x{b4}]", "'"),
    replaced("[\\x{201c}-\\x{201f}]", '"'),
    replaced("[\\x{2013}-\\x{2015}]", "-"),
    replaced("\\x{2026}", "..."),
    { type: "Lowercase" },
    // The look-behind lets a match begin only where a run does: without it long blanks take quadratic time.
    replaced(`(?<![${SPACE}])[${SPACE}]*\\n[${SPACE}]*`, "\n"),
    replaced(`\\A[${SPACE}]+|(?<![${SPACE}])[${SPACE}]+\\z`, ""),
  ],
};

/** The words of what {@link WORDS_NORMALIZER} gives. */
export const WORDS_PRETOKENIZER: Json = {
  type: "Split",
  pattern: {
    Regex: [
      "\\n",
      `${LETTER}+?(?=n't(?!${LETTER}))`,
      `n't(?!${LETTER})`,
      `'(?:s|m|re|ve|ll|d)(?!${LETTER})`,
      `${LETTER}+`,
      "\\p{Nd}+",
      `([^${SPACE}])\\1*`,
    ].join("|"),
  },
  behavior: "Removed",
  invert: true,
};

/** BERT's normalizer. */
export function bertNormalizer(lowerCase: boolean, stripAccents: boolean, splitIdeographs: boolean): Json {
  return {
    type: "BertNormalizer",
    clean_text: true,
    handle_chinese_chars: splitIdeographs,
    strip_accents: stripAccents === lowerCase ? null : stripAccents,
    lowercase: lowerCase,
  };
}

/** `[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`. */
export function bertTemplate(
  classify: readonly [string, number],
  separator: readonly [string, number],
): Json {
  const special = ([id]: readonly [string, number], type_id: number): Json => ({
    SpecialToken: { id, type_id },
  });
  const sequence = (id: string, type_id: number): Json => ({ Sequence: { id, type_id } });
  const single = [special(classify, 0), sequence("A", 0), special(separator, 0)];
  const entry = ([id, number]: readonly [string, number]): [string, Json] => [
    id,
    { id, ids: [number], tokens: [id] },
  ];
  return {
    type: "TemplateProcessing",
    single,
    pair: [...single, sequence("B", 1), special(separator, 1)],
    special_tokens: Object.fromEntries([entry(classify), entry(separator)]),
  };
}
