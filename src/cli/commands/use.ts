// Commands that use a trained run: `evaluate`, `predict`, `generate`. They open its best checkpoint with the tokenizer it
// was trained with, and print one result. What concerns labelled examples is in score.ts.

import process from "node:process";
import { type Command, Option } from "commander";
import { scoreText } from "../../tasks/language.ts";
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
import { findRun, openRun, plansOf } from "../run_folder.ts";
import { columnFlags } from "../task_data.ts";
import { predict, scoreExamples, type ScoreFlags } from "./score.ts";

interface UseFlags extends CommonFlags {
  readonly model: string;
  readonly checkpoint?: string;
}

interface EvaluateFlags extends ScoreFlags {
  readonly corpus?: string;
  readonly batch: number;
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

// Labelled examples, for one run or several.
const withExamples = (command: Command): Command =>
  columnFlags(withRun(command))
    .addOption(
      new Option("--split <name>", "which examples, where --data is the folder of a data set")
        .choices(["train", "dev", "test"]).default("dev"),
    )
    .option(
      "--ensemble <runs...>",
      "further runs of the same task, whose probabilities are averaged with --model's",
    );

/** Adds the commands. */
export function addUse(program: Command): void {
  withExamples(program.command("evaluate"))
    .description("Score a run: perplexity of plain text, or what it was fine-tuned for on labelled examples")
    .option("--corpus <path>", "plain text, a file or a folder: perplexity and bits per byte")
    .option(
      "--data <path>",
      "labelled examples, laid out as in training unless --columns are given: the task's metrics",
    )
    .option("--confusion", "also count which label was taken for which")
    .option("--bootstrap <n>", "also give 95 % intervals from so many resamplings of the examples", whole(1))
    .option("--batch <n>", "sequences at a time", whole(1), 16)
    .action(evaluate);
  withExamples(program.command("predict"))
    .description("Label texts or examples with a fine-tuned run")
    .option("--text <text>", "one text")
    .option("--text-file <path>", "a file with a text on each line")
    .option("--data <path>", "examples laid out as in training, labels not needed")
    .option("--out <file>", "write the predictions there, in GLUE's format: index, tab, prediction")
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
  if (flags.corpus === undefined) return await scoreExamples(flags);
  const signal = interruptSignal(), run = await findRun(flags.model, flags.checkpoint), { config } = run;
  const ids: number[] = [];
  let bytes = 0;
  for await (const document of documents(disk, flags.corpus)) {
    bytes += document.bytes;
    for (const id of run.tokenizer.encode(document.text)) ids.push(id);
  }
  const shape = { batch: flags.batch, length: config.model.context, language: true };
  using device = await deviceOf(flags, () => [plansOf(config).scores(shape)]);
  using model = (await openRun(device, run)).model;
  const score = await scoreText(model, Uint32Array.from(ids), { batch: flags.batch, bytes, signal });
  const rows = tableRows(model.config);
  print(
    flags,
    { ...score, softmaxRows: rows },
    `perplexity ${score.perplexity.toFixed(2)} a token over ${score.tokens.toLocaleString("en")} tokens, ` +
      `${score.bitsPerByte!.toFixed(3)} bits a byte (softmax over all ${rows} rows of the table)`,
  );
}

async function generateText(flags: GenerateFlags): Promise<void> {
  const { prompt, json, seed, maxTokens, temperature, topK, topP, stop } = flags, signal = interruptSignal();
  if (prompt.trim() === "") throw new UsageError("Give --prompt at least one word to continue");
  const run = await findRun(flags.model, flags.checkpoint);
  using device = await deviceOf(flags, () => [plansOf(run.config).continuation(1)]);
  using model = (await openRun(device, run)).model;
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
