// The page of `foreword inspect`: one HTML file that carries everything in itself, for reading what a model expected of
// each token and where each head looked. Its behaviour is script.ts; without scripts the text and the table remain.

import { escapeHtml } from "../demo/chart.ts";
import { script } from "./script.ts";

/** A token of the text as it is shown. */
export interface ShownToken {
  readonly id: number;
  /** As the vocabulary spells it. */
  readonly token: string;
  /** In nats; `null` for the first, which nothing predicts. */
  readonly logProbability: number | null;
}

/** Everything the page shows. */
export interface InspectionPage {
  readonly title: string;
  readonly model: string;
  readonly perplexity: number;
  readonly tokens: readonly ShownToken[];
  readonly heads: number;
  /** For each block (H,T,T): head, query, key. */
  readonly attention: readonly ArrayLike<number>[];
}

/** The page, as a string of HTML. */
export function inspectionPage(page: InspectionPage): string {
  const { title, model, perplexity, tokens, heads, attention } = page, T = tokens.length;
  const data = {
    tokens: tokens.map(textOf),
    layers: attention.length,
    heads,
    weights: packed(attention, heads, T),
  };
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
<p class="lede">${escapeHtml(model)}. ${T} tokens, perplexity ${perplexity.toFixed(2)} a token.</p>
<section>
<h2>How surprising each token was</h2>
<p class="note">The stronger the colour, the less probable the model thought the token after those before it:
<span class="key" style="--s:0">0</span><span class="key" style="--s:.33">4</span><span class="key" style="--s:.67">8</span
><span class="key" style="--s:1">12 bits or more</span>. Choose a token to see below where each head looks from there.</p>
<p class="text" id="surprise">${tokens.map(button).join("")}</p>
<p class="readout" id="token" aria-live="polite"></p>
</section>
<section id="maps" hidden>
<h2>Where each head looks</h2>
<p class="note">One map for each head, blocks from top to bottom: rows are the tokens that look, columns the tokens looked
at, a stronger colour is more. Choose a map to enlarge it; arrow keys move the token.</p>
<div class="heads" id="heads" style="--heads:${heads}"></div>
<h3 id="name"></h3>
<p class="note">Where the chosen token looks, by this head:</p>
<p class="text" id="looks"></p>
<canvas id="large"></canvas>
<p class="readout" id="cell" aria-live="polite"></p>
</section>
<details>
<summary>All tokens as a table</summary>
<table><thead><tr><th>#</th><th>token</th><th>id</th><th>probability</th><th>bits</th></tr></thead>
<tbody>${tokens.map(row).join("\n")}</tbody></table>
</details>
</main>
<script type="application/json" id="data">${JSON.stringify(data).replaceAll("<", "\\u003c")}</script>
<script>${script}</script>
</body>
</html>
`;
}

/** A token as a reader sees it: the end of a word is a space, a line break an arrow. */
const textOf = ({ token }: ShownToken): string =>
  token.replace(/<\/w>$/, " ").replaceAll("\n", "⏎").replaceAll("\t", "⇥");

const bits = (logProbability: number): number => -logProbability / Math.LN2;

function said({ logProbability }: ShownToken): string {
  if (logProbability === null) return "the first token is not predicted";
  return `probability ${Math.exp(logProbability).toPrecision(3)}, ${bits(logProbability).toFixed(2)} bits`;
}

function button(token: ShownToken, i: number): string {
  const share = token.logProbability === null ? 0 : Math.min(1, bits(token.logProbability) / 12);
  const text = textOf(token), end = text.endsWith(" ") ? " " : "";
  return `<button type="button" data-i="${i}" data-said="${escapeHtml(said(token))}" title="${
    escapeHtml(said(token))
  }" style="--s:${share.toFixed(3)}">${escapeHtml(text.trimEnd() || "␣")}</button>${end}`;
}

function row(token: ShownToken, i: number): string {
  const { id, logProbability: p } = token;
  const numbers = p === null ? ["–", "–"] : [Math.exp(p).toPrecision(3), bits(p).toFixed(2)];
  const cells = [i + 1, textOf(token).trim() || "␣", id, ...numbers];
  return `<tr>${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join("")}</tr>`;
}

/** Base64 of one byte (255 times the probability) for each query and key up to it, head after head. */
function packed(attention: readonly ArrayLike<number>[], heads: number, T: number): string {
  const bytes = new Uint8Array(attention.length * heads * T * (T + 1) / 2);
  let at = 0;
  for (const block of attention) {
    for (let row = 0; row < heads * T; row++) {
      for (let key = 0; key <= row % T; key++) bytes[at++] = Math.round(255 * block[row * T + key]);
    }
  }
  const pieces: string[] = [];
  for (let i = 0; i < at; i += 3 << 13) {
    pieces.push(btoa(String.fromCharCode(...bytes.subarray(i, i + (3 << 13)))));
  }
  return pieces.join("");
}

const STYLE = `
:root { --ink: #1c2430; --soft: #5b6675; --rule: #d3d9e0; --paper: #fff; --heat: #c8541c; --look: #1f6fb4; }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e8ecf1; --soft: #a3afbd; --rule: #333d4a; --paper: #151a21; --heat: #d9662b; --look: #4a9be6; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .25rem; } h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
.lede, .note { color: var(--soft); margin: .25rem 0 .75rem; } .readout { min-height: 1.5em; margin: .5rem 0; }
.text { line-height: 2; margin: 0; overflow-wrap: anywhere; }
.text button, .key { font: inherit; color: inherit; border: 0; border-radius: 3px; padding: .1em .12em; margin: 0 1px 0 0;
  background: color-mix(in srgb, var(--heat) calc(var(--s) * 75%), transparent); }
.key { padding: .1em .5em; margin: 0; white-space: nowrap; color: var(--ink); } .text button { cursor: pointer; }
#looks button { background: color-mix(in srgb, var(--look) calc(var(--s) * 80%), transparent); }
.text button.later { opacity: .35; }
button:focus-visible, .chosen { outline: 2px solid var(--ink); outline-offset: 1px; }
.heads { display: grid; grid-template-columns: repeat(var(--heads), minmax(0, 5.5rem)); gap: .4rem; }
.heads button { padding: 0; border: 1px solid var(--rule); background: none; cursor: pointer; line-height: 0; }
canvas { width: 100%; aspect-ratio: 1; image-rendering: pixelated; display: block; }
#large { max-width: 34rem; border: 1px solid var(--rule); margin-top: .75rem; cursor: crosshair; }
details { margin-top: 2rem; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { text-align: right; padding: .1rem .75rem; border-bottom: 1px solid var(--rule); }
td:nth-child(2), th:nth-child(2) { text-align: left; }
`;
