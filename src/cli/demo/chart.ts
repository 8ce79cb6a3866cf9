// Charts as strings of SVG: lines over two axes, and horizontal bars. Scales and paths come from d3-scale and
// d3-shape; everything else (axes, ticks, legend, description for screen readers) is written out here, so that a page
// needs no script and no network. Colours and type sizes are CSS custom properties in `chartStyle`, which the page puts
// into its style sheet; series differ in dash pattern or in the shape of their marks too, for readers who do not see the
// colours and for print. `standalone` makes a file of a chart.
// What the numbers mean is the page's business (report.ts).

// @deno-types="@types/d3-scale"
import { scaleLinear, scaleLog } from "d3-scale";
// @deno-types="@types/d3-shape"
import { line, symbol, symbolsFill } from "d3-shape";

/**
 * One axis of a line chart: its label with the unit, its range (from the data if left out), its number format, where its
 * ticks are if that is not left to it, and whether it is logarithmic, which only x may be.
 */
export interface Axis {
  readonly label: string;
  readonly range?: readonly [number, number];
  readonly ticks?: readonly number[];
  readonly log?: boolean;
  readonly format?: (value: number) => string;
}

/**
 * One line: its name for the legend and its points, in order of x. Points that are not finite are left out. With a look
 * every point has a mark, whose shape goes with the colour; without one, colour and dashes follow the place in the list.
 */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly look?: Look;
}

/** How a series looks: one of `PALETTE` colours, and whether its line is dashed. */
export interface Look {
  readonly colour: number;
  readonly dashed: boolean;
}

/**
 * A line chart; `references` are horizontal lines with a name, such as a baseline's score. Sizes are in CSS pixels; a
 * legend of several lines adds to the height.
 */
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

const LIGHT = ["#1f6fb4", "#c8541c", "#2f855a", "#7b4fb5", "#b3306f", "#7d6608", "#00798c", "#6b4e3d"];
const DARK = ["#6cb2f0", "#f2995c", "#6fcf97", "#bb95ec", "#f08cc0", "#d9c05a", "#5fc9d8", "#c4a48f"];

/** How many colours, and shapes of marks, there are. */
export const PALETTE = LIGHT.length;

const colours = (list: readonly string[]): string => list.map((colour, i) => `--s${i}: ${colour};`).join(" ");
const classes = (rule: (i: number) => string): string => LIGHT.map((_, i) => rule(i)).join(" ");

/** The style sheet of the charts, for light and dark pages and for print. */
export const chartStyle = `
:root { --ink: #1c2430; --soft: #5b6675; --rule: #dfe4ea; --paper: #ffffff;
  ${colours(LIGHT)} }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e8ecf1; --soft: #a3afbd; --rule: #333d4a; --paper: #151a21;
    ${colours(DARK)} }
}
svg.chart { display: block; width: 100%; height: auto; font: 13px system-ui, sans-serif; }
svg.chart text { fill: var(--soft); }
svg.chart .strong { fill: var(--ink); }
svg.chart .grid { stroke: var(--rule); }
svg.chart .base { stroke: var(--soft); }
svg.chart .paper { fill: var(--paper); }
svg.chart .reference { stroke: var(--ink); stroke-dasharray: 2 4; }
svg.chart .halo { paint-order: stroke; stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round; }
svg.chart .line { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
${classes((i) => `svg.chart .k${i} { stroke: var(--s${i}); }`)}
${classes((i) => `svg.chart .b${i} { fill: var(--s${i}); }`)}
svg.chart .range { fill: none; stroke-width: 1.4; }
svg.chart .dashed { stroke-dasharray: 6 4; }
svg.chart .c0 { stroke: var(--s0); } svg.chart .c1 { stroke: var(--s1); stroke-dasharray: 8 3; }
svg.chart .c2 { stroke: var(--s2); stroke-dasharray: 3 3; } svg.chart .c3 { stroke: var(--s3); stroke-dasharray: 9 3 2 3; }
svg.chart .muted { fill: var(--soft); opacity: .55; }
`;

/** How many patterns of dashes there are for series without a look. */
const COLOURS = 4;
/** About the mean width of a 13 px character: SVG text cannot be measured without a browser. */
export const CHARACTER = 7.6;

