// `foreword tokenizer`: train one on text, turn text into ids and ids into text. The work is done in src/text; here are
// flags, files and what is printed.

import { dirname } from "node:path";
import process from "node:process";
import { type Command, Option } from "commander";
import { trainBpe } from "../../text/bpe_train.ts";
import { trainByteBpe } from "../../text/bytes/train.ts";
import { decodeUtf8, documents } from "../../text/corpus.ts";
import {
  type AnyTokenizer,
  holdsTokenizer,
  openTokenizer,
  saveTokenizer,
  saveTokenizerJson,
  specialTokens,
  type VocabularyType,
  vocabularyTypes,
} from "../../text/open_tokenizer.ts";
import { type PretokenizerName, pretokenizers } from "../../text/pretokenizers.ts";
import { trainWordPiece } from "../../text/wordpiece/train.ts";
import { disk, interruptSignal, print, say, UsageError, whole } from "../io.ts";

interface TrainFlags {
  readonly corpus: string;
  readonly type: "byte-bpe" | "gpt1" | "wordpiece";
  readonly vocabSize: number;
  readonly minFrequency: number;
  readonly words?: PretokenizerName;
  readonly cased?: boolean;
  readonly special?: readonly string[];
  readonly out: string;
  readonly json?: boolean;
}

interface UseFlags {
  readonly tokenizer: string;
  readonly type?: VocabularyType;
  readonly text?: string;
  readonly textFile?: string;
  readonly ids?: string;
  readonly idsFile?: string;
  readonly special?: boolean;
  readonly tokens?: boolean;
  readonly json?: boolean;
}

const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/** Adds the commands. */
export function addTokenizer(program: Command): void {
  const tokenizer = program.command("tokenizer").description("Train a tokenizer, encode and decode, convert");
  tokenizer.command("train")
    .description("Learn a vocabulary from text")
    .requiredOption("--corpus <path>", "a UTF-8 text file, or a folder of .txt files")
    .addOption(
      new Option(
        "--type <type>",
        "GPT-1's BPE with end-of-word marks, GPT-2's over bytes, or BERT's WordPiece",
      )
        .choices(["gpt1", "byte-bpe", "wordpiece"]).default("gpt1"),
    )
    .requiredOption("--vocab-size <n>", "ids in the vocabulary", whole(4))
    .requiredOption("--out <folder>", "the folder to write")
    .option("--min-frequency <n>", "how often a pair must occur to be merged", whole(1), 2)
    .addOption(
      new Option("--words <name>", "gpt1: how text is split into words; GPT-1's own way unless given")
        .choices(Object.keys(pretokenizers)),
    )
    .option("--cased", "wordpiece: keep capitals and accents")
    .option("--special <tokens...>", "byte-bpe: tokens that are never split; <|endoftext|> unless given")
    .option("--json", "print the result as JSON")
    .action(train);
  const use = (name: string, description: string): Command =>
    tokenizer.command(name).description(description)
      .requiredOption(
        "--tokenizer <path>",
        "a tokenizer folder, tokenizer.json, vocab.txt or published pair of files",
      )
      .addOption(new Option("--type <type>", "what a bare vocab.txt is for").choices(vocabularyTypes));
  use("encode", "Turn text into ids")
    .option("--text <text>", "the text")
    .option("--text-file <path>", "a UTF-8 file with the text")
    .option("--special", "special tokens that are written out in the text count as such")
    .option("--tokens", "show the pieces, not the ids")
    .option("--json", 'print { "ids": […] }')
    .action(encode);
  use("decode", "Turn ids into text")
    .option("--ids <list>", "ids, separated by spaces or commas")
    .option("--ids-file <path>", 'a file with such a list, a JSON list, or { "ids": […] }')
    .option("--json", 'print { "text": … }')
    .action(decode);
  use("convert", "Write a tokenizer as a tokenizer.json, which transformers opens")
    .requiredOption("--out <file>", "the file to write")
    .option("--json", "print the result as JSON")
    .action(convert);
}

async function train(flags: TrainFlags): Promise<void> {
  const { corpus, type, vocabSize, minFrequency, out } = flags;
  const only = (name: string, given: unknown, kind: TrainFlags["type"]): void => {
    if (given !== undefined && type !== kind) {
      throw new UsageError(`--${name} goes with --type ${kind}, not ${type}`);
    }
  };
  only("words", flags.words, "gpt1");
  only("cased", flags.cased, "wordpiece");
  only("special", flags.special, "byte-bpe");
  const isNew = await disk.stat(out) === null;
  if (await holdsTokenizer(disk, out)) {
    throw new UsageError(`${out} already holds a tokenizer: choose another --out`);
  }
  let read = 0, shown = performance.now();
  async function* texts(): AsyncGenerator<string> {
    for await (const { text, bytes } of documents(disk, corpus)) {
      read += bytes;
      yield text;
    }
  }
  const options = {
    vocabSize,
    minFrequency,
    signal: interruptSignal(),
    spill: { storage: disk, folder: `${out}/.counts` },
    onProgress: ({ made, of }: { made: number; of: number }) => {
      if (performance.now() - shown < 2000) return;
      shown = performance.now();
      say(`${made}/${of} merges`);
    },
  };
  const learn = (): Promise<AnyTokenizer> =>
    type === "gpt1"
      ? trainBpe(texts(), { ...options, pretokenizer: flags.words ?? "gpt1" })
      : type === "byte-bpe"
      ? trainByteBpe(texts(), { ...options, ...(flags.special && { special: flags.special }) })
      : trainWordPiece(texts(), { ...options, lowerCase: !flags.cased });
  let tokenizer: AnyTokenizer;
  try {
    tokenizer = await learn();
    await saveTokenizer(disk, out, tokenizer);
  } catch (error) {
    if (isNew) await disk.remove(out); // counts may have been put there
    throw error;
  }
  const { size, fingerprint } = tokenizer;
  print(
    flags,
    { out, type, vocabSize: size, fingerprint, bytes: read },
    `${out}: ${size} ids from ${read.toLocaleString("en")} bytes`,
  );
}

