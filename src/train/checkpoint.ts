// What a training checkpoint holds: parameters and moments as safetensors, and everything else as the sidecar's `info`.
// How files get to disk whole is checkpoint_folder.ts's business. A run that resumes from here gives the same losses, bit
// for bit, as one that was never stopped.

import { sizeOf } from "../core/shape.ts";
import type { Storage } from "../core/storage.ts";
import type { Model } from "../nn/model.ts";
import { mirror, type ParameterSpec } from "../nn/parameters.ts";
import { type Checkpoint, DamagedCheckpoint, saveCheckpoint } from "./checkpoint_folder.ts";
import { type FloatTensor, safetensorFloats } from "./float_tensor.ts";
import { openSafetensors, safetensors, type SafetensorsFile, type TensorSource } from "./safetensors.ts";
import { prepareTraining } from "./trainer.ts";

const PARAMETERS = "model.safetensors", MOMENTS = ["moment1", "moment2"] as const;

const fileOf = (kind: (typeof MOMENTS)[number]): string => `${kind}.safetensors`;

/** Saves parameters, moments if the model has been trained, and `info`. Returns the path of the checkpoint. */
export function saveTraining<C, R>(
  storage: Storage,
  run: string,
  model: Model<C, R>,
  { step, info, best = false }: { step: number; info: unknown; best?: boolean },
): Promise<string> {
  const trained = model.layout.segments.some(({ place, frozen }) =>
    !frozen && model.store.pages.has(mirror(place.page, "moment1"))
  );
  const files = Object.fromEntries([
    [PARAMETERS, safetensors(tensors(model, null), { format: "foreword", model: model.kind })],
    ...(trained ? MOMENTS.map((kind) => [fileOf(kind), safetensors(tensors(model, kind))]) : []),
  ]);
  return saveCheckpoint(storage, run, { step, files, info, best });
}

function tensors<C, R>(
  { layout, store }: Model<C, R>,
  kind: (typeof MOMENTS)[number] | null,
): TensorSource[] {
  return layout.segments.filter(({ frozen }) => kind === null || !frozen).map(({ name, shape, place }) => ({
    name,
    dtype: "F32",
    shape,
    data: async () => {
      const page = kind ? mirror(place.page, kind) : place.page;
      const values = await store.read(page, place.offset, sizeOf(shape));
      return new Uint8Array(Float32Array.from(values).buffer);
    },
  }));
}

/**
 * Saves parameters that come from elsewhere as the checkpoint of a run that has not trained here, without moments. `kind`
 * is the model's. Returns the path of the checkpoint.
 */
export function saveParameters(
  storage: Storage,
  run: string,
  parameters: readonly TensorSource[],
  { kind, info }: { kind: string; info: unknown },
): Promise<string> {
  const files = { [PARAMETERS]: safetensors(parameters, { format: "foreword", model: kind }) };
  return saveCheckpoint(storage, run, { step: 0, files, info });
}

/** The parameters of a checkpoint by name, read a range at a time. */
export function openParameters(
  storage: Storage,
  checkpoint: Checkpoint,
): Promise<ReadonlyMap<string, FloatTensor>> {
  return safetensorFloats(storage, checkpoint.path(PARAMETERS));
}

/** Reads parameters of a checkpoint by name, for creating a model. */
export async function parameterReader(
  storage: Storage,
  checkpoint: Checkpoint,
): Promise<(spec: ParameterSpec) => Promise<Float32Array>> {
  const path = checkpoint.path(PARAMETERS), file = await openSafetensors(storage, path);
  return (spec) => readTensor(storage, path, file, spec);
}

/**
 * Reads the moments of a checkpoint into a model's store, so that training goes on where it was. `scaled` is as `train` will
 * be told.
 */
export async function restoreMoments<C, R>(
  storage: Storage,
  checkpoint: Checkpoint,
  model: Model<C, R>,
  scaled?: boolean,
): Promise<void> {
  await prepareTraining(model, scaled);
  for (const kind of MOMENTS) {
    const path = checkpoint.path(fileOf(kind)), file = await openSafetensors(storage, path);
    for (const segment of model.layout.segments) {
      if (segment.frozen) continue;
      const values = await readTensor(storage, path, file, segment);
      await model.store.write(mirror(segment.place.page, kind), segment.place.offset, values);
    }
  }
}

async function readTensor(
  storage: Storage,
  path: string,
  file: SafetensorsFile,
  { name, shape }: ParameterSpec,
): Promise<Float32Array> {
  const entry = file.tensors.get(name);
  if (!entry || entry.dtype !== "F32" || entry.shape.join() !== shape.join()) {
    const found = entry ? `${entry.dtype} (${entry.shape})` : "nothing";
    throw new DamagedCheckpoint(
      `${storage.describe(path)} holds ${found} for ${name}, not F32 (${shape}): it belongs to another model`,
    );
  }
  const bytes = await file.read(name);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}
