// From rows to examples: which column is which field, by number or by name, several joined into one. A column that is not
// there, an empty cell, a missing answer are errors that name file and line.

import type { Storage } from "../../core/storage.ts";
import type { Example, Task } from "../task.ts";
import { type Format, formatOf, readRows, type Row } from "./rows.ts";

/** Where the fields of a task are in a file. */
export interface TableLayout {
  /** How the file is written; told by its name unless given. */
  readonly format?: Format;
  /**
   * The column of each field, of `label` and of `answers`: a number from 1, or a name that stands in the first line; of JSON
   * lines a key, with dots into objects (`question.stem`; a list is gone through). Several, joined by +, are texts to put
   * together with a space, or for `answers` one answer each.
   */
  readonly columns: Readonly<Record<string, string>>;
  /** Whether the first line is a header; so if a column has a name, unless given. */
  readonly header?: boolean;
  /** Number of the first answer in labels; letters count from A in any case. 1 unless given. */
  readonly firstAnswer?: number;
  /** Examples with this label are left out: "-" where annotators did not agree. */
  readonly ignore?: string;
  /** Whether rows with too few cells are left out, as is usual for QQP, and not an error. */
  readonly skipShort?: boolean;
}

/**
 * Reads `premise=1,hypothesis=2,label=3`.
 *
 * @throws {SyntaxError} if it is written otherwise, or names what the task does not have.
 */
export function parseColumns(task: Task, text: string): Record<string, string> {
  const known = fieldsOf(task), columns: Record<string, string> = {};
  for (const part of text.split(",")) {
    const [, field, column] = /^\s*(\w+)\s*=\s*(.+?)\s*$/.exec(part) ?? [];
    if (field === undefined || !known.all.includes(field) || Object.hasOwn(columns, field)) {
      throw new SyntaxError(
        `Cannot use the columns "${text}": the part "${part.trim()}" is not FIELD=COLUMN with a field of its own; the ` +
          `fields of ${task.name} are ${known.all.join(", ")}`,
      );
    }
    columns[field] = column;
  }
  const missing = known.required.filter((field) => !Object.hasOwn(columns, field));
  if (missing.length > 0) {
    throw new SyntaxError(
      `Cannot use the columns "${text}": ${missing.join(" and ")} must have one for ${task.name}`,
    );
  }
  return columns;
}

const fieldsOf = (task: Task): { all: string[]; required: string[] } => {
  const answers = task.head === "answers" ? ["answers"] : [], required = [...task.fields, ...answers];
  return { all: [...required, ...task.optional ?? [], "label"], required };
};

/**
 * Reads the examples of a file. Without a `label` column, labels are null.
 *
 * @throws {SyntaxError} naming file and line: a missing column, an empty cell, a label that names no answer.
 *
 * @example
 * ```ts
 * import { memoryStorage, readExamples, tasks } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const storage = memoryStorage({ "pairs.csv": 'a,b,gold\n"It rains, again.",It is dry.,no\n' });
 * const columns = { premise: "a", hypothesis: "b", label: "gold" };
 * const [example] = await readExamples(storage, "pairs.csv", tasks.entailment, { columns });
 * assertEquals(example.texts, { premise: "It rains, again.", hypothesis: "It is dry." });
 * assertEquals(example.label, "no");
 * ```
 */
export async function readExamples(
  storage: Storage,
  path: string,
  task: Task,
  layout: TableLayout,
): Promise<Example[]> {
  const { format = formatOf(path), columns } = layout, rows = await readRows(storage, path, format);
  const numbered = format !== "jsonl" && Object.values(columns).every((column) => /^[\d+]+$/.test(column));
  const header = format !== "jsonl" && (layout.header ?? !numbered) ? rows.shift() : undefined;
  const names = header?.cells.map((cell) => `${cell}`.trim());
  const places = Object.fromEntries(
    Object.entries(columns).map(([field, column]) => [
      field,
      column.split("+").map((part) =>
        placeOf(part.trim(), names, header?.where ?? storage.describe(path), format)
      ),
    ]),
  );
  const examples = rows.flatMap((row) => exampleOf(row, task, places, layout) ?? []);
  if (examples.length === 0) {
    throw new SyntaxError(`${storage.describe(path)}: there is no example in it; give a file that has some`);
  }
  return examples;
}

