// Published data sets: a few lines of each in the form it comes in, what a damaged one lacks, and the real ones where they
// are at hand (FOREWORD_DATA names a folder that holds them).

import { assertEquals, assertRejects } from "@std/assert";
import { memoryStorage } from "../src/core/memory_storage.ts";
import { NotFound } from "../src/core/storage.ts";
import { folder } from "../src/platform/fs.ts";
import { datasetNamed, datasetNames, readDataset, type Split } from "../src/tasks/readers/datasets.ts";
import { type Example, tasks } from "../src/tasks/task.ts";

const short = ({ texts, answers, label }: Example) => [...Object.values(texts), ...answers ?? [], label];

// A few lines of each set in the form in which it is distributed, and what is to be read of the split.
const published: readonly [name: string, split: Split, files: Record<string, string>, expected: unknown[]][] =
  [
    ["glue/cola", "train", { "CoLA/train.tsv": 'gj04\t1\t\tHe "ran.\ngj04\t0\t*\tRan he.\n' }, [[
      'He "ran.',
      "1",
    ], ["Ran he.", "0"]]],
    ["glue/cola", "dev", { "in_domain_dev.tsv": "gj04\t1\t\tHe ran.\n" }, [["He ran.", "1"]]],
    [
      "winogrande",
      "dev",
      {
        "winogrande_1.1/dev.jsonl":
          '{"sentence":"Bob saw Ann and _ ran.","option1":"Bob","option2":"Ann","answer":"2"}\n',
      },
      [["Bob saw Ann and _ ran.", "Bob", "Ann", "1"]],
    ],
    [
      "winogrande",
      "test",
      { "test.jsonl": '{"sentence":"Bob saw Ann and _ ran.","option1":"Bob","option2":"Ann","answer":""}\n' },
      [["Bob saw Ann and _ ran.", "Bob", "Ann", null]],
    ],
    ["glue/cola", "test", { "test.tsv": "index\tsentence\n0\tHe ran.\n" }, [["He ran.", null]]],
    ["glue/sst2", "train", { "train.tsv": "sentence\tlabel\nhides new \t0\n" }, [["hides new", "0"]]],
    ["glue/SST-2", "test", { "test.tsv": "index\tsentence\n0\tuneasy\n" }, [["uneasy", null]]],
    ["glue/sst-2", "dev", { "dev.tsv": "a fine film\t1\n" }, [["a fine film", "1"]]],
    [
      "glue/mrpc",
      "train",
      {
        "MRPC/train.tsv":
          '\uFEFFQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t70\t71\tHe "said\tShe said\n',
      },
      [['He "said', "She said", "1"]],
    ],
    [
      "glue/qqp",
      "train",
      { "train.tsv": "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\tWhy?\tHow?\t0\n4\t5\n" },
      [["Why?", "How?", "0"]],
    ],
    [
      "glue/sts-b",
      "dev",
      { "dev.tsv": "index\tgenre\tsentence1\tsentence2\tscore\n0\tnews\tA cat.\tA dog.\t1.250\n" },
      [["A cat.", "A dog.", "1.250"]],
    ],
    ["glue/sts-b", "dev", { "stsb-en-dev.csv": '"A cat, old.",A dog.,1.25\n' }, [[
      "A cat, old.",
      "A dog.",
      "1.25",
    ]]],
    [
      "glue/mnli",
      "dev",
      {
        "MNLI/dev_matched.tsv":
          "index\tsentence1\tsentence2\tlabel1\tgold_label\n0\tA\tB\tneutral\tneutral\n1\tC\tD\tx\t-\n",
      },
      [["A", "B", "neutral"]],
    ],
    ["glue/mnli-mm", "test", { "test_mismatched.tsv": "index\tsentence1\tsentence2\n0\tA\tB\n" }, [[
      "A",
      "B",
      null,
    ]]],
    [
      "glue/qnli",
      "train",
      { "train.tsv": "index\tquestion\tsentence\tlabel\n0\tWho?\tHe.\tentailment\n" },
      [["Who?", "He.", "entailment"]],
    ],
    [
      "glue/rte",
      "dev",
      { "RTE/dev.tsv": "index\tsentence1\tsentence2\tlabel\n0\tA\tB\tnot_entailment\n" },
      [["A", "B", "not_entailment"]],
    ],
    ["glue/wnli", "dev", { "dev.tsv": "index\tsentence1\tsentence2\tlabel\n0\tA\tB\t1\n" }, [[
      "A",
      "B",
      "1",
    ]]],
    [
      "snli",
      "train",
      {
        "snli_1.0/snli_1.0_train.txt":
          "gold_label\tsentence1\tsentence2\tlabel1\nneutral\tA\tB\tneutral\n-\tC\tD\tx\n",
      },
      [["A", "B", "neutral"]],
    ],
    [
      "snli",
      "dev",
      { "snli_1.0_dev.jsonl": '{"gold_label": "neutral", "sentence1": "A", "sentence2": "B"}\n' },
      [["A", "B", "neutral"]],
    ],
    ["scitail", "dev", { "scitail_1.0_dev.tsv": "A\tB\tneutral\n" }, [["A", "B", "neutral"]]],
    [
      "sick",
      "dev",
      {
        "SICK_trial.txt":
          "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n4\tA\tB\t3.6\tNEUTRAL\n",
      },
      [["A", "B", "NEUTRAL"]],
    ],
    [
      "sick/relatedness",
      "dev",
      {
        "SICK_trial.txt":
          "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n4\tA\tB\t3.6\tNEUTRAL\n",
      },
      [["A", "B", "3.6"]],
    ],
    [
      "race",
      "dev",
      {
        "RACE/dev/middle/1.txt": JSON.stringify({
          article: "Long.",
          questions: ["Why?", "How?"],
          options: [["a", "b", "c", "d"], ["e", "f", "g", "h"]],
          answers: ["D", "A"],
        }),
        "RACE/dev/high/2.txt": JSON.stringify({
          article: "X.",
          questions: ["Q"],
          options: [["1", "2"]],
          answers: ["B"],
        }),
      },
      [["Long.", "Why?", "a", "b", "c", "d", "3"], ["Long.", "How?", "e", "f", "g", "h", "0"], [
        "X.",
        "Q",
        "1",
        "2",
        "1",
      ]],
    ],
    [
      "story-cloze",
      "test",
      {
        "cloze_test_test__spring2016 - cloze_test_ALL_test.csv":
          "InputStoryid,InputSentence1,InputSentence2,InputSentence3,InputSentence4,RandomFifthSentenceQuiz1," +
          'RandomFifthSentenceQuiz2,AnswerRightEnding\nid,"A, so.",B.,C.,D.,E.,F.,2\n',
      },
      [["A, so. B. C. D.", "E.", "F.", "1"]],
    ],
    [
      "commonsenseqa",
      "train",
      {
        "train_rand_split.jsonl": JSON.stringify({
          answerKey: "B",
          question: { stem: "Where?", choices: [{ label: "A", text: "bank" }, { label: "B", text: "mall" }] },
        }),
      },
      [["Where?", "bank", "mall", "1"]],
    ],
    [
      "mctest/160",
      "train",
      {
        "mc160.train.tsv":
          "mc160.train.0\tAuthor: 1\tOnce.\\newlineThen.\tone: Who?\ta\tb\tc\td\tmultiple: What?\te\tf\tg\th\n",
        "mc160.train.ans": "B\tD\n",
      },
      [["Once. Then.", "Who?", "a", "b", "c", "d", "1"], ["Once. Then.", "What?", "e", "f", "g", "h", "3"]],
    ],
  ];

