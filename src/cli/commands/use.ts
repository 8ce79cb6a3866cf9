// Commands that use a trained run: `evaluate`, `predict`, `generate`. They open its best checkpoint with the tokenizer it
// was trained with, and print one result.

import process from "node:process";
import type { Command } from "commander";
import { classificationScore, classify } from "../../tasks/classification.ts";
import { scoreText } from "../../tasks/language.ts";
import { readLabelled } from "../../tasks/readers.ts";
import { documents } from "../../text/corpus.ts";
import { generate } from "../../train/generate.ts";
import { tableRows } from "../../models/gpt1.ts";
import {
  common,
  type CommonFlags,
  deviceOf,
  disk,
  Interrupted,
  interruptSignal,
  print,
  real,
  UsageError,
  whole,
} from "../io.ts";
import { prepareFile } from "../prepare_file.ts";
import { type OpenRun, openRun } from "../run_folder.ts";

interface UseFlags extends CommonFlags {
  readonly model: string;
  readonly checkpoint?: string;
}

interface EvaluateFlags extends UseFlags {
  readonly data?: string;
  readonly corpus?: string;
  readonly batch: number;
}

interface PredictFlags extends UseFlags {
  readonly text?: string;
  readonly textFile?: string;
}

interface GenerateFlags extends UseFlags {
  readonly prompt: string;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly topK?: number;
  readonly topP: number;
  readonly stop?: string[];
}

const withRun = (command: Command): Command =>
  common(command)
    .requiredOption("--model <run>", "the run folder")
    .option("--checkpoint <name>", "best, last, or a folder of checkpoints/; the best one unless given");

/** Adds the commands. */
export function addUse(program: Command): void {
  withRun(program.command("evaluate"))
    .description("Score a run: perplexity of plain text, or a classifier on labelled texts")
    .option("--corpus <path>", "plain text, a file or a folder: perplexity and bits per byte")
    .option("--data <file>", "labelled texts, text<TAB>label on each line: accuracy, F1, Matthews")
    .option("--batch <n>", "sequences at a time", whole(1), 16)
    .action(evaluate);
  withRun(program.command("predict"))
    .description("Label texts with a fine-tuned run")
    .option("--text <text>", "one text")
    .option("--text-file <path>", "a file with a text on each line")
    .action(predict);
  withRun(program.command("generate"))
    .description("Continue a prompt with a pre-trained run")
    .requiredOption("--prompt <text>", "the text to continue")
    .option("--max-tokens <n>", "tokens to generate at most", whole(1), 100)
    .option("--temperature <x>", "0 takes the most probable token; higher is wilder", real(0), 1)
    .option("--top-k <n>", "choose among the k most probable tokens", whole(1))
    .option("--top-p <x>", "choose among the most probable tokens that together reach p", real(0, 1), 1)
    .option("--stop <text...>", "end before this text")
    .action(generateText);
}

async function evaluate(flags: EvaluateFlags): Promise<void> {
  if ((flags.data === undefined) === (flags.corpus === undefined)) {
    throw new UsageError("Give either --corpus or --data");
  }
  const signal = interruptSignal();
  using device = await deviceOf(flags);
  const run = await openRun(device, flags.model, flags.checkpoint);
  using model = run.model;
  if (flags.corpus !== undefined) {
    const ids: number[] = [];
    let bytes = 0;
    for await (const document of documents(disk, flags.corpus)) {
      bytes += document.bytes;
      for (const id of run.tokenizer.encode(document.text)) ids.push(id);
    }
    const score = await scoreText(model, Uint32Array.from(ids), { batch: flags.batch, bytes, signal });
    const rows = tableRows(model.config);
    print(
      flags,
      { ...score, softmaxRows: rows },
      `perplexity ${score.perplexity.toFixed(2)} a token over ${score.tokens.toLocaleString("en")} tokens, ` +
        `${score.bitsPerByte!.toFixed(3)} bits a byte (softmax over all ${rows} rows of the table)`,
    );
    return;
  }
  const labels = requireLabels(run, flags.model);
  const sequences = prepareFile(
    flags.data!,
    model.config,
    run.tokenizer,
    await readLabelled(disk, flags.data!),
    labels,
  );
  const score = classificationScore(sequences, await classify(model, sequences, { signal }), labels.length);
  const { examples, accuracy, f1, matthews } = score;
  print(
    flags,
    score,
    `accuracy ${(100 * accuracy).toFixed(1)} % of ${examples}, F1 ${(100 * f1).toFixed(1)} %, Matthews ${
      matthews.toFixed(3)
    }`,
  );
}

async function predict(flags: PredictFlags): Promise<void> {
  if ((flags.text === undefined) === (flags.textFile === undefined)) {
    throw new UsageError("Give either --text or --text-file");
  }
  using device = await deviceOf(flags);
  const run = await openRun(device, flags.model, flags.checkpoint);
  using model = run.model;
  const labels = requireLabels(run, flags.model),
    texts = flags.text === undefined ? await lines(flags.textFile!) : [flags.text];
  const examples = texts.map((text) => ({ text, label: null }));
  const sequences = prepareFile(flags.textFile ?? "--text", model.config, run.tokenizer, examples, labels);
  const predictions = await classify(model, sequences);
  const results = predictions.map(({ predicted, probabilities }, i) => ({
    text: texts[i],
    label: labels[predicted],
    probabilities: Object.fromEntries(labels.map((label, k) => [label, probabilities[k]])),
  }));
  const line = ({ text, label, probabilities }: typeof results[number]) =>
    `${label}\t${probabilities[label].toFixed(4)}\t${text}`;
  print(
    flags,
    flags.text === undefined ? { predictions: results } : results[0],
    results.map(line).join("\n"),
  );
}

async function lines(path: string): Promise<string[]> {
  const all: string[] = [];
  for await (const { text } of documents(disk, path, { extensions: [""] })) all.push(...text.split("\n"));
  return all.map((line) => line.trim()).filter((line) => line !== "");
}

function requireLabels({ config }: OpenRun, run: string): readonly string[] {
  if (!config.labels) {
    throw new UsageError(`${run} is a language model without a classifier: fine-tune it first`);
  }
  return config.labels;
}

async function generateText(flags: GenerateFlags): Promise<void> {
  const { prompt, json, seed, maxTokens, temperature, topK, topP, stop } = flags, signal = interruptSignal();
  using device = await deviceOf(flags);
  const run = await openRun(device, flags.model, flags.checkpoint);
  using model = run.model;
  if (prompt.trim() === "") throw new UsageError("Give --prompt at least one word to continue");
  let text = "";
  if (!json) process.stdout.write(prompt);
  const options = {
    maxTokens,
    temperature,
    topP,
    seed,
    signal,
    ...(topK ? { topK } : {}),
    ...(stop ? { stop } : {}),
  };
  for await (const piece of generate(model, run.tokenizer, prompt, options)) {
    text += piece;
    if (!json) process.stdout.write(piece);
  }
  print(flags, { prompt, text }, "");
  if (signal.aborted) throw new Interrupted("Stopped.");
}
