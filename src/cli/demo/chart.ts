// Charts as strings of SVG: lines over two linear axes, and horizontal bars. Scales and paths come from d3-scale and
// d3-shape; everything else (axes, ticks, legend, description for screen readers) is written out here, so that a page
// needs no script and no network. Colours and type sizes are CSS custom properties in `chartStyle`, which the page puts
// into its style sheet; series differ in dash pattern too, for readers who do not see the colours and for print.
// What the numbers mean is the page's business (report.ts).

// @deno-types="@types/d3-scale"
import { scaleLinear } from "d3-scale";
// @deno-types="@types/d3-shape"
import { line } from "d3-shape";

/** One axis of a line chart: its label with the unit, its range (from the data if left out) and its number format. */
export interface Axis {
  readonly label: string;
  readonly range?: readonly [number, number];
  readonly format?: (value: number) => string;
}

/** One line: its name for the legend and its points, in order of x. Points that are not finite are left out. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** A line chart; `references` are horizontal lines with a name, such as a baseline's score. Sizes are in CSS pixels. */
export interface LineChart {
  readonly title: string;
  readonly description: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  readonly references?: readonly { readonly name: string; readonly value: number }[];
  readonly width?: number;
  readonly height?: number;
}

/** A chart of horizontal bars from zero to `max`, coloured as the lines of the same place; a muted bar is a baseline. */
export interface BarChart {
  readonly title: string;
  readonly description: string;
  readonly bars: readonly { readonly name: string; readonly value: number; readonly muted?: boolean }[];
  readonly max: number;
  readonly format: (value: number) => string;
  readonly width?: number;
}

/** The style sheet of the charts, for light and dark pages and for print. */
export const chartStyle = `
:root { --ink: #1c2430; --soft: #5b6675; --rule: #dfe4ea; --paper: #ffffff;
  --s0: #1f6fb4; --s1: #c8541c; --s2: #2f855a; --s3: #7b4fb5; }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e8ecf1; --soft: #a3afbd; --rule: #333d4a; --paper: #151a21;
    --s0: #6cb2f0; --s1: #f2995c; --s2: #6fcf97; --s3: #bb95ec; }
}
svg.chart { display: block; width: 100%; height: auto; font: 13px system-ui, sans-serif; }
svg.chart text { fill: var(--soft); }
svg.chart .strong { fill: var(--ink); }
svg.chart .grid { stroke: var(--rule); }
svg.chart .base { stroke: var(--soft); }
svg.chart .reference { stroke: var(--ink); stroke-dasharray: 2 4; }
svg.chart .halo { paint-order: stroke; stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round; }
svg.chart .line { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
svg.chart .c0 { stroke: var(--s0); } svg.chart .c1 { stroke: var(--s1); stroke-dasharray: 8 3; }
svg.chart .c2 { stroke: var(--s2); stroke-dasharray: 3 3; } svg.chart .c3 { stroke: var(--s3); stroke-dasharray: 9 3 2 3; }
svg.chart .b0 { fill: var(--s0); } svg.chart .b1 { fill: var(--s1); }
svg.chart .b2 { fill: var(--s2); } svg.chart .b3 { fill: var(--s3); }
svg.chart .muted { fill: var(--soft); opacity: .55; }
`;

const COLOURS = 4;
/** About the mean width of a 13 px character: SVG text cannot be measured without a browser. */
const CHARACTER = 6.9;

