/**
 * Foreword: pre-train, fine-tune and run language models from TypeScript.
 *
 * The shortest way from text to a model: `trainBpe`, `createGpt1`, `train`, `generate`. For models of your own: `Graph`,
 * `ops`, `gradients` and `plan`.
 *
 * @module
 */

export * from "./src/core/dtype.ts";
export * from "./src/core/memory_storage.ts";
export * from "./src/core/random.ts";
export * from "./src/core/shape.ts";
export * from "./src/core/storage.ts";
export * from "./src/graph/graph.ts";
export * from "./src/graph/gradients.ts";
export * from "./src/graph/op.ts";
export * from "./src/graph/plan.ts";
export * from "./src/graph/planned_bytes.ts";
export * from "./src/graph/print.ts";
export { type OpName, ops } from "./src/ops/mod.ts";
export * from "./src/backends/backend.ts";
export * from "./src/open_device.ts";
/** Layers as functions on values: ops under the names that models use. */
export * as nn from "./src/nn/layers.ts";
export * from "./src/nn/lora.ts";
export * from "./src/nn/loss_scale.ts";
export * from "./src/nn/model.ts";
export * from "./src/nn/parameters.ts";
export * from "./src/nn/published.ts";
export * from "./src/nn/recompute.ts";
export * from "./src/models/gpt1.ts";
export * from "./src/models/gpt1_feeds.ts";
export * from "./src/models/gpt1_inspect.ts";
export * from "./src/models/gpt1_model.ts";
export * from "./src/models/gpt1_peft.ts";
export * from "./src/models/gpt1_plans.ts";
export * from "./src/models/gpt1_published.ts";
export * from "./src/models/gpt1_tuning.ts";
export { type LstmLayer } from "./src/models/lstm_layer.ts";
export * from "./src/models/lstm_lm.ts";
export * from "./src/text/batches.ts";
export * from "./src/text/bpe.ts";
export * from "./src/text/bpe_files.ts";
export * from "./src/text/bpe_train.ts";
export * from "./src/text/bytes/byte_bpe.ts";
export * from "./src/text/bytes/files.ts";
export * from "./src/text/bytes/train.ts";
export { splitGpt2 } from "./src/text/bytes/split.ts";
export type { ByteBpeParts } from "./src/text/bytes/vocabulary.ts";
export { looksLikeMojibake } from "./src/text/clean/badness.ts";
export {
  normalizeWidth,
  removeControls,
  removeTerminalEscapes,
  replaceSurrogates,
  splitLigatures,
  straightenQuotes,
  unifyLineBreaks,
} from "./src/text/clean/characters.ts";
export * from "./src/text/clean/fix_encoding.ts";
export * from "./src/text/clean/fix_text.ts";
export { unescapeHtml } from "./src/text/clean/html.ts";
export * from "./src/text/clean/standardize.ts";
export * from "./src/text/corpus.ts";
export { type EnglishToken, englishTokens } from "./src/text/english/english_tokens.ts";
export { gpt1Words } from "./src/text/english/gpt1_words.ts";
export * from "./src/text/ngram.ts";
export * from "./src/text/open_tokenizer.ts";
export * from "./src/text/prepare/documents.ts";
export * from "./src/text/prepare/filters.ts";
export { type PreparedCorpus, readCorpusIndex, readPrepared } from "./src/text/prepare/prepared.ts";
export { type CorpusUnit, type OnPiece, type PrepareOptions } from "./src/text/prepare/prepare.ts";
export * from "./src/text/prepare/run.ts";
export * from "./src/text/pretokenizers.ts";
export * from "./src/text/token_file.ts";
export * from "./src/text/tokenizer.ts";
export * from "./src/text/hugging_face/description.ts";
export * from "./src/text/hugging_face/gpt1_folder.ts";
export { parseTokenizerJson } from "./src/text/hugging_face/read.ts";
export { tokenizerJsonOf } from "./src/text/hugging_face/write.ts";
export { type BasicOptions, type BasicWord, basicWords } from "./src/text/wordpiece/basic.ts";
export type { Spill, TrainingOptions } from "./src/text/training/word_counts.ts";
export * from "./src/text/wordpiece/files.ts";
export { encodePair, type Sequence, type SequenceOptions, tidySpaces } from "./src/text/wordpiece/pair.ts";
export * from "./src/text/wordpiece/train.ts";
export { BERT_SPECIALS, type SpecialIds, type SpecialTokens } from "./src/text/wordpiece/vocabulary.ts";
export * from "./src/text/wordpiece/wordpiece.ts";
export * from "./src/tasks/correlation.ts";
export { type ExampleOptions, type ExampleSource, exampleSource, LAMBDA } from "./src/tasks/examples.ts";
export * from "./src/tasks/fine_tune.ts";
export * from "./src/tasks/gpt1_adapters.ts";
export * from "./src/tasks/gpt1_weights.ts";
export * from "./src/tasks/inputs.ts";
export * from "./src/tasks/language.ts";
export * from "./src/tasks/metrics.ts";
export * from "./src/tasks/predict.ts";
export * from "./src/tasks/readers/columns.ts";
export * from "./src/tasks/readers/datasets.ts";
export * from "./src/tasks/readers/labelled.ts";
export { type Format, formatOf, readRows, type Row } from "./src/tasks/readers/rows.ts";
export * from "./src/tasks/score.ts";
export * from "./src/tasks/spans.ts";
export * from "./src/tasks/statistics.ts";
export * from "./src/tasks/task.ts";
export { thresholdOf } from "./src/tasks/threshold.ts";
export * from "./src/tasks/zero_shot.ts";
export * from "./src/train/checkpoint.ts";
export * from "./src/train/checkpoint_folder.ts";
export * from "./src/train/float_tensor.ts";
export * from "./src/train/generate.ts";
export * from "./src/train/memory.ts";
export * from "./src/train/npy.ts";
export * from "./src/train/published.ts";
export * from "./src/train/run.ts";
export * from "./src/train/safetensors.ts";
export * from "./src/train/sampling.ts";
export * from "./src/train/schedule.ts";
export * from "./src/train/trainer.ts";
export * from "./src/train/update.ts";
