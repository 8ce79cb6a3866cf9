// `foreword import` and `foreword export`: published weights into a run folder, and out of one. What the formats are is
// said in src/tasks/gpt1_weights.ts, adapters are ../adapters.ts's; here are flags, the folder that is made, and what is
// printed.

import { type Command, InvalidArgumentError, Option } from "commander";
import { parameterSpecs } from "../../models/gpt1.ts";
import { parameterCount } from "../../nn/parameters.ts";
import { merged } from "../../tasks/gpt1_adapters.ts";
import {
  openHuggingFaceGpt1,
  openOriginalGpt1,
  type WeightFormat,
  weightFormatOf,
  weightFormats,
  writeHuggingFaceGpt1,
  writeOriginalGpt1,
} from "../../tasks/gpt1_weights.ts";
import {
  openPublishedTokenizer,
  writePublishedTokenizer,
  writeReleasedTokenizer,
} from "../../text/hugging_face/gpt1_folder.ts";
import { openTokenizer } from "../../text/open_tokenizer.ts";
import { type PretokenizerName, pretokenizers } from "../../text/pretokenizers.ts";
import { openParameters, saveParameters } from "../../train/checkpoint.ts";
import { holdsAdapters, importAdapters, writeAdapters } from "../adapters.ts";
import { disk, jsonFlag, print, say, UsageError, whole } from "../io.ts";
import { beginRun, chooseCheckpoint, readRun, runTokenizer } from "../run_folder.ts";

interface ImportFlags {
  readonly json?: boolean;
  readonly from: string;
  readonly out: string;
  readonly format?: WeightFormat;
  readonly tokenizer?: string;
  readonly words?: PretokenizerName;
  readonly heads?: number;
  readonly model?: string;
  readonly checkpoint?: string;
}

interface ExportFlags {
  readonly json?: boolean;
  readonly model: string;
  readonly checkpoint?: string;
  readonly out: string;
  readonly format: WeightFormat;
  readonly adapter?: boolean;
}

