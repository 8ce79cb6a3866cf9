// Adapters in and out of run folders: `export --adapter` and `import --model`. A folder of adapters that came from here
// also holds the configuration of its run, so that a classifier comes back whole; one that PEFT made gives a language
// model. What the files are is said in src/tasks/gpt1_adapters.ts.

import { type Gpt1Config, parameterSpecs } from "../models/gpt1.ts";
import { withSpecials } from "../models/gpt1_model.ts";
import { frozenBy, untuned } from "../models/gpt1_tuning.ts";
import { adapterFiles, openPeftAdapters, valuesFrom, writePeftAdapters } from "../tasks/gpt1_adapters.ts";
import { jsonBytes } from "../tasks/json_files.ts";
import { saveParameters } from "../train/checkpoint.ts";
import type { FloatTensors } from "../train/published.ts";
import type { TensorSource } from "../train/safetensors.ts";
import { disk, UsageError } from "./io.ts";
import {
  baseValues,
  beginRun,
  classifierOf,
  parseRun,
  readRun,
  type RunConfig,
  runTokenizer,
} from "./run_folder.ts";

const RUN = "foreword.json";

/** Whether a folder holds adapters. */
export const holdsAdapters = async (folder: string): Promise<boolean> =>
  await disk.stat(`${folder}/${adapterFiles.config}`) !== null;

/** Writes the adapters of a run, and what is needed to make the run of them again, into a folder. */
export async function writeAdapters(folder: string, run: RunConfig, parameters: FloatTensors): Promise<void> {
  const { base } = run.settings;
  await writePeftAdapters(disk, folder, run.model, parameters, typeof base === "string" ? base : null);
  await disk.write(`${folder}/${RUN}`, [jsonBytes(run)]);
}

/** What was made of adapters. */
export interface Imported {
  readonly config: RunConfig;
  readonly checkpoint: string;
}

/** Makes a run folder of adapters and the run they belong to. */
export async function importAdapters(
  from: string,
  { model: base, checkpoint: which, out }: { model: string; checkpoint?: string; out: string },
): Promise<Imported> {
  const run = await readRun(base), tokenizer = await runTokenizer(base, run);
  if (run.task !== "language") {
    throw new UsageError(
      `${base} is a classifier already: give the pre-trained run that the adapters belong to`,
    );
  }
  const path = `${from}/${RUN}`, own = await disk.stat(path) ? parseRun(await disk.read(path), path) : null;
  if (own) requireSameModel(from, own, base, run);
  const { lora, parameters } = await openPeftAdapters(disk, from, run.model);
  const config: RunConfig = {
    ...own ?? run,
    model: { ...own?.model ?? untuned(run.model), lora },
    settings: { imported: from, format: "peft", base },
  };
  // Nothing reads the rows of special tokens in the table; with the seed of their run even these come back.
  const seed = Number(own?.settings.seed ?? 1), there = valuesFrom(parameters);
  const frozen = frozenBy(config.model);
  const carried = withSpecials(await baseValues(base, which), run.model, config.model, seed);
  const tensors = parameterSpecs(config.model, classifierOf(config)).map((spec): TensorSource => ({
    name: spec.name,
    dtype: "F32",
    shape: spec.shape,
    data: async () => {
      const lost = own !== null && !frozen(spec.name);
      const values = await there(spec) ?? (lost ? null : await carried(spec));
      if (!values) {
        throw new SyntaxError(`Cannot use ${from}: it lacks ${spec.name}; restore ${adapterFiles.rest}`);
      }
      return new Uint8Array(Float32Array.from(values).buffer);
    },
  }));
  const begun = await beginRun(out, config, tokenizer, false);
  try {
    const info = config.settings;
    return { config, checkpoint: await saveParameters(disk, out, tensors, { kind: "gpt1", info }) };
  } catch (error) {
    await begun.undo();
    throw error;
  }
}

function requireSameModel(from: string, own: RunConfig, base: string, run: RunConfig): void {
  const sizes = [
    "vocabSize",
    "context",
    "channels",
    "heads",
    "layers",
  ] as const satisfies (keyof Gpt1Config)[];
  const other = sizes.find((name) => own.model[name] !== run.model[name]);
  const what = other
    ? `${other} ${own.model[other]}, not ${run.model[other]}`
    : own.tokenizer === run.tokenizer
    ? null
    : "another tokenizer";
  if (what) {
    throw new UsageError(`${from} was made for a model with ${what}: give another --model than ${base}`);
  }
}
