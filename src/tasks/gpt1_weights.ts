// Published GPT-1 weights as files, in both directions: the original release (params_shapes.json and params_N.npy) and
// folders of Hugging Face's transformers (config.json and a safetensors file). What is where in them is said in
// models/gpt1_published.ts; tokenizer files are in text/hugging_face/gpt1_folder.ts. Numbers pass through in pieces.

import { sizeOf } from "../core/shape.ts";
import type { Storage } from "../core/storage.ts";
import { NotFound } from "../core/storage.ts";
import { type Gpt1Config, parameterSpecs } from "../models/gpt1.ts";
import {
  fromHuggingFaceConfig,
  fromOriginalShapes,
  huggingFaceConfig,
  huggingFaceTensors,
  originalTensors,
} from "../models/gpt1_published.ts";
import {
  concatenated,
  floatBytes,
  type FloatTensor,
  floatTensor,
  safetensorFloats,
  sameFloats,
  viewOf,
} from "../train/float_tensor.ts";
import { npy, openNpy } from "../train/npy.ts";
import { type FloatTensors, parametersFrom, publishedFrom, requireTensors } from "../train/published.ts";
import { safetensors, type TensorSource } from "../train/safetensors.ts";
import { jsonBytes, readJson, readJsonObject } from "./json_files.ts";

/** The layouts in which weights come and go. */
export const weightFormats = ["hugging-face", "original"] as const;

/** One of {@link weightFormats}. */
export type WeightFormat = (typeof weightFormats)[number];

/** Weights that were found, checked against their configuration, and not read yet. */
export interface PublishedWeights {
  /** The model they make. */
  readonly config: Gpt1Config;
  /** Its parameters, for {@link saveParameters}; each is read when its turn comes. */
  readonly parameters: readonly TensorSource[];
}

const SHAPES = "params_shapes.json", PIECE = /^params_(\d+)\.npy$/, PIECES = 10;
const CONFIG = "config.json", WEIGHTS = ["model.safetensors", "pytorch_model.safetensors"] as const;
/** Buffers that older versions of transformers saved with the weights: the causal mask. */
const MASK = /^(transformer\.)?h\.\d+\.attn\.(bias|masked_bias)$/;
const HEAD = "lm_head.weight", PREFIX = "transformer.";

const inside = (folder: string, name: string): string => folder === "" ? name : `${folder}/${name}`;

/** Which layout a folder has. Rejects with `NotFound` that says what it looked for. */
export async function weightFormatOf(storage: Storage, folder: string): Promise<WeightFormat> {
  const names = new Set((await storage.list(folder)).map(({ name }) => name)),
    where = storage.describe(folder);
  if (names.has(SHAPES)) return "original";
  if (names.has(CONFIG) && WEIGHTS.some((name) => names.has(name))) return "hugging-face";
  const torch = [...names].find((name) => /\.(bin|pt|pth|h5|msgpack)$|\.index\.json$/.test(name));
  throw new NotFound(
    torch
      ? `Cannot import ${where}: ${torch} is not read here; save the model as one ${WEIGHTS[0]} file`
      : `Cannot import ${where}: it holds neither ${CONFIG} with ${
        WEIGHTS[0]
      }, nor ${SHAPES} with params_N.npy`,
  );
}

/**
 * Opens a folder of transformers, model type `openai-gpt`, for a tokenizer of `tokens` ids. Half-precision weights are
 * widened. Rejects with `SyntaxError` for a file that is damaged or of another model, `NotFound` for a missing one.
 */
export async function openHuggingFaceGpt1(
  storage: Storage,
  folder: string,
  { tokens }: { tokens: number },
): Promise<PublishedWeights> {
  const configPath = inside(folder, CONFIG), json = await readJsonObject(storage, configPath);
  const config = fromHuggingFaceConfig(json, tokens, storage.describe(configPath));
  const table = huggingFaceTensors(config);
  let path = inside(folder, WEIGHTS[0]);
  if (await storage.stat(path) === null) path = inside(folder, WEIGHTS[1]);
  const where = storage.describe(path),
    all = await safetensorFloats(storage, path, (name) => MASK.test(name));
  const head = all.get(HEAD);
  all.delete(HEAD);
  // A model without its head is saved without the prefix.
  const found = new Map(
    [...all].map(([name, tensor]) => [name.startsWith(PREFIX) ? name : `${PREFIX}${name}`, tensor] as const),
  );
  requireTensors(table, found, where);
  if (head && !await sameFloats(head, found.get(table[0].name)!)) {
    throw new SyntaxError(
      `Cannot use ${where}: ${HEAD} differs from the token embeddings, which GPT-1 shares; tie them and save again`,
    );
  }
  return { config, parameters: parametersFrom(parameterSpecs(config), table, found) };
}

