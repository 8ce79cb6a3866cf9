// The arms of the paper's two ablations: what each starts from and what it leaves out, as flags of a fine-tuning. The arms
// of a transfer study differ in how many blocks are taken over; with all of them it is the full model.

import type { FineTuneFlags } from "../fine_tuning.ts";

/** What an arm starts from. */
export type Architecture = "transformer" | "lstm";

/** An arm of a study. */
export interface Arm {
  /** Its name in folders and files. */
  readonly name: string;
  /** Its name for people. */
  readonly title: string;
  /** Which pre-trained run it takes; one from scratch takes its size and its tokenizer. */
  readonly architecture: Architecture;
  /** What it sets. */
  readonly flags: Partial<Pick<FineTuneFlags, "lmCoef" | "fromScratch" | "transferLayers">>;
}

/** The arms of table 5, in its order. */
export const ablationArms = {
  "full": { title: "full", architecture: "transformer", flags: {} },
  "no-pretraining": { title: "no pre-training", architecture: "transformer", flags: { fromScratch: true } },
  "no-aux": { title: "no aux LM", architecture: "transformer", flags: { lmCoef: 0 } },
  "lstm": { title: "LSTM with aux LM", architecture: "lstm", flags: {} },
} as const satisfies Record<string, Omit<Arm, "name">>;

/** The name of an arm of table 5. */
export type ArmName = keyof typeof ablationArms;

/** All arms of table 5. */
export const armNames = Object.keys(ablationArms) as ArmName[];

/** An arm by name. */
export const armNamed = (name: ArmName): Arm => ({ name, ...ablationArms[name] });

/** The arm that takes over so many of `blocks`: the same run as `full` when it takes them all. */
export function layersArm(layers: number, blocks: number): Arm {
  const title = `${layers} of ${blocks} blocks`;
  if (layers === blocks) return { ...armNamed("full"), title };
  return { name: `layers-${layers}`, title, architecture: "transformer", flags: { transferLayers: layers } };
}

/** None, half and all of so many blocks. */
export const spreadOf = (blocks: number): number[] => [...new Set([0, Math.round(blocks / 2), blocks])];
