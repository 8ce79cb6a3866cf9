// Comma-separated values by RFC 4180: cells in quotation marks may hold commas, line breaks and doubled quotation marks. Our
// own, because every message here names the line, and the known parsers either do not say it or need Node.

/** A record of a CSV text. */
export interface CsvRow {
  /** The line it starts on, from 1. */
  readonly line: number;
  /** Its cells, without the quotation marks around them. */
  readonly cells: readonly string[];
}

/**
 * The records of a text whose line breaks are `\n`; a blank line is a record with one empty cell.
 *
 * @throws {SyntaxError} with the line of a record in which a quoted cell does not end, or goes on after its end.
 */
export function parseCsv(text: string, file: string): CsvRow[] {
  const rows: CsvRow[] = [], plain = /[^,\n]*/y;
  let at = 0, line = 1;
  const quoted = (): string => {
    const from = at + 1;
    for (at = from;; at += 2) {
      at = text.indexOf('"', at);
      if (at >= 0 && text[at + 1] === '"') continue;
      if (at >= 0 && [",", "\n", undefined].includes(text[at + 1])) break;
      throw new SyntaxError(
        `${file}, line ${line}: a quoted cell is not closed properly; double the quotation marks inside it`,
      );
    }
    return text.slice(from, at++).replaceAll('""', '"');
  };
  const unquoted = (): string => {
    plain.lastIndex = at;
    const [cell] = plain.exec(text)!;
    at += cell.length;
    return cell;
  };
  while (at < text.length) {
    const cells: string[] = [], start = at;
    do cells.push(text[at] === '"' ? quoted() : unquoted()); while (text[at++] === ",");
    rows.push({ line, cells });
    line += text.slice(start, at - 1).split("\n").length;
  }
  return rows;
}
