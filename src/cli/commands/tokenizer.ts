// `foreword tokenizer`: train one on text, turn text into ids and ids into text. The work is done in src/text; here are
// flags, files and what is printed.

import type { Command } from "commander";
import { loadBpe, saveBpe } from "../../text/bpe_files.ts";
import { trainBpe } from "../../text/bpe_train.ts";
import { documents } from "../../text/corpus.ts";
import { disk, print, say, UsageError, whole } from "../io.ts";

interface TrainFlags {
  readonly corpus: string;
  readonly vocabSize: number;
  readonly minFrequency: number;
  readonly out: string;
  readonly json?: boolean;
}

interface UseFlags {
  readonly tokenizer: string;
  readonly text?: string;
  readonly textFile?: string;
  readonly ids?: string;
  readonly tokens?: boolean;
  readonly json?: boolean;
}

/** Adds the commands. */
export function addTokenizer(program: Command): void {
  const tokenizer = program.command("tokenizer").description("Train a tokenizer, encode and decode");
  tokenizer.command("train")
    .description("Learn a byte-pair encoding with end-of-word marks, as GPT-1's, from text")
    .requiredOption("--corpus <path>", "a UTF-8 text file, or a folder of .txt files")
    .requiredOption("--vocab-size <n>", "ids in the vocabulary", whole(4))
    .requiredOption("--out <folder>", "the folder to write")
    .option("--min-frequency <n>", "how often a pair must occur to be merged", whole(1), 2)
    .option("--json", "print the result as JSON")
    .action(train);
  tokenizer.command("encode")
    .description("Turn text into ids")
    .requiredOption("--tokenizer <folder>", "a tokenizer folder, or the published pair of files")
    .option("--text <text>", "the text")
    .option("--text-file <path>", "a UTF-8 file with the text")
    .option("--tokens", "show the pieces, not the ids")
    .option("--json", 'print { "ids": […] }')
    .action(encode);
  tokenizer.command("decode")
    .description("Turn ids into text")
    .requiredOption("--tokenizer <folder>", "a tokenizer folder, or the published pair of files")
    .requiredOption("--ids <list>", "ids, separated by spaces or commas")
    .option("--json", 'print { "text": … }')
    .action(decode);
}

async function train({ corpus, vocabSize, minFrequency, out, ...flags }: TrainFlags): Promise<void> {
  if (await disk.stat(`${out}/vocab.bpe`)) {
    throw new UsageError(`${out} already holds a tokenizer: choose another --out`);
  }
  let read = 0;
  async function* texts(): AsyncGenerator<string> {
    for await (const { text, bytes } of documents(disk, corpus)) {
      read += bytes;
      yield text;
    }
  }
  let shown = performance.now();
  const tokenizer = await trainBpe(texts(), {
    vocabSize,
    minFrequency,
    onProgress: ({ made, of }) => {
      if (performance.now() - shown < 2000) return;
      shown = performance.now();
      say(`${made}/${of} merges`);
    },
  });
  await saveBpe(disk, out, tokenizer);
  const { size, fingerprint } = tokenizer;
  print(
    flags,
    { out, vocabSize: size, fingerprint, bytes: read },
    `${out}: ${size} ids from ${read.toLocaleString("en")} bytes`,
  );
}

async function encode({ tokenizer: path, text, textFile, tokens, ...flags }: UseFlags): Promise<void> {
  if ((text === undefined) === (textFile === undefined)) {
    throw new UsageError("Give either --text or --text-file");
  }
  const tokenizer = await loadBpe(disk, path);
  const read = async () => {
    let joined = "";
    for await (const document of documents(disk, textFile!, { extensions: [""] })) joined += document.text;
    return joined;
  };
  const ids = tokenizer.encode(text ?? await read());
  const pieces = ids.map((id) => tokenizer.tokens[id]);
  print(flags, tokens ? { ids, tokens: pieces } : { ids }, (tokens ? pieces : ids).join(" "));
}

async function decode({ tokenizer: path, ids, ...flags }: UseFlags): Promise<void> {
  const tokenizer = await loadBpe(disk, path);
  const numbers = ids!.split(/[\s,]+/).filter(Boolean).map(Number);
  if (numbers.some((id) => !Number.isInteger(id) || id < 0 || id >= tokenizer.size)) {
    throw new UsageError(
      `--ids must be whole numbers from 0 to ${tokenizer.size - 1}, separated by spaces or commas`,
    );
  }
  const text = tokenizer.decode(numbers);
  print(flags, { text }, text);
}
