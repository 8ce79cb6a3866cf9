// Flags that say what stands between the two ends of a model, for the commands that take a preset: blocks of a Transformer,
// as many as the preset says, or the one LSTM layer of the paper's ablation. A run folder brings its own.

import { type Command, Option } from "commander";
import { type Gpt1Preset, type Gpt1Size, presets } from "../models/gpt1.ts";
import { lstmSize } from "../models/lstm_lm.ts";
import { UsageError, whole } from "./io.ts";

/** What the flags say. */
export interface ArchitectureFlags {
  readonly architecture?: "transformer" | "lstm";
  readonly units?: number;
}

/** Adds the flags. */
export function architectureFlags(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--architecture <name>",
        "of a preset: blocks of a Transformer, unless given, or one LSTM layer as in the paper's ablation",
      ).choices(["transformer", "lstm"]),
    )
    .option(
      "--units <n>",
      "size of the LSTM (the paper: 2048); as many as make it as large as the preset's blocks unless given",
      whole(1),
    );
}

/** The size that a preset and the flags come to. */
export function sizeOf(preset: Gpt1Preset, { architecture, units }: ArchitectureFlags): Gpt1Size {
  if (architecture === "lstm") return lstmSize(preset, units);
  if (units === undefined) return presets[preset];
  throw new UsageError("--units is the size of an LSTM: add --architecture lstm, or leave it out");
}