/** How to find a cell: by index, or by the path of keys in a JSON object. */
type Place = { readonly name: string } & ({ readonly index: number } | { readonly keys: readonly string[] });

function placeOf(column: string, names: readonly string[] | undefined, where: string, format: Format): Place {
  if (format === "jsonl") return { name: `"${column}"`, keys: column.split(".") };
  if (/^[1-9]\d*$/.test(column)) return { name: column, index: Number(column) - 1 };
  const index = names?.indexOf(column) ?? -1;
  if (index >= 0) return { name: `"${column}"`, index };
  throw new SyntaxError(
    `${where}: there is no column "${column}"; ${
      names
        ? `the columns are ${names.join(", ")}`
        : "number the columns from 1, or give a file with a header"
    }`,
  );
}

function exampleOf(
  row: Row,
  task: Task,
  places: Readonly<Record<string, readonly Place[]>>,
  { ignore, skipShort = false, firstAnswer = 1 }: TableLayout,
): Example | null {
  const all = Object.values(places).flat();
  const short = all.find((place) => "index" in place && place.index >= row.cells.length);
  if (short) {
    if (skipShort) return null;
    throw new SyntaxError(
      `${row.where}: there is no column ${short.name}, only ${row.cells.length}; correct the line`,
    );
  }
  const textOf = (field: string, optional: boolean): string => {
    const cells = places[field].flatMap((place) => cellsAt(row, place));
    const text = cells.filter(Boolean).join(" ");
    if (!optional && cells.some((cell) => cell === "") || (text === "" && !optional)) {
      throw emptyField(row, field);
    }
    return text;
  };
  const label = places.label ? textOf("label", false) : null;
  if (label !== null && label === ignore) return null;
  const texts = Object.fromEntries([
    ...task.fields.map((field) => [field, textOf(field, false)]),
    ...(task.optional ?? []).filter((field) => places[field]).map((field) => [field, textOf(field, true)]),
  ]);
  const { where } = row;
  if (task.head !== "answers") return { texts, label, where };
  const answers = places.answers.flatMap((place) => cellsAt(row, place));
  if (answers.some((answer) => answer === "")) throw emptyField(row, "answers");
  return {
    texts,
    answers,
    label: label === null ? null : answerNumber(label, answers.length, firstAnswer, where),
    where,
  };
}

/** The number from 0, as text, of the answer that a letter or a number names. */
export function answerNumber(label: string, count: number, first: number, where: string): string {
  const number = /^[A-Za-z]$/.test(label) ? label.toUpperCase().charCodeAt(0) - 65 : Number(label) - first;
  if (Number.isInteger(number) && number >= 0 && number < count) return `${number}`;
  const letters = String.fromCharCode(64 + count);
  throw new SyntaxError(
    `${where}: the label "${label}" names none of the ${count} answers, which are A to ${letters} or ${first} to ` +
      `${first + count - 1}; correct it`,
  );
}

const emptyField = ({ where }: Row, field: string): SyntaxError =>
  new SyntaxError(`${where}: the ${field} is empty; fill it in or remove the line`);

// Cells as trimmed texts; a list in a JSON object gives each of its items.
function cellsAt(row: Row, place: Place): string[] {
  if ("index" in place) return [`${row.cells[place.index]}`.trim()];
  let values: unknown[] = [row.cells[0]];
  for (const key of place.keys) {
    values = values.flat().map((value) =>
      typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined
    );
  }
  return values.flat().map((value) => {
    if (["string", "number", "boolean"].includes(typeof value)) return `${value}`.trim();
    throw new SyntaxError(`${row.where}: there is no text at ${place.name}; correct the line or the columns`);
  });
}