/**
 * Opens the original release for a tokenizer of `tokens` ids: one flat array of float32, cut into files. `heads` is
 * needed unless the model has the released one's 768 channels. Errors as {@link openHuggingFaceGpt1}.
 */
export async function openOriginalGpt1(
  storage: Storage,
  folder: string,
  { tokens, heads }: { tokens: number; heads?: number | undefined },
): Promise<PublishedWeights> {
  const shapesPath = inside(folder, SHAPES), where = storage.describe(shapesPath);
  const shapes = await readJson(storage, shapesPath);
  const isSize = (n: unknown): boolean =>
    typeof n === "number" && Number.isInteger(n) && n >= 1 && n < 2 ** 31;
  if (!Array.isArray(shapes) || !shapes.every((shape) => Array.isArray(shape) && shape.every(isSize))) {
    throw new SyntaxError(`Cannot use ${where}: it is no list of shapes; download it again`);
  }
  const config = fromOriginalShapes(shapes, { tokens, heads, where }), table = originalTensors(config);
  const flat = concatenated(await piecesIn(storage, folder));
  const wanted = shapes.reduce((sum: number, shape) => sum + sizeOf(shape), 0);
  if (flat.shape[0] !== wanted) {
    throw new SyntaxError(
      `Cannot use ${storage.describe(folder)}: its params_N.npy hold ${flat.shape[0]} numbers, ` +
        `${SHAPES} describes ${wanted}; a piece is missing or of another model`,
    );
  }
  let at = 0;
  const found = new Map(table.map(({ name, shape }) => {
    at += sizeOf(shape);
    return [name, viewOf(flat, at - sizeOf(shape), shape)] as const;
  }));
  return { config, parameters: parametersFrom(parameterSpecs(config), table, found) };
}

async function piecesIn(storage: Storage, folder: string): Promise<FloatTensor[]> {
  const numbers = (await storage.list(folder)).flatMap(({ name }) => PIECE.exec(name)?.[1] ?? []);
  const pieces: FloatTensor[] = [];
  for (let i = 0; i < numbers.length; i++) {
    const path = inside(folder, `params_${i}.npy`);
    if (!numbers.includes(String(i))) {
      throw new NotFound(`Cannot import ${storage.describe(folder)}: params_${i}.npy is missing; add it`);
    }
    const entry = await openNpy(storage, path);
    if (entry.shape.length !== 1) {
      throw new SyntaxError(
        `Cannot use ${
          storage.describe(path)
        }: its shape is (${entry.shape}), not flat; take the released file`,
      );
    }
    pieces.push(floatTensor(storage, path, entry));
  }
  return pieces;
}

/** Writes config.json and model.safetensors into a folder, created if missing, as transformers loads them. */
export async function writeHuggingFaceGpt1(
  storage: Storage,
  folder: string,
  config: Gpt1Config,
  parameters: FloatTensors,
): Promise<void> {
  requireWritable(config);
  await storage.makeFolder(folder);
  await storage.write(inside(folder, CONFIG), [jsonBytes(huggingFaceConfig(config))]);
  const tensors = publishedFrom(huggingFaceTensors(config), parameters);
  await storage.write(inside(folder, WEIGHTS[0]), safetensors(tensors, { format: "pt" }));
}

function requireWritable({ lstm, lora, frozenLayers }: Gpt1Config): void {
  if (lstm) {
    throw new RangeError(
      "Cannot write an LSTM in the files of GPT-1: they hold Transformer blocks; export a GPT-1",
    );
  }
  if (lora || frozenLayers !== undefined) {
    throw new RangeError(
      "Cannot write what was trained beside a model in the files of GPT-1: merge it into the model first",
    );
  }
}

/** Writes params_shapes.json and ten params_N.npy into a folder, created if missing, as the original release has them. */
export async function writeOriginalGpt1(
  storage: Storage,
  folder: string,
  config: Gpt1Config,
  parameters: FloatTensors,
): Promise<void> {
  requireWritable(config);
  await storage.makeFolder(folder);
  const table = originalTensors(config), sizes = table.map(({ shape }) => sizeOf(shape));
  const rowOf = table.map(({ row, shape }) => row * shape.at(-1)!);
  const flat = concatenated(
    table.map(({ parameter, shape }, i) => viewOf(parameters.get(parameter)!, rowOf[i], shape)),
  );
  await storage.write(inside(folder, SHAPES), [
    new TextEncoder().encode(JSON.stringify(table.map(({ shape }) => shape))),
  ]);
  const total = sizes.reduce((sum, n) => sum + n, 0);
  for (let i = 0; i < PIECES; i++) {
    const [begin, end] = [i, i + 1].map((n) => Math.floor(n * total / PIECES));
    await storage.write(inside(folder, `params_${i}.npy`), npy([end - begin], floatBytes(flat, begin, end)));
  }
}
