// The report of the demo: one HTML page that carries everything in itself (style, charts, samples) and needs neither
// network nor scripts. It shows what was measured and says in words only what the numbers bear out. Charts are drawn
// in chart.ts; the measuring is the demo command's.

import { barChart, chartStyle, escapeHtml, lineChart } from "./chart.ts";

/**
 * One fine-tuning run: where the weights came from, and how it went. `points` are the loss that was minimised (the
 * task's and the weighted language-model loss together); accuracies are shares from 0 to 1.
 */
export interface FinetuningArm {
  readonly arm: "pre-trained" | "from scratch";
  readonly learningRate: number;
  readonly points: readonly { readonly step: number; readonly loss: number }[];
  readonly devAccuracy: readonly { readonly epoch: number; readonly accuracy: number }[];
  readonly testAccuracy: number;
}

/** Everything the report shows. Losses are in nats a token; perplexity is e to that power; `majority` is a share. */
export interface ReportData {
  readonly title: string;
  readonly settings: Readonly<Record<string, string | number>>;
  readonly pretraining: readonly { readonly step: number; readonly loss: number }[];
  readonly heldout: readonly { readonly step: number; readonly perplexity: number }[];
  readonly trigramPerplexity: number;
  readonly perplexity: { readonly before: number; readonly after: number };
  readonly finetuning: readonly FinetuningArm[];
  readonly majority: number;
  readonly samples: readonly { readonly prompt: string; readonly text: string }[];
  readonly seconds: number;
  readonly tokensPerSecond: number;
}

/** A curve is drawn with at most this many points; longer ones are averaged over neighbouring steps. */
const CURVE_POINTS = 250;

/** The page, as a string of HTML. A sample's `text` is what the model wrote after its `prompt`. */
export function report(data: ReportData): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(data.title)}</title>
<style>${chartStyle}${PAGE_STYLE}</style>
</head>
<body>
<main>
<header>
<h1>${escapeHtml(data.title)}</h1>
<p class="lede">${escapeHtml(finding(data))}</p>
</header>
${tiles(data)}
${pretraining(data)}
${finetuning(data)}
${samples(data)}
${settings(data)}
</main>
</body>
</html>
`;
}

/** The outcome in one or two sentences, whichever way it went. */
function finding({ perplexity, trigramPerplexity, finetuning, majority }: ReportData): string {
  const beats = perplexity.after < trigramPerplexity ? "below" : "not below";
  const read = `Reading unlabelled stories took the model's perplexity on stories it had not seen from ` +
    `${number(perplexity.before)} to ${number(perplexity.after)}, ${beats} the ${
      number(trigramPerplexity)
    } ` +
    `of a trigram model that read the same text.`;
  const own = best(finetuning, "pre-trained"), scratch = best(finetuning, "from scratch");
  if (!own || !scratch) return read;
  return `${read} Fine-tuned on the same few labelled texts, it then answers ` +
    `${percent(own.testAccuracy)} of the test correctly; the same network without that reading answers ` +
    `${percent(scratch.testAccuracy)}, and always giving the commonest answer ${percent(majority)}.`;
}

function tiles(
  { perplexity, trigramPerplexity, finetuning, majority, seconds, tokensPerSecond }: ReportData,
): string {
  const own = best(finetuning, "pre-trained"), scratch = best(finetuning, "from scratch");
  const points = own && scratch ? 100 * (own.testAccuracy - scratch.testAccuracy) : NaN;
  const facts = [
    [
      "Held-out perplexity",
      number(perplexity.after),
      `${number(perplexity.before)} before, trigram ${number(trigramPerplexity)}`,
    ],
    ["Test accuracy", own ? percent(own.testAccuracy) : "–", `majority class ${percent(majority)}`],
    [
      "Pre-training gain",
      signed(points),
      scratch ? `points over ${percent(scratch.testAccuracy)} from scratch` : "–",
    ],
    ["Time", duration(seconds), `${Math.round(tokensPerSecond).toLocaleString("en")} tokens a second`],
  ];
  const items = facts.map(([name, value, note]) =>
    `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}<small>${escapeHtml(note)}</small></dd></div>`
  );
  return `<dl class="tiles">${items.join("\n")}</dl>`;
}

