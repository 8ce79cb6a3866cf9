// The data sets of the paper and a few like them: GLUE's files, SNLI, SciTail, SICK, RACE, Story Cloze, CommonsenseQA,
// MCTest, WinoGrande. A table of file names and columns; data, but for the two sets that are no tables (documents.ts).

import type { Dataset, Split, SplitFile } from "./datasets.ts";
import type { TableLayout } from "./columns.ts";
import { readMctest, readRace } from "./documents.ts";

type Columns = Readonly<Record<string, string>>;

const pair = (a: string, b: string, label: string): Columns => ({ first: a, second: b, label });
const inference = (premise: string, hypothesis: string, label: string): Columns => ({
  premise,
  hypothesis,
  label,
});
const unlabelled = ({ label: _, ...columns }: Columns): Columns => columns;

/** One table for every split, under these names; the columns are the same, without labels in `test` if it has none. */
function table(
  files: Readonly<Record<Split, string>>,
  columns: Columns,
  { test = columns, ...layout }: Omit<TableLayout, "columns"> & { readonly test?: Columns } = {},
): Record<Split, SplitFile[]> {
  const of = (file: string, columns: Columns): SplitFile[] => [{ file, layout: { ...layout, columns } }];
  return { train: of(files.train, columns), dev: of(files.dev, columns), test: of(files.test, test) };
}

/** Several forms of a data set, in the order in which they are tried. */
const forms = (...all: readonly Record<Split, readonly SplitFile[]>[]): Record<Split, SplitFile[]> => ({
  train: all.flatMap(({ train }) => train),
  dev: all.flatMap(({ dev }) => dev),
  test: all.flatMap(({ test }) => test),
});

const splits = (before: string, after: string, [train, dev, test] = ["train", "dev", "test"]) => ({
  train: `${before}${train}${after}`,
  dev: `${before}${dev}${after}`,
  test: `${before}${test}${after}`,
});

const glue = splits("", ".tsv");

/** A set of GLUE whose columns are named; its test file has no labels. */
const glueTable = (
  columns: Columns,
  options: { readonly skipShort?: boolean } = {},
): Record<Split, SplitFile[]> =>
  table(glue, columns, { format: "tsv", test: unlabelled(columns), ...options });

const mnli = (kind: string): Dataset => {
  const columns = inference("sentence1", "sentence2", "gold_label"),
    layout = { format: "tsv" as const, ignore: "-" };
  const files = { train: "train.tsv", dev: `dev_${kind}.tsv`, test: `test_${kind}.tsv` };
  return {
    task: "entailment",
    folder: "MNLI",
    splits: table(files, columns, { ...layout, test: unlabelled(columns) }),
  };
};

const rte = inference("sentence1", "sentence2", "label");
const sickFiles = splits("SICK_", ".txt", ["train", "trial", "test_annotated"]);
const scores = pair("sentence1", "sentence2", "score"), plainScores = pair("1", "2", "3");
const snliColumns = inference("sentence1", "sentence2", "gold_label");

const race = (...levels: readonly string[]): Dataset => {
  const of = (split: Split): SplitFile[] =>
    levels.map((level) => ({ file: `${split}/${level}`, read: readRace }));
  return {
    task: "choice",
    folder: "RACE",
    together: true,
    splits: { train: of("train"), dev: of("dev"), test: of("test") },
  };
};

const mctest = (...sizes: readonly number[]): Dataset => {
  const of = (split: Split): SplitFile[] =>
    sizes.flatMap((size) =>
      ["", ".statements"].map((form) => ({ file: `mc${size}.${split}${form}.tsv`, read: readMctest }))
    );
  return {
    task: "choice",
    folder: "MCTest",
    together: true,
    splits: { train: of("train"), dev: of("dev"), test: of("test") },
  };
};