async function encode({ text, textFile, ...flags }: UseFlags): Promise<void> {
  if ((text === undefined) === (textFile === undefined)) {
    throw new UsageError("Give either --text or --text-file");
  }
  const tokenizer = await openTokenizer(disk, flags.tokenizer, flags.type);
  if (flags.special && specialTokens(tokenizer).size === 0) {
    throw new UsageError(`${flags.tokenizer} has no special tokens: leave --special out`);
  }
  const whole = text ?? await textIn(textFile!, tokenizer.kind === "byte-bpe");
  const ids = Array.from(idsOf(tokenizer, whole, flags.special ?? false));
  const pieces = flags.tokens ? ids.map((id) => tokenizer.tokens[id]) : null;
  print(flags, pieces ? { ids, tokens: pieces } : { ids }, (pieces ?? ids).join(" "));
}

/** What a file holds. A byte order mark is no text, but what goes over bytes gives back every one of them. */
async function textIn(path: string, exact: boolean): Promise<string> {
  const data = await disk.read(path), text = decodeUtf8(data, disk.describe(path));
  return exact && BYTE_ORDER_MARK.every((byte, i) => data[i] === byte) ? `\ufeff${text}` : text;
}

function idsOf(tokenizer: AnyTokenizer, text: string, special: boolean): ArrayLike<number> {
  if (!special || tokenizer.kind === "word-bpe") return tokenizer.encodeText(text);
  return tokenizer.kind === "byte-bpe"
    ? tokenizer.encodeText(text, { special: "all" })
    : tokenizer.encode(text, { specials: true });
}

async function decode({ ids, idsFile, ...flags }: UseFlags): Promise<void> {
  if ((ids === undefined) === (idsFile === undefined)) {
    throw new UsageError("Give either --ids or --ids-file");
  }
  const tokenizer = await openTokenizer(disk, flags.tokenizer, flags.type);
  const list = ids ?? new TextDecoder().decode(await disk.read(idsFile!)),
    from = ids === undefined ? idsFile! : "--ids";
  const numbers = itemsIn(list), last = tokenizer.size - 1;
  const wrong = numbers.find((id) => !(Number.isInteger(id) && Number(id) >= 0 && Number(id) <= last));
  if (wrong !== undefined) {
    throw new UsageError(
      `${from} holds ${
        JSON.stringify(wrong)
      }: it must be whole numbers from 0 to ${last}, separated by spaces or commas`,
    );
  }
  const text = tokenizer.decode(numbers as number[]);
  if (flags.json) print(flags, { text }, text);
  else process.stdout.write(tokenizer.kind === "byte-bpe" ? text : `${text}\n`); // bytes come back as they were
}

/** The items of a list, or of JSON with a list; what is no number stays as it is. */
function itemsIn(text: string): unknown[] {
  const items = text.split(/[\s,]+/).filter(Boolean).map((item) => /^\d+$/.test(item) ? Number(item) : item);
  if (!/^[[{]/.test(text.trimStart())) return items;
  try {
    const json = JSON.parse(text) as unknown;
    const list = Array.isArray(json) ? json : (json as { readonly ids?: unknown }).ids;
    return Array.isArray(list) ? list : items;
  } catch {
    return items;
  }
}

async function convert({ out, ...flags }: UseFlags & { readonly out: string }): Promise<void> {
  const { tokenizer: path, type } = flags;
  const tokenizer = await openTokenizer(disk, path, type);
  if (await disk.stat(out)) throw new UsageError(`${out} is there already: choose another --out`);
  await disk.makeFolder(dirname(out));
  await saveTokenizerJson(disk, out, tokenizer);
  const note = tokenizer.kind === "word-bpe" && tokenizer.pretokenizer === "gpt1"
    ? "; it splits words as transformers does for GPT-1, since such a file cannot say GPT-1's own rules"
    : "";
  const { kind, size: vocabSize } = tokenizer;
  print(flags, { out, kind, vocabSize }, `${out}: ${vocabSize} ids${note}`);
}