function pretraining({ pretraining, heldout, trigramPerplexity, perplexity }: ReportData): string {
  const chart = lineChart({
    title: "Loss during pre-training",
    description: `Loss in nats a token over training steps, for training text and for held-out stories; a ` +
      `horizontal line marks the trigram model's loss of ${number(Math.log(trigramPerplexity))}. ` +
      `The last held-out loss is ${number(Math.log(heldout.at(-1)?.perplexity ?? NaN))}.`,
    x: { label: "Training step" },
    y: { label: "Loss (nats per token)" },
    series: [
      { name: "Training text", points: thin(pretraining.map(({ step, loss }) => [step, loss])) },
      {
        name: "Held-out stories",
        points: heldout.map(({ step, perplexity }) => [step, Math.log(perplexity)]),
      },
    ],
    references: [{ name: "Trigram on the held-out stories", value: Math.log(trigramPerplexity) }],
  });
  const rows = [
    ["Model before pre-training", perplexity.before],
    ["Interpolated trigram", trigramPerplexity],
    ["Model after pre-training", perplexity.after],
  ].map(([name, value]) => [String(name), number(Number(value)), number(Math.log(Number(value)))]);
  return section("Pre-training", [
    figure(chart, "Lower is better. A long training curve is drawn as means over neighbouring steps."),
    table("Held-out stories, same tokens for all", ["", "Perplexity", "Loss (nats per token)"], rows),
  ]);
}

function finetuning({ finetuning, majority }: ReportData): string {
  // Curves and bars show the best run of each arm; the table has them all.
  const shown = (["pre-trained", "from scratch"] as const).flatMap((arm) => best(finetuning, arm) ?? []);
  const accuracy = lineChart({
    title: "Accuracy on the development set during fine-tuning",
    description: shown.map((arm) =>
      `${armName(arm, finetuning)} reaches ${percent(bestDev(arm))}.`
    ).join(" ") + ` The majority class is ${percent(majority)}.`,
    x: { label: "Epoch" },
    y: {
      label: "Accuracy",
      range: [0, 1],
      format: (value) => `${Math.round(100 * value)} %`,
    },
    series: shown.map((arm) => ({
      name: armName(arm, finetuning),
      points: arm.devAccuracy.map(({ epoch, accuracy }) => [epoch, accuracy]),
    })),
    references: [{ name: "Majority class", value: majority }],
  });
  const loss = lineChart({
    title: "Loss during fine-tuning",
    description: "Training loss of the best fine-tuning run of each arm over its steps.",
    x: { label: "Fine-tuning step" },
    y: { label: "Training loss" },
    series: shown.map((arm) => ({
      name: armName(arm, finetuning),
      points: thin(arm.points.map(({ step, loss }) => [step, loss])),
    })),
    height: 280,
  });
  const bars = barChart({
    title: "Accuracy on the test set",
    description: "One bar for the best fine-tuning run of each arm and one for the majority class.",
    bars: [
      ...shown.map((arm) => ({ name: armName(arm, finetuning), value: arm.testAccuracy })),
      { name: "Majority class", value: majority, muted: true },
    ],
    max: 1,
    format: percent,
  });
  const rows = finetuning.map((arm) => [
    armName(arm, finetuning),
    String(arm.learningRate),
    percent(bestDev(arm)),
    percent(arm.testAccuracy),
  ]);
  return section("Fine-tuning", [
    figure(bars, "Share of test texts that get the right label."),
    table("Scores", ["", "Learning rate", "Dev accuracy, best epoch", "Test accuracy"], [
      ...rows,
      ["Majority class", "–", "–", percent(majority)],
    ]),
    figure(accuracy, "After each pass over the labelled training texts."),
    figure(
      loss,
      "The task's loss and the weighted language-model loss together; long curves are means over neighbouring steps.",
    ),
  ]);
}

function samples({ samples }: ReportData): string {
  const quotes = samples.map(({ prompt, text }) =>
    `<blockquote><p><b>${escapeHtml(prompt)}</b>${/^[\s.,;:!?]/.test(text) ? "" : " "}${
      escapeHtml(text)
    }</p></blockquote>`
  );
  return section("What the pre-trained model writes", [
    `<p class="note">The opening in bold was given; the model wrote the rest.</p>`,
    ...quotes,
  ]);
}

function settings({ settings, seconds, tokensPerSecond }: ReportData): string {
  const rows = Object.entries(settings).map(([name, value]) => [name, String(value)]);
  return section("Settings and time", [
    table("", ["Setting", "Value"], [
      ...rows,
      ["Time used", duration(seconds)],
      ["Pre-training speed", `${Math.round(tokensPerSecond).toLocaleString("en")} tokens a second`],
    ]),
  ]);
}

