// Flags that say what of a pre-trained model is trained: adapters beside its matrices, or all but the lowest blocks. What
// they mean is said in src/models/gpt1_tuning.ts.

import { type Command, InvalidArgumentError } from "commander";
import { loraTargets, type Tuning } from "../models/gpt1_tuning.ts";
import { real, UsageError, whole } from "./io.ts";

/** What the flags say. */
export interface TuningFlags {
  readonly loraRank?: number;
  readonly loraAlpha?: number;
  readonly loraTargets?: readonly string[];
  readonly loraDropout?: number;
  readonly freezeLayers?: number;
  readonly fromScratch?: boolean;
  readonly transferLayers?: number;
}

/** Adds the flags. */
export function tuningFlags(command: Command): Command {
  return command
    .option(
      "--lora-rank <r>",
      "train low-rank adapters of this size and leave the model's matrices as they are; they like a higher --lr",
      whole(1),
    )
    .option(
      "--lora-alpha <x>",
      "what adapters add is multiplied by alpha / rank; the rank unless given",
      real(0),
    )
    .option(
      "--lora-targets <list>",
      `matrices with adapters, of ${loraTargets.join(",")}; attn/c_attn unless given`,
      targets,
    )
    .option("--lora-dropout <x>", "dropout rate on what adapters read; 0 unless given", real(0, 0.9))
    .option(
      "--freeze-layers <n>",
      "leave the table and the n lowest blocks as they are, 0 for the table alone",
      whole(0),
    );
}

function targets(text: string): string[] {
  const names = text.split(",").map((name) => name.trim()).filter(Boolean);
  const unknown = names.find((name) => !loraTargets.some((known) => known === name));
  if (unknown !== undefined || names.length === 0) {
    throw new InvalidArgumentError(`The matrices of a block are ${loraTargets.join(", ")}.`);
  }
  return loraTargets.filter((name) => names.includes(name));
}

/**
 * What is to be trained of a model. Whether it can be is `requireTuning`'s question.
 *
 * @throws {UsageError} for flags that do not go together.
 */
export function tuningOf(flags: TuningFlags): Tuning {
  const { loraRank: rank, loraAlpha, loraTargets, loraDropout: dropout = 0, freezeLayers: frozenLayers } =
    flags;
  if (rank === undefined) {
    const about = Object.entries({ alpha: loraAlpha, targets: loraTargets, dropout: flags.loraDropout })
      .find(([, value]) => value !== undefined);
    if (about) throw new UsageError(`--lora-${about[0]} is about adapters: add --lora-rank, or leave it out`);
    if (frozenLayers === undefined) return {};
  }
  const flag = rank === undefined ? "--freeze-layers" : "--lora-rank";
  if (rank !== undefined && frozenLayers !== undefined) {
    throw new UsageError("--lora-rank leaves all layers as they are: leave --freeze-layers out");
  }
  if (flags.fromScratch) {
    throw new UsageError(
      `--from-scratch starts from random numbers, which ${flag} would leave as they are: choose one`,
    );
  }
  const kept = flags.transferLayers;
  if (kept !== undefined && (rank !== undefined || kept < frozenLayers!)) {
    throw new UsageError(
      `--transfer-layers ${kept} starts the blocks above from random numbers, which ${flag} would leave as they are: ` +
        "choose one",
    );
  }
  return rank === undefined ? { frozenLayers: frozenLayers! } : {
    lora: {
      rank,
      alpha: loraAlpha ?? rank,
      targets: loraTargets ?? ["attn/c_attn"],
      ...(dropout > 0 ? { dropout } : {}),
    },
  };
}