for (const [name, split, files, expected] of published) {
  Deno.test(`${name}, ${split}, from ${Object.keys(files)[0]}`, async () => {
    const dataset = datasetNamed(name)!,
      storage = memoryStorage(
        Object.fromEntries(Object.entries(files).map(([path, text]) => [`data/${path}`, text])),
      );
    const examples = await readDataset(storage, "data", dataset, split);
    assertEquals(examples.map(short), expected);
    for (const { texts } of examples) {
      for (const field of tasks[dataset.task].fields) assertEquals(typeof texts[field], "string");
    }
  });
}

Deno.test("a set that is not there names the files that were looked for", async () => {
  const storage = memoryStorage({ "data/other.tsv": "x\n" });
  await assertRejects(
    () => readDataset(storage, "data", datasetNamed("glue/cola")!, "train"),
    NotFound,
    "it holds none of train.tsv, in_domain_train.tsv",
  );
  assertEquals([datasetNamed("glue/nothing"), datasetNames.length], [null, 23]);
});

Deno.test("stories are set apart for dev, always the same ones", async () => {
  const header = "InputSentence1,InputSentence2,InputSentence3,InputSentence4,RandomFifthSentenceQuiz1," +
    "RandomFifthSentenceQuiz2,AnswerRightEnding";
  const lines = Array.from({ length: 1871 }, (_, i) => `${i},b,c,d,e,f,${1 + i % 2}`);
  const storage = memoryStorage({
    "data/cloze_test_val__spring2016 - cloze_test_ALL_val.csv": [header, ...lines].join("\n"),
  });
  const set = datasetNamed("story-cloze")!,
    read = async (split: Split) =>
      (await readDataset(storage, "data", set, split)).map(({ texts }) => texts.context);
  const [train, dev] = [await read("train"), await read("dev")];
  assertEquals([train.length, dev.length, new Set([...train, ...dev]).size], [1497, 374, 1871]);
  assertEquals(await read("dev"), dev);
  // As many updates as the released run: (1497 div 32) in each of 3 epochs.
  assertEquals(3 * Math.floor(train.length / 32), 138);
});

