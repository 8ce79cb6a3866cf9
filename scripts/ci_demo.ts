// What CI demands of the demo, from the figures that `foreword demo --json FILE` wrote and the folder it made: the model
// learned the language, beats a trigram, and what it read first is worth something with few labels. Prints every figure
// with its bound and fails if one is missed.
//
//   deno run -A scripts/ci_demo.ts FIGURES.json OUT

/** The part of the demo's figures that is judged. */
interface Figures {
  readonly perplexity: { readonly before: number; readonly after: number; readonly trigram: number };
  readonly finetuned: { readonly pretrained: number; readonly scratch: number; readonly majority: number };
}

const [figuresPath, out] = Deno.args;
const { perplexity, finetuned }: Figures = JSON.parse(await Deno.readTextFile(figuresPath));
const { before, after, trigram } = perplexity, { pretrained, scratch, majority } = finetuned;
const report = await Deno.stat(`${out}/report.html`).then(({ size }) => size, () => 0);

// A figure that is not a number fails: every comparison with it is false.
const demands: readonly (readonly [text: string, met: boolean])[] = [
  [`perplexity falls tenfold or more: ${before} to ${after}`, after > 0 && before / after >= 10],
  [`perplexity is below the trigram's: ${after}, ${trigram}`, after < trigram],
  [`pre-training adds 0.10 or more: ${pretrained} against ${scratch}`, pretrained - scratch >= 0.1 - 1e-9],
  [`from scratch beats the most frequent label: ${scratch}, ${majority}`, scratch > majority],
  [`there is a report: ${out}/report.html, ${report} bytes`, report > 0],
];
for (const [text, met] of demands) console.log(`${met ? "ok    " : "FAILED"}  ${text}`);
if (!demands.every(([, met]) => met)) Deno.exit(1);