/** Adds the commands. */
export function addWeights(program: Command): void {
  jsonFlag(program.command("import"))
    .description(
      "Make a run folder of published GPT-1 weights, the original release's or transformers', or of adapters",
    )
    .requiredOption(
      "--from <folder>",
      "config.json and model.safetensors, or params_shapes.json and params_N.npy, or a folder of PEFT's",
    )
    .requiredOption("--out <folder>", "the run folder to make")
    .addOption(
      new Option("--format <name>", "which of the two it is; found out unless given").choices([
        ...weightFormats,
      ]),
    )
    .option("--tokenizer <path>", "the tokenizer, if its files are elsewhere")
    .addOption(
      new Option("--words <name>", "how text is split into words; as the files say unless given")
        .choices(Object.keys(pretokenizers)),
    )
    .option("--heads <n>", "attention heads, for original files of another width than 768", whole(1))
    .addOption(
      new Option("--model <run>", "the run that adapters in PEFT's layout belong to, where --from holds such")
        .conflicts(["format", "tokenizer", "words", "heads"]),
    )
    .option(
      "--checkpoint <name>",
      "which checkpoint of --model: best, last or a folder; the best one unless given",
    )
    .action(importWeights);
  jsonFlag(program.command("export"))
    .description("Write a run's language model for transformers, or in the files of GPT-1's release")
    .requiredOption("--model <run>", "the run folder")
    .option("--checkpoint <name>", "best, last, or a folder of checkpoints/; the best one unless given")
    .requiredOption("--out <folder>", "the folder to make", (name: string) => {
      if (/^\.{0,2}\/*$|\/\.{1,2}\/*$/.test(name)) throw new InvalidArgumentError("It must be a new folder.");
      return name.replace(/\/+$/, "");
    })
    .addOption(
      new Option("--format <name>", "which files to write").choices([...weightFormats]).default(
        "hugging-face",
      ),
    )
    .addOption(
      new Option(
        "--adapter",
        "write a run's adapters alone, in PEFT's layout; without, they are merged into the weights",
      )
        .conflicts("format"),
    )
    .action(exportWeights);
}

async function importWeights(flags: ImportFlags): Promise<void> {
  const { from, out, words, heads } = flags;
  if ((await disk.stat(from))?.kind !== "folder") {
    throw new UsageError(`Cannot import ${from}: there is no such folder; check the path`);
  }
  if (flags.model !== undefined) {
    const { config, checkpoint } = await importAdapters(from, { ...flags, model: flags.model });
    const { task, model: { lora } } = config;
    return print(
      flags,
      { out, format: "peft", task, model: config.model, checkpoint },
      `${out}: ${flags.model} with adapters of rank ${lora!.rank} on ${lora!.targets.join(", ")}`,
    );
  }
  if (await holdsAdapters(from)) {
    throw new UsageError(`${from} holds adapters: give --model with the run that they belong to`);
  }
  if (words && flags.tokenizer) throw new UsageError("Give either --tokenizer or --words, not both");
  const format = flags.format ?? await weightFormatOf(disk, from);
  const tokenizer = flags.tokenizer === undefined
    ? await openPublishedTokenizer(disk, from, words)
    : await openTokenizer(disk, flags.tokenizer);
  const open = format === "original" ? openOriginalGpt1 : openHuggingFaceGpt1;
  const { config, parameters } = await open(disk, from, { tokens: tokenizer.size, heads });
  const begun = await beginRun(
    out,
    {
      format: "foreword-run-1",
      task: "language",
      model: config,
      labels: null,
      tokenizer: tokenizer.fingerprint,
      settings: { imported: from, format },
    },
    tokenizer,
    false,
  );
  let checkpoint: string;
  try {
    checkpoint = await saveParameters(disk, out, parameters, {
      kind: "gpt1",
      info: { imported: from, format },
    });
  } catch (error) {
    await begun.undo();
    throw error;
  }
  const count = parameterCount(parameterSpecs(config));
  print(
    flags,
    { out, format, parameters: count, model: config, checkpoint },
    `${out}: ${
      count.toLocaleString("en")
    } parameters in ${config.layers} blocks of ${config.channels} channels, ` +
      `a vocabulary of ${config.vocabSize.toLocaleString("en")}, texts split as ${
        tokenizer.kind === "word-bpe" ? tokenizer.pretokenizer : tokenizer.kind
      }`,
  );
}

async function exportWeights(flags: ExportFlags): Promise<void> {
  const { model: run, out, adapter } = flags, config = await readRun(run), { labels } = config;
  if (adapter && !config.model.lora) {
    throw new UsageError(
      `${run} has no adapters, it was not fine-tuned with --lora-rank: leave --adapter out`,
    );
  }
  const tokenizer = await runTokenizer(run, config), format = adapter ? "peft" : flags.format;
  const found = await openParameters(disk, await chooseCheckpoint(run, flags.checkpoint));
  const { config: model, parameters } = merged(config.model, found);
  await intoNewFolder(out, async (folder) => {
    if (adapter) {
      await writeAdapters(folder, config, found);
    } else if (format === "original") {
      await writeOriginalGpt1(disk, folder, model, parameters);
      await writeReleasedTokenizer(disk, folder, tokenizer);
    } else {
      await writeHuggingFaceGpt1(disk, folder, model, parameters);
      await writePublishedTokenizer(disk, folder, tokenizer, model.context);
    }
  });
  if (config.model.lora && !adapter) say("The adapters were merged into the weights.");
  if (labels && !adapter) {
    say(`The classifier of ${labels.join(", ")} has no place in this format and was left out.`);
  }
  const files = (await disk.list(out)).map(({ name, bytes }) => ({ name, bytes }));
  print(
    flags,
    { out, format, files },
    `${out}: ${files.map(({ name, bytes }) => `${name} (${bytes.toLocaleString("en")} bytes)`).join(", ")}`,
  );
}

// Makes a folder whole or not at all.
async function intoNewFolder(out: string, write: (folder: string) => Promise<void>): Promise<void> {
  const there = await disk.stat(out), empty = there?.kind === "folder" && (await disk.list(out)).length === 0;
  if (there && !empty) {
    throw new UsageError(`${out} already exists: choose an --out that is empty or does not exist`);
  }
  const at = out.lastIndexOf("/") + 1, temporary = `${out.slice(0, at)}.tmp-${out.slice(at)}`;
  await disk.remove(temporary); // of an export that was killed
  try {
    await write(temporary);
    if (empty) await disk.remove(out);
    await disk.rename(temporary, out);
  } catch (error) {
    await disk.remove(temporary);
    throw error;
  }
}