Deno.test("what a damaged set lacks is said with its place", async () => {
  const race = (value: unknown) =>
    memoryStorage({ "dev/middle/1.txt": typeof value === "string" ? value : JSON.stringify(value) });
  const set = datasetNamed("race/middle")!,
    good = { article: "X.", questions: ["Q"], options: [["1", "2"]], answers: ["B"] };
  const fails = (value: unknown, message: string) =>
    assertRejects(() => readDataset(race(value), ".", set, "dev"), SyntaxError, message);
  await fails("{", "1.txt: the file is not JSON");
  await fails({ ...good, article: undefined }, 'a text "article"');
  await fails({ ...good, options: [["1", ""]] }, "1.txt, question 1: a question, its options and its answer");
  await fails({ ...good, answers: ["C"] }, 'question 1: the label "C" names none of the 2 answers');
  const mctest = (files: Record<string, string>) =>
    readDataset(memoryStorage(files), ".", datasetNamed("mctest/160")!, "dev");
  const row = "id\tp\tStory.\tone: Q\ta\tb\tc\td\n";
  await assertRejects(
    () => mctest({ "mc160.dev.tsv": row, "mc160.dev.ans": "A\nB\n" }),
    SyntaxError,
    "there are 2 lines for the 1 stories",
  );
  await assertRejects(
    () => mctest({ "mc160.dev.tsv": "id\tp\tStory.\tone: Q\ta\tb\tc\n" }),
    SyntaxError,
    "line 1: an id",
  );
  await assertRejects(
    () => mctest({ "mc160.dev.tsv": row, "mc160.dev.ans": "\n\nE\n" }),
    SyntaxError,
    'mc160.dev.ans, line 3: the label "E"',
  );
  assertEquals((await mctest({ "mc160.dev.tsv": row }))[0].label, null);
});

// Real sets, where a folder with them is named: how many examples each split has.
const counts: readonly [name: string, folder: string, train: number, dev: number, test: number][] = [
  ["glue/cola", "cls/cola", 8551, 527, 516],
  ["glue/sst-2", "cls/sst2", 6920, 872, 1821],
  ["glue/sts-b", "sim/stsb", 5749, 1500, 1379],
  ["sick", "nli/sick", 4500, 500, 4927],
  ["sick/relatedness", "nli/sick", 4500, 500, 4927],
  ["mctest", "qa/mctest", 1480, 320, 840],
];
const home = Deno.env.get("FOREWORD_DATA");
if (home === undefined) console.log("skipped: real data sets; FOREWORD_DATA names no folder with them");

for (const [name, path, ...sizes] of counts) {
  Deno.test({
    name: `${name} as it is published`,
    ignore: home === undefined,
    fn: async () => {
      const dataset = datasetNamed(name)!, storage = folder(home!);
      for (const [i, split] of (["train", "dev", "test"] as const).entries()) {
        const examples = await readDataset(storage, path, dataset, split);
        assertEquals(examples.length, sizes[i], split);
        assertEquals(examples.filter(({ label }) => label === null), []);
      }
    },
  });
}