/** The SVG of a line chart. */
export function lineChart(chart: LineChart): string {
  const { width = 760, height = 380 } = chart;
  const references = (chart.references ?? []).filter(({ value }) => Number.isFinite(value));
  const series = chart.series.map(({ name, points }) => ({
    name,
    points: points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y)),
  }));
  const all = series.flatMap(({ points }) => points);
  const left = 70, right = width - 24, top = 44, bottom = height - 48;
  const x = scaleLinear(chart.x.range ?? extent(all.map(([value]) => value)), [left, right]);
  const heights = [...all.map(([, value]) => value), ...references.map(({ value }) => value)];
  const y = scaleLinear(chart.y.range ?? extent(heights), [bottom, top]);
  if (!chart.y.range) y.nice(6);

  const yTicks = y.ticks(6).map((value) =>
    `<line class="grid" x1="${left}" x2="${right}" y1="${at(y(value))}" y2="${at(y(value))}"/>` +
    text(left - 8, y(value) + 4, (chart.y.format ?? y.tickFormat(6))(value), `text-anchor="end"`)
  );
  const xTicks = x.ticks(8).map((value) =>
    `<line class="base" x1="${at(x(value))}" x2="${at(x(value))}" y1="${bottom}" y2="${bottom + 5}"/>` +
    text(x(value), bottom + 20, (chart.x.format ?? x.tickFormat(8))(value), `text-anchor="middle"`)
  );
  const path = line<readonly [number, number]>((point) => at(x(point[0])), (point) => at(y(point[1])));
  const lines = series.map(({ points }, index) =>
    `<path class="line c${index % COLOURS}" d="${path(points) ?? ""}"/>`
  );
  const marks = references.map(({ name, value }) =>
    `<line class="reference" x1="${left}" x2="${right}" y1="${at(y(value))}" y2="${at(y(value))}"/>` +
    text(right - 4, y(value) - 6, name, `text-anchor="end" class="strong halo"`)
  );
  return svg(chart, width, height, [
    ...yTicks,
    `<line class="base" x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>`,
    ...xTicks,
    ...lines,
    ...marks,
    ...legend(series.map(({ name }) => name), left),
    text((left + right) / 2, height - 8, chart.x.label, `text-anchor="middle"`),
    text(
      0,
      0,
      chart.y.label,
      `text-anchor="middle" transform="translate(15 ${(top + bottom) / 2}) rotate(-90)"`,
    ),
    all.length > 0 ? "" : text((left + right) / 2, (top + bottom) / 2, "No data", `text-anchor="middle"`),
  ]);
}

/** The SVG of a bar chart. */
export function barChart(chart: BarChart): string {
  const { width = 760, bars, max, format } = chart;
  const step = 38, height = bars.length * step + 8;
  const left = 16 + CHARACTER * Math.max(0, ...bars.map(({ name }) => name.length));
  const x = scaleLinear([0, max], [left, width - 70]).clamp(true);
  const rows = bars.map(({ name, value, muted }, row) => {
    const middle = row * step + step / 2 + 4, end = Number.isFinite(value) ? x(value) : left;
    return text(left - 10, middle + 4, name, `text-anchor="end" class="strong"`) +
      `<rect class="${muted ? "muted" : `b${row % COLOURS}`}" x="${at(left)}" y="${middle - 12}" width="${
        at(end - left)
      }" ` +
      `height="24" rx="3"/>` + text(end + 8, middle + 4, format(value), `class="strong"`);
  });
  const base = `<line class="base" x1="${at(left)}" x2="${at(left)}" y1="4" y2="${height - 4}"/>`;
  return svg(chart, width, height, [...rows, base]);
}

/** Text made safe for an element or a quoted attribute of HTML or SVG. */
export function escapeHtml(value: string | number): string {
  const names: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return String(value).replace(/[&<>"']/g, (character) => names[character]);
}

function svg(
  { title, description }: { readonly title: string; readonly description: string },
  width: number,
  height: number,
  content: readonly string[],
): string {
  return `<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)}" ` +
    `xmlns="http://www.w3.org/2000/svg">\n<title>${escapeHtml(title)}</title>\n` +
    `<desc>${escapeHtml(description)}</desc>\n${content.filter((part) => part !== "").join("\n")}\n</svg>`;
}

function legend(names: readonly string[], left: number): string[] {
  let x = left;
  return names.map((name, index) => {
    const key = `<line class="line c${index % COLOURS}" x1="${at(x)}" x2="${at(x + 28)}" y1="18" y2="18"/>`;
    const label = text(x + 36, 22, name, `class="strong"`);
    x += 60 + CHARACTER * name.length;
    return key + label;
  });
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${at(x)}" y="${at(y)}" ${attributes}>${escapeHtml(content)}</text>`;
}

function extent(values: readonly number[]): [number, number] {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return [0, 1];
  const low = finite.reduce((a, b) => Math.min(a, b)), high = finite.reduce((a, b) => Math.max(a, b));
  return low < high ? [low, high] : [low - 0.5, high + 0.5];
}

function at(value: number): number {
  return Math.round(value * 10) / 10;
}
