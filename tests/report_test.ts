// The demo's report and its charts: self-contained and well-formed, everything escaped, the numbers in the right places,
// and words that follow the numbers. How it looks is checked by eye.

import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { barChart, lineChart } from "../src/cli/demo/chart.ts";
import { type FinetuningArm, report, type ReportData } from "../src/cli/demo/report.ts";

function arm(arm: FinetuningArm["arm"], learningRate: number, dev: number, test: number): FinetuningArm {
  return {
    arm,
    learningRate,
    points: [1, 2, 3].map((step) => ({ step, loss: 3 / step })),
    devAccuracy: [{ epoch: 1, accuracy: dev / 2 }, { epoch: 2, accuracy: dev }],
    testAccuracy: test,
  };
}

const data: ReportData = {
  title: "A small <demo> & more",
  settings: { Layers: 3, "Width & heads": "128 <4>" },
  pretraining: Array.from({ length: 1000 }, (_, step) => ({ step, loss: 7 - step / 200 })),
  heldout: [{ step: 0, perplexity: 1000 }, { step: 999, perplexity: 8 }],
  trigramPerplexity: 16,
  perplexity: { before: 1000, after: 8 },
  finetuning: [arm("pre-trained", 0.001, 0.9, 0.875), arm("from scratch", 0.001, 0.6, 0.5)],
  majority: 0.3125,
  samples: [{ prompt: "Once <script>", text: 'there was "a" wolf & a lamb.' }],
  seconds: 125,
  tokensPerSecond: 12345.6,
};

/** Fails unless every element that is opened is closed, in order. */
function assertWellFormed(markup: string): void {
  const empty = new Set(["meta", "!doctype"]), open: string[] = [];
  const style = /<style>[^<]*<\/style>/g;
  for (const [, close, name, self] of markup.replace(style, "").matchAll(/<(\/?)([!\w]+)[^<>]*?(\/?)>/g)) {
    if (close) assertEquals(open.pop(), name);
    else if (!self && !empty.has(name)) open.push(name);
  }
  assertEquals(open, []);
}

function pathOf(svg: string, index = 0): number[][] {
  const path = [...svg.matchAll(/<path class="line c\d" d="M([^"]*)"/g)][index][1];
  return path.split("L").map((point) => point.split(",").map(Number));
}

