// A chart of grouped dots: for each group (a task) a dot for every series (an arm), with a line from the least to the most
// of several seeds, and a short line where always the same answer would be. What charts share is demo/chart.ts.

// @deno-types="@types/d3-scale"
import { scaleLinear } from "d3-scale";
import { at, CHARACTER, extent, legend, mark, PALETTE, svg, text } from "../demo/chart.ts";

/** A dot with its range. */
export interface Mark {
  readonly value: number;
  readonly least: number;
  readonly most: number;
}

/** The chart. Marks and baselines are in the order of the groups; `null` where there is none. */
export interface DotChart {
  readonly title: string;
  readonly description: string;
  /** The label of the vertical axis. */
  readonly y: string;
  readonly groups: readonly string[];
  readonly series: readonly { readonly name: string; readonly marks: readonly (Mark | null)[] }[];
  readonly baselines: readonly number[];
}

const LEFT = 70, RIGHT = 24, PLOT = 360, BELOW = 34;

/** The SVG of the chart. */
export function dotChart({ title, description, y: label, groups, series, baselines }: DotChart): string {
  const longest = Math.max(0, ...groups.map((name) => name.length));
  const band = Math.max(
    40 + 22 * series.length,
    16 + CHARACTER * longest,
    (760 - LEFT - RIGHT) / Math.max(1, groups.length),
  );
  const width = Math.ceil(LEFT + RIGHT + band * groups.length), right = width - RIGHT;
  const keys = series.map(({ name }, i) => ({ name, draw: (x: number, y: number) => mark(i, x, y) }));
  const always = { name: "always the same answer", draw: baseline };
  const entries = legend([...keys, always], LEFT, right), top = 22 + entries.height, bottom = top + PLOT;
  const values = series.flatMap(({ marks }) => marks.flatMap((mark) => mark ? [mark.least, mark.most] : []));
  const y = scaleLinear(extent([...values, ...baselines]), [bottom, top]).nice(6);
  const step = Math.min(22, band / (series.length + 1)),
    middle = (group: number) => LEFT + band * (group + 0.5);
  const place = (group: number, i: number) => middle(group) + step * (i - (series.length - 1) / 2);
  const grid = y.ticks(6).map((value) =>
    `<line class="grid" x1="${LEFT}" x2="${right}" y1="${at(y(value))}" y2="${at(y(value))}"/>` +
    text(LEFT - 8, y(value) + 4, y.tickFormat(6)(value), `text-anchor="end"`)
  );
  const names = groups.map((name, group) =>
    (group > 0
      ? `<line class="grid" x1="${at(middle(group) - band / 2)}" x2="${
        at(middle(group) - band / 2)
      }" y1="${top}" y2="${bottom}"/>`
      : "") +
    text(middle(group), bottom + 20, name, `text-anchor="middle" class="strong"`)
  );
  const lines = baselines.map((value, group) =>
    baseline(middle(group), y(value), step * (series.length + 1))
  );
  const dots = series.flatMap(({ marks }, i) =>
    marks.map((one, group) => {
      if (!one) return "";
      const x = place(group, i);
      return (one.least < one.most ? rangeLine(i, x, y(one.least), y(one.most)) : "") +
        mark(i, x, y(one.value));
    })
  );
  return svg({ title, description }, width, bottom + BELOW, [
    ...grid,
    `<line class="base" x1="${LEFT}" x2="${right}" y1="${bottom}" y2="${bottom}"/>`,
    ...names,
    ...lines,
    ...dots,
    ...entries.content,
    text(0, 0, label, `text-anchor="middle" transform="translate(15 ${(top + bottom) / 2}) rotate(-90)"`),
  ]);
}

function baseline(x: number, y: number, width = 28): string {
  return `<line class="reference" x1="${at(x - width / 2)}" x2="${at(x + width / 2)}" y1="${at(y)}" y2="${
    at(y)
  }"/>`;
}

// With ends, so that a range shows beside a mark that is as tall.
function rangeLine(series: number, x: number, low: number, high: number): string {
  const ends = [low, high].map((y) => `M${at(x - 7)} ${at(y)}h14`);
  return `<path class="range k${series % PALETTE}" d="M${at(x)} ${at(low)}V${at(high)}${ends.join("")}"/>`;
}
