// `foreword prepare`: a corpus of any size as token files, on all cores, resumable; or one stream as ids, from stdin to
// stdout. The work is done in src/text/prepare; here are flags, threads and what is printed.

import process from "node:process";
import { type Command, Option } from "commander";
import { coreCount } from "../../backends/wasm/builds.ts";
import {
  type AnyTokenizer,
  openTokenizer,
  specialTokens,
  type VocabularyType,
  vocabularyTypes,
} from "../../text/open_tokenizer.ts";
import {
  type DocumentPiece,
  findSources,
  readStream,
  type SourceFormat,
} from "../../text/prepare/documents.ts";
import { Copies, type Filters, isDenied, Printer } from "../../text/prepare/filters.ts";
import { encodePieces, type PrepareOptions } from "../../text/prepare/prepare.ts";
import { handOf, runPreparation } from "../../text/prepare/run.ts";
import { disk, interruptSignal, print, real, say, UsageError, whole } from "../io.ts";
import { startWorkers } from "../prepare_workers.ts";
import { byteProgress } from "../progress.ts";

interface Flags {
  readonly tokenizer: string;
  readonly type?: VocabularyType;
  readonly out?: string;
  readonly stdin?: boolean;
  readonly stdout?: boolean;
  readonly format?: SourceFormat;
  readonly textField: string;
  /** A token, false for none, or true where the tokenizer decides. */
  readonly separator: string | boolean;
  readonly shardMb: number;
  readonly dropDuplicates?: boolean;
  readonly dropNearDuplicates?: number | true;
  readonly denyDomains?: string;
  readonly domainField: string;
  readonly threads?: number;
  readonly json?: boolean;
}

const RESEMBLANCE = 0.8;

/** Adds the command. `program` of the workers is the module that holds the command line. */
export function addPrepare(program: Command, workerModule: string): void {
  program.command("prepare")
    .description("Turn a corpus of any size into token files, or one stream of text into ids")
    .argument(
      "[input...]",
      "files or folders: .txt (a document each), .jsonl or .ndjson (one a line), also with .gz",
    )
    .requiredOption("--tokenizer <path>", "a tokenizer folder or file")
    .addOption(new Option("--type <type>", "the kind of a vocab.txt").choices(vocabularyTypes))
    .option("--out <folder>", "the folder to write, or to go on with")
    .option("--stdin", "read one stream from stdin; needs --format and --stdout")
    .option("--stdout", "write ids to stdout, little-endian, two bytes each (four above 65,536 ids)")
    .addOption(
      new Option("--format <format>", "how input is written, where its name does not tell").choices([
        "text",
        "jsonl",
      ]),
    )
    .option("--text-field <name>", "the field of JSON that holds the text", "text")
    .option(
      "--separator <token>",
      "the token after each document; <|endoftext|> where the tokenizer has it",
      true,
    )
    .option("--no-separator", "no token after documents")
    .option("--shard-mb <n>", "megabytes of input in a shard", whole(1), 32)
    .option("--drop-duplicates", "leave out documents that equal an earlier one")
    .option(
      "--drop-near-duplicates [x]",
      "leave out those that resemble an earlier one: shared 5-grams of words",
      real(0.5, 1),
    )
    .option("--deny-domains <file>", "leave out documents from these domains, one a line")
    .option("--domain-field <name>", "the field of JSON that holds the domain or URL", "url")
    .option("--threads <n>", "threads to use; as many as there are cores unless given", whole(1))
    .option("--json", "print the result as JSON on stdout; progress goes to stderr")
    .addHelpText(
      "after",
      "\nExamples:\n  foreword prepare crawl --tokenizer tok --out tokens --drop-near-duplicates\n" +
        "  zcat part-7.jsonl.gz | foreword prepare --stdin --format jsonl --tokenizer tok --stdout > part-7.bin",
    )
    .action((input: string[], flags: Flags) =>
      flags.stdin ? filterStream(input, flags) : prepare(input, flags, workerModule)
    );
}

