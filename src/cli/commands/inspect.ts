// `foreword inspect`: what a run expected of each token of a text and where its heads looked, as a list, as JSON or as a
// page. The numbers come from models/gpt1_inspect.ts, the page from cli/inspect.

import type { Command } from "commander";
import { type Gpt1Config, SPECIALS, specialToken } from "../../models/gpt1.ts";
import { inspect } from "../../models/gpt1_inspect.ts";
import { decodeUtf8 } from "../../text/corpus.ts";
import type { AnyTokenizer } from "../../text/open_tokenizer.ts";
import { common, type CommonFlags, deviceOf, disk, print, say, UsageError, whole } from "../io.ts";
import { inspectionPage, type ShownToken } from "../inspect/page.ts";
import { findRun, openRun } from "../run_folder.ts";

interface Flags extends CommonFlags {
  readonly model: string;
  readonly checkpoint?: string;
  readonly text?: string;
  readonly textFile?: string;
  readonly maxTokens: number;
  readonly out?: string;
}

/** Adds the command. */
export function addInspect(program: Command): void {
  common(program.command("inspect"))
    .description("Show how probable a run found each token of a text, and where each attention head looked")
    .requiredOption("--model <run>", "the run folder")
    .option("--checkpoint <name>", "best, last, or a folder of checkpoints/; the best one unless given")
    .option("--text <text>", "the text")
    .option("--text-file <path>", "a UTF-8 file with the text")
    .option("--max-tokens <n>", "tokens to look at; the model's context is the most", whole(2), 128)
    .option("--out <file>", "write a page to look at in a browser; nothing in it needs a network")
    .action(inspectText);
}

async function inspectText(flags: Flags): Promise<void> {
  if ((flags.text === undefined) === (flags.textFile === undefined)) {
    throw new UsageError("Give either --text or --text-file");
  }
  const text = flags.text ?? decodeUtf8(await disk.read(flags.textFile!), flags.textFile!);
  if (flags.out !== undefined && await disk.stat(flags.out)) {
    throw new UsageError(`${flags.out} already exists: choose another --out`);
  }
  const run = await findRun(flags.model, flags.checkpoint);
  using device = await deviceOf(flags, "a single run is not worth choosing for");
  using model = (await openRun(device, run)).model;
  const { config } = model, most = Math.min(flags.maxTokens, config.context);
  const encoded = run.tokenizer.encode(text), ids = framed(run.config.labels !== null, config, encoded, most);
  const read = ids.filter((id) => id < config.vocabSize).length;
  if (read < encoded.length) say(`The first ${read} of ${encoded.length} tokens are looked at.`);
  const { logProbabilities, attention } = await inspect(model, ids);
  const tokens: ShownToken[] = ids.map((id, i) => ({
    id,
    token: tokenOf(id, config, run.tokenizer),
    logProbability: logProbabilities[i],
  }));
  const total = logProbabilities.reduce((sum: number, value) => sum + (value ?? 0), 0);
  const perplexity = Math.exp(-total / (ids.length - 1)), { heads, layers, channels } = config;
  if (flags.out !== undefined) {
    const shown = text.trim().replace(/\s+/g, " "),
      title = shown.length > 60 ? `${shown.slice(0, 60)}…` : shown;
    const described = `GPT-1 of ${layers} blocks, ${heads} heads, ${channels} channels (${flags.model})`;
    const page = inspectionPage({ title, model: described, perplexity, tokens, heads, attention });
    await disk.write(flags.out, [new TextEncoder().encode(page)]);
    say(`wrote ${flags.out}`);
  }
  print(
    flags,
    { text, perplexity, tokens, attention: attention.map((block) => nested(block, heads, ids.length)) },
    [
      ...tokens.map(({ token, logProbability }) =>
        `${logProbability?.toFixed(4) ?? "-"}\t${JSON.stringify(token)}`
      ),
      `perplexity ${perplexity.toFixed(2)} a token`,
    ].join("\n"),
  );
}

// At most `most` tokens. A classifier has only ever read texts between its start and extract tokens.
function framed(classifier: boolean, config: Gpt1Config, ids: readonly number[], most: number): number[] {
  if (!classifier) return ids.slice(0, most);
  const [start, extract] = (["_start_", "_classify_"] as const).map((name) => specialToken(config, name));
  return [start, ...ids.slice(0, most - 2), extract];
}

const tokenOf = (id: number, { vocabSize }: Gpt1Config, tokenizer: AnyTokenizer): string =>
  id >= vocabSize
    ? SPECIALS[id - vocabSize]
    : tokenizer.kind === "byte-bpe"
    ? tokenizer.decode([id])
    : tokenizer.tokens[id];

/** Head, query, key up to the query; to six decimals, which float32 has. */
function nested(block: Float32Array, heads: number, T: number): number[][][] {
  const row = (h: number, query: number): number[] =>
    Array.from({ length: query + 1 }, (_, key) => Math.round(block[(h * T + query) * T + key] * 1e6) / 1e6);
  return Array.from({ length: heads }, (_, h) => Array.from({ length: T }, (_, query) => row(h, query)));
}
