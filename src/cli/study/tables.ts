// Tables as text, Markdown and CSV, from rows of cells, and scores in points as their cells show them. What a table says is
// ablations.ts, layers.ts and zeroshot.ts.

/** A table: its header, then its rows, all of the same length. */
export interface Table {
  readonly header: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

/** The table in Markdown; a bar in a cell is escaped. Ends in a line break. */
export function markdown({ header, rows }: Table): string {
  const line = (cells: readonly (string | number)[]): string =>
    `| ${cells.map((cell) => `${cell}`.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |\n`;
  return line(header) + `|${"---|".repeat(header.length)}\n` + rows.map(line).join("");
}

/** The table as CSV (RFC 4180): a cell with a comma, a quote or a line break is quoted. Lines end in a line feed. */
export function csv({ header, rows }: Table): string {
  const cell = (value: string | number): string =>
    /[",\r\n]/.test(`${value}`) ? `"${`${value}`.replaceAll('"', '""')}"` : `${value}`;
  return [header, ...rows].map((row) => `${row.map(cell).join(",")}\n`).join("");
}

/** Stands for what was not measured. */
export const NOTHING = "–";

/** A share or a correlation in points, as the paper prints them: 45.4. */
export const points = (score: number | null | undefined): string =>
  score === null || score === undefined || Number.isNaN(score) ? NOTHING : (100 * score).toFixed(1);

/** Scores of several seeds in points: the mean, and from where to where they go if there are several. */
export function pointsOf(
  scores: readonly number[],
  { least, most, mean }: { least: number; most: number; mean: number },
): string {
  return scores.length > 1 ? `${points(mean)} (${points(least)} to ${points(most)})` : points(mean);
}
