// Adapters of a GPT-1 as files, alone in PEFT's layout or merged into the matrices they belong to. What is where in
// PEFT's files is said in models/gpt1_peft.ts. What was trained beside adapters, the rows of special tokens and the
// classifier, has no place there and lies in a file of our own next to them.

import type { Storage } from "../core/storage.ts";
import { sizeOf } from "../core/shape.ts";
import type { Gpt1Config } from "../models/gpt1.ts";
import type { ParameterValues } from "../models/gpt1_model.ts";
import { frozenBy, SPECIAL_ROWS, untuned } from "../models/gpt1_tuning.ts";
import { fromPeftConfig, fullPeftName, peftConfig, peftTargets, peftTensors } from "../models/gpt1_peft.ts";
import { isAdapter, type Lora, loraScale } from "../nn/lora.ts";
import {
  concatenated,
  floatBytes,
  type FloatTensor,
  safetensorFloats,
  viewOf,
} from "../train/float_tensor.ts";
import { type FloatTensors, requireTensors } from "../train/published.ts";
import { safetensors, type TensorSource } from "../train/safetensors.ts";
import { jsonBytes, readJsonObject } from "./json_files.ts";

/** The files of a folder with adapters: PEFT's two, and what it has no place for. */
export const adapterFiles = {
  config: "adapter_config.json",
  weights: "adapter_model.safetensors",
  rest: "foreword.safetensors",
} as const;

/** Adapters that were found, checked against the model they belong to. */
export interface Adapters {
  /** What they are. */
  readonly lora: Lora;
  /** Their halves under the names of parameters, and whatever was trained beside them. */
  readonly parameters: FloatTensors;
}

/**
 * A model without adapters that computes the same: each is added to its matrix, in float64 and rounded once, and the rows
 * of special tokens are put into the table. Numbers are read when they are asked for. A model that has neither stays as
 * it is.
 */
export function merged(
  config: Gpt1Config,
  parameters: FloatTensors,
): { config: Gpt1Config; parameters: FloatTensors } {
  const result = new Map<string, FloatTensor>();
  for (const [name, tensor] of parameters) {
    if (isAdapter(name) || name === SPECIAL_ROWS) continue;
    const layer = name.replace(/w$/, ""),
      a = parameters.get(`${layer}lora_a`),
      b = parameters.get(`${layer}lora_b`);
    const specials = name === "we" ? parameters.get(SPECIAL_ROWS) : undefined;
    result.set(
      name,
      config.lora && a && b
        ? sumOf(tensor, a, b, loraScale(config.lora))
        : specials
        ? placed(tensor, specials, config.vocabSize)
        : tensor,
    );
  }
  return { config: untuned(config), parameters: result };
}

// w (n,m) + scale · a (n,r) · b (r,m)
function sumOf(w: FloatTensor, a: FloatTensor, b: FloatTensor, scale: number): FloatTensor {
  const [, m] = w.shape, r = a.shape[1];
  return {
    shape: w.shape,
    async read(begin, end) {
      const first = Math.floor(begin / m), last = Math.ceil(end / m);
      const rows = await a.read(first * r, last * r), columns = await b.read(0, r * m);
      const out = Float32Array.from(await w.read(begin, end)), row = new Float64Array(m);
      for (let i = first; i < last; i++) {
        row.fill(0);
        for (let k = 0; k < r; k++) {
          const factor = scale * rows[(i - first) * r + k];
          for (let j = 0; j < m; j++) row[j] += factor * columns[k * m + j];
        }
        const from = Math.max(begin, i * m), to = Math.min(end, (i + 1) * m);
        for (let at = from; at < to; at++) out[at - begin] += row[at - i * m];
      }
      return out;
    },
  };
}

// A table with some of its rows replaced.
function placed(table: FloatTensor, rows: FloatTensor, first: number): FloatTensor {
  const C = table.shape[1], end = first + rows.shape[0];
  const parts = [
    viewOf(table, 0, [first, C]),
    rows,
    viewOf(table, end * C, [table.shape[0] - end, C]),
  ];
  return viewOf(concatenated(parts), 0, table.shape);
}

/** Parameters to start a model from. Gives `null` for those that are not there. */
export const valuesFrom = (parameters: FloatTensors): ParameterValues => async ({ name, shape }) =>
  await parameters.get(name)?.read(0, sizeOf(shape)) ?? null;

/**
 * Writes adapters alone into a folder, created if missing, as PEFT loads them. `base` is what they say they belong to.
 *
 * @throws {RangeError} for a model without adapters.
 */
export async function writePeftAdapters(
  storage: Storage,
  folder: string,
  config: Gpt1Config,
  parameters: FloatTensors,
  base: string | null = null,
): Promise<void> {
  if (!config.lora) {
    throw new RangeError("Cannot write the adapters of a model that has none: write its weights");
  }
  const tensors = peftTensors(config).map(({ name, parameter }) =>
    sourceOf(name, transposed(parameters.get(parameter)!))
  );
  const frozen = frozenBy(config);
  const rest = [...parameters].filter(([name]) => !frozen(name) && !isAdapter(name));
  await storage.makeFolder(folder);
  await storage.write(`${folder}/${adapterFiles.config}`, [jsonBytes(peftConfig(config.lora, base))]);
  await storage.write(`${folder}/${adapterFiles.weights}`, safetensors(tensors, { format: "pt" }));
  if (rest.length === 0) return;
  const sources = rest.map(([name, tensor]) => sourceOf(name, tensor));
  await storage.write(`${folder}/${adapterFiles.rest}`, safetensors(sources, { format: "foreword" }));
}

/**
 * Opens a folder of adapters for a model without. Rejects with `SyntaxError` for files that are damaged, of another kind
 * of adapter or of another model, `NotFound` for a missing one.
 */
export async function openPeftAdapters(
  storage: Storage,
  folder: string,
  config: Gpt1Config,
): Promise<Adapters> {
  const configPath = `${folder}/${adapterFiles.config}`, path = `${folder}/${adapterFiles.weights}`;
  const settings = fromPeftConfig(await readJsonObject(storage, configPath), storage.describe(configPath));
  const found = new Map(
    [...await safetensorFloats(storage, path)].map(([name, tensor]) => [fullPeftName(name), tensor] as const),
  );
  const lora: Lora = { ...settings, targets: peftTargets([...found.keys()]) };
  if (lora.targets.length === 0) {
    throw new SyntaxError(
      `Cannot use ${storage.describe(path)}: none of its tensors is an adapter of a GPT-1's matrices; ` +
        "take one that was made for this model",
    );
  }
  const table = peftTensors({ ...untuned(config), lora });
  requireTensors(table, found, storage.describe(path));
  const rest = `${folder}/${adapterFiles.rest}`;
  return {
    lora,
    parameters: new Map([
      ...table.map(({ name, parameter }) => [parameter, transposed(found.get(name)!)] as const),
      ...(await storage.stat(rest) ? await safetensorFloats(storage, rest) : []),
    ]),
  };
}

const sourceOf = (name: string, tensor: FloatTensor): TensorSource => ({
  name,
  dtype: "F32",
  shape: tensor.shape,
  data: () => floatBytes(tensor),
});

// A matrix with rows and columns exchanged; all of it is read, which halves of adapters are small enough for.
function transposed(tensor: FloatTensor): FloatTensor {
  const [n, m] = tensor.shape;
  return {
    shape: [m, n],
    async read(begin, end) {
      const all = await tensor.read(0, n * m);
      return Float32Array.from({ length: end - begin }, (_, i) => {
        const at = begin + i;
        return all[at % n * m + Math.floor(at / n)];
      });
    },
  };
}
