// Files of examples as rows: tab-separated, comma-separated with quotes, or a JSON object on each line. A row knows its
// line and gives cells by column; what columns mean is columns.ts's business. Tabs are never quoted, as in GLUE's files,
// where a quotation mark is part of the sentence.

import type { Storage } from "../../core/storage.ts";
import { decodeUtf8, firstInvalid } from "../../text/corpus.ts";
import { parseCsv } from "./csv.ts";

/** How a file of examples is written. */
export type Format = "tsv" | "csv" | "jsonl";

/** One example's row. */
export interface Row {
  /** File and line, for messages. */
  readonly where: string;
  /** Cells in order; for JSON lines one, which holds the object. */
  readonly cells: readonly unknown[];
}

/** The format that a file's name tells; tab-separated unless it ends in .csv, .jsonl or .ndjson. */
export function formatOf(path: string): Format {
  const [, extension = ""] = /\.(\w+)$/.exec(path.toLowerCase()) ?? [];
  return extension === "csv" ? "csv" : extension === "jsonl" || extension === "ndjson" ? "jsonl" : "tsv";
}

/**
 * The rows of a file, blank lines left out.
 *
 * @throws {SyntaxError} naming file and line if it is not UTF-8, a quote is not closed, or a line is not a JSON object.
 */
export async function readRows(
  storage: Storage,
  path: string,
  format: Format = formatOf(path),
): Promise<Row[]> {
  const file = storage.describe(path), text = await readText(storage, path);
  if (format === "csv") {
    const rows = parseCsv(text, file).filter(({ cells }) => cells.some((cell) => cell.trim() !== ""));
    return rows.map(({ line, cells }) => ({ where: `${file}, line ${line}`, cells }));
  }
  return text.split("\n").flatMap((line, i) => {
    if (line.trim() === "") return [];
    const where = `${file}, line ${i + 1}`;
    return [{ where, cells: format === "tsv" ? line.split("\t") : [jsonObject(line, where)] }];
  });
}

/** A text file with `\n` for every line break. Throws `SyntaxError` naming file and line if it is not UTF-8. */
export async function readText(storage: Storage, path: string): Promise<string> {
  const data = await storage.read(path), file = storage.describe(path);
  try {
    return decodeUtf8(data, file).replace(/\r\n?/g, "\n");
  } catch (error) {
    const at = firstInvalid(data);
    if (at >= data.length || !(error instanceof SyntaxError)) throw error;
    const line = data.subarray(0, at).reduce((count, byte) => count + Number(byte === 10), 1);
    throw new SyntaxError(error.message.replace(`Cannot read ${file}:`, `${file}, line ${line}:`), {
      cause: error,
    });
  }
}

function jsonObject(line: string, where: string): object {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new SyntaxError(`${where}: the line is not JSON; each line must hold one object`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new SyntaxError(`${where}: the line holds no JSON object; each line must hold one`);
  }
  return value;
}