async function prepare(input: readonly string[], flags: Flags, workerModule: string): Promise<void> {
  const { out: folder, tokenizer: path, type } = flags;
  if (flags.stdout) throw new UsageError("--stdout goes with --stdin: give --out, or pipe the text in");
  if (input.length === 0) throw new UsageError("Name the files or folders to prepare, or give --stdin");
  if (folder === undefined) throw new UsageError("Give --out, the folder to write");
  const signal = interruptSignal(), tokenizer = await openTokenizer(disk, path, type);
  const options = await optionsOf(flags, tokenizer), { format } = flags;
  const sources = (await Promise.all(input.map((path) => findSources(disk, path, format)))).flat();
  const shardBytes = flags.shardMb * 1e6, bar = byteProgress();
  const threads = Math.min(
    flags.threads ?? coreCount(),
    Math.ceil(sources.reduce((n, s) => n + s.end - s.start, 0) / shardBytes),
  );
  const workers = threads > 1
    ? startWorkers(
      workerModule,
      threads,
      { tokenizer: path, folder, options, ...(type ? { type } : {}) },
      signal,
    )
    : null;
  const own = handOf(disk, folder, tokenizer, options);
  try {
    const index = await runPreparation(disk, {
      ...options,
      sources,
      folder,
      tokenizer,
      shardBytes,
      onProgress: ({ stage, done, of }) => bar.show(stage === "print" ? "comparing" : "encoding", done, of),
    }, workers?.hands ?? [(job, onPiece) => own(job, (bytes) => (signal.throwIfAborted(), onPiece(bytes)))]);
    const { shards, count, documents, dropped, bytes } = index,
      n = (x: number): string => x.toLocaleString("en");
    const left = dropped.copies + dropped.denied;
    bar.end();
    print(
      flags,
      { out: folder, shards: shards.length, tokens: count, documents, dropped, bytes },
      `${folder}: ${n(count)} tokens of ${n(documents)} documents in ${shards.length} shard${
        shards.length === 1 ? "" : "s"
      }` +
        (left > 0 ? `; left out ${n(dropped.copies)} copies and ${n(dropped.denied)} of denied domains` : ""),
    );
  } finally {
    bar.end();
    await workers?.close();
  }
}

async function optionsOf(flags: Flags, tokenizer: AnyTokenizer): Promise<PrepareOptions> {
  const {
    separator,
    dropDuplicates = false,
    dropNearDuplicates = null,
    denyDomains,
    domainField,
    textField,
  } = flags;
  const filters: Filters = {
    exact: dropDuplicates,
    near: dropNearDuplicates === true ? RESEMBLANCE : dropNearDuplicates,
    deniedDomains: new Set(denyDomains === undefined ? [] : await domainsIn(denyDomains)),
    domainField,
  };
  return { filters, textField, separator: separatorOf(separator, flags.tokenizer, tokenizer) };
}

function separatorOf(wanted: string | boolean, path: string, tokenizer: AnyTokenizer): number | null {
  if (wanted === false) return null;
  const ids = specialTokens(tokenizer);
  if (wanted === true) return ids.get("<|endoftext|>") ?? null;
  const id = ids.get(wanted);
  if (id !== undefined) return id;
  const has = [...ids.keys()].join(" ") || "none";
  throw new UsageError(`--separator ${wanted} is not a special token of ${path}, which has ${has}`);
}

async function domainsIn(path: string): Promise<string[]> {
  const lines = new TextDecoder().decode(await disk.read(path)).split("\n").map((line) =>
    line.trim().toLowerCase()
  );
  return lines.filter((line) => line !== "" && !line.startsWith("#"));
}

// One stream: what is left out depends on what came before in it.
async function filterStream(input: readonly string[], flags: Flags): Promise<void> {
  const { format } = flags;
  if (!flags.stdout) throw new UsageError("--stdin goes with --stdout: ids are written there");
  if (input.length > 0 || flags.out !== undefined) {
    throw new UsageError("With --stdin give neither input nor --out");
  }
  if (format === undefined) throw new UsageError("--stdin needs --format text or --format jsonl");
  const tokenizer = await openTokenizer(disk, flags.tokenizer, flags.type),
    options = await optionsOf(flags, tokenizer);
  const copies = new Copies(options.filters),
    filtering = options.filters.exact || options.filters.near !== null;
  if (filtering && format === "text") {
    throw new UsageError("A stream of text is one document: duplicates need --format jsonl");
  }
  async function* kept(): AsyncGenerator<DocumentPiece> {
    for await (const piece of readStream(process.stdin, format!, "stdin", options)) {
      if (isDenied(piece.fields, options.filters)) continue;
      const printer = filtering ? new Printer(options.filters) : null;
      printer?.add(piece.text);
      if (!printer || !copies.has(printer.finish())) yield piece;
    }
  }
  let tokens = 0;
  for await (const { ids } of encodePieces(kept(), tokenizer, options.separator, () => false)) {
    const list = Array.from(ids),
      data = tokenizer.size <= 2 ** 16 ? Uint16Array.from(list) : Uint32Array.from(list);
    tokens += data.length;
    if (!process.stdout.write(new Uint8Array(data.buffer))) {
      await new Promise((resolve) => process.stdout.once("drain", resolve));
    }
  }
  say(`${tokens.toLocaleString("en")} tokens`);
}
