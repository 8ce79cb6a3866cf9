// Readers of tables: columns by number and by name, quoted cells, JSON lines, and every mistake with its file and line.
// Published data sets are in datasets_test.ts.

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { memoryStorage } from "../src/core/memory_storage.ts";
import { parseColumns, readExamples } from "../src/tasks/readers/columns.ts";
import { formatOf } from "../src/tasks/readers/rows.ts";
import { type Example, tasks } from "../src/tasks/task.ts";

const short = ({ texts, answers, label }: Example) => [...Object.values(texts), ...answers ?? [], label];
const pair = { columns: { premise: "1", hypothesis: "2", label: "3" } };

Deno.test("columns by number need no header, columns by name find theirs", async () => {
  const storage = memoryStorage({
    "a.tsv": '\uFEFFOne "x.\tTwo\tyes\r\n\r\nThree\tFour\tno\n',
    "b.tsv": "id\thypothesis\tgold\tpremise\n7\tTwo\tyes\tOne\n",
    "c.csv": 'premise,hypothesis,gold\n"One, ""x""\nmore",Two,yes\n\nThree,Four,no\n',
    "d.jsonl":
      '{"a": {"text": "One"}, "b": "Two", "gold": 1}\n\n{"a": {"text": "Three"}, "b": "Four", "gold": 0}\n',
  });
  const read = (path: string, columns: Record<string, string>, more = {}) =>
    readExamples(storage, path, tasks.entailment, { columns, ...more });
  assertEquals(await read("a.tsv", pair.columns), [
    { texts: { premise: 'One "x.', hypothesis: "Two" }, label: "yes", where: "memory:a.tsv, line 1" },
    { texts: { premise: "Three", hypothesis: "Four" }, label: "no", where: "memory:a.tsv, line 3" },
  ]);
  const named = { premise: "premise", hypothesis: "hypothesis", label: "gold" };
  assertEquals((await read("b.tsv", named)).map(short), [["One", "Two", "yes"]]);
  assertEquals((await read("b.tsv", { premise: "4", hypothesis: "2" }, { header: true })).map(short), [[
    "One",
    "Two",
    null,
  ]]);
  const quoted = await read("c.csv", named);
  assertEquals(quoted.map(short), [['One, "x"\nmore', "Two", "yes"], ["Three", "Four", "no"]]);
  assertEquals(quoted.map(({ where }) => where), ["memory:c.csv, line 2", "memory:c.csv, line 5"]);
  const objects = await read("d.jsonl", { premise: "a.text", hypothesis: "b", label: "gold" });
  assertEquals(objects.map(short), [["One", "Two", "1"], ["Three", "Four", "0"]]);
  assertEquals(objects[1].where, "memory:d.jsonl, line 3");
  assertEquals(["x.CSV", "x.jsonl", "x.ndjson", "x.tsv", "x.txt", "x"].map(formatOf), [
    "csv",
    "jsonl",
    "jsonl",
    "tsv",
    "tsv",
    "tsv",
  ]);
});

Deno.test("columns put together are a text, for answers a list", async () => {
  const storage = memoryStorage({ "a.csv": "s1,s2,e1,e2,right\nOne.,Two.,no,yes,2\nA.,B.,c,d,a\n" });
  const columns = { context: "s1+s2", answers: "e1+e2", label: "right" };
  assertEquals((await readExamples(storage, "a.csv", tasks.choice, { columns })).map(short), [
    ["One. Two.", "no", "yes", "1"],
    ["A. B.", "c", "d", "0"],
  ]);
  const [first] = await readExamples(memoryStorage({ "b.tsv": "x\ty\tz\t1\n" }), "b.tsv", tasks.choice, {
    columns: { context: "1", answers: "2+3", label: "4" },
    firstAnswer: 0,
  });
  assertEquals(first.label, "1");
});

Deno.test("columns in words", () => {
  assertEquals(parseColumns(tasks.entailment, "premise=1, hypothesis=two words,label=3"), {
    premise: "1",
    hypothesis: "two words",
    label: "3",
  });
  assertEquals(parseColumns(tasks.choice, "context=1,answers=2+3"), { context: "1", answers: "2+3" });
  const refused = (text: string, message: string) =>
    assertThrows(() => parseColumns(tasks.entailment, text), SyntaxError, message);
  refused("premise=1,hypothesis", 'the part "hypothesis" is not FIELD=COLUMN');
  refused("premise=1,text=2", "the fields of entailment are premise, hypothesis, label");
  refused("premise=1,premise=2", "a field of its own");
  refused("premise=1,label=2", "hypothesis must have one for entailment");
});

Deno.test("every mistake names file and line", async () => {
  const latin = Uint8Array.from([
    ...new TextEncoder().encode("a\tb\tyes\nc"),
    0xe9,
    ...new TextEncoder().encode("\td\tno\n"),
  ]);
  const storage = memoryStorage({
    "latin.tsv": latin,
    "few.tsv": "a\tb\tyes\nc\td\n",
    "hole.tsv": "a\tb\tyes\n\nc\t \tno\n",
    "label.tsv": "a\tb\tyes\nc\td\t\n",
    "open.csv": 'a,b,yes\n"c,d,no\n',
    "broken.jsonl": '{"p": "a"}\n{"p": \n',
    "list.jsonl": "[1]\n",
    "key.jsonl": '{"premise": "a", "label": "x"}\n',
    "named.tsv": "one\ttwo\n",
    "empty.tsv": "\n\n",
    "answers.tsv": "x\ty\tz\t3\n",
  });
  const fails = (
    path: string,
    message: string,
    layout = pair as Parameters<typeof readExamples>[3],
    task = tasks.entailment as Parameters<typeof readExamples>[2],
  ) => assertRejects(() => readExamples(storage, path, task, layout), SyntaxError, message);
  await fails(
    "latin.tsv",
    "memory:latin.tsv, line 2: byte 9 (0xe9) is not valid UTF-8; if the file is in Latin-1, convert it",
  );
  await fails("few.tsv", "memory:few.tsv, line 2: there is no column 3, only 2");
  await fails("hole.tsv", "memory:hole.tsv, line 3: the hypothesis is empty; fill it in or remove the line");
  await fails("label.tsv", "memory:label.tsv, line 2: the label is empty");
  await fails("open.csv", "memory:open.csv, line 2: a quoted cell is not closed");
  await fails("broken.jsonl", "memory:broken.jsonl, line 2: the line is not JSON", {
    columns: { premise: "p", hypothesis: "p" },
  });
  await fails("list.jsonl", "memory:list.jsonl, line 1: the line holds no JSON object");
  await fails("key.jsonl", 'memory:key.jsonl, line 1: there is no text at "hypothesis"', {
    columns: { premise: "premise", hypothesis: "hypothesis" },
  });
  await fails(
    "named.tsv",
    'memory:named.tsv, line 1: there is no column "premise"; the columns are one, two',
    {
      columns: { premise: "premise", hypothesis: "two" },
    },
  );
  await fails("empty.tsv", "memory:empty.tsv: there is no example in it");
  const answers = { columns: { context: "1", answers: "2+3", label: "4" } };
  await fails(
    "answers.tsv",
    'memory:answers.tsv, line 1: the label "3" names none of the 2 answers',
    answers,
    tasks.choice,
  );
});