function section(title: string, parts: readonly string[]): string {
  return `<section>\n<h2>${escapeHtml(title)}</h2>\n${parts.join("\n")}\n</section>`;
}

function figure(chart: string, caption: string): string {
  const title = /<title>(.*?)<\/title>/.exec(chart)?.[1] ?? "";
  return `<figure>\n<h3>${title}</h3>\n${chart}\n<figcaption>${escapeHtml(caption)}</figcaption>\n</figure>`;
}

function table(caption: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const heads = head.map((name) => name === "" ? "<td></td>" : `<th scope="col">${escapeHtml(name)}</th>`);
  const body = rows.map(([name, ...cells]) =>
    `<tr><th scope="row">${escapeHtml(name)}</th>${
      cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join("")
    }</tr>`
  );
  return `<table>${caption && `<caption>${escapeHtml(caption)}</caption>`}\n<thead><tr>${
    heads.join("")
  }</tr></thead>\n` +
    `<tbody>\n${body.join("\n")}\n</tbody></table>`;
}

/** The arm, with its learning rate where the arm was run with several. */
function armName({ arm, learningRate }: FinetuningArm, all: readonly FinetuningArm[]): string {
  const name = arm === "pre-trained" ? "Pre-trained" : "From scratch";
  return all.filter((other) => other.arm === arm).length > 1 ? `${name}, rate ${learningRate}` : name;
}

/** Accuracy on dev after the epoch that was kept. */
function bestDev({ devAccuracy }: FinetuningArm): number {
  return devAccuracy.reduce((top, { accuracy }) => Math.max(top, accuracy), -Infinity);
}

/** The run of an arm that was best on dev: the test set has no say in the choice. */
export function best(all: readonly FinetuningArm[], arm: FinetuningArm["arm"]): FinetuningArm | undefined {
  return all.filter((run) => run.arm === arm).toSorted((a, b) => bestDev(b) - bestDev(a))[0];
}

function thin(points: readonly (readonly [number, number])[]): [number, number][] {
  const size = Math.ceil(points.length / CURVE_POINTS), thinned: [number, number][] = [];
  for (let start = 0; start < points.length; start += size) {
    const group = points.slice(start, start + size),
      mean = (axis: 0 | 1): number => group.reduce((sum, point) => sum + point[axis], 0) / group.length;
    thinned.push([mean(0), mean(1)]);
  }
  return thinned;
}

function number(value: number): string {
  if (!Number.isFinite(value)) return "–";
  return value.toLocaleString(
    "en",
    value >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 },
  );
}

function percent(share: number): string {
  return Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : "–";
}

function signed(points: number): string {
  return Number.isFinite(points) ? `${points < 0 ? "−" : "+"}${Math.abs(points).toFixed(1)}` : "–";
}

function duration(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

const PAGE_STYLE = `
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 820px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 12px; }
h2 { font-size: 1.3rem; margin: 48px 0 12px; padding-bottom: 6px; border-bottom: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 0 0 8px; }
.lede { font-size: 1.1rem; margin: 0 0 24px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 12px; margin: 0; }
.tiles div { border: 1px solid var(--rule); border-radius: 8px; padding: 12px 14px; }
.tiles dt { color: var(--soft); font-size: .85rem; }
.tiles dd { margin: 2px 0 0; font-size: 1.6rem; font-weight: 600; line-height: 1.25; }
.tiles small { display: block; color: var(--soft); font-size: .8rem; font-weight: 400; line-height: 1.35; margin-top: 2px; }
figure { margin: 24px 0; }
figcaption, .note { color: var(--soft); font-size: .88rem; margin: 6px 0 0; }
table { width: 100%; border-collapse: collapse; margin: 16px 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: 6px; }
th, td { padding: 6px 10px; border-bottom: 1px solid var(--rule); text-align: right; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tbody th { font-weight: 400; white-space: nowrap; }
thead th { color: var(--soft); font-size: .85rem; font-weight: 600; }
blockquote { margin: 14px 0; padding: 2px 0 2px 16px; border-left: 3px solid var(--s0); overflow-wrap: anywhere; }
blockquote p { margin: 6px 0; }
@media print {
  main { max-width: none; padding: 0; }
  body { font-size: 11pt; }
  figure, table, blockquote, .tiles { break-inside: avoid; }
  h2, h3, .note { break-after: avoid; }
  * { print-color-adjust: exact; }
}
`;
