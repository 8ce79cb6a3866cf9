// Readers of the sets in which several questions share a document: RACE, a JSON object in each file, and MCTest, a story
// with its four questions on each line and the answers in a file beside it.

import type { Storage } from "../../core/storage.ts";
import type { Example } from "../task.ts";
import { answerNumber } from "./columns.ts";
import { readRows, readText } from "./rows.ts";

const ANSWERS = 4;

/** Reads a folder of RACE's files. Errors name the file. */
export async function readRace(storage: Storage, folder: string): Promise<Example[]> {
  const examples: Example[] = [];
  for (const { name, kind } of await storage.list(folder)) {
    if (kind !== "file" || !name.endsWith(".txt")) continue;
    const path = `${folder}/${name}`, where = storage.describe(path);
    examples.push(...raceExamples(await readText(storage, path), where));
  }
  return examples;
}

function raceExamples(text: string, where: string): Example[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new SyntaxError(`${where}: the file is not JSON; restore it from the published archive`);
  }
  const { article, questions, options, answers } = (value ?? {}) as Record<string, unknown>;
  const lists = [questions, options, answers];
  if (typeof article !== "string" || article.trim() === "" || !lists.every(Array.isArray)) {
    throw new SyntaxError(
      `${where}: a text "article" and lists "questions", "options", "answers" are wanted`,
    );
  }
  return (questions as unknown[]).map((question, i) => {
    const at = `${where}, question ${i + 1}`,
      choices = (options as unknown[])[i],
      label = (answers as unknown[])[i];
    const filled = Array.isArray(choices) ? choices.map((choice) => `${choice}`.trim()) : [];
    if (
      typeof question !== "string" || filled.length < 2 || filled.includes("") || typeof label !== "string"
    ) {
      throw new SyntaxError(`${at}: a question, its options and its answer must be there and not be empty`);
    }
    return {
      texts: { context: article, question },
      answers: filled,
      label: answerNumber(label, filled.length, 1, at),
      where: at,
    };
  });
}

/** Reads a file of MCTest with the `.ans` file beside it, without which labels are null. Errors name file and line. */
export async function readMctest(storage: Storage, path: string): Promise<Example[]> {
  const rows = await readRows(storage, path, "tsv");
  const keys = path.replace(/(\.statements)?\.tsv$/, ".ans");
  const solved = await storage.stat(keys) ? await readRows(storage, keys, "tsv") : null;
  if (solved && solved.length !== rows.length) {
    throw new SyntaxError(
      `${storage.describe(keys)}: there are ${solved.length} lines for the ${rows.length} stories of ` +
        `${storage.describe(path)}; they belong together`,
    );
  }
  return rows.flatMap(({ where, cells }, i) => {
    const [, , story, ...rest] = cells.map((cell) =>
      `${cell}`.replaceAll("\\newline", " ").replaceAll("\\tab", " ").trim()
    );
    const questions = rest.length / (1 + ANSWERS);
    if (!story || !Number.isInteger(questions) || questions === 0 || rest.includes("")) {
      throw new SyntaxError(
        `${where}: an id, properties, a story and questions with ${ANSWERS} answers each are wanted, none of them empty`,
      );
    }
    return Array.from({ length: questions }, (_, q) => {
      const [question, ...answers] = rest.slice(q * (1 + ANSWERS), (q + 1) * (1 + ANSWERS));
      const label = solved ? `${solved[i].cells[q] ?? ""}`.trim() : null, at = `${where}, question ${q + 1}`;
      return {
        texts: { context: story, question: question.replace(/^(one|multiple):\s*/, "") },
        answers,
        label: label === null ? null : answerNumber(label, ANSWERS, 1, solved![i].where),
        where: at,
      };
    });
  });
}