/** All of them, by name. */
export const datasets: Readonly<Record<string, Dataset>> = {
  "glue/cola": {
    task: "classification",
    metric: "matthews",
    zeroShot: "acceptability",
    folder: "CoLA",
    splits: {
      train: ["train.tsv", "in_domain_train.tsv"].map((file) => ({
        file,
        layout: { columns: { text: "4", label: "2" } },
      })),
      dev: ["dev.tsv", "in_domain_dev.tsv"].map((file) => ({
        file,
        layout: { columns: { text: "4", label: "2" } },
      })),
      test: [
        { file: "test.tsv", layout: { columns: { text: "sentence" } } },
        { file: "out_of_domain_dev.tsv", layout: { columns: { text: "4", label: "2" } } },
      ],
    },
  },
  "glue/sst-2": {
    task: "classification",
    zeroShot: "sentiment",
    folder: "SST-2",
    splits: forms(glueTable({ text: "sentence", label: "label" }), table(glue, { text: "1", label: "2" })),
  },
  "glue/mrpc": {
    task: "similarity",
    metric: "f1",
    folder: "MRPC",
    splits: forms(
      glueTable(pair("#1 String", "#2 String", "Quality")),
      table(
        { train: "msr_paraphrase_train.txt", dev: "msr_paraphrase_dev.txt", test: "msr_paraphrase_test.txt" },
        pair("#1 String", "#2 String", "Quality"),
      ),
    ),
  },
  "glue/qqp": {
    task: "similarity",
    metric: "f1",
    folder: "QQP",
    splits: glueTable(pair("question1", "question2", "is_duplicate"), { skipShort: true }),
  },
  "glue/sts-b": {
    task: "similarity-score",
    scale: [0, 5],
    folder: "STS-B",
    splits: forms(glueTable(scores), table(splits("stsb-en-", ".csv"), plainScores)),
  },
  "glue/mnli": mnli("matched"),
  "glue/mnli-mm": mnli("mismatched"),
  "glue/qnli": {
    task: "entailment",
    folder: "QNLI",
    splits: glueTable(inference("question", "sentence", "label")),
  },
  "glue/rte": { task: "entailment", folder: "RTE", splits: glueTable(rte) },
  "glue/wnli": { task: "entailment", folder: "WNLI", splits: glueTable(rte) },
  snli: {
    task: "entailment",
    folder: "snli_1.0",
    splits: forms(
      table(splits("snli_1.0_", ".txt"), snliColumns, { ignore: "-" }),
      table(splits("snli_1.0_", ".jsonl"), snliColumns, { ignore: "-", format: "jsonl" }),
      table(glue, snliColumns, { ignore: "-" }),
    ),
  },
  scitail: {
    task: "entailment",
    folder: "SciTailV1.1/tsv_format",
    splits: table(splits("scitail_1.0_", ".tsv"), inference("1", "2", "3")),
  },
  sick: {
    task: "entailment",
    folder: "SICK",
    splits: table(sickFiles, inference("sentence_A", "sentence_B", "entailment_judgment")),
  },
  "sick/relatedness": {
    task: "similarity-score",
    scale: [1, 5],
    folder: "SICK",
    splits: table(sickFiles, pair("sentence_A", "sentence_B", "relatedness_score")),
  },
  race: race("middle", "high"),
  "race/middle": race("middle"),
  "race/high": race("high"),
  "story-cloze": {
    task: "choice",
    folder: "StoryCloze",
    held: 374, // as many as the released run sets apart; which ones differs
    splits: table(
      {
        train: "cloze_test_val__spring2016 - cloze_test_ALL_val.csv",
        dev: "cloze_test_val__spring2016 - cloze_test_ALL_val.csv",
        test: "cloze_test_test__spring2016 - cloze_test_ALL_test.csv",
      },
      {
        context: "InputSentence1+InputSentence2+InputSentence3+InputSentence4",
        answers: "RandomFifthSentenceQuiz1+RandomFifthSentenceQuiz2",
        label: "AnswerRightEnding",
      },
    ),
  },
  commonsenseqa: {
    task: "choice",
    folder: "CommonsenseQA",
    splits: table(
      { ...splits("", "_rand_split.jsonl"), test: "test_rand_split_no_answers.jsonl" },
      { context: "question.stem", answers: "question.choices.text", label: "answerKey" },
      { format: "jsonl", test: { context: "question.stem", answers: "question.choices.text" } },
    ),
  },
  // Sentences with _ for a noun, and the two nouns; there is a training file in five sizes, of which the largest is read.
  winogrande: {
    task: "choice",
    zeroShot: "winograd",
    folder: "winogrande_1.1",
    splits: table(
      { train: "train_xl.jsonl", dev: "dev.jsonl", test: "test.jsonl" },
      { context: "sentence", answers: "option1+option2", label: "answer" },
      { format: "jsonl", test: { context: "sentence", answers: "option1+option2" } },
    ),
  },
  mctest: mctest(160, 500),
  "mctest/160": mctest(160),
  "mctest/500": mctest(500),
};
