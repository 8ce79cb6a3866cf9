// The plot of growth as an SVG that stands alone: time and bytes over the factor by which one size grew, both axes in
// powers of two, so that a straight line is a power and its slope the exponent. Colours are those of the demo's charts.

// @deno-types="@types/d3-scale"
import { scaleLog } from "d3-scale";
// @deno-types="@types/d3-shape"
import { line } from "d3-shape";
import { chartStyle, escapeHtml } from "../src/cli/demo/chart.ts";

/** One measured shape: which size grew, by what, and what a training step takes. */
export interface Point {
  readonly symbol: string;
  readonly factor: number;
  readonly milliseconds: number;
  readonly bytes: number;
}

const PANEL = 420, HEIGHT = 360, LEFT = 62, RIGHT = 34, TOP = 84, BOTTOM = 48;
const at = (value: number): number => Math.round(value * 10) / 10;

const text = (x: number, y: number, content: string, attributes = ""): string =>
  `<text x="${at(x)}" y="${at(y)}" ${attributes}>${escapeHtml(content)}</text>`;

// Powers of two from the one at or below the least value to the one at or above the most.
function powersAround(values: readonly number[]): number[] {
  const low = Math.floor(Math.log2(Math.min(...values))), high = Math.ceil(Math.log2(Math.max(...values)));
  return Array.from({ length: Math.max(2, high - low + 1) }, (_, i) => 2 ** (low + i));
}

// Moves names down that would cover the one above.
function spread<T extends { readonly y: number }>(sorted: readonly T[]): T[] {
  let free = -Infinity;
  return sorted.map((name) => {
    const y = Math.max(name.y, free);
    free = y + 15;
    return { ...name, y };
  });
}

function panel(
  points: readonly Point[],
  label: string,
  valueOf: (point: Point) => number,
  x0: number,
): string[] {
  const xs = powersAround(points.map(({ factor }) => factor)), ys = powersAround(points.map(valueOf));
  const right = x0 + PANEL - RIGHT, left = x0 + LEFT, bottom = HEIGHT - BOTTOM;
  const x = scaleLog([xs[0], xs.at(-1)!], [left, right]), y = scaleLog([ys[0], ys.at(-1)!], [bottom, TOP]);
  const path = line<Point>((point) => at(x(point.factor)), (point) => at(y(valueOf(point))));
  const lines = [...Map.groupBy(points, ({ symbol }) => symbol)];
  const ends = lines.map(([symbol, line]) => ({ symbol, y: y(valueOf(line.at(-1)!)) }));
  const names = spread(ends.toSorted((a, b) => a.y - b.y));
  const short = (value: number): string => value >= 1 ? `${value}` : `1/${1 / value}`;
  return [
    ...ys.map((value) =>
      `<line class="grid" x1="${left}" x2="${right}" y1="${at(y(value))}" y2="${at(y(value))}"/>` +
      text(left - 8, y(value) + 4, short(value), `text-anchor="end"`)
    ),
    ...xs.map((value) => text(x(value), bottom + 20, `${short(value)}×`, `text-anchor="middle"`)),
    ...lines.map(([, line], i) => `<path class="line c${i}" d="${path(line) ?? ""}"/>`),
    ...names.map(({ symbol, y }) => text(right + 8, y + 4, symbol, `class="strong"`)),
    text(left, TOP - 14, label, `class="strong"`),
  ];
}

/** The plot of some points around a base shape. */
export function plotOf(points: readonly Point[], base: Readonly<Record<string, number>>): string {
  const shape = Object.entries(base).map(([symbol, value]) => `${symbol} ${value}`).join(", ");
  const title = `A training step as one size grows from ${shape}`;
  const symbols = Object.keys(base);
  const legend = symbols.map((symbol, i) =>
    `<line class="line c${i}" x1="${LEFT + 90 * i}" x2="${LEFT + 90 * i + 28}" y1="34" y2="34"/>` +
    text(LEFT + 90 * i + 36, 38, symbol, `class="strong"`)
  );
  const style = `${chartStyle}\nsvg.chart .c4 { stroke: var(--ink); stroke-dasharray: 1 4; }`;
  return `<svg class="chart" viewBox="0 0 ${
    2 * PANEL
  } ${HEIGHT}" role="img" xmlns="http://www.w3.org/2000/svg">\n` +
    `<title>${escapeHtml(title)}</title>\n<style>${style}</style>\n` +
    [
      text(LEFT, 18, title, `class="strong"`),
      ...legend,
      ...panel(points, "milliseconds", ({ milliseconds }) => milliseconds, 0),
      ...panel(points, "planned MB", ({ bytes }) => bytes / 1e6, PANEL),
    ].join("\n") + "\n</svg>\n";
}