/** The SVG of a line chart. */
export function lineChart(chart: LineChart): string {
  const { width = 760 } = chart;
  const references = (chart.references ?? []).filter(({ value }) => Number.isFinite(value));
  const series = chart.series.map(({ points, ...rest }) => ({
    ...rest,
    points: points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y)),
  }));
  const all = series.flatMap(({ points }) => points);
  const left = 70, right = width - 24, entries = legend(series.map(keyOf), left, right);
  const more = entries.height - LEGEND_LINE, height = (chart.height ?? 380) + more;
  const top = 44 + more, bottom = height - 48;
  const x = (chart.x.log ? scaleLog() : scaleLinear())
    .domain(chart.x.range ?? extent(all.map(([value]) => value))).range([left, right]);
  const heights = [...all.map(([, value]) => value), ...references.map(({ value }) => value)];
  const y = scaleLinear(chart.y.range ?? extent(heights), [bottom, top]);
  if (!chart.y.range) y.nice(6);

  const yTicks = y.ticks(6).map((value) =>
    `<line class="grid" x1="${left}" x2="${right}" y1="${at(y(value))}" y2="${at(y(value))}"/>` +
    text(left - 8, y(value) + 4, (chart.y.format ?? y.tickFormat(6))(value), `text-anchor="end"`)
  );
  const xTicks = (chart.x.ticks ?? x.ticks(8)).map((value) =>
    `<line class="base" x1="${at(x(value))}" x2="${at(x(value))}" y1="${bottom}" y2="${bottom + 5}"/>` +
    text(x(value), bottom + 20, (chart.x.format ?? x.tickFormat(8))(value), `text-anchor="middle"`)
  );
  const path = line<readonly [number, number]>((point) => at(x(point[0])), (point) => at(y(point[1])));
  const lines = series.map(({ points, look }, index) =>
    `<path class="line ${strokeOf(look, index)}" d="${path(points) ?? ""}"/>` +
    (look ? points.map((point) => mark(look.colour, x(point[0]), y(point[1]))).join("") : "")
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
    ...entries.content,
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

/** A chart as a file of its own: with its style sheet, its size and a background. */
export function standalone(chart: string): string {
  const [, width, height] = /viewBox="0 0 (\S+) (\S+)"/.exec(chart)!;
  return `<?xml version="1.0" encoding="UTF-8"?>\n${
    chart.replace(/<svg ([^>]*)>/, (_, attributes) =>
      `<svg width="${width}" height="${height}" ${attributes}>\n<style>${
        chartStyle.replace("width: 100%; height: auto; ", "")
      }</style>\n<rect class="paper" width="${width}" height="${height}"/>`)
  }\n`;
}

/** The SVG around the content of a chart. */
export function svg(
  { title, description }: { readonly title: string; readonly description: string },
  width: number,
  height: number,
  content: readonly string[],
): string {
  return `<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)}" ` +
    `xmlns="http://www.w3.org/2000/svg">\n<title>${escapeHtml(title)}</title>\n` +
    `<desc>${escapeHtml(description)}</desc>\n${content.filter((part) => part !== "").join("\n")}\n</svg>`;
}

const LEGEND_LINE = 22;

/** A series in the legend. */
export interface Key {
  readonly name: string;
  /** What stands before its name, drawn at the middle of a strip 28 wide. */
  readonly draw: (x: number, y: number) => string;
}

function keyOf({ name, look }: Series, index: number): Key {
  return {
    name,
    draw: (x, y) =>
      `<line class="line ${strokeOf(look, index)}" x1="${at(x - 14)}" x2="${
        at(x + 14)
      }" y1="${y}" y2="${y}"/>` +
      (look ? mark(look.colour, x, y) : ""),
  };
}

const strokeOf = (look: Look | undefined, index: number): string =>
  look ? `k${look.colour % PALETTE}${look.dashed ? " dashed" : ""}` : `c${index % COLOURS}`;

/** A mark of a colour, each with a shape of its own as long as there are shapes. */
export function mark(colour: number, x: number, y: number, size = 46): string {
  const shape = symbol(symbolsFill[colour % symbolsFill.length], size)();
  return `<path class="b${colour % PALETTE}" transform="translate(${at(x)} ${at(y)})" d="${shape}"/>`;
}

/** A legend from `left` to `right`, on as many lines as it needs; `height` is what they take. */
export function legend(
  keys: readonly Key[],
  left: number,
  right: number,
): { readonly content: string[]; readonly height: number } {
  let x = left, y = 18;
  const content = keys.map(({ name, draw }) => {
    const width = 60 + CHARACTER * name.length;
    if (x > left && x + width - 24 > right) [x, y] = [left, y + LEGEND_LINE];
    const entry = draw(x + 14, y) + text(x + 36, y + 4, name, `class="strong"`);
    x += width;
    return entry;
  });
  return { content, height: y - 18 + LEGEND_LINE };
}

/** Text at a place. */
export function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${at(x)}" y="${at(y)}" ${attributes}>${escapeHtml(content)}</text>`;
}

/** From where to where values go, with some room if they are all the same. */
export function extent(values: readonly number[]): [number, number] {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return [0, 1];
  const low = finite.reduce((a, b) => Math.min(a, b)), high = finite.reduce((a, b) => Math.max(a, b));
  return low < high ? [low, high] : [low - 0.5, high + 0.5];
}

/** A length to a tenth of a pixel. */
export function at(value: number): number {
  return Math.round(value * 10) / 10;
}