Deno.test("the page needs no network and no script, and is well-formed", () => {
  const page = report(data);
  assertWellFormed(page);
  assert(!/<script|<link|<img|@import|url\(|\bsrc=|\bhref=/i.test(page));
  assertEquals(page.match(/https?:[^"]*/g)?.filter((url) => url !== "http://www.w3.org/2000/svg"), []);
  assert(!/NaN|undefined|Infinity/.test(page));
  assertEquals(report(data), page);
});

Deno.test("text from outside is escaped wherever it appears", () => {
  const page = report(data);
  for (const raw of ["<demo>", "<script>", "<4>", '"a" wolf']) assert(!page.includes(raw), raw);
  assertStringIncludes(page, "<h1>A small &lt;demo&gt; &amp; more</h1>");
  assertStringIncludes(page, "<title>A small &lt;demo&gt; &amp; more</title>");
  assertStringIncludes(page, "<b>Once &lt;script&gt;</b> there was &quot;a&quot; wolf &amp; a lamb.");
  assertStringIncludes(page, `<th scope="row">Width &amp; heads</th><td>128 &lt;4&gt;</td>`);
});

Deno.test("scores, perplexities, settings and time are in the tables", () => {
  const page = report(data);
  const row = (name: string, ...cells: string[]): string =>
    `<tr><th scope="row">${name}</th>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
  assertStringIncludes(page, row("Model before pre-training", "1,000", "6.91"));
  assertStringIncludes(page, row("Interpolated trigram", "16", "2.77"));
  assertStringIncludes(page, row("Model after pre-training", "8", "2.08"));
  assertStringIncludes(page, row("Pre-trained", "0.001", "90.0 %", "87.5 %"));
  assertStringIncludes(page, row("From scratch", "0.001", "60.0 %", "50.0 %"));
  assertStringIncludes(page, row("Majority class", "–", "–", "31.3 %"));
  assertStringIncludes(page, row("Time used", "2 min 5 s"));
  assertStringIncludes(page, row("Pre-training speed", "12,346 tokens a second"));
  assertStringIncludes(page, "+37.5");
});

Deno.test("the words follow the numbers", () => {
  assertStringIncludes(report(data), "from 1,000 to 8, below the 16 of a trigram");
  assertStringIncludes(
    report({ ...data, trigramPerplexity: 7 }),
    "from 1,000 to 8, not below the 7 of a trigram",
  );
  const worse = report({
    ...data,
    finetuning: [arm("pre-trained", 1, 0.4, 0.4), arm("from scratch", 1, 0.5, 0.5)],
  });
  assertStringIncludes(worse, "−10.0");
});

Deno.test("of several learning rates the dev set picks the one in the headline, and every one is shown", () => {
  const page = report({
    ...data,
    finetuning: [
      arm("pre-trained", 0.001, 0.8, 0.95),
      arm("pre-trained", 0.0005, 0.9, 0.85),
      arm("from scratch", 0.001, 0.6, 0.5),
    ],
  });
  assertStringIncludes(page, "it then answers 85.0 % of the test");
  assertStringIncludes(page, "Pre-trained, rate 0.001");
  assertStringIncludes(page, "Pre-trained, rate 0.0005");
  assert(!page.includes("From scratch, rate"));
});

Deno.test("a report of a run without fine-tuning or curves still stands", () => {
  const page = report({ ...data, pretraining: [], heldout: [], finetuning: [], samples: [], majority: NaN });
  assertWellFormed(page);
  assert(!/NaN|undefined|Infinity/.test(page));
  assertStringIncludes(page, "No data");
});

Deno.test("a line chart puts points, ticks and references where the scales say", () => {
  const svg = lineChart({
    title: "Title",
    description: "What it shows",
    x: { label: "Step" },
    y: { label: "Loss (nats)", range: [0, 4] },
    series: [
      { name: "One", points: [[0, 4], [50, 2], [100, 0]] },
      { name: "Two", points: [[0, 1], [50, NaN], [100, 1]] },
    ],
    references: [{ name: "Baseline", value: 2 }],
    width: 500,
    height: 300,
  });
  assertWellFormed(svg);
  const [first, middle, last] = pathOf(svg);
  assertAlmostEquals(middle[0], (first[0] + last[0]) / 2, 0.11);
  assertAlmostEquals(middle[1], (first[1] + last[1]) / 2, 0.11);
  assert(first[1] < last[1], "larger values are higher up");
  assertEquals(pathOf(svg, 1).length, 2, "a point that is not finite is left out");
  const reference = /class="reference" x1="([\d.]+)" x2="([\d.]+)" y1="([\d.]+)"/.exec(svg)!.slice(1).map(
    Number,
  );
  assertEquals(reference, [first[0], last[0], middle[1]]);
  for (
    const label of ["Title", "What it shows", "Step", "Loss (nats)", "One", "Two", "Baseline", "100", "4.0"]
  ) {
    assert(svg.includes(`>${label}<`), label);
  }
});

Deno.test("a long curve is thinned to its means", () => {
  const page = report({
    ...data,
    pretraining: data.pretraining.map(({ step }) => ({ step, loss: step % 2 })),
  });
  const points = pathOf(page);
  assert(points.length > 100 && points.length <= 250, `${points.length} points`);
  assertEquals(new Set(points.map(([, y]) => y)).size, 1, "0 and 1 in turn have one mean");
});

Deno.test("bars are as long as their values, and stay inside the chart", () => {
  const values = [0.25, 0.5, 1, 3, NaN];
  const svg = barChart({
    title: "Bars",
    description: "",
    bars: values.map((value, index) => ({ name: `bar ${index}`, value, muted: index === 1 })),
    max: 1,
    format: (value) => `${value}`,
  });
  assertWellFormed(svg);
  const widths = [...svg.matchAll(/<rect [^>]* width="([\d.]+)"/g)].map((match) => Number(match[1]));
  assertAlmostEquals(widths[1], 2 * widths[0], 0.2);
  assertAlmostEquals(widths[2], 4 * widths[0], 0.3);
  assertEquals(widths[3], widths[2]);
  assertEquals(widths[4], 0);
  assertEquals(svg.match(/class="muted"/g)?.length, 1);
});
